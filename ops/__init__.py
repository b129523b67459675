"""The drover command: engines, local cluster, bootstrap, wallets."""
