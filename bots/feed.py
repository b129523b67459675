"""The stream, read in a task of its own: every fill is logged when it comes, whatever the bot is busy with.

It outlives the bot's sessions and its stop: the blocks in which orders are being cancelled still bring fills.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import TYPE_CHECKING

from bots.model import ExchangeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bots.canceller import Exchange
    from bots.logs import EventLog
    from bots.model import BlockUpdate

__all__ = ["Feed"]

_STREAM_SILENCE = 5.0
"""Seconds without a block (one comes every 0.65 s) after which the stream counts as broken."""


class Feed:
    """One subscription at a time; its blocks wait in order until they are asked for."""

    def __init__(self, exchange: Exchange, log: EventLog) -> None:
        self._exchange = exchange
        self._log = log
        self._task: asyncio.Task[None] | None = None
        self._subscribed = False
        self._blocks: deque[BlockUpdate] = deque()
        self._news = asyncio.Event()
        self._problem: Exception | None = None
        self.height = 0
        """The last block whose fills have been logged."""

    async def open(self) -> None:
        """Subscribe, unless a subscription stands, and wait for its first block; older blocks are dropped.

        A snapshot has to be taken next: it holds what the dropped blocks said.

        Raises:
            ExchangeError: no stream.
        """
        self._blocks.clear()
        if self._task is None or self._task.done():
            self._problem, self._subscribed = None, False
            self._task = asyncio.create_task(self._read())
        await self._until(lambda: self._subscribed)

    async def next(self) -> BlockUpdate:
        """Return the next block.

        Raises:
            ExchangeError: the stream broke.
        """
        await self._until(lambda: bool(self._blocks))
        return self._blocks.popleft()

    async def reach(self, height: int) -> None:
        """Wait until the fills of block `height` have been logged.

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
        self._report(block)
        if 0 < self.height < block.height - 1:
            self._log.warning("blocks_missed", first=self.height + 1, last=block.height - 1)
        self.height, self._subscribed = block.height, True
        self._blocks.append(block)
        self._news.set()

    def _report(self, block: BlockUpdate) -> None:
        for fill in block.fills:
            self._log.info(
                "fill",
                trade_id=fill.trade_id,
                cid=fill.cid,
                side=fill.side,
                price=fill.price,
                qty=fill.quantity,
                fee=fill.fee,
            )
        for update in block.orders:
            if update.status == "Cancelled":
                self._log.info("order_cancelled", cid=update.cid)
            else:
                self._log.debug(
                    f"order_{update.status.lower()}", cid=update.cid, order_hash=update.order_hash
                )
        for cid, code in block.failures.items():
            self._log.warning("order_failed", cid=cid, code=code)
