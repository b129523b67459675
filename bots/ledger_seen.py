"""Which fills have been recorded: the stream and the history tell the same trade under different names.

On the public chain the stream names a trade `<height>_<n>`, counted by the node that streams (injective-core,
stream/server/handlers.go), the indexer `<height>_<x>_<y>` (examples in injective-py's tests and in the
indexer's reference). What both say alike is the order, the block, and the quantity. One order can trade the
same quantity twice in one block (an auction and a liquidation), so such trades are numbered, in each of the
two namings apart: the first of one is the first of the other.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime
    from decimal import Decimal

    from bots.model import Fill

__all__ = ["Place", "SeenFill", "SeenFills", "order_id", "place", "plain"]

_LIMIT = 5000
"""Places that are remembered at most, about 1 KB each.

What is forgotten Postgres still refuses a second time, and a late fill makes the book be read anew."""


class Place(NamedTuple):
    """What both namings say alike."""

    order_id: str
    height: int
    quantity: Decimal


class SeenFill(NamedTuple):
    """A fill as it stands in the ledger."""

    place: Place
    nth: int
    trade_id: str
    at: datetime


@dataclass(slots=True)
class _Known:
    at: datetime
    rows: set[int] = field(default_factory=set)
    named: dict[int, list[str]] = field(default_factory=dict)
    """Trade ids by the number of their parts."""

    def number(self, trade_id: str) -> int:
        """Return which one of its naming a trade is, counted from 0."""
        names = self.named.get(trade_id.count("_"), [])
        return names.index(trade_id) if trade_id in names else len(names)


class SeenFills:
    """Of one account in one market; forgets the oldest."""

    def __init__(self) -> None:
        self._known: dict[Place, _Known] = {}

    def number(self, fill: Fill) -> int | None:
        """Return the number under which a new fill is recorded; None when it was recorded before."""
        known = self._known.get(place(fill))
        if known is None:
            return 0
        number = known.number(plain(fill.trade_id))
        if number in known.rows:
            self._name(known, plain(fill.trade_id))
            return None
        return number

    def add(self, seen: SeenFill) -> None:
        """Remember a fill that is recorded."""
        known = self._known.setdefault(seen.place, _Known(seen.at))
        known.rows.add(seen.nth)
        self._name(known, seen.trade_id)
        if len(self._known) > _LIMIT:
            del self._known[next(iter(self._known))]

    def add_all(self, fills: Iterable[SeenFill]) -> None:
        """Remember fills, oldest first."""
        for seen in fills:
            self.add(seen)

    def forget(self, before: datetime) -> None:
        """Forget what happened before a moment: nobody asks for it again."""
        self._known = {where: known for where, known in self._known.items() if known.at >= before}

    @staticmethod
    def _name(known: _Known, trade_id: str) -> None:
        names = known.named.setdefault(trade_id.count("_"), [])
        if trade_id not in names:
            names.append(trade_id)


def place(fill: Fill) -> Place:
    """Return what both namings say alike of a fill."""
    head = fill.trade_id.partition("_")[0]
    # The block's time names the block as well, should a venue give its trades other names.
    height = int(head) if head.isascii() and head.isdigit() else int(fill.at.timestamp() * 1000)
    return Place(order_id(fill.cid, fill.order_hash), height, fill.quantity)


def order_id(cid: str, order_hash: str) -> str:
    """Return how the ledger names an order: by its cid, or by its hash where a person gave it none."""
    return plain(cid or order_hash)


def plain(text: str) -> str:
    """Leave out what Postgres cannot store: anyone may choose a cid."""
    return text.replace("\0", "")
