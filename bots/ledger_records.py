"""What the ledger writes down, as records of the queue on disk. Pure.

A record holds text only: it is read again by another process, perhaps of a later version.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bots.ledger_seen import order_id, plain

if TYPE_CHECKING:
    from datetime import date, datetime
    from decimal import Decimal

    from bots.ledger_seen import SeenFill
    from bots.model import Fill, NewOrder

__all__ = [
    "Identity",
    "OrderStatus",
    "cursor_record",
    "day_record",
    "fill_record",
    "sent_record",
    "update_record",
]

_REASON = 300


class OrderStatus(StrEnum):
    """Of an order, in the order of its life; the last four end it."""

    SENT = "sent"
    BOOKED = "booked"
    PARTIALLY_FILLED = "partially_filled"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Identity:
    """Whose rows they are."""

    bot_id: str
    symbol: str
    """The market's slug."""
    network: str
    account: str
    """The subaccount's id, which names the address and the index: each has a position of its own."""

    def fields(self) -> dict[str, str]:
        """Return the columns that every row has."""
        return {
            "bot_id": self.bot_id,
            "symbol": self.symbol,
            "network": self.network,
            "account": self.account,
        }


def sent_record(order: NewOrder, tx_hash: str, fence: int | None, at: datetime) -> dict[str, Any]:
    """Return the record of an order that is on its way."""
    return {
        "kind": "sent",
        "order_id": order_id(order.cid, ""),
        "side": str(order.quote.side),
        "qty": str(order.quote.quantity),
        "price": str(order.quote.price),
        "tx_hash": tx_hash or None,
        "fence": fence,
        "at": at.isoformat(),
    }


def update_record(  # noqa: PLR0913, PLR0917 - what the venue says of one order
    cid: str, status: OrderStatus, order_hash: str, filled: Decimal, at: datetime, reason: str
) -> dict[str, Any]:
    """Return the record of the venue's word on an order."""
    return {
        "kind": "update",
        "order_id": order_id(cid, order_hash),
        "status": str(OrderStatus(status)),
        "order_hash": plain(order_hash) or None,
        "filled_qty": str(filled),
        "reason": plain(reason)[:_REASON],
        "at": at.isoformat(),
    }


def fill_record(fill: Fill, seen: SeenFill) -> dict[str, Any]:
    """Return the record of a fill."""
    return {
        "kind": "fill",
        "order_id": seen.place.order_id,
        "trade_id": seen.trade_id,
        "height": seen.place.height,
        "nth": seen.nth,
        "order_hash": plain(fill.order_hash) or None,
        "side": str(fill.side),
        "qty": str(fill.quantity),
        "price": str(fill.price),
        "commission": str(fill.fee),
        "at": fill.at.isoformat(),
    }


def cursor_record(until: datetime) -> dict[str, Any]:
    """Return the record that all fills before a moment have been recorded before it."""
    return {"kind": "cursor", "until": until.isoformat()}


def day_record(day: date, pnl: Decimal, at: datetime, *, anew: bool) -> dict[str, Any]:
    """Return the record of what a day began with; `anew` replaces what was there."""
    return {
        "kind": "day_anew" if anew else "day",
        "day": day.isoformat(),
        "opening_pnl": str(pnl),
        "at": at.isoformat(),
    }
