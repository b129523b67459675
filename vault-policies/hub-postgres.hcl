# Policy hub-postgres: the database (namespace hub, job postgres, task postgres) reads the owner's password once, to
# make its first user.

path "hub/data/postgres/owner" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
