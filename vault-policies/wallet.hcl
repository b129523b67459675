# Policy wallet-<name>: one bot of one wallet. WALLET is replaced by the wallet's checked name, nothing else is templated:
# no glob and no identity template stands in a path, so no job id can widen it.

# The key, its account, and the version number that the bot reports.
path "wallets/data/WALLET" {
  capabilities = ["read"]
}

# The wallet's login to Redis, which reaches only keys that begin with the wallet's name.
path "hub/data/redis/wallets/WALLET" {
  capabilities = ["read"]
}

# Nomad's client renews the task's token; without this it retries hundreds of times a second.
path "auth/token/renew-self" {
  capabilities = ["update"]
}
