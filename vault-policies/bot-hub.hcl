# Policy bot-hub: what every bot may read of the hub, beside its own wallet. Today that is nothing: the credentials of
# the bots' Redis and ledger are named here, one literal path each, when those services exist.

path "auth/token/renew-self" {
  capabilities = ["update"]
}
