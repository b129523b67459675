"""What became of the bot's orders: told to ledger, log and metrics in the words that each of them needs."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots.ledger_records import OrderStatus

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from bots.ledger import Ledger
    from bots.logs import EventLog
    from bots.metrics import Metrics
    from bots.model import BlockUpdate, Fill, NewOrder, OrderUpdate

__all__ = ["Bookkeeper", "fill_fields"]

_ZERO = Decimal(0)


class Bookkeeper:
    """Never slow and never raising: it is called while the stream waits."""

    def __init__(self, ledger: Ledger, log: EventLog, metrics: Metrics) -> None:
        self._ledger = ledger
        self._log = log
        self._metrics = metrics

    def on_block(self, block: BlockUpdate) -> None:
        """Write down what a block says."""
        for fill in block.fills:
            self._fill(fill)
        for update in block.orders:
            self._update(update, block.time)
        for cid, code in block.failures.items():
            reason = f"exchange code {code}"
            self._ledger.order_update(cid, OrderStatus.REJECTED, "", _ZERO, block.time, reason)
            self._log.warning("order_failed", cid=cid, code=code)
        self._metrics.took(block)

    def _fill(self, fill: Fill) -> None:
        if self._ledger.fill(fill):
            self._log.info("fill", **fill_fields(fill))

    def _update(self, update: OrderUpdate, at: datetime) -> None:
        self._ledger.order_update(update.cid, _status(update), update.order_hash, _ZERO, at)
        if update.status == "Cancelled":
            self._log.info("order_cancelled", cid=update.cid)
        else:
            self._log.debug(f"order_{update.status.lower()}", cid=update.cid, order_hash=update.order_hash)

    def sent(self, orders: Iterable[NewOrder], tx_hash: str, at: datetime) -> None:
        """Write down new orders that are on their way, acknowledged or not."""
        for order in orders:
            self._ledger.order_sent(order, tx_hash, at)
            quote = order.quote
            self._log.info(
                "order_placed",
                cid=order.cid,
                side=quote.side,
                price=quote.price,
                qty=quote.quantity,
                tx_hash=tx_hash,
            )

    def refused(self, orders: Iterable[NewOrder], reason: str, at: datetime) -> None:
        """Write down new orders whose transaction the chain did not take."""
        for order in orders:
            self._ledger.order_sent(order, "", at)
            self._ledger.order_update(order.cid, OrderStatus.REJECTED, "", _ZERO, at, reason)

    def never_happened(self, cids: Iterable[str], reason: str, at: datetime) -> None:
        """Write down orders whose transaction is in no block and never can be, or failed as a whole."""
        for cid in cids:
            self._ledger.order_update(cid, OrderStatus.EXPIRED, "", _ZERO, at, reason)

    def gone(self, orders: Iterable[tuple[str, str]], at: datetime) -> None:
        """Write down orders, as (cid, hash), that are no longer in the book, though the stream told no end.

        A fill that is found later in the venue's history outweighs it.
        """
        for cid, order_hash in orders:
            self._ledger.order_update(
                cid, OrderStatus.CANCELLED, order_hash, _ZERO, at, "gone when it was looked up"
            )


def fill_fields(fill: Fill) -> dict[str, Any]:
    """Return what the log says of a fill."""
    return {
        "trade_id": fill.trade_id,
        "cid": fill.cid,
        "side": fill.side,
        "price": fill.price,
        "qty": fill.quantity,
        "fee": fill.fee,
    }


def _status(update: OrderUpdate) -> OrderStatus:
    """Return the stream's word as the ledger's; how much was filled comes from the fills."""
    if update.status == "Matched":
        return OrderStatus.PARTIALLY_FILLED if update.fillable else OrderStatus.FILLED
    return {"Booked": OrderStatus.BOOKED, "Cancelled": OrderStatus.CANCELLED}[update.status]
