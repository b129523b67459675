"""Wallets in Vault: one secret each, its metadata, its policy and its role. Keys go in and never come out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from api.models import SLUG, Network
from ops.ensure import Report
from ops.errors import OpsError
from ops.keys import address_of, check_address, check_label, check_name, check_network, new_key
from ops.policies import ensure_wallet_access, remove_wallet_access
from ops.redis_users import ensure_redis_acl
from ops.vault import VaultConflictError

if TYPE_CHECKING:
    from ops.nomad import Nomad
    from ops.secret import Secret
    from ops.vault import Vault

__all__ = [
    "NewWallet",
    "WalletRow",
    "add_wallet",
    "ensure_paper_wallets",
    "import_wallets",
    "list_wallets",
    "remove_wallet",
    "rotate_wallet",
]

_SHOWN = ("address", "account", "network", "label")


@dataclass(frozen=True)
class NewWallet:
    """A wallet that a person brings."""

    name: str
    key: Secret
    """From `ops.keys.parse_key`."""
    network: str = Network.PAPER
    label: str = ""
    granter: str = ""
    """The account whose money a trading-only key trades; empty when the key trades its own."""

    def __post_init__(self) -> None:
        check_name(self.name)
        check_network(self.network)
        check_label(self.label)
        if self.granter:
            check_address(self.granter)

    @property
    def account(self) -> str:
        """The account whose money it trades."""
        return self.granter or address_of(self.key)


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


def add_wallet(vault: Vault, new: NewWallet) -> str:
    """Store a key with its metadata, policy, role and login to Redis; returns its address.

    The secret is written last: an interruption leaves a wallet without a key, which nothing can use and which
    adding again completes.

    Raises:
        OpsError: there is such a wallet, or Vault refuses.
    """
    taken = OpsError(
        f"There is a wallet {new.name} already; give it another key with `drover wallets rotate {new.name}`, "
        "or choose another name."
    )
    row = _row(vault, new.name)
    if row is not None and row.written:
        raise taken
    ensure_wallet_access(vault, new.name, Report(lambda _: None))
    ensure_redis_acl(vault, Report(lambda _: None))
    _write_metadata(vault, new)
    try:
        vault.write(f"wallets/data/{new.name}", {"options": {"cas": 0}, "data": _secret(new)})
    except VaultConflictError:
        raise taken from None
    return address_of(new.key)


def list_wallets(vault: Vault) -> list[WalletRow]:
    """Return every wallet, by name; from metadata alone, no key is read.

    Raises:
        OpsError: Vault refuses or does not answer.
    """
    names = [name for name in vault.list("wallets/metadata") if SLUG.fullmatch(name)]
    rows = (_row(vault, name) for name in names)
    return [row for row in rows if row is not None]


def remove_wallet(vault: Vault, nomad: Nomad, name: str) -> None:
    """Forget a wallet: its role, its policy, then every version of its key.

    Raises:
        OpsError: there is no such wallet, a bot of it runs, or Nomad or Vault refuses.
    """
    _existing(vault, name)
    bots = nomad.busy_jobs("bots", f"{name}.")
    if bots:
        raise OpsError(f"{', '.join(bots)} still runs with the key of {name}; stop it first.")
    remove_wallet_access(vault, name)
    ensure_redis_acl(vault, Report(lambda _: None))
    vault.delete(f"wallets/metadata/{name}")


def rotate_wallet(vault: Vault, name: str, key: Secret) -> tuple[WalletRow, WalletRow]:
    """Write a new version of a wallet's key; returns the wallet before and after.

    A trading-only key keeps its account (the granter must grant the new address); any other key moves the
    wallet to another account, and funds and positions stay behind on the old one.

    Raises:
        OpsError: no such wallet, the same key again, someone else rotated meanwhile, or Vault refuses.
    """
    before = _existing(vault, name)
    if address_of(key) == before.address:
        raise OpsError(f"That is the key that {name} has already; nothing was changed.")
    granter = before.account if before.account != before.address else ""
    new = NewWallet(name, key, before.network, before.label, granter)
    body = {"options": {"cas": before.written}, "data": _secret(new)}
    vault.write(f"wallets/data/{name}", body)
    _write_metadata(vault, new)
    return before, _existing(vault, name)


def import_wallets(vault: Vault, keys: dict[str, Secret], network: str) -> tuple[list[str], list[str]]:
    """Add each key as a wallet; returns the names added and the names that had this very key already.

    Raises:
        OpsError: a wallet of one of the names has another key (then nothing is written), or Vault refuses.
    """
    rows = {row.name: row for row in list_wallets(vault) if row.written}
    for name, key in keys.items():
        if name in rows and rows[name].address != address_of(key):
            raise OpsError(
                f"{name} is in Vault with another key ({rows[name].address}); rename the line in the file, "
                f"or rotate it with `drover wallets rotate {name}`. Nothing was imported."
            )
    added = [name for name in keys if name not in rows]
    for name in added:
        add_wallet(vault, NewWallet(name, keys[name], network))
    return added, [name for name in keys if name in rows]


def ensure_paper_wallets(vault: Vault, count: int = 3) -> list[tuple[str, str]]:
    """Make sure that `wallet-1` … `wallet-<count>` exist, with fresh random keys on the paper network.

    Wallets of those names that exist are left alone, whatever their network. Returns (name, address) of those
    on the paper network, which are the ones to fund.

    Raises:
        OpsError: Vault refuses or does not answer.
    """
    for number in range(1, count + 1):
        row = _row(vault, f"wallet-{number}")
        if row is None or not row.written:
            add_wallet(vault, NewWallet(f"wallet-{number}", new_key(), label="Paper money"))
    rows = [_existing(vault, f"wallet-{number}") for number in range(1, count + 1)]
    return [(row.name, row.address) for row in rows if row.network == Network.PAPER]


def _secret(new: NewWallet) -> dict[str, str]:
    secret = {"private_key": new.key.reveal(), "account": new.account}
    return secret | ({"granter": new.granter} if new.granter else {})


def _write_metadata(vault: Vault, new: NewWallet) -> None:
    shown = {"address": address_of(new.key), "account": new.account, "network": str(new.network)}
    shown |= {"label": check_label(new.label)} if new.label else {}
    vault.write(f"wallets/metadata/{new.name}", {"custom_metadata": shown})


def _existing(vault: Vault, name: str) -> WalletRow:
    row = _row(vault, check_name(name))
    if row is None:
        raise OpsError(f"There is no wallet {name}; `drover wallets list` shows them.")
    return row


def _row(vault: Vault, name: str) -> WalletRow | None:
    metadata = vault.read(f"wallets/metadata/{name}")
    if metadata is None:
        return None
    shown = metadata["custom_metadata"] or {}
    version, time = _live_version(metadata)
    address, account, network, label = (shown.get(field, "") for field in _SHOWN)
    written = metadata["current_version"]
    return WalletRow(name, address, account, network, label, version, written, time)


def _live_version(metadata: dict[str, Any]) -> tuple[int, datetime | None]:
    number = int(metadata["current_version"])
    version = (metadata["versions"] or {}).get(str(number))
    if version is None or version["destroyed"] or version["deletion_time"]:
        return 0, None
    # Vault writes nanoseconds, which datetime does not read.
    return number, datetime.fromisoformat(version["created_time"][:19]).replace(tzinfo=UTC)
