# Policy api-migrate: the prestart task of the control API (namespace hub, job api, task migrate). It signs in to Postgres
# as the owner, migrates the schema, and sets the passwords of the two logins that are not the owner: the API's and the bots'.

path "hub/data/postgres/owner" {
  capabilities = ["read"]
}

path "hub/data/postgres/api" {
  capabilities = ["read"]
}

path "hub/data/postgres/bots" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
