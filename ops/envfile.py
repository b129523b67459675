"""Reads the wallet keys out of an existing `.env` file; pure.

Understood as shells and python-dotenv write them: `export`, single or double quotes, comments, CRLF, a byte
order mark.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.keys import address_of, parse_key

if TYPE_CHECKING:
    from ops.secret import Secret

__all__ = ["EnvKeys", "parse_env"]

_LINE = re.compile(r"(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*)", re.ASCII)
_WALLET = re.compile(r"WALLET_([0-9]{1,6})_PRIVATE_KEY", re.ASCII)
_QUOTED = re.compile(r"""(['"])(.*?)\1\s*(?:#.*)?""", re.ASCII)


@dataclass(frozen=True)
class EnvKeys:
    """What a `.env` file holds."""

    keys: dict[str, Secret]
    """Wallet name → checked key, in the file's order."""
    others: int
    """How many other assignments were left alone."""
    unnamed: tuple[str, ...]
    """Variables among those that look like keys but carry no wallet number, such as `PRIVATE_KEY`."""


def parse_env(text: str) -> EnvKeys:
    """Read the text of a `.env` file. Messages name lines and variables, never values.

    Raises:
        OpsError: no key at all, a bad key, or the same wallet or the same key twice.
    """
    keys: dict[str, Secret] = {}
    owners: dict[str, str] = {}
    others: list[str] = []
    for number, line in enumerate(text.removeprefix("\ufeff").splitlines(), start=1):
        assignment = _LINE.fullmatch(line.strip())
        if assignment is None:
            continue
        variable, value = assignment.groups()
        wallet = _WALLET.fullmatch(variable)
        if wallet is None:
            others.append(variable)
            continue
        name = f"wallet-{wallet.group(1)}"
        keys[name] = _new(name, f"line {number}: {variable}", value, keys, owners)
    if not keys:
        raise OpsError("The file holds no line such as WALLET_1_PRIVATE_KEY=0x…; nothing was imported.")
    unnamed = tuple(variable for variable in others if variable.endswith("PRIVATE_KEY"))
    return EnvKeys(keys, len(others), unnamed)


def _new(name: str, where: str, value: str, keys: dict[str, Secret], owners: dict[str, str]) -> Secret:
    if name in keys:
        raise OpsError(f"{where} stands twice in the file; delete one line. Nothing was imported.")
    try:
        key = parse_key(_unquoted(value))
    except OpsError as refusal:
        raise OpsError(f"{where}: {refusal} Nothing was imported.") from None
    # Two wallets on one key would sign with one account sequence without knowing of each other.
    twin = owners.setdefault(address_of(key), name)
    if twin != name:
        raise OpsError(f"{where} is the same key as {twin}; delete one line. Nothing was imported.")
    return key


def _unquoted(value: str) -> str:
    quoted = _QUOTED.fullmatch(value)
    if quoted is not None:
        return quoted.group(2)
    return re.split(r"(?:^|\s)#", value, maxsplit=1)[0].strip()
