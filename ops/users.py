"""The people who may use the page: Vault's userpass mount `users`, whose tokens can do nothing in Vault."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ops.ensure import Report
    from ops.vault import Vault

__all__ = [
    "SignIn",
    "add_user",
    "check_sign_in",
    "ensure_first_user",
    "list_users",
    "remove_user",
    "set_password",
]

_FOLDER = "auth/users/users"
_USERNAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}", re.ASCII)
_SHORTEST = 12
_LONGEST_BYTES = 72
"""bcrypt, which Vault stores passwords with, looks at no more."""
_RIGHTS = {
    "token_policies": [],
    "token_no_default_policy": True,
    "token_type": "batch",
    "token_ttl": 60,
    "token_max_ttl": 60,
}


@dataclass(frozen=True)
class SignIn:
    """One page user."""

    username: str
    password: Secret


def check_sign_in(username: str, password: str) -> SignIn:
    """Accept a user's name and password.

    Raises:
        OpsError: the name cannot stand in a path, or the password is too short, too long or not printable.
    """
    if not _USERNAME.fullmatch(username):
        raise OpsError(
            f"{username[:40]!r} is not a user name; use up to 63 lower-case letters, digits, dots, hyphens "
            "and underscores, beginning with a letter or digit."
        )
    if len(password) < _SHORTEST or not password.isprintable():
        raise OpsError(f"A password needs at least {_SHORTEST} printable characters; choose another.")
    if len(password.encode()) > _LONGEST_BYTES:
        raise OpsError(f"A password may not be longer than {_LONGEST_BYTES} bytes; choose another.")
    return SignIn(username, Secret(password))


def list_users(vault: Vault) -> list[str]:
    """Return the names of all page users.

    Raises:
        OpsError: Vault refuses or does not answer.
    """
    return vault.list(_FOLDER)


def add_user(vault: Vault, sign_in: SignIn) -> None:
    """Let a person sign in on the page.

    Raises:
        OpsError: there is such a user, or Vault refuses.
    """
    if sign_in.username in list_users(vault):
        raise OpsError(f"There is a user {sign_in.username}; change the password with `drover users passwd`.")
    _write(vault, sign_in)


def set_password(vault: Vault, sign_in: SignIn) -> None:
    """Give a user another password.

    Raises:
        OpsError: there is no such user, or Vault refuses.
    """
    if sign_in.username not in list_users(vault):
        raise OpsError(f"There is no user {sign_in.username}; `drover users list` shows them.")
    _write(vault, sign_in)


def remove_user(vault: Vault, username: str) -> None:
    """Take a person's sign-in away.

    Raises:
        OpsError: there is no such user, it is the last one, or Vault refuses.
    """
    users = list_users(vault)
    if username not in users:
        raise OpsError(f"There is no user {username[:40]!r}; `drover users list` shows them.")
    if users == [username]:
        raise OpsError(f"{username} is the last user and nobody could sign in; add another first.")
    vault.delete(f"{_FOLDER}/{username}")


def ensure_first_user(
    vault: Vault, env: Mapping[str, str], keep: Callable[[SignIn], object], report: Report
) -> SignIn | None:
    """Make the first page user where there is none: from DASHBOARD_USERNAME/_PASSWORD, else generated.

    `keep` is given the sign-in before Vault is, so that one generated just before a crash is not lost.

    Raises:
        OpsError: the name or the password in the environment will not do, or Vault refuses.
    """
    if list_users(vault):
        report.unchanged("Page users")
        return None
    username, password = env.get("DASHBOARD_USERNAME", ""), env.get("DASHBOARD_PASSWORD", "")
    if username and not password:
        raise OpsError("DASHBOARD_USERNAME is set and DASHBOARD_PASSWORD is not; set both or neither.")
    sign_in = check_sign_in(username or "admin", password or secrets.token_urlsafe(18))
    keep(sign_in)
    _write(vault, sign_in)
    report.changed(f"Page user {sign_in.username}", "made" if password else "made, password generated")
    return sign_in


def _write(vault: Vault, sign_in: SignIn) -> None:
    vault.write(f"{_FOLDER}/{sign_in.username}", {"password": sign_in.password.reveal(), **_RIGHTS})
