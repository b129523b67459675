"""The wallet's two files in the secrets folder: the key, and whose money it trades.

No message quotes what stands in the key file, nor what stands under `account` unless that is an address:
somebody may have stored a key there.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import coincurve

from bots import addresses
from bots.errors import SettingsError
from bots.secret import Secret

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["WalletFiles", "read_wallet"]

_KEY = re.compile(r"(?:0[xX])?([0-9a-fA-F]{64})", re.ASCII)


@dataclass(frozen=True)
class WalletFiles:
    """A key that belongs to its account."""

    key: Secret
    """64 small hex digits, without 0x."""
    address: str
    """Bech32 of the key, equal to the wallet's account."""
    key_version: int


def read_wallet(folder: Path) -> WalletFiles:
    """Read `wallet.key` and `wallet.json` and check that they belong together.

    Raises:
        SettingsError: a file is missing or wrong, or the key is another account's.
    """
    key = _key(folder / "wallet.key")
    address = _derive(key, folder / "wallet.key")
    account, version = _account(folder / "wallet.json")
    if account != address:
        raise SettingsError(
            f"The key in {folder / 'wallet.key'} belongs to {address} but the wallet's account is {account}; "
            "correct the one that is wrong in Vault."
        )
    return WalletFiles(key, address, version)


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


def _account(path: Path) -> tuple[str, int]:
    try:
        wallet = json.loads(path.read_text(encoding="utf-8"))
        account, version = wallet["account"], wallet["key_version"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SettingsError(
            f"{path} cannot be read ({type(error).__name__}); it must hold account and key_version."
        ) from None
    if not isinstance(account, str) or not _is_address(account):
        raise SettingsError(
            f"{path}: account is not an Injective address (inj1…); correct it in Vault, beside the key."
        )
    if isinstance(version, bool) or not isinstance(version, int):
        raise SettingsError(f"{path}: key_version must be a whole number.")
    return account, version


def _is_address(text: str) -> bool:
    try:
        addresses.to_bytes(text)
    except ValueError:
        return False
    return True
