"""Secrets of the hub that are generated once and never replaced."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.vault import VaultConflictError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.ensure import Report
    from ops.vault import Vault

__all__ = ["ensure_generated", "ensure_login", "random_text"]


def random_text() -> str:
    """Return 256 random bits as text."""
    return secrets.token_urlsafe(32)


def ensure_login(vault: Vault, name: str, username: str, report: Report) -> None:
    """Write the login `{username, password}` to `hub/<name>` where there never was one.

    Raises:
        OpsError: it was deleted, or Vault refuses.
    """
    ensure_generated(vault, name, lambda: {"username": username, "password": random_text()}, report)


def ensure_generated(vault: Vault, name: str, make: Callable[[], dict[str, str]], report: Report) -> None:
    """Write a secret of the hub only where there never was one: a service already lives with the old one.

    Raises:
        OpsError: it was deleted, or Vault refuses.
    """
    what = f"Vault secret hub/{name}"
    if vault.read(f"hub/metadata/{name}") is not None:
        if vault.read(f"hub/data/{name}") is None:
            raise OpsError(
                f"{what} was deleted; restore it with `vault kv undelete`, or delete its metadata too."
            )
        report.unchanged(what)
        return
    try:
        vault.write(f"hub/data/{name}", {"options": {"cas": 0}, "data": make()})
    except VaultConflictError:
        report.unchanged(what)
        return
    report.changed(what, "generated")
