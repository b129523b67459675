"""A bot's life: wait for the lease, trade while it holds, come back after what breaks, stop in order."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING

from bots.canceller import withdraw
from bots.desk import Desk
from bots.ledger_catchup import keep_caught_up
from bots.model import ExchangeError
from bots.permission import TradingState
from bots.reporter import Reporter
from bots.session import LeaseLostError, Session
from bots.state import StateError
from bots.stopping import Stopping

if TYPE_CHECKING:
    from bots.desk import Parts

__all__ = ["Bot"]

_BACKOFF = (0.5, 15.0)
_TURN_SECONDS = 1.0


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
            return await self._run(stop)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            await self._parts.feed.close()
            with contextlib.suppress(StateError):
                await self._parts.lease.release()

    async def _run(self, stop: asyncio.Event) -> int:
        stopping = Stopping(self._parts, self.desk)
        if stop.is_set():
            return await stopping.run()
        self._parts.reference.start()
        trading = asyncio.create_task(self._trade_for_ever())
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait({trading, stopped}, return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        while not trading.done():
            # Again until it is over: a library in between may swallow a cancellation.
            trading.cancel()
            await asyncio.wait({trading}, timeout=0.5)
        try:
            await trading
        except asyncio.CancelledError:
            return await stopping.run()
        except Exception as error:  # noqa: BLE001 - a defect: the orders must still come out of the book
            self._log.error("internal_error", error=f"{type(error).__name__}: {error}")
            await stopping.run()
        return 1

    async def _trade_for_ever(self) -> None:
        lookups = asyncio.create_task(self._look_up())
        try:
            await self._tenures()
        finally:
            lookups.cancel()

    async def _look_up(self) -> None:
        """Ask the venue's history now and then, and after each break."""
        await self.desk.ledger_opened.wait()
        parts = self._parts
        await keep_caught_up(parts.exchange.history, parts.ledger, parts.log, self._broke)

    async def _tenures(self) -> None:
        backoff, first = _BACKOFF[0], True
        while True:
            fence = await self._lease()
            began = time.monotonic()
            if not first:
                self._parts.metrics.reconnected()
            first = False
            try:
                await self._session.follow(fence)
            except LeaseLostError as error:
                self._log.error("lease_lost", fence=fence, reason=str(error))
                await self._withdraw(fence)
            except (ExchangeError, StateError) as error:
                self._log.warning("connection_lost", error=str(error))
                self.desk.tell(TradingState.PAUSED, str(error), self._log)
            self._broke.set()
            if time.monotonic() - began > _BACKOFF[1]:
                backoff = _BACKOFF[0]
            await asyncio.sleep(backoff * random.uniform(0.5, 1))  # noqa: S311 - jitter, no cryptography
            backoff = min(2 * backoff, _BACKOFF[1])

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
            except ExchangeError as error:
                self._log.warning("withdrawal_failed", error=str(error))
                await asyncio.sleep(_TURN_SECONDS)
            else:
                return
