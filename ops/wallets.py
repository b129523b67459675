"""Wallets in Vault: one secret each, its metadata, its policy and its role. Keys go in and never come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.models import Network
from ops.ensure import Report
from ops.errors import OpsError
from ops.keys import (
    address_of,
    check_address,
    check_label,
    check_name,
    check_network,
    check_subaccount,
    new_key,
    parse_key,
)
from ops.policies import ensure_wallet_access, remove_wallet_access
from ops.redis_users import ensure_redis_acl
from ops.vault import VaultConflictError
from ops.wallet_rows import WalletRow, existing_wallet, find_wallet, list_wallets, read_wallet

if TYPE_CHECKING:
    from ops.nomad import Nomad
    from ops.secret import Secret
    from ops.vault import Vault

__all__ = [
    "NewWallet",
    "WalletRow",
    "add_wallet",
    "ensure_paper_wallets",
    "find_wallet",
    "import_wallets",
    "list_wallets",
    "remove_wallet",
    "rotate_wallet",
    "stored_wallet",
]


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
    subaccount: int | None = None
    """Index of the account's subaccount; left out, 1 with a granter and 0 without."""

    def __post_init__(self) -> None:
        check_name(self.name)
        check_network(self.network)
        check_label(self.label)
        if self.subaccount is not None:
            check_subaccount(self.subaccount)
        if self.granter and check_address(self.granter) == address_of(self.key):
            raise OpsError(
                f"{self.granter} is the key's own address; leave --granter out, or store another key."
            )

    @property
    def account(self) -> str:
        """The account whose money it trades."""
        return self.granter or address_of(self.key)

    @property
    def index(self) -> int:
        """The index of the subaccount that it trades."""
        default = 1 if self.granter else 0
        return default if self.subaccount is None else self.subaccount


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
    row = read_wallet(vault, new.name)
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


def remove_wallet(vault: Vault, nomad: Nomad, name: str) -> None:
    """Forget a wallet: its role, its policy, then every version of its key.

    Raises:
        OpsError: there is no such wallet, a bot of it runs, or Nomad or Vault refuses.
    """
    existing_wallet(vault, name)
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
    before = existing_wallet(vault, name)
    if address_of(key) == before.address:
        raise OpsError(f"That is the key that {name} has already; nothing was changed.")
    granter = before.account if before.trading_only else ""
    new = NewWallet(name, key, before.network, before.label, granter, before.subaccount)
    body = {"options": {"cas": before.written}, "data": _secret(new)}
    vault.write(f"wallets/data/{name}", body)
    _write_metadata(vault, new)
    return before, existing_wallet(vault, name)


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
        row = read_wallet(vault, f"wallet-{number}")
        if row is None or not row.written:
            add_wallet(vault, NewWallet(f"wallet-{number}", new_key(), label="Paper money"))
    rows = [existing_wallet(vault, f"wallet-{number}") for number in range(1, count + 1)]
    return [(row.name, row.address) for row in rows if row.network == Network.PAPER]


def _secret(new: NewWallet) -> dict[str, str]:
    secret = {"private_key": new.key.reveal(), "account": new.account}
    secret |= {"granter": new.granter} if new.granter else {}
    return secret | _subaccount(new)


def _subaccount(new: NewWallet) -> dict[str, str]:
    """Leave out what a bot takes anyway for an account's own key; a granter's is always said."""
    return {"subaccount": str(new.index)} if new.index or new.granter else {}


def _write_metadata(vault: Vault, new: NewWallet) -> None:
    shown = {"address": address_of(new.key), "account": new.account, "network": str(new.network)}
    shown |= {"label": check_label(new.label)} if new.label else {}
    shown |= _subaccount(new)
    vault.write(f"wallets/metadata/{new.name}", {"custom_metadata": shown})


def stored_wallet(vault: Vault, name: str) -> NewWallet:
    """Read a wallet with its key, as only an operator may; what is stored is checked as if it were new.

    Raises:
        OpsError: there is no key, what is stored is wrong, or Vault refuses.
    """
    row = find_wallet(vault, name)
    secret = (vault.read(f"wallets/data/{name}") or {}).get("data") or {}
    index = str(secret.get("subaccount") or "") or None
    if index is not None and not (index.isascii() and index.isdecimal()):
        raise OpsError(
            f"The secret of {name} holds a subaccount that is no whole number; correct it in Vault."
        )
    key = parse_key(str(secret.get("private_key", "")))
    granter = str(secret.get("granter") or "")
    found = NewWallet(name, key, row.network, row.label, granter, None if index is None else int(index))
    if secret.get("account") != found.account:
        raise OpsError(
            f"The secret of {name} says another account than its {'granter' if granter else 'key'}, "
            f"{found.account}; no bot will start with it: correct it in Vault."
        )
    return found
