"""The venue's state as rows and back. Pure: `store` writes and reads them.

What waits in the mempool is no part of it, as on the chain.
"""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots.paper.errors import StartupError
from bots.paper.funding import Funding
from bots.paper.orders import Order
from bots.paper.positions import Position
from bots.paper.transactions import Account

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bots.paper.chain import Chain
    from bots.paper.ledger import Key
    from bots.paper.store import Rows

__all__ = ["restore", "rows"]

_SEPARATOR = " "
"""Between the two halves of a key; no subaccount, market id or denomination holds one."""


def rows(chain: Chain) -> Rows:
    """Return everything that a restart must find again."""
    exchange, ledger = chain.exchange, chain.exchange.ledger
    found: Rows = {("chain", "height"): (chain.height, chain.time_ms, exchange.nonce)}
    found.update({("account", a): (x.number, x.sequence) for a, x in chain.accounts.items()})
    found.update(_amounts("available", ledger.available))
    found.update(_amounts("held", ledger.held))
    found.update({("minted", denom): (amount,) for denom, amount in ledger.minted.items()})
    found.update({("position", _joined(key)): _values(p) for key, p in exchange.positions.items()})
    for market_id, book in exchange.books.items():
        found["book", market_id] = (book.sequence,)
        found.update({("order", order.hash): _values(order) for order in book.orders.values()})
    found.update({("funding", market_id): _values(f) for market_id, f in exchange.funding.items()})
    found.update({("grant", key): value for key, value in chain.grants.plain().items()})
    if chain.flow is not None:
        found.update(
            {("price", _joined((p.kind, symbol))): (p.state,) for symbol, p in chain.flow.prices.items()}
        )
    return found


def _values(item: Any) -> tuple[Any, ...]:
    return tuple(vars(item).values())


def _amounts(kind: str, side: Mapping[Key, Decimal]) -> Rows:
    return {(kind, _joined(key)): (amount,) for key, amount in side.items() if amount}


def _joined(key: tuple[str, str]) -> str:
    return _SEPARATOR.join(key)


def _split(key: str) -> tuple[str, str]:
    first, _, second = key.partition(_SEPARATOR)
    return first, second


def restore(chain: Chain, state: Mapping[str, list[tuple[str, Any]]]) -> bool:
    """Put the state back into a new chain; returns False when there is none.

    Raises:
        StartupError: the rows are not such a state, or of a market that is listed no more.
    """
    if not state:
        return False
    try:
        _restore(chain, state)
    except KeyError as error:
        raise StartupError(
            f"The state holds orders or positions of {error}, which the configuration does not list; "
            "list it again or move the state away to begin anew."
        ) from error
    except (ValueError, TypeError, ArithmeticError) as error:
        raise StartupError(f"The state cannot be read ({error!r}); move it away to begin anew.") from error
    return True


def _restore(chain: Chain, state: Mapping[str, list[tuple[str, Any]]]) -> None:
    exchange, ledger = chain.exchange, chain.exchange.ledger
    ((_, (chain.height, chain.time_ms, exchange.nonce)),) = state["chain"]
    exchange.height, exchange.time_ms = chain.height, chain.time_ms
    for address, (number, sequence) in state.get("account", []):
        chain.accounts[address] = Account(number, sequence, sequence)
    for kind, side in (("available", ledger.available), ("held", ledger.held)):
        side.update({_split(key): Decimal(amount) for key, (amount,) in state.get(kind, [])})
    ledger.minted.update({denom: Decimal(amount) for denom, (amount,) in state.get("minted", [])})
    for key, values in state.get("position", []):
        subaccount, market_id = _split(key)
        exchange.positions[subaccount, exchange.markets[market_id].id] = _typed(Position, values)
    _restore_orders(chain, state.get("order", []))
    for market_id, (sequence,) in state.get("book", []):
        if market_id in exchange.books:
            exchange.books[market_id].sequence = sequence
    for market_id, values in state.get("funding", []):
        if market_id in exchange.funding:
            exchange.funding[market_id] = _typed(Funding, values)
    chain.grants.load(dict(state.get("grant", [])))
    if chain.flow is not None:
        chain.flow.restore({_split(key): value for key, (value,) in state.get("price", [])}, exchange)


def _restore_orders(chain: Chain, orders: Iterable[tuple[str, Any]]) -> None:
    exchange = chain.exchange
    for order in (_typed(Order, values) for _, values in orders):
        exchange.books[order.market_id].add(order)
        if order.cid:
            exchange.by_cid[order.subaccount, order.cid] = order
    for book in exchange.books.values():
        # Nothing has changed for those who saw the book before the restart.
        book.changed.clear()


def _typed(kind: Any, values: list[Any]) -> Any:
    fields = dataclasses.fields(kind)
    return kind(
        *[
            Decimal(value) if field.type == "Decimal" else value
            for field, value in zip(fields, values, strict=True)
        ]
    )
