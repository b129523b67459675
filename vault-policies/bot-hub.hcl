# Policy bot-hub: what every bot may read of the hub, beside its own wallet: the login with which it writes the ledger. Its
# login to Redis is its wallet's own (policy wallet-<name>).

path "hub/data/postgres/bots" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
