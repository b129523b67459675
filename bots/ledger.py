"""The bot's ledger: every order and fill, written down once, whatever crashes or is away.

What is recorded goes to a queue on disk at once, and from there to Postgres by a task of its own, so that
nothing here waits for Postgres but who asks to. Profit and loss follow in memory.
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from bots import cid as cids
from bots.ledger_pump import Pump
from bots.ledger_records import (
    Identity,
    OrderStatus,
    cursor_record,
    day_record,
    fill_record,
    sent_record,
    update_record,
)
from bots.ledger_seen import SeenFill, SeenFills, place, plain
from bots.ledger_sql import LedgerUnavailableError, Postgres, StoredOrder
from bots.pnl import Book
from bots.spool import SpoolError

if TYPE_CHECKING:
    from datetime import date
    from decimal import Decimal
    from pathlib import Path

    from bots.logins import LedgerLogin
    from bots.logs import EventLog
    from bots.model import Fill, NewOrder

__all__ = [
    "Identity",
    "Ledger",
    "LedgerUnavailableError",
    "Opening",
    "OrderStatus",
    "SpoolError",
    "StoredOrder",
]

_REMEMBER = timedelta(minutes=2)
"""How far before the cursor fills are still known to be recorded."""


@dataclass(frozen=True)
class Opening:
    """What a bot begins with."""

    complete_until: datetime | None
    """All fills before are in the ledger; None: it was never compared with the venue."""
    unfinished: tuple[StoredOrder, ...]
    """Orders whose end is not known, newest first; at most 1000."""


class Ledger:
    """One bot's. Only `start` and `opening` raise; what records is never slowed by Postgres."""

    def __init__(self, login: LedgerLogin, folder: Path, who: Identity, log: EventLog) -> None:
        self.book = Book()
        """What all recorded fills come to; complete once `opening` has returned."""
        self.complete_until: datetime | None = None
        """All fills before are recorded."""
        self._who = who
        self._pump = Pump(login, folder, who, log, on_mark=self._begin, when_written=self._fold)
        self._opened = asyncio.Event()
        self._tag = cids.tag(who.bot_id)
        self._seen = SeenFills()
        self._meanwhile: list[tuple[int, Fill, SeenFill]] = []
        self._day: tuple[date, Decimal] | None = None
        self._last_at: datetime | None = None
        self._unfinished: tuple[StoredOrder, ...] = ()
        self._stale = True
        self._asked = 0

    # ---- life

    async def start(self) -> None:
        """Open the queue and begin to write what is in it.

        Raises:
            SpoolError: the queue's folder cannot be used.
        """
        await self._pump.start()

    async def opening(self, timeout: float) -> Opening:  # noqa: ASYNC109 - its end is a refusal with the reason
        """Return what the bot begins with, once all that predecessors left is in Postgres.

        Raises:
            LedgerUnavailableError: not within `timeout` seconds, and why; it may be asked again.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._opened.wait()
        if not self._opened.is_set():
            raise LedgerUnavailableError(self.away or "Postgres: the ledger is still being read")
        return Opening(self.complete_until, self._unfinished)

    def reopen(self) -> None:
        """Let `opening` wait until all was read anew: another process may have traded as this bot."""
        self._asked += 1
        self._stale = True
        self._opened.clear()
        self._pump.wake()

    async def drained(self, timeout: float) -> bool:  # noqa: ASYNC109 - its end is an answer, no error
        """Wait until everything recorded is in Postgres; returns whether it is."""
        return await self._pump.drained(timeout)

    async def close(self, deadline: float) -> bool:
        """Write what is left for at most `deadline` seconds; returns whether all is in Postgres.

        What is not stays in the queue's folder for the next process, and fills at the venue.
        """
        return await self._pump.close(deadline)

    @property
    def lag(self) -> float:
        """Seconds for which the oldest record has been waiting for Postgres; 0 when all is in."""
        return self._pump.lag

    @property
    def problem(self) -> str:
        """Why no more may be traded, whatever the lag: no room on disk, or impossible fills; else empty."""
        return self._pump.problem

    @property
    def away(self) -> str:
        """Why Postgres takes nothing, in a few words; empty while it does."""
        return self._pump.away

    # ---- what is recorded

    def order_sent(self, order: NewOrder, tx_hash: str, at: datetime) -> None:
        """Record an order that was sent, whether or not an answer came."""
        parsed = cids.parse(order.cid)
        self._pump.put(sent_record(order, tx_hash, parsed.fence if parsed else None, at))

    def order_update(  # noqa: PLR0913, PLR0917 - what the venue says of one order
        self,
        cid: str,
        status: OrderStatus,
        order_hash: str,
        filled: Decimal,
        at: datetime,
        reason: str = "",
    ) -> None:
        """Record the venue's word on an order; a status never goes back.

        What is said of another bot's order is left out, and so are failures of orders by hand: the venue
        tells them for the whole account, and not in which market.
        """
        parsed = cids.parse(cid)
        if (parsed.tag != self._tag) if parsed else not order_hash:
            return
        self._pump.put(update_record(cid, status, order_hash, filled, at, reason))

    def fill(self, fill: Fill) -> bool:
        """Record a fill and count it in the book; returns False when it was recorded before.

        A fill of another bot's order, on the same account in the same market, is that bot's to record.
        """
        parsed, number = cids.parse(fill.cid), self._seen.number(fill)
        if number is None or (parsed and parsed.tag != self._tag):
            return False
        seen = SeenFill(place(fill), number, plain(fill.trade_id), fill.at)
        if not self._pump.put(fill_record(fill, seen)):
            return False
        self._seen.add(seen)
        self._meanwhile.append((self._pump.put_to, fill, seen))
        self._count(fill)
        return True

    def advance(self, until: datetime) -> None:
        """Record that all fills before `until` have been recorded; it never goes back.

        It reaches Postgres after them. With records dropped it is no longer true, and is left out: the next
        process then looks everything up from the last moment that was.
        """
        if self._pump.dropped or (self.complete_until and until <= self.complete_until):
            return
        if self._pump.put(cursor_record(until)):
            self.complete_until = until
            self._seen.forget(until - _REMEMBER)

    def day_pnl(self, mark: Decimal, now: datetime) -> Decimal:
        """Return the profit since the UTC day began; the day's first call is its beginning."""
        day, total = now.astimezone(UTC).date(), self.book.total(mark)
        if self._day is None or self._day[0] != day:
            self._day = (day, total)
            self._pump.put(day_record(day, total, now, anew=False))
        return total - self._day[1]

    def reset_day(self, mark: Decimal, now: datetime) -> None:
        """Let the day's profit count from now: an operator has cleared a halt."""
        day, total = now.astimezone(UTC).date(), self.book.total(mark)
        self._day = (day, total)
        self._pump.put(day_record(day, total, now, anew=True))

    def _count(self, fill: Fill) -> None:
        if self._last_at and fill.at < self._last_at:
            # A late fill: the total is right, its split into realised and unrealised is not yet.
            self._stale = True
        self._last_at = max(fill.at, self._last_at or fill.at)
        self.book = self.book.filled(fill.side, fill.price, fill.quantity, fill.fee)

    def _begin(self) -> None:
        """Note that what comes from now on may not be written yet when the book is read next."""
        self._meanwhile = []

    async def _fold(self, postgres: Postgres) -> None:
        """Read the book anew if it is stale, and add what is not written yet."""
        if not self._stale:
            return
        asked = self._asked
        state = await postgres.read(self._who, datetime.now(UTC).date(), _REMEMBER)
        self._stale = asked != self._asked
        self.book, self._last_at = state.book, state.last_at
        written = {(seen.place, seen.nth) for seen in state.seen}
        for end, fill, seen in self._meanwhile:
            if end > self._pump.written_to and (seen.place, seen.nth) not in written:
                # Should another process have written it longer ago than was looked, all is read once more.
                self._stale |= state.last_at is not None and fill.at <= state.last_at
                self._count(fill)
        self._seen.add_all(state.seen)
        if not self._opened.is_set() and not self._stale:
            self.complete_until, self._unfinished = state.complete_until, state.unfinished
            self._day = next(iter(state.days.items()), None)
            self._opened.set()
