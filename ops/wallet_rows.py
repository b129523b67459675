"""What Vault shows of wallets: their metadata, from which no key can be told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from api.models import SLUG
from ops.errors import OpsError
from ops.keys import check_name

if TYPE_CHECKING:
    from ops.vault import Vault

__all__ = ["WalletRow", "existing_wallet", "find_wallet", "list_wallets", "read_wallet"]

_SHOWN = ("address", "account", "network", "label", "subaccount")


@dataclass(frozen=True)
class WalletRow:
    """What may be shown of a wallet."""

    name: str
    address: str
    account: str
    network: str
    label: str
    key_version: int
    """0 where there is no key: never written, or deleted."""
    written: int
    """How many versions were ever written; adding is refused once there was one."""
    key_time: datetime | None
    """Aware UTC; when this version of the key was written."""
    subaccount: int = 0
    """Index of the account's subaccount that it trades."""

    @property
    def trading_only(self) -> bool:
        """Whether the key is another account's grantee."""
        return self.account != self.address


def list_wallets(vault: Vault) -> list[WalletRow]:
    """Return every wallet, by name; from metadata alone, no key is read.

    Raises:
        OpsError: Vault refuses or does not answer.
    """
    names = [name for name in vault.list("wallets/metadata") if SLUG.fullmatch(name)]
    rows = (read_wallet(vault, name) for name in names)
    return [row for row in rows if row is not None]


def existing_wallet(vault: Vault, name: str) -> WalletRow:
    """Return one wallet, with or without a key.

    Raises:
        OpsError: there is no such wallet, or Vault refuses.
    """
    row = read_wallet(vault, check_name(name))
    if row is None:
        raise OpsError(f"There is no wallet {name}; `drover wallets list` shows them.")
    return row


def find_wallet(vault: Vault, name: str) -> WalletRow:
    """Return one wallet that has a key; from metadata alone.

    Raises:
        OpsError: there is no such wallet, or it has no key, or Vault refuses.
    """
    row = existing_wallet(vault, name)
    if not row.key_version:
        raise OpsError(f"{name} has no key; add one with `drover wallets add {name}`.")
    return row


def read_wallet(vault: Vault, name: str) -> WalletRow | None:
    """Return a wallet; None when there is none.

    Raises:
        OpsError: Vault refuses or does not answer.
    """
    metadata = vault.read(f"wallets/metadata/{name}")
    if metadata is None:
        return None
    shown = metadata["custom_metadata"] or {}
    version, time = _live_version(metadata)
    address, account, network, label, index = (shown.get(field, "") for field in _SHOWN)
    written = metadata["current_version"]
    default = 0 if account == address else 1
    subaccount = int(index) if index.isascii() and index.isdecimal() else default
    return WalletRow(name, address, account, network, label, version, written, time, subaccount)


def _live_version(metadata: dict[str, Any]) -> tuple[int, datetime | None]:
    number = int(metadata["current_version"])
    version = (metadata["versions"] or {}).get(str(number))
    if version is None or version["destroyed"] or version["deletion_time"]:
        return 0, None
    # Vault writes nanoseconds, which datetime does not read.
    return number, datetime.fromisoformat(version["created_time"][:19]).replace(tzinfo=UTC)
