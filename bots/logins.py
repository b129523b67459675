"""Where Redis and the ledger's Postgres are and who signs in, from the environment and the secrets folder.

No message quotes a file: it holds the password.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bots.errors import SettingsError
from bots.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["LedgerLogin", "Login", "read_ledger_login", "read_login"]

_ADDRESS = re.compile(r"([A-Za-z0-9.\-]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})", re.ASCII)
_LAST_PORT = 65535
_DATABASE = re.compile(r"[a-z][a-z0-9_\-]{0,62}", re.ASCII)


@dataclass(frozen=True)
class Login:
    """Where a server answers, and as whom the bot signs in."""

    host: str
    port: int
    username: str
    password: Secret


@dataclass(frozen=True)
class LedgerLogin(Login):
    """What a connection to the ledger's Postgres needs."""

    database: str


def read_login(variable: str, address: str, file: Path) -> Login:
    """Read a sign-in: `address`, which stood in `variable`, is host:port, `file` {"username", "password"}.

    Raises:
        SettingsError: the address or the file is not what it should be.
    """
    found = _ADDRESS.fullmatch(address.strip())
    if found is None or int(found[2]) > _LAST_PORT:
        raise SettingsError(f"{variable} is {address[:80]!r}; write host:port.")
    try:
        login = json.loads(file.read_text(encoding="utf-8"))
        username, password = login["username"], login["password"]
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be read ({error.strerror}); Nomad's template writes it."
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SettingsError(
            f"{file} cannot be read ({type(error).__name__}); it must hold username and password, write both "
            "into Vault."
        ) from None
    if not (isinstance(username, str) and isinstance(password, str) and username and password):
        raise SettingsError(
            f"{file} must hold username and password, and both must be texts; correct them in Vault."
        )
    return Login(found[1].strip("[]"), int(found[2]), username, Secret(password))


def read_ledger_login(env: Mapping[str, str]) -> LedgerLogin:
    """Read LEDGER_ADDR, LEDGER_DB (drover) and `ledger.json` in NOMAD_SECRETS_DIR.

    Raises:
        SettingsError: one of them is missing or wrong.
    """
    database = env.get("LEDGER_DB", "drover")
    if not _DATABASE.fullmatch(database):
        raise SettingsError(f"LEDGER_DB is {database[:80]!r}; write the name of a database.")
    file = Path(env.get("NOMAD_SECRETS_DIR", "/secrets")) / "ledger.json"
    login = read_login("LEDGER_ADDR", env.get("LEDGER_ADDR", ""), file)
    return LedgerLogin(login.host, login.port, login.username, login.password, database)
