"""Bank balances and subaccount deposits as the chain writes them.

Bank coins go out in whole chain units, deposits in chain units x 10^18.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots import addresses
from bots.paper.flow import MAKER, TAKER
from bots.paper.markets import TOKENS
from bots.paper.proto import coin_pb2, exchange_pb2
from bots.paper.units import ZERO, to_wire

if TYPE_CHECKING:
    from bots.paper.ledger import Ledger

__all__ = ["coin", "deposit", "note_changes"]

_UNSEEN = {addresses.default_subaccount(MAKER), addresses.default_subaccount(TAKER)}
"""The background accounts change in every block and nobody asks for them."""


def coin(ledger: Ledger, owner: str, denom: str) -> Any:
    """Return a bank balance; `owner` is subaccount 0 of the account."""
    return coin_pb2.Coin(denom=denom, amount=str(TOKENS[denom].to_chain(ledger.free(owner, denom))))


def deposit(ledger: Ledger, subaccount: str, denom: str) -> Any:
    """Return a deposit.

    The free part of subaccount 0 is the bank balance, so only what orders hold shows there.
    """
    decimals = TOKENS[denom].decimals
    free = ZERO if _is_bank(subaccount) else ledger.free(subaccount, denom)
    total = free + ledger.held.get((subaccount, denom), ZERO)
    return exchange_pb2.Deposit(
        available_balance=to_wire(free.scaleb(decimals)), total_balance=to_wire(total.scaleb(decimals))
    )


def note_changes(message: Any, ledger: Ledger) -> None:
    """Put what changed since the last block into a stream message."""
    changed: dict[str, set[str]] = {}
    for owner, denom in ledger.touched:
        if owner.startswith("0x") and owner not in _UNSEEN:
            changed.setdefault(owner, set()).add(denom)
    ledger.touched.clear()
    for owner, denoms in sorted(changed.items()):
        if _is_bank(owner):
            coins = [coin(ledger, owner, denom) for denom in sorted(denoms)]
            message.bank_balances.add(account=addresses.owner_of(owner), balances=coins)
        told = message.subaccount_deposits.add(subaccount_id=owner)
        for denom in sorted(denoms):
            told.deposits.add(denom=denom, deposit=deposit(ledger, owner, denom))


def _is_bank(subaccount: str) -> bool:
    return subaccount.endswith("0" * 24)
