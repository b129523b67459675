# Policy hub-redis: Redis (namespace hub, job redis, task redis) reads who may do what (hashes, no password), and the
# password with which its own job says that this has changed.

path "hub/data/redis/acl" {
  capabilities = ["read"]
}

path "hub/data/redis/reload" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
