"""The end of a bot: orders out of the book, last fills told, ledger written, lease given back.

All of it within Nomad's `kill_timeout` of 30 s.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bots.canceller import cancel_everything
from bots.flatten import flatten
from bots.lease import LEASE_SECONDS
from bots.ledger_catchup import catch_up
from bots.model import ExchangeError
from bots.permission import TradingState
from bots.state import StateError

if TYPE_CHECKING:
    from bots.desk import Desk, Parts

__all__ = ["Stopping"]

_BOOK_SECONDS = 18.0
"""From the beginning of the stop until the book must be empty."""
_LISTEN_SECONDS = 2.0
"""How long a stop waits for a stream that broke before: the cancellation is worth more."""
_LAST_FILLS_SECONDS = 4.0
_LOOKUP_SECONDS = 3.0
_LEDGER_SECONDS = 3.0
_ALL_SECONDS = 25.0
"""From the beginning of the stop until nothing more is waited for: the rest is for calls on their way."""


class Stopping:
    """One stop."""

    def __init__(self, parts: Parts, desk: Desk) -> None:
        self._parts = parts
        self._desk = desk
        self._log = parts.log
        self._began = time.monotonic()

    async def run(self) -> int:
        """Stop; returns the exit code: 0, or 1 when orders or unwritten fills may be left."""
        self._began = began = time.monotonic()
        self._desk.tell(TradingState.STOPPING, "", self._log)
        self._log.info("stopping", open_orders=len(self._desk.orders.open))
        try:
            if not await self._may_tidy():
                self._log.info("stopped", reason="another process is this bot; its orders are left alone")
                return 0
            good = await self._end_orders(began) and await self._last_fills()
        finally:
            written = await self._parts.ledger.close(self._left(_LEDGER_SECONDS))
        if not written:
            self._log.warning("ledger_unwritten", waiting=self._parts.ledger.away)
        with contextlib.suppress(StateError):
            await self._parts.state.save_status(self._last_status(good=good))
        if good:
            self._log.info("stopped", open_orders=0)
        return 0 if good and written else 1

    def _left(self, most: float) -> float:
        """Return how many seconds of `most` a step may still take."""
        return max(0.2, min(most, self._began + _ALL_SECONDS - time.monotonic()))

    def _last_status(self, *, good: bool) -> dict[str, object]:
        return {
            "state": "stopped",
            "bot_id": self._parts.bot_id,
            "clean": good,
            "heartbeat": datetime.now(UTC).isoformat(),
        }

    async def _may_tidy(self) -> bool:
        """Wait for the lease while another process may hold it; returns whether the orders are ours to end.

        Without Redis nobody can say: an order too few in the book does less harm than one too many.
        """
        lease = self._parts.lease
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LEASE_SECONDS + 1):
                while not lease.held and (lease.taken or not lease.attempts):
                    lease.changed.clear()
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.25):
                            await lease.changed.wait()
        return lease.held or not lease.taken

    async def _end_orders(self, began: float) -> bool:
        if self._parts.config.on_stop == "leave":
            self._log.warning("orders_left", open_orders=len(self._desk.orders.open))
            return True
        problem = "not tried"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(began + _BOOK_SECONDS - time.monotonic()):
                while problem:
                    problem = await self._empty_the_book()
        if problem:
            self._log.error("stop_unconfirmed", error=f"orders may still be open: {problem}")
        return not problem

    async def _empty_the_book(self) -> str:
        """Try once to take all orders out; returns what went wrong, nothing when they are out."""
        exchange = self._parts.exchange
        try:
            await exchange.connect()
            with contextlib.suppress(ExchangeError, TimeoutError):
                async with asyncio.timeout(_LISTEN_SECONDS):
                    await self._parts.feed.open()
            await cancel_everything(exchange, self._log)
            if self._parts.config.on_stop == "flatten":
                await flatten(self._parts)
        except ExchangeError as error:
            await asyncio.sleep(0.5)
            return str(error)
        return ""

    async def _last_fills(self) -> bool:
        """Wait until the blocks up to the cancellation have told their fills; returns whether they have."""
        feed = self._parts.feed
        try:
            async with asyncio.timeout(self._left(_LAST_FILLS_SECONDS)):
                await feed.reach(await self._parts.exchange.sync_height())
        except (ExchangeError, TimeoutError) as error:
            with contextlib.suppress(ExchangeError, TimeoutError):
                async with asyncio.timeout(self._left(_LOOKUP_SECONDS)):
                    await catch_up(self._parts.exchange.history(), self._parts.ledger, self._log)
            self._log.error(
                "fills_unconfirmed",
                error="no order is left, but the stream broke before it told the last fills; the history was "
                f"asked, and the next start asks again, from block {feed.height} on: {error}",
            )
            return False
        return True
