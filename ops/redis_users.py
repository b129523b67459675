"""The users of Redis: a login each in Vault, and the one text that says what each may do.

`config/redis/users.acl` is that text with places to fill in. The result holds hashes and no password; it
lies in Vault as `hub/redis/acl`, from where Nomad renders it for Redis.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from api.models import SLUG
from ops.ensure import same
from ops.errors import OpsError
from ops.generated import ensure_login
from ops.keys import check_name
from ops.settings import REPO
from ops.vault import VaultConflictError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.ensure import Report
    from ops.vault import Vault

__all__ = ["acl_text", "ensure_redis_acl", "ensure_redis_login", "forget_redis_login"]

FILE = REPO / "config" / "redis" / "users.acl"
_ACL = "hub/data/redis/acl"
_SERVICES = ("admin", "api", "reload")
_ATTEMPTS = 10


def ensure_redis_login(vault: Vault, wallet: str, report: Report) -> None:
    """Generate the login of a wallet's bots.

    Raises:
        OpsError: the name is not a wallet's, the login was deleted, or Vault refuses.
    """
    name = check_name(wallet)
    ensure_login(vault, f"redis/wallets/{name}", f"wallet-{name}", report)


def forget_redis_login(vault: Vault, wallet: str) -> None:
    """Delete the login of a wallet's bots; `ensure_redis_acl` takes their rights.

    Raises:
        OpsError: the name is not a wallet's, or Vault refuses.
    """
    vault.delete(f"hub/metadata/redis/wallets/{check_name(wallet)}")


def ensure_redis_acl(vault: Vault, report: Report) -> str:
    """Make `hub/redis/acl` say what the logins in Vault may do; returns it.

    Raises:
        OpsError: a login was deleted, the file is damaged, or Vault refuses.
    """
    for name in _SERVICES:
        ensure_login(vault, f"redis/{name}", name, report)
    for _ in range(_ATTEMPTS):
        version, before = _version(vault), vault.read(_ACL)
        wanted = {"file": _wanted(vault)}
        if before is not None and same(before["data"], wanted):
            report.unchanged("Vault secret hub/redis/acl")
            return wanted["file"]
        try:
            # Two who add wallets at once: the later one reads again, so that neither forgets the other's.
            vault.write(_ACL, {"options": {"cas": version}, "data": wanted})
        except VaultConflictError:
            continue
        report.changed("Vault secret hub/redis/acl", "made" if before is None else "set right")
        return wanted["file"]
    raise OpsError("Others keep writing Vault's hub/redis/acl; run `drover bootstrap` when they are done.")


def acl_text(text: str, services: Mapping[str, str], wallets: Mapping[str, str]) -> str:
    """Fill in the users' hashes: `services` and `wallets` map a name to its password's SHA-256, in hex.

    Returns one line a user, in the form of Redis's ACL file, which knows no comments.

    Raises:
        OpsError: the text lacks a service, or names one that has no login.
    """
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    filled = [out for line in lines for out in _fill(line, services, wallets)]
    missing = [name for name in services if not any(line.startswith(f"user {name} ") for line in filled)]
    if missing:
        raise OpsError(f"config/redis/users.acl lacks {', '.join(missing)}; restore it from the repository.")
    return "\n".join(filled) + "\n"


def _fill(line: str, services: Mapping[str, str], wallets: Mapping[str, str]) -> list[str]:
    if "WALLET" in line:
        return [
            line.replace("HASH", wallets[name]).replace("WALLET", check_name(name))
            for name in sorted(wallets)
        ]
    name = line.split()[1]
    if "HASH" not in line:
        return [line]
    if name not in services:
        raise OpsError(
            f"config/redis/users.acl names {name}, who has no login; restore it from the repository."
        )
    return [line.replace("HASH", services[name])]


def _wanted(vault: Vault) -> str:
    wallets = [name for name in vault.list("hub/metadata/redis/wallets") if SLUG.fullmatch(name)]
    return acl_text(
        FILE.read_text(encoding="utf-8"),
        {name: _hash(vault, f"redis/{name}") for name in _SERVICES},
        {name: _hash(vault, f"redis/wallets/{name}") for name in wallets},
    )


def _hash(vault: Vault, name: str) -> str:
    found = vault.read(f"hub/data/{name}")
    if found is None:
        raise OpsError(f"Vault's hub/{name} was deleted; restore it with `vault kv undelete`.")
    return hashlib.sha256(found["data"]["password"].encode()).hexdigest()


def _version(vault: Vault) -> int:
    metadata = vault.read("hub/metadata/redis/acl")
    return 0 if metadata is None else int(metadata["current_version"])
