"""A bot's life: wait for the lease, trade while it holds, come back after what breaks, stop in order."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING

from bots.canceller import cancel_everything, settle, withdraw
from bots.desk import Desk
from bots.ledger_catchup import keep_caught_up
from bots.model import ExchangeError
from bots.permission import TradingState
from bots.reporter import Reporter
from bots.session import LeaseLostError, Session
from bots.state import StateError
from bots.stopping import Stopping

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bots.desk import Parts

__all__ = ["Bot"]

_BACKOFF = (0.5, 5.0)
_TURN_SECONDS = 1.0
_EMPTYING_SECONDS = 10.0
"""How long a bot that cannot see tries to empty the book before it tries to see again."""


class Bot:
    """One bot on one market."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._log = parts.log
        self.desk = Desk()
        self.reporter = Reporter(parts, self.desk)
        self._session = Session(parts, self.desk)
        self._broke = asyncio.Event()
        """Set when the stream may have left something out."""

    async def run(self, stop: asyncio.Event) -> int:
        """Trade until `stop`, then take all orders out of the book; returns the exit code.

        Raises:
            SpoolError: the ledger's queue cannot be used.
        """
        await self._parts.ledger.start()
        tasks = [asyncio.create_task(work) for work in (self._parts.lease.keep(), self.reporter.run())]
        try:
            return await self._run(stop, tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._parts.feed.close()
            with contextlib.suppress(StateError):
                await self._parts.lease.release()

    async def _run(self, stop: asyncio.Event, background: list[asyncio.Task[None]]) -> int:
        stopping = Stopping(self._parts, self.desk)
        if stop.is_set():
            return await stopping.run()
        self._parts.reference.start()
        trading, lookups = asyncio.create_task(self._tenures()), asyncio.create_task(self._look_up())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({trading, lookups, stopped, *background}, return_when=asyncio.FIRST_COMPLETED)
        failed = _failure((trading, lookups, *background))
        stopped.cancel()
        lookups.cancel()
        while not trading.done():
            # Again until it is over: a library in between may swallow a cancellation.
            trading.cancel()
            await asyncio.wait({trading}, timeout=0.5)
        if failed is None:
            return await stopping.run()
        # A defect. Without any of these nobody may trade on; the orders must still come out of the book.
        self._log.error("internal_error", error=f"{type(failed).__name__}: {failed}")
        await stopping.run()
        return 1

    async def _look_up(self) -> None:
        """Ask the venue's history now and then, and after each break."""
        await self.desk.ledger_opened.wait()
        parts = self._parts
        await keep_caught_up(parts.exchange.history, parts.ledger, parts.log, self._broke)

    async def _tenures(self) -> None:
        backoff, fence = _BACKOFF[0], 0
        while True:
            if fence and not self._parts.lease.held:
                # However the session ended: what it left in the book nobody attends to.
                await self._withdraw(fence)
            first, fence = not fence, await self._lease()
            began, blocks = time.monotonic(), self._session.blocks
            if not first:
                self._parts.metrics.reconnected()
            try:
                await self._session.follow(fence)
            except LeaseLostError as error:
                self._log.error("lease_lost", fence=fence, reason=str(error))
                self._broke.set()
                continue
            except (ExchangeError, StateError) as error:
                self._log.warning("connection_lost", error=str(error))
                self.desk.turn()
                self.desk.tell(TradingState.PAUSED, str(error), self._log)
            self._broke.set()
            if self._session.blocks == blocks:
                await self._empty_unseen()
            if time.monotonic() - began > _BACKOFF[1]:
                backoff = _BACKOFF[0]
            await asyncio.sleep(backoff * random.uniform(0.5, 1))  # noqa: S311 - jitter, no cryptography
            backoff = min(2 * backoff, _BACKOFF[1])

    async def _empty_unseen(self) -> None:
        """Empty the book when a session ended before it saw a block: nobody attends to what stands there."""
        exchange = self._parts.exchange
        with contextlib.suppress(ExchangeError, TimeoutError):
            async with asyncio.timeout(_EMPTYING_SECONDS):
                await exchange.connect()
                if await exchange.open_orders():
                    self._log.warning("unattended_orders", what="they are taken out of the book")
                    await cancel_everything(exchange, self._log)

    async def _lease(self) -> int:
        """Wait until the lease is held; returns its fencing number."""
        lease = self._parts.lease
        while not lease.held:
            self.desk.turn()
            self.desk.tell(TradingState.WAITING_FOR_LEASE, lease.problem, self._log)
            lease.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_TURN_SECONDS):
                    await lease.changed.wait()
        return lease.fence

    async def _withdraw(self, fence: int) -> None:
        """Take out what this process still has in the book, and nothing of a successor's."""
        lease = self._parts.lease
        while not lease.held:
            self.desk.turn()
            try:
                await withdraw(self._parts.exchange, fence, self._log)
                if self.desk.orders.in_flight is not None:
                    # What was still on its way did not show.
                    await settle(self._parts.exchange, self.desk.orders.in_flight, self._log)
                    await withdraw(self._parts.exchange, fence, self._log)
            except ExchangeError as error:
                self._log.warning("withdrawal_failed", error=str(error))
                await asyncio.sleep(_TURN_SECONDS)
            else:
                return


def _failure(tasks: Iterable[asyncio.Task[None]]) -> BaseException | None:
    """Return why one of the tasks ended, which none does by itself; None when all go on."""
    ended = next((task for task in tasks if task.done()), None)
    if ended is None:
        return None
    return RuntimeError("a task was cancelled") if ended.cancelled() else ended.exception()
