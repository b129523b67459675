"""The wallet's two files in the secrets folder: the key, and whose money it trades.

No message quotes what stands in the key file, nor what stands under another name unless that is an address:
somebody may have stored a key there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import coincurve

from bots import addresses
from bots.errors import SettingsError
from bots.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["WalletFiles", "read_wallet"]

_KEY = re.compile(r"(?:0[xX])?([0-9a-fA-F]{64})", re.ASCII)
_INDEX = re.compile(r"0|[1-9][0-9]{0,2}", re.ASCII)


@dataclass(frozen=True)
class WalletFiles:
    """A key, and the account that it trades: its own, or one that granted it that."""

    key: Secret
    """64 small hex digits, without 0x."""
    address: str
    """Bech32 of the key: who signs."""
    key_version: int
    account: str
    """Bech32 of the account whose money it trades; the key's own without a granter."""
    granter: str = ""
    """The account again for a trading-only key; empty otherwise."""
    subaccount: int = 0
    """Index of the account's subaccount that it trades; 0 spends the bank account's money."""


def read_wallet(folder: Path) -> WalletFiles:
    """Read `wallet.key` and `wallet.json` and check that they belong together.

    Raises:
        SettingsError: a file is missing or wrong, or the key is another account's without being its grantee.
    """
    key = _key(folder / "wallet.key")
    address = _derive(key, folder / "wallet.key")
    path = folder / "wallet.json"
    wallet = _wallet(path)
    account = _address(path, "account", wallet["account"])
    granter = "" if wallet.get("granter") in (None, "") else _address(path, "granter", wallet["granter"])
    if granter not in {"", account}:
        raise SettingsError(
            f"{path}: granter is {granter} but account is {account}; a trading-only key trades its granter's "
            "account, so make them agree in Vault."
        )
    if granter == address:
        raise SettingsError(
            f"{path}: granter is the key's own address {address}; take granter out in Vault, or store "
            "another address's key."
        )
    if not granter and account != address:
        raise SettingsError(
            f"The key in {folder / 'wallet.key'} belongs to {address} but the wallet's account is {account}; "
            "correct the one that is wrong in Vault."
        )
    subaccount = _subaccount(path, wallet, granter)
    return WalletFiles(key, address, _version(path, wallet), account, granter, subaccount)


def _key(path: Path) -> Secret:
    try:
        text = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise SettingsError(
            f"The key file {path} cannot be read ({error.strerror}); does Vault hold the wallet's key?"
        ) from None
    except ValueError:
        text = "not hex digits"
    if not text:
        raise SettingsError(f"The key file {path} is empty; store the wallet's private_key in Vault.")
    found = _KEY.fullmatch(text)
    if found is None:
        raise SettingsError(
            f"The key file {path} holds no private key; store 64 hex digits under private_key in Vault."
        )
    return Secret(found[1].lower())


def _derive(key: Secret, path: Path) -> str:
    try:
        public = coincurve.PrivateKey(bytes.fromhex(key.reveal())).public_key.format(compressed=False)
    except ValueError:
        raise SettingsError(
            f"The key file {path} holds no secp256k1 key; store a valid one in Vault."
        ) from None
    return addresses.to_bech32(addresses.address_of_key(public))


def _wallet(path: Path) -> dict[str, Any]:
    try:
        wallet = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(wallet, dict) and {"account", "key_version"} <= wallet.keys():
            return wallet
        kind = "something is missing"
    except (OSError, ValueError, RecursionError) as error:
        kind = type(error).__name__
    raise SettingsError(f"{path} cannot be read ({kind}); it must hold account and key_version.")


def _address(path: Path, name: str, value: object) -> str:
    if not isinstance(value, str) or not addresses.is_address(value):
        raise SettingsError(
            f"{path}: {name} is not an Injective address (inj1…); correct it in Vault, beside the key."
        )
    return value


def _version(path: Path, wallet: dict[str, Any]) -> int:
    version = wallet["key_version"]
    if isinstance(version, bool) or not isinstance(version, int):
        raise SettingsError(f"{path}: key_version must be a whole number.")
    return version


def _subaccount(path: Path, wallet: dict[str, Any], granter: str) -> int:
    """Return the index; Vault's secrets are texts, so digits are taken as well as a number."""
    value = wallet.get("subaccount")
    if value is None or value == "":
        return 1 if granter else 0
    text = str(value)
    if isinstance(value, bool) or not _INDEX.fullmatch(text):
        raise SettingsError(
            f"{path}: subaccount must be a whole number from 0 to 999; correct it in Vault, beside the key."
        )
    return int(text)
