"""A bot's life: connect, follow the stream, let the quoter decide, and what happens when any of it fails."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from typing import TYPE_CHECKING

from bots.canceller import cancel_everything, settle, snapshot
from bots.feed import Feed
from bots.model import ExchangeError, Inventory, RejectedError, UnknownOutcomeError
from bots.working import WorkingOrders

if TYPE_CHECKING:
    from bots.canceller import Exchange
    from bots.logs import EventLog
    from bots.model import Batch, BlockUpdate
    from bots.quoter import Quoter, ReferencePrice

__all__ = ["Bot"]

_ANSWER_BLOCKS = 3
"""Blocks after which a batch that the stream did not answer for is looked up."""
_RECONCILE_SECONDS = 20.0
_STOP_SECONDS = 18.0
_LISTEN_SECONDS = 2.0
"""How long a stop waits for a stream that broke before: the cancellation is worth more."""
_LAST_FILLS_SECONDS = 4.0
_BACKOFF = (0.5, 15.0)
_LONGEST_PAUSE = 64


class Bot:
    """One bot on one market."""

    def __init__(self, exchange: Exchange, reference: ReferencePrice, quoter: Quoter, log: EventLog) -> None:
        self._exchange = exchange
        self._reference = reference
        self._quoter = quoter
        self._log = log
        self._feed = Feed(exchange, log)
        self._orders = WorkingOrders()
        self._inventory = Inventory()
        self._clean = False
        self._reconciled_at = 0.0
        self._resume_height = 0
        self._refusals = 0

    async def run(self, stop: asyncio.Event) -> int:
        """Trade until `stop`, then take all orders out of the book; returns the exit code."""
        try:
            return await self._run(stop)
        finally:
            await self._feed.close()

    async def _run(self, stop: asyncio.Event) -> int:
        if stop.is_set():
            return await self._stop()
        self._reference.start()
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
            return await self._stop()
        except Exception as error:  # noqa: BLE001 - a defect: the orders must still come out of the book
            self._log.error("internal_error", error=f"{type(error).__name__}: {error}")
            await self._stop()
        return 1

    # ---- the end

    async def _stop(self) -> int:
        self._log.info("stopping", open_orders=len(self._orders.open))
        problem = "not tried"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                while problem:
                    problem = await self._empty_the_book()
        if problem:
            self._log.error("stop_unconfirmed", error=f"orders may still be open: {problem}")
            return 1
        if not await self._last_fills():
            return 1
        self._log.info("stopped", open_orders=0)
        return 0

    async def _empty_the_book(self) -> str:
        """Try once to take all orders out; returns what went wrong, nothing when they are out."""
        try:
            await self._exchange.connect()
            with contextlib.suppress(ExchangeError, TimeoutError):
                async with asyncio.timeout(_LISTEN_SECONDS):
                    await self._feed.open()
            await cancel_everything(self._exchange, self._log)
        except ExchangeError as error:
            await asyncio.sleep(0.5)
            return str(error)
        return ""

    async def _last_fills(self) -> bool:
        """Wait until the blocks up to the cancellation have told their fills; returns whether they have."""
        try:
            async with asyncio.timeout(_LAST_FILLS_SECONDS):
                await self._feed.reach(await self._exchange.sync_height())
        except (ExchangeError, TimeoutError) as error:
            self._log.error(
                "fills_unconfirmed",
                error="no order is left, but the stream broke before it told the last fills; "
                f"compare the exchange's trades from block {self._feed.height} on: {error}",
            )
            return False
        return True

    # ---- trading

    async def _trade_for_ever(self) -> None:
        backoff = _BACKOFF[0]
        while True:
            began = time.monotonic()
            try:
                await self._session()
            except ExchangeError as error:
                self._log.warning("connection_lost", error=str(error))
            if time.monotonic() - began > _BACKOFF[1]:
                backoff = _BACKOFF[0]
            await asyncio.sleep(backoff * random.uniform(0.5, 1))  # noqa: S311 - jitter, no cryptography
            backoff = min(2 * backoff, _BACKOFF[1])

    async def _session(self) -> None:
        """Connect, tidy up, then follow the stream until something breaks."""
        market = await self._exchange.connect()
        self._log.info("connected", ticker=market.ticker, market_id=market.id)
        # Subscribed first, then the snapshot: nothing can fall between the two.
        await self._feed.open()
        if not self._clean:
            # What a killed predecessor left would otherwise stand beside our own orders.
            await cancel_everything(self._exchange, self._log)
            self._clean = True
        if self._orders.in_flight:
            await settle(self._exchange, self._orders.in_flight, self._log)
        await self._reconcile()
        while True:
            await self._on_block(await self._feed.next())

    async def _reconcile(self) -> None:
        before = set(self._orders.open)
        height, orders = await snapshot(self._exchange)
        self._orders.replace(orders, height)
        self._inventory = await self._exchange.inventory()
        self._reconciled_at = time.monotonic()
        if before != set(self._orders.open):
            self._log.info("reconciled", before=len(before), open_orders=len(self._orders.open))

    async def _on_block(self, block: BlockUpdate) -> None:
        if block.height < self._orders.snapshot_height:
            return
        self._exchange.follow(block)
        self._orders.apply(block)
        if block.failures:
            self._pause(block.height)
        in_flight = self._orders.in_flight
        if in_flight is not None:
            if block.height >= in_flight.sent_height + _ANSWER_BLOCKS:
                await settle(self._exchange, in_flight, self._log)
                await self._reconcile()
            return
        if block.fills or block.failures:
            self._inventory = await self._exchange.inventory()
        if time.monotonic() - self._reconciled_at > _RECONCILE_SECONDS:
            await self._reconcile()
        if block.height >= self._resume_height:
            await self._decide(block.height)

    def _pause(self, height: int) -> None:
        """Wait longer after each refusal in a row: what the chain refused once it mostly refuses again."""
        self._refusals += 1
        self._resume_height = height + min(2**self._refusals, _LONGEST_PAUSE)

    async def _decide(self, height: int) -> None:
        batch = self._quoter.changes(self._exchange.market, self._inventory, self._orders.open.values())
        if batch.create or batch.cancel:
            await self._send(batch, height)

    async def _send(self, batch: Batch, height: int) -> None:
        try:
            tx_hash, timeout_height = await self._exchange.submit(batch)
        except RejectedError as error:
            self._pause(height)
            self._log.warning(
                "batch_rejected", code=error.code, error=str(error), resume_height=self._resume_height
            )
            return
        except UnknownOutcomeError as error:
            self._orders.sent(batch, error.tx_hash, error.timeout_height, height)
            self._log.warning("outcome_unknown", tx_hash=error.tx_hash)
            raise
        self._refusals = 0
        self._orders.sent(batch, tx_hash, timeout_height, height)
        for order in batch.create:
            quote = order.quote
            self._log.info(
                "order_placed",
                cid=order.cid,
                side=quote.side,
                price=quote.price,
                qty=quote.quantity,
                tx_hash=tx_hash,
            )
