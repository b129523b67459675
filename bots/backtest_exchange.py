"""The simple exchange of a backtest. Pure.

An order that rests fills whole, at its price, when the price goes through it: touching is not enough. One
that takes fills whole, at the price. There is no queue in front of an order, no spread, no delay and no
funding, and its own orders move nothing: all of that is kinder than a real exchange.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from bots.model import Inventory, OpenOrder, Side
from bots.pnl import Book

if TYPE_CHECKING:
    from datetime import date

    from bots.model import Batch, MarketInfo, NewOrder

__all__ = ["Exchange", "Fees", "Result"]

_ZERO = Decimal(0)


class Fees(NamedTuple):
    """Fractions of the notional; a negative one is a rebate."""

    maker: Decimal
    taker: Decimal


@dataclass
class Result:
    """What happened; money is in the quote token."""

    steps: int = 0
    seconds: float = 0
    holes: int = 0
    """Steps longer than a reference price stays fresh: the orders were out of the book then."""
    orders: int = 0
    cancelled: int = 0
    rejected: int = 0
    """Post-only orders that would have taken, and orders that the funds did not cover."""
    maker_fills: int = 0
    taker_fills: int = 0
    volume: Decimal = _ZERO
    book: Book = field(default_factory=Book)
    inventory: Inventory = field(default_factory=Inventory)
    mark: Decimal = _ZERO
    max_drawdown: Decimal = _ZERO
    worst_day: date | None = None
    worst_day_pnl: Decimal = _ZERO
    halted: str = ""
    halted_at: float = 0


class Exchange:
    """Balances and orders, as simple as the rule above."""

    def __init__(self, market: MarketInfo, funds: Inventory, fees: Fees, leverage: Decimal) -> None:
        self._market = market
        self._fees = fees
        self._funds = funds
        self._leverage = leverage
        self.result = Result(inventory=funds)
        self.open: dict[str, OpenOrder] = {}

    def pass_through(self, price: Decimal) -> None:
        """Fill the orders that the price has gone through."""
        for order in list(self.open.values()):
            if (order.price > price) if order.side is Side.BUY else (order.price < price):
                del self.open[order.cid]
                self.result.maker_fills += 1
                self._fill(order.side, order.price, order.quantity, self._fees.maker)

    def apply(self, batch: Batch, price: Decimal) -> None:
        """Carry out a decision: what it cancels first, as the chain does."""
        self.result.cancelled += len(batch.cancel)
        for order in batch.cancel:
            del self.open[order.cid]
        for new in batch.create:
            self._place(new, price)

    def clear(self) -> None:
        """Take all orders out of the book."""
        self.result.cancelled += len(self.open)
        self.open.clear()

    def _place(self, order: NewOrder, price: Decimal) -> None:
        side, limit, quantity, post_only = order.quote
        takes = limit >= price if side is Side.BUY else limit <= price
        self.result.orders += 1
        if (takes and post_only) or not self._covered(order, price):
            self.result.rejected += 1
        elif takes:
            self.result.taker_fills += 1
            self._fill(side, price, quantity, self._fees.taker)
        else:
            self.open[order.cid] = OpenOrder(order.cid, order.cid, side, limit, quantity, quantity)

    def _covered(self, order: NewOrder, price: Decimal) -> bool:
        """Derivatives: is there margin for what the position would be? Spot is risk's to check."""
        if not self._market.derivative:
            return True
        held = self.result.inventory.position
        after = held + (order.quote.quantity if order.quote.side is Side.BUY else -order.quote.quantity)
        margin = abs(after) * price / self._leverage
        return abs(after) <= abs(held) or margin <= self._funds.quote + self.result.book.total(price)

    def _fill(self, side: Side, price: Decimal, quantity: Decimal, rate: Decimal) -> None:
        notional, result = price * quantity, self.result
        fee = notional * rate
        signed = quantity if side is Side.BUY else -quantity
        held = result.inventory
        result.volume += notional
        result.book = result.book.filled(side, price, quantity, fee)
        if self._market.derivative:
            result.inventory = Inventory(quote=held.quote, position=held.position + signed)
        else:
            result.inventory = Inventory(held.base + signed, held.quote - signed * price - fee)
