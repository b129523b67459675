"""The bot's own view of its orders, and what must change for the book to hold what it wants. No I/O."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING

from bots.model import Batch, NewOrder, OpenOrder, Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bots.model import BlockUpdate, OrderUpdate, Quote

__all__ = ["InFlight", "WorkingOrders", "plan"]

_BPS = Decimal(10_000)
_WORN = Decimal("0.5")
"""An order with less than this part left is replaced."""
_EXCESS = Decimal("1.02")
"""An order larger than what is wanted now is replaced: risk permitted the wanted size, not the old one."""


@dataclass
class InFlight:
    """A batch whose outcome is not known yet; while there is one, nothing new is sent."""

    tx_hash: str
    timeout_height: int
    sent_height: int
    waiting: set[str]
    """cids that the stream has not answered for."""
    created: tuple[str, ...] = ()
    """cids of the new orders in it."""


class WorkingOrders:
    """Open orders by cid, kept by the stream, corrected by snapshots."""

    def __init__(self) -> None:
        self.open: dict[str, OpenOrder] = {}
        self.in_flight: InFlight | None = None
        self._sent: dict[str, NewOrder] = {}
        self.snapshot_height = 0

    def sent(self, batch: Batch, tx_hash: str, timeout_height: int, height: int) -> None:
        """Note a batch that is on its way, whether or not it was acknowledged."""
        waiting = {order.cid for order in batch.create} | {order.cid for order in batch.cancel}
        self._sent = {order.cid: order for order in batch.create}
        self.in_flight = InFlight(tx_hash, timeout_height, height, waiting, tuple(self._sent))

    def replace(self, snapshot: Iterable[OpenOrder], height: int) -> None:
        """Take the exchange's list after block `height` for the truth; it settles what was in flight."""
        self.snapshot_height = height
        self.open = {order.cid or order.order_hash: order for order in snapshot}
        self.in_flight = None
        self._sent = {}

    def apply(self, block: BlockUpdate) -> None:
        """Follow one block of the stream; what a snapshot already holds must not count a second time."""
        if block.height <= self.snapshot_height:
            return
        told = {update.cid for update in block.orders if self._update(update)}
        for fill in block.fills:
            self._answered(fill.cid)
            if fill.cid not in told:
                self._fill(fill.cid, fill.quantity)
        for cid in block.failures:
            self._answered(cid)
        if self.in_flight and not self.in_flight.waiting:
            self.in_flight = None

    def _update(self, update: OrderUpdate) -> bool:
        """Take the exchange's word on an order; returns whether it says what is left after this block."""
        cid = update.cid
        self._answered(cid)
        if update.status == "Cancelled" or (update.status == "Matched" and not update.fillable):
            self.open.pop(cid, None)
            return False
        if cid in self.open:
            self.open[cid] = replace(self.open[cid], fillable=update.fillable)
        elif cid in self._sent:
            side, price, quantity, _ = self._sent[cid].quote
            self.open[cid] = OpenOrder(cid, update.order_hash, side, price, quantity, update.fillable)
        return True

    def _fill(self, cid: str, quantity: Decimal) -> None:
        order = self.open.get(cid)
        if order is None:
            return
        left = order.fillable - quantity
        if left > 0:
            self.open[cid] = replace(order, fillable=left)
        else:
            del self.open[cid]

    def _answered(self, cid: str) -> None:
        if self.in_flight:
            self.in_flight.waiting.discard(cid)


def plan(
    wanted: Iterable[Quote],
    have: Iterable[OpenOrder],
    refresh_bps: Decimal,
    new_order: Callable[[Quote], NewOrder],
) -> Batch:
    """Return the fewest changes that lead from the open orders to the wanted quotes.

    An order stays when it is within `refresh_bps` of a wanted price on its side and has not been worn down.
    """
    left = list(have)
    create: list[NewOrder] = []
    for quote in wanted:
        kept = next((order for order in left if _serves(order, quote, refresh_bps)), None)
        if kept is None:
            create.append(new_order(quote))
        else:
            left.remove(kept)
    return Batch(tuple(create), tuple(left))


def _serves(order: OpenOrder, quote: Quote, refresh_bps: Decimal) -> bool:
    near = abs(order.price - quote.price) * _BPS <= refresh_bps * quote.price
    return (
        near
        and order.side is Side(quote.side)
        and quote.quantity * _WORN <= order.fillable <= quote.quantity * _EXCESS
    )
