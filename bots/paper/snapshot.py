"""State over restarts: one JSON file, replaced as a whole, so that a kill leaves the old or the new one."""

from __future__ import annotations

import dataclasses
import json
import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots.paper.errors import StartupError
from bots.paper.orders import Order
from bots.paper.positions import Position
from bots.paper.settlement import Trade
from bots.paper.transactions import Account

if TYPE_CHECKING:
    from pathlib import Path

    from bots.paper.chain import Chain

__all__ = ["restore", "save"]

_VERSION = 1
_KEPT_TRADES = 1000
_HEIGHT_GAP = 20
"""A restart may forget the last second's blocks: heights that were seen must not come again."""


def save(chain: Chain, path: Path) -> None:
    """Write the state; what waits in the mempool is not part of it, as on the chain."""
    exchange, ledger = chain.exchange, chain.exchange.ledger
    state = {
        "version": _VERSION,
        "height": chain.height,
        "nonce": exchange.nonce,
        "accounts": {address: [a.number, a.sequence] for address, a in chain.accounts.items()},
        "available": [[*key, str(amount)] for key, amount in ledger.available.items() if amount],
        "held": [[*key, str(amount)] for key, amount in ledger.held.items() if amount],
        "minted": {denom: str(amount) for denom, amount in ledger.minted.items()},
        "positions": [[*key, _plain(position)] for key, position in exchange.positions.items()],
        "orders": [_plain(o) for book in exchange.books.values() for o in book.orders.values()],
        "sequences": {market_id: book.sequence for market_id, book in exchange.books.items()},
        "trades": [_plain(trade) for trade in list(exchange.trades)[-_KEPT_TRADES:]],
    }
    temporary = path.with_suffix(".tmp")
    with temporary.open("w") as file:
        json.dump(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def _plain(value: Any) -> dict[str, Any]:
    return {k: str(v) if isinstance(v, Decimal) else v for k, v in dataclasses.asdict(value).items()}


def _typed(kind: Any, plain: dict[str, Any]) -> Any:
    money = {f.name for f in dataclasses.fields(kind) if f.type == "Decimal"}
    return kind(**{name: Decimal(value) if name in money else value for name, value in plain.items()})


def restore(chain: Chain, path: Path) -> bool:
    """Read the state back; returns False when there is none.

    Raises:
        StartupError: the file is not such a state.
    """
    if not path.exists():
        return False
    try:
        state = json.loads(path.read_text())
        if state["version"] != _VERSION:
            raise StartupError(
                f"{path} is of version {state['version']}, not {_VERSION}; move it away to begin anew."
            )
        _load(chain, state)
    except (ValueError, KeyError, TypeError, ArithmeticError) as error:
        raise StartupError(f"{path} cannot be read ({error!r}); move it away to begin anew.") from error
    return True


def _load(chain: Chain, state: dict[str, Any]) -> None:
    exchange, ledger = chain.exchange, chain.exchange.ledger
    chain.height = exchange.height = state["height"] + _HEIGHT_GAP
    exchange.nonce = state["nonce"]
    chain.accounts.update({a: Account(number, seq, seq) for a, (number, seq) in state["accounts"].items()})
    for name, side in (("available", ledger.available), ("held", ledger.held)):
        side.update({(owner, denom): Decimal(amount) for owner, denom, amount in state[name]})
    ledger.minted.update({denom: Decimal(amount) for denom, amount in state["minted"].items()})
    exchange.positions.update({(s, m): _typed(Position, plain) for s, m, plain in state["positions"]})
    exchange.trades.extend(_typed(Trade, plain) for plain in state["trades"])
    for order in (_typed(Order, plain) for plain in state["orders"]):
        exchange.books[order.market_id].add(order)
        if order.cid:
            exchange.by_cid[order.subaccount, order.cid] = order
    for market_id, sequence in state["sequences"].items():
        exchange.books[market_id].sequence = sequence
