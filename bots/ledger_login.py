"""Where the ledger is and who signs in, from the environment and the secrets folder."""

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

__all__ = ["LedgerLogin", "load_ledger_login"]

_ADDRESS = re.compile(r"([A-Za-z0-9.\-]+|\[[0-9a-fA-F:]+\]):([0-9]{1,5})", re.ASCII)
_DATABASE = re.compile(r"[a-z][a-z0-9_\-]{0,62}", re.ASCII)


@dataclass(frozen=True)
class LedgerLogin:
    """What a connection to the ledger's Postgres needs."""

    host: str
    port: int
    database: str
    username: str
    password: Secret


def load_ledger_login(env: Mapping[str, str]) -> LedgerLogin:
    """Read LEDGER_ADDR, LEDGER_DB (drover) and `ledger.json` in NOMAD_SECRETS_DIR.

    Raises:
        SettingsError: one of them is missing or wrong; no message quotes the file, which holds the password.
    """
    address = _ADDRESS.fullmatch(env.get("LEDGER_ADDR", "").strip())
    if address is None:
        raise SettingsError(f"LEDGER_ADDR is {env.get('LEDGER_ADDR', '')[:80]!r}; write host:port.")
    database = env.get("LEDGER_DB", "drover")
    if not _DATABASE.fullmatch(database):
        raise SettingsError(f"LEDGER_DB is {database[:80]!r}; write the name of a database.")
    path = Path(env.get("NOMAD_SECRETS_DIR", "/secrets")) / "ledger.json"
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
        names = text["username"], text["password"]
    except OSError as error:
        raise SettingsError(
            f"{path} cannot be read ({error.strerror}); Nomad's template writes it."
        ) from None
    except (ValueError, KeyError, TypeError):
        names = None, None
    if not all(isinstance(name, str) and name for name in names):
        raise SettingsError(f"{path} must hold {{username, password}}; write both into Vault.")
    return LedgerLogin(address[1].strip("[]"), int(address[2]), database, names[0], Secret(names[1]))
