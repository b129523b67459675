"""The Vault half of bootstrap: mounts, sign-ins, policies, roles and the hub's generated secrets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from api.models import SLUG
from ops.ensure import ensure
from ops.errors import OpsError
from ops.generated import ensure_generated, ensure_login, random_text
from ops.policies import ensure_policy, ensure_role, ensure_wallet_access, policy_text, role_body
from ops.redis_users import ensure_redis_acl

if TYPE_CHECKING:
    from ops.ensure import Report
    from ops.vault import Vault

__all__ = ["bootstrap_vault"]

_POLICIES = ("bot-hub", "api", "api-migrate", "hub-postgres", "hub-redis", "operator-wallets")
_ROLES = ("api", "api-migrate", "hub-postgres", "hub-redis")
_KV = {"type": "kv", "options": {"version": "2"}}
# Ten versions: enough to look back. No cas_required: people rotate with whatever client they have, and
# `vault kv put` sends no version; drover's own writes always do.
_WALLETS_CONFIG = {"max_versions": 10, "cas_required": False, "delete_version_after": "0s"}
_SIGN_IN_SECONDS = 60
# A page user's token only proves the password: it can do nothing, is gone in a minute, and a batch token is
# not even stored.
_USERS_TUNE = {
    "token_type": "batch",
    "default_lease_ttl": _SIGN_IN_SECONDS,
    "max_lease_ttl": _SIGN_IN_SECONDS,
}


def bootstrap_vault(vault: Vault, jwks_url: str, jwks_ca: str, report: Report) -> None:
    """Make Vault what vault-policies/ says, and generate what is missing in `hub`.

    Args:
        vault: signed in with a token that may administer mounts, auth methods, policies and roles.
        jwks_url: Nomad's public keys, as Vault reaches them; Vault fetches it before it accepts it.
        jwks_ca: PEM of the CA of that address, or empty.
        report: told of each thing.

    Raises:
        OpsError: Vault refuses, cannot reach Nomad, or a path is taken by another kind of mount.
    """
    _mount(vault, "wallets", "Private keys, one secret per wallet", report)
    ensure(
        "Vault mount wallets, its versions",
        vault.read("wallets/config"),
        _WALLETS_CONFIG,
        lambda: vault.write("wallets/config", _WALLETS_CONFIG),
        report,
    )
    _mount(vault, "hub", "Credentials of the hub's services", report)
    for name in _POLICIES:
        ensure_policy(vault, name, policy_text(name), report)
    _workload_sign_in(vault, jwks_url, jwks_ca, report)
    for name in _ROLES:
        ensure_role(vault, name, role_body(name), report)
    _wallets(vault, report)
    _user_sign_in(vault, report)
    _generated(vault, report)


def _mount(vault: Vault, name: str, description: str, report: Report) -> None:
    present = (vault.read("sys/mounts") or {}).get(f"{name}/")
    if present is not None and (present["type"], present["options"]) != ("kv", {"version": "2"}):
        raise OpsError(f"Vault's {name}/ is not a KV version 2 mount; move it away, Drover needs that path.")
    body = {**_KV, "description": description}
    ensure(f"Vault mount {name}", present, _KV, lambda: vault.write(f"sys/mounts/{name}", body), report)


def _auth(vault: Vault, name: str, kind: str, description: str, report: Report) -> None:
    present = (vault.read("sys/auth") or {}).get(f"{name}/")
    if present is not None and present["type"] != kind:
        raise OpsError(f"Vault's auth/{name}/ is not of type {kind}; move it away, Drover needs that path.")
    body = {"type": kind, "description": description}
    ensure(
        f"Vault sign-in {name}",
        present,
        {"type": kind},
        lambda: vault.write(f"sys/auth/{name}", body),
        report,
    )


def _workload_sign_in(vault: Vault, jwks_url: str, jwks_ca: str, report: Report) -> None:
    _auth(vault, "jwt-nomad", "jwt", "Nomad's workload identities", report)
    # No default role: a task that names none gets nothing.
    config: dict[str, Any] = {
        "jwks_url": jwks_url,
        "jwks_ca_pem": jwks_ca,
        "jwt_supported_algs": ["RS256", "EdDSA"],
        "default_role": "",
    }
    path = "auth/jwt-nomad/config"
    ensure(
        "Vault sign-in jwt-nomad, its keys",
        vault.read(path),
        config,
        lambda: vault.write(path, config),
        report,
    )


def _user_sign_in(vault: Vault, report: Report) -> None:
    _auth(vault, "users", "userpass", "People who use the page", report)
    path = "sys/auth/users/tune"
    ensure(
        "Vault sign-in users, its tokens",
        vault.read(path),
        _USERS_TUNE,
        lambda: vault.write(path, _USERS_TUNE),
        report,
    )


def _wallets(vault: Vault, report: Report) -> None:
    """Repair the policy and the role of every wallet that Vault holds."""
    for name in vault.list("wallets/metadata"):
        if SLUG.fullmatch(name):
            ensure_wallet_access(vault, name, report)
        else:
            report.say(f"Vault secret wallets/{name}: left alone, it is no wallet's name")


def _generated(vault: Vault, report: Report) -> None:
    for name in ("owner", "api", "bots"):
        ensure_login(vault, f"postgres/{name}", f"drover_{name}", report)
    ensure_generated(vault, "api", lambda: {"session_key": random_text()}, report)
    ensure_redis_acl(vault, report)
