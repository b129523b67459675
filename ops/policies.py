"""The policies and roles that stand as files in vault-policies/, and the one substitution made in them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ops.ensure import ensure
from ops.errors import OpsError
from ops.keys import check_name
from ops.redis_users import ensure_redis_login, forget_redis_login
from ops.settings import REPO

if TYPE_CHECKING:
    from ops.ensure import Report
    from ops.vault import Vault

__all__ = [
    "ROLES",
    "ensure_policy",
    "ensure_role",
    "ensure_wallet_access",
    "fill",
    "remove_wallet_access",
]

FOLDER = REPO / "vault-policies"
ROLES = "auth/jwt-nomad/role"
_PLACEHOLDER = "WALLET"


def fill(text: str, wallet: str) -> str:
    """Put a wallet's name where `WALLET` stands: a literal text, no template.

    Raises:
        OpsError: the name is not a wallet's, or the text has no place for it.
    """
    if _PLACEHOLDER not in text:
        raise OpsError(
            "A wallet's policy or role names no WALLET; restore vault-policies/ from the repository."
        )
    return text.replace(_PLACEHOLDER, check_name(wallet))


def ensure_policy(vault: Vault, name: str, text: str, report: Report) -> None:
    """Make Vault's policy `name` read exactly as `text`.

    Raises:
        OpsError: Vault refuses.
    """
    path = f"sys/policies/acl/{name}"
    ensure(
        f"Vault policy {name}",
        vault.read(path),
        {"policy": text},
        lambda: vault.write(path, {"policy": text}),
        report,
    )


def ensure_role(vault: Vault, name: str, role: dict[str, Any], report: Report) -> None:
    """Make the role `name` of Nomad's workload identities exactly `role`.

    Raises:
        OpsError: Vault refuses.
    """
    path = f"{ROLES}/{name}"
    ensure(f"Vault role {name}", vault.read(path), role, lambda: vault.write(path, role), report)


def ensure_wallet_access(vault: Vault, wallet: str, report: Report) -> None:
    """Make one wallet's policy and role, by which its bots read its key, and its bots' login to Redis.

    Raises:
        OpsError: the name is not a wallet's, that login was deleted, or Vault refuses.
    """
    policy = fill(policy_text("wallet"), wallet)
    role = json.loads(fill(_role_text("wallet"), wallet))
    ensure_policy(vault, f"wallet-{wallet}", policy, report)
    ensure_role(vault, f"wallet-{wallet}", role, report)
    ensure_redis_login(vault, wallet, report)


def remove_wallet_access(vault: Vault, wallet: str) -> None:
    """Delete the role (no task can sign in any more), then the policy, and the login to Redis.

    Raises:
        OpsError: the name is not a wallet's, or Vault refuses.
    """
    name = f"wallet-{check_name(wallet)}"
    vault.delete(f"{ROLES}/{name}")
    vault.delete(f"sys/policies/acl/{name}")
    forget_redis_login(vault, wallet)


def policy_text(name: str) -> str:
    """Return the policy file `name`.

    Raises:
        OpsError: the file is missing.
    """
    return _text(f"{name}.hcl")


def role_body(name: str) -> dict[str, Any]:
    """Return the role file `name`, decoded.

    Raises:
        OpsError: the file is missing or is not JSON.
    """
    found: dict[str, Any] = json.loads(_role_text(name))
    return found


def _role_text(name: str) -> str:
    return _text(f"roles/{name}.json")


def _text(name: str) -> str:
    try:
        return (FOLDER / name).read_text(encoding="utf-8")
    except OSError as error:
        raise OpsError(f"{FOLDER / name} cannot be read ({error.strerror}); restore it.") from None
