"""From the queue on disk to Postgres: a task that goes on whatever is away."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING, Any

from bots.ledger_sql import LedgerUnavailableError, Postgres
from bots.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from bots.ledger_records import Identity
    from bots.logins import LedgerLogin
    from bots.logs import EventLog

__all__ = ["Pump"]

_BATCH = 500
_GATHER = 0.02
"""Seconds in which records gather into one batch."""
_BACKOFF = (0.25, 5.0)
_ADOPT_SECONDS = 30.0


class Pump:
    """Takes records at once, and writes them as soon as Postgres does."""

    def __init__(  # noqa: PLR0913 - what it writes with, and what it tells
        self,
        login: LedgerLogin,
        folder: Path,
        who: Identity,
        log: EventLog,
        *,
        on_mark: Callable[[], None],
        when_written: Callable[[Postgres], Awaitable[None]],
    ) -> None:
        """Prepare.

        Args:
            login: of the ledger's Postgres.
            folder: of the queue.
            who: whose rows they are.
            log: for what happens to the connection.
            on_mark: called now and then, when the end of the queue is marked.
            when_written: awaited as soon as all up to the last mark is written, what dead processes left
                too; nothing else is written meanwhile. It may raise LedgerUnavailableError, and is called
                again after the next mark.
        """
        self.away = "not connected yet"
        """Why Postgres takes nothing, in a few words; empty while it does."""
        self._who = who
        self._log = log
        self._on_mark, self._when_written = on_mark, when_written
        self._spool = Spool(folder)
        self._postgres = Postgres(login)
        self._task: asyncio.Task[None] | None = None
        self._news, self._idle = asyncio.Event(), asyncio.Event()
        self._oldest: float | None = None
        self._marked = 0
        self._overfilled = ""
        self._closing = False

    async def start(self) -> None:
        """Open the queue and begin.

        Raises:
            SpoolError: the queue's folder cannot be used.
        """
        self._spool.open()
        self._news.set()
        self._task = asyncio.create_task(self._run())

    def put(self, record: dict[str, Any]) -> bool:
        """Add a record to the queue; returns False when there is no room for it at all."""
        now = time.time()
        if not self._spool.append({**record, **self._who.fields(), "recorded": now}):
            return False
        if self._oldest is None:
            self._oldest = now
        self._idle.clear()
        self._news.set()
        return True

    @property
    def put_to(self) -> int:
        """Where the queue ends now; grows with every record."""
        return self._spool.put

    @property
    def written_to(self) -> int:
        """Up to where all records are in Postgres; -1 while some that dead processes left are not."""
        return self._spool.taken

    def wake(self) -> None:
        """Call the hook soon, though there is nothing to write."""
        self._news.set()

    @property
    def lag(self) -> float:
        """Seconds for which the oldest record has been waiting; 0 when all is in Postgres."""
        return 0.0 if self._oldest is None else max(0.0, time.time() - self._oldest)

    @property
    def problem(self) -> str:
        """Why no more may be traded, whatever the lag: no room on disk, or impossible fills; else empty."""
        return self._spool.problem or self._overfilled

    @property
    def dropped(self) -> int:
        """Records for which there was no room."""
        return self._spool.dropped

    async def drained(self, seconds: float) -> bool:
        """Wait until everything recorded is in Postgres; returns whether it is."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        return self._idle.is_set()

    async def close(self, seconds: float) -> bool:
        """Write what is left for at most that long; returns whether all is in Postgres."""
        done = await self.drained(seconds)
        self._closing = True
        self._news.set()
        # Cut before it is cancelled: psycopg answers a cancellation by asking the server, which may hang.
        self._postgres.cut()
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=1)
            self._task.cancel()
            await asyncio.wait({self._task})
        self._postgres.cut()
        self._spool.close()
        return done

    async def _run(self) -> None:
        delay = _BACKOFF[0]
        while not self._closing:
            await self._wait()
            try:
                self._spool.adopt()
                await self._drain()
            except Exception as error:  # noqa: BLE001 - a defect stops the trading by the lag, and is told
                self._tell(str(error) if isinstance(error, LedgerUnavailableError) else f"{error!r}"[:200])
                self._news.set()
                await asyncio.sleep(delay * random.uniform(0.5, 1))  # noqa: S311 - jitter, no cryptography
                delay = min(2 * delay, _BACKOFF[1])
            else:
                delay = _BACKOFF[0]

    def _tell(self, away: str) -> None:
        if away == self.away or self._closing:
            return
        self.away = away
        if away:
            self._log.warning("ledger_away", error=away)
        else:
            self._log.info("ledger_connected")

    async def _wait(self) -> None:
        """Wait for records; now and then look for those of a process that has died."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_ADOPT_SECONDS):
                await self._news.wait()
                await asyncio.sleep(_GATHER)
        self._news.clear()

    async def _drain(self) -> None:
        """Write until nothing is left; what goes on coming does not keep the hook from being called."""
        self._mark()
        while records := self._batch():
            await asyncio.to_thread(self._spool.sync)
            overfilled = await self._postgres.write(self._who, records)
            self._spool.done(len(records))
            self._tell("")
            if overfilled:
                self._overfilled = f"order {overfilled[0]} has more fills than it asked for"
                self._log.error("ledger_overfilled", orders=overfilled)
            if self.written_to >= self._marked:
                await self._when_written(self._postgres)
                self._mark()
        await self._when_written(self._postgres)
        self._tell("")

    def _mark(self) -> None:
        self._marked = self._spool.put
        self._on_mark()

    def _batch(self) -> list[dict[str, Any]]:
        records = self._spool.peek(_BATCH)
        self._oldest = float(records[0]["recorded"]) if records else None
        if not records:
            self._idle.set()
        return records
