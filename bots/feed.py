"""The stream, read in a task of its own: every fill is told when it comes, whatever the bot is busy with.

It outlives the bot's sessions and its stop: the blocks in which orders are being cancelled still bring fills.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from typing import TYPE_CHECKING

from bots.model import ExchangeError

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from bots.canceller import Exchange
    from bots.logs import EventLog
    from bots.metrics import Metrics
    from bots.model import BlockUpdate

__all__ = ["Feed"]

_STREAM_SILENCE = 5.0
"""Seconds without a block (one comes every 0.65 s) after which the stream counts as broken."""
_OBSERVED_BLOCKS = 20
_FASTEST_BLOCK = 0.05
_MOST_WAITING = 500
"""Blocks that may wait to be asked for: a copy that waits for the lease for days asks for none."""


class Feed:
    """One subscription at a time; its blocks wait in order until they are asked for."""

    def __init__(
        self, exchange: Exchange, listener: Callable[[BlockUpdate], None], log: EventLog, metrics: Metrics
    ) -> None:
        self._exchange = exchange
        self._listener = listener
        self._log = log
        self._metrics = metrics
        self._block_times: deque[tuple[int, datetime]] = deque(maxlen=_OBSERVED_BLOCKS)
        self._task: asyncio.Task[None] | None = None
        self._subscribed = False
        self._blocks: deque[BlockUpdate] = deque()
        self._news = asyncio.Event()
        self._problem: Exception | None = None
        self.height = 0
        """The last block that the listener was told."""
        self.time: datetime | None = None
        """Of that block."""
        self.at: float | None = None
        """When it came (time.monotonic)."""

    async def open(self) -> None:
        """Subscribe, unless a subscription stands, and wait for its first block; older blocks are dropped.

        A snapshot has to be taken next: it holds what the dropped blocks said.

        Raises:
            ExchangeError: no stream.
        """
        self._blocks.clear()
        if self._task is None or self._task.done():
            self._problem, self._subscribed = None, False
            self._block_times.clear()
            self._task = asyncio.create_task(self._read())
        await self._until(lambda: self._subscribed)

    async def next(self) -> BlockUpdate:
        """Return the next block.

        Raises:
            ExchangeError: the stream broke.
        """
        await self._until(lambda: self.more)
        return self._blocks.popleft()

    @property
    def more(self) -> bool:
        """Whether another block waits to be asked for."""
        return bool(self._blocks)

    async def reach(self, height: int) -> None:
        """Wait until the listener has been told of block `height`.

        Raises:
            ExchangeError: the stream broke before.
        """
        await self._until(lambda: self.height >= height)

    async def close(self) -> None:
        """Unsubscribe."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            if self._problem is not None:
                raise self._problem
            self._news.clear()
            await self._news.wait()

    async def _read(self) -> None:
        try:
            async with contextlib.aclosing(self._exchange.updates()) as updates:
                while True:
                    async with asyncio.timeout(_STREAM_SILENCE):
                        block = await anext(updates)
                    self._take(block)
        except TimeoutError:
            self._problem = ExchangeError(f"stream: silent for {_STREAM_SILENCE:.0f} s")
        except Exception as error:  # noqa: BLE001 - raised where the blocks are awaited; nobody awaits this task
            self._problem = error
        finally:
            self._subscribed = False
            self._news.set()

    def _take(self, block: BlockUpdate) -> None:
        gap = block.height - self.height - 1 if self.height else 0
        self._listener(block)
        self.height, self.time, self.at = block.height, block.time, time.monotonic()
        if gap > 0:
            self._log.warning("blocks_missed", first=block.height - gap, last=block.height - 1)
            self._metrics.missed(gap)
            if self._subscribed:
                # What came or went unseen is looked up: the session begins anew, with a snapshot.
                raise ExchangeError(f"stream: left out {gap} blocks before {block.height}")
        if len(self._blocks) >= _MOST_WAITING:
            self._blocks.clear()
            raise ExchangeError(f"stream: nobody asked for its last {_MOST_WAITING} blocks")
        self._block_times.append((block.height, block.time))
        self._subscribed = True
        self._blocks.append(block)
        self._news.set()

    @property
    def age(self) -> float | None:
        """Seconds since the last block came; None before the first."""
        return None if self.at is None else time.monotonic() - self.at

    @property
    def block_seconds(self) -> float | None:
        """Observed time of a block, the average over the last ones; None before there are two heights."""
        if not self._block_times:
            return None
        (first, began), (last, ended) = self._block_times[0], self._block_times[-1]
        if last <= first:
            return None
        return max((ended - began).total_seconds() / (last - first), _FASTEST_BLOCK)
