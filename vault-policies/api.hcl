# Policy api: the control API (namespace hub, job api, task api). It can name the wallets; it cannot read a key, write a
# policy, a role or a user. Signing page users in needs no right: auth/users/login takes no token.

# Names, addresses, networks and labels: custom metadata, never data.
path "wallets/metadata/*" {
  capabilities = ["list", "read"]
}

path "hub/data/postgres/api" {
  capabilities = ["read"]
}

# Reads what bots publish; Redis lets this user write nothing.
path "hub/data/redis/api" {
  capabilities = ["read"]
}

# Is a page user still there? A read shows no hash of the password, and nothing here may write.
path "auth/users/users/*" {
  capabilities = ["read"]
}

# The key that signs the page's session cookies.
path "hub/data/api" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}
