"""Orders, and the book of one market."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bots.paper.units import ZERO

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

__all__ = ["Book", "Order"]


@dataclass
class Order:
    """One order; it changes only through `Book` and `Exchange`."""

    hash: str
    """0x + 64 hex digits."""
    market_id: str
    subaccount: str
    signer: str
    """Bech32 address whose signature placed it; empty for the venue's own background orders."""
    buy: bool
    price: Decimal
    quantity: Decimal
    fillable: Decimal
    order_type: int
    """`injective.exchange.v2.OrderType`."""
    cid: str = ""
    fee_recipient: str = ""
    margin: Decimal = ZERO
    """Derivatives: what backs the unfilled rest; zero is reduce-only."""
    held: Decimal = ZERO
    """Locked in the ledger behind the unfilled rest."""
    held_denom: str = ""
    expiration_block: int = 0
    resting: bool = False
    """False in the block that it arrives in."""
    reduce_only: bool = False


class Book:
    """Open limit orders of one market and the price levels they add up to."""

    def __init__(self) -> None:
        self.orders: dict[str, Order] = {}
        self.levels: dict[bool, defaultdict[Decimal, Decimal]] = {
            True: defaultdict(lambda: ZERO),
            False: defaultdict(lambda: ZERO),
        }
        self.changed: set[tuple[bool, Decimal]] = set()
        self.sequence = 0

    def add(self, order: Order) -> None:
        """Take a new order; it shows in the levels once it rests."""
        self.orders[order.hash] = order
        if order.resting:
            self._shift(order, order.fillable)

    def rest(self, order: Order) -> None:
        """Let an order of this block rest in the book."""
        order.resting = True
        self._shift(order, order.fillable)

    def remove(self, order: Order) -> None:
        """Drop an order, filled or cancelled."""
        del self.orders[order.hash]
        if order.resting:
            self._shift(order, -order.fillable)

    def fill(self, order: Order, quantity: Decimal) -> None:
        """Reduce an order by a fill; a filled one leaves the book."""
        if order.resting:
            self._shift(order, -quantity)
        order.fillable -= quantity
        if not order.fillable:
            self.orders.pop(order.hash, None)

    def _shift(self, order: Order, quantity: Decimal) -> None:
        side = self.levels[order.buy]
        side[order.price] += quantity
        if not side[order.price]:
            del side[order.price]
        self.changed.add((order.buy, order.price))

    def best(self, *, buy: bool) -> Decimal | None:
        """Return the best resting price of a side."""
        side = self.levels[buy]
        return (max(side) if buy else min(side)) if side else None

    @property
    def mid(self) -> Decimal | None:
        """Return the middle of the best resting prices; None when a side is empty."""
        bid, ask = self.best(buy=True), self.best(buy=False)
        return None if bid is None or ask is None else (bid + ask) / 2

    def side(self, *, buy: bool, resting: bool | None = None) -> list[Order]:
        """Return the orders of a side, unsorted; with `resting`, only those that do or do not rest."""
        return [o for o in self.orders.values() if o.buy == buy and resting in (None, o.resting)]

    def of(self, subaccount: str) -> Iterable[Order]:
        """Return the orders of one subaccount."""
        return [o for o in self.orders.values() if o.subaccount == subaccount]
