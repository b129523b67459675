# Policy operator-wallets: for people who rotate keys in Vault's UI or CLI. Attach it to their own sign-in (OIDC, LDAP, a
# userpass mount apart from `users`), beside Vault's `default` policy, which the UI needs. They write keys and cannot read them.
# Adding or removing a wallet takes `drover wallets` and a token that may write policies and roles: whoever may do
# that can read every key, so it is not granted here.

# A new version of an existing key. "create" lets the UI save a form without reading the old version.
path "wallets/data/*" {
  capabilities = ["create", "update", "patch"]
}

# The list of wallets, versions and their dates; the address and account in the custom metadata change with the key.
path "wallets/metadata/" {
  capabilities = ["list"]
}

path "wallets/metadata/*" {
  capabilities = ["list", "read", "update", "patch"]
}

# The field names of a secret (never values), which the UI shows beside the form.
path "wallets/subkeys/*" {
  capabilities = ["read"]
}

# Undo of a deletion made by mistake. Deleting for good belongs to `drover wallets remove`.
path "wallets/delete/*" {
  capabilities = ["update"]
}

path "wallets/undelete/*" {
  capabilities = ["update"]
}
