"""The bot: stream → strategy → risk → exchange, and what happens when any of them fails."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from bots import risk
from bots.canceller import cancel_everything, settle, snapshot
from bots.model import (
    Batch,
    BlockUpdate,
    Decision,
    ExchangeError,
    Inventory,
    MarketView,
    NewOrder,
    RejectedError,
    UnknownOutcomeError,
)
from bots.working import WorkingOrders, plan

if TYPE_CHECKING:
    from collections.abc import Callable

    from bots.canceller import Exchange
    from bots.config import TraderConfig
    from bots.logs import EventLog
    from bots.model import MarketInfo, Quote

__all__ = ["Bot", "ReferencePrice"]

_STREAM_SILENCE = 5.0
"""Seconds without a block (one comes every 0.65 s) after which the stream counts as broken."""
_ANSWER_BLOCKS = 3
"""Blocks after which a batch that the stream did not answer for is looked up."""
_RECONCILE_SECONDS = 20.0
_STOP_SECONDS = 18.0
_BACKOFF = (0.5, 15.0)
_LONGEST_PAUSE = 64


class ReferencePrice(Protocol):
    """Where the bot reads the reference price."""

    price: Decimal

    @property
    def age(self) -> float | None:
        """Seconds since it came; None before the first."""

    def start(self) -> None:
        """Begin to follow it."""


class Bot:
    """One bot on one market."""

    def __init__(
        self,
        exchange: Exchange,
        reference: ReferencePrice,
        config: TraderConfig,
        strategy: Callable[[MarketView], Decision],
        log: EventLog,
    ) -> None:
        self._exchange = exchange
        self._reference = reference
        self._config = config
        self._strategy = strategy
        self._log = log
        self._orders = WorkingOrders()
        self._inventory = Inventory()
        self._market: MarketInfo | None = None
        self._clean = False
        self._reconciled_at = 0.0
        self._resume_height = 0
        self._refusals = 0
        self._stale = False

    async def run(self, stop: asyncio.Event) -> int:
        """Trade until `stop`, then take all orders out of the book; returns the exit code."""
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

    async def _stop(self) -> int:
        self._log.info("stopping", open_orders=len(self._orders.open))
        problem = "not tried"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_STOP_SECONDS):
                while True:
                    try:
                        await self._exchange.connect()
                        await cancel_everything(self._exchange, self._log)
                    except ExchangeError as error:
                        problem = str(error)
                        await asyncio.sleep(0.5)
                    else:
                        self._log.info("stopped", open_orders=0)
                        return 0
        self._log.error("stop_unconfirmed", error=f"orders may still be open: {problem}")
        return 1

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
        """Connect, tidy up, then follow the stream until it breaks."""
        self._market = await self._exchange.connect()
        self._log.info("connected", ticker=self._market.ticker, market_id=self._market.id)
        if not self._clean:
            # What a killed predecessor left would otherwise stand beside our own orders.
            await cancel_everything(self._exchange, self._log)
            self._clean = True
        async with contextlib.aclosing(self._exchange.updates()) as updates:
            first = True
            while True:
                try:
                    async with asyncio.timeout(_STREAM_SILENCE):
                        block = await anext(updates)
                except TimeoutError as error:
                    raise ExchangeError(f"stream: silent for {_STREAM_SILENCE:.0f} s") from error
                if first:
                    # Subscribed first, then the snapshot: nothing can fall between the two.
                    if self._orders.in_flight:
                        await settle(self._exchange, self._orders.in_flight, self._log)
                    await self._reconcile()
                    first = False
                await self._on_block(block)

    async def _reconcile(self) -> None:
        before = set(self._orders.open)
        height, orders = await snapshot(self._exchange)
        self._orders.replace(orders, height)
        self._inventory = await self._exchange.inventory()
        self._reconciled_at = time.monotonic()
        if before != set(self._orders.open):
            self._log.info("reconciled", before=len(before), open_orders=len(self._orders.open))

    async def _on_block(self, block: BlockUpdate) -> None:
        self._report(block)
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

    def _pause(self, height: int) -> None:
        """Wait longer after each refusal in a row: what the chain refused once it mostly refuses again."""
        self._refusals += 1
        self._resume_height = height + min(2**self._refusals, _LONGEST_PAUSE)

    async def _decide(self, height: int) -> None:
        view, wanted, reason = self._wanted()
        batch = plan(
            wanted,
            self._orders.open.values(),
            self._config.parameters.refresh_bps,
            lambda q: self._new_order(q, view),
        )
        if not batch.create and not batch.cancel:
            return
        self._log.info("decision", reason=reason, create=len(batch.create), cancel=len(batch.cancel))
        await self._send(batch, height)

    def _wanted(self) -> tuple[MarketView, tuple[Quote, ...], str]:
        if self._market is None:
            raise ExchangeError("not connected")
        limits = self._config.risk
        view = MarketView(self._market, self._reference.price, self._inventory, limits.max_position_notional)
        fresh = risk.reference_is_fresh(self._reference.age, limits)
        if fresh is self._stale:
            self._stale = not fresh
            self._log.warning("reference_stale" if self._stale else "reference_back")
        if not fresh:
            return view, (), "the reference price is stale: nothing may stand in the book"
        decision = self._strategy(view)
        verdict = risk.permit(decision.quotes, view, limits)
        for quote, reason in verdict.refused:
            self._log.debug(
                "quote_refused", side=quote.side, price=quote.price, qty=quote.quantity, reason=reason
            )
        refused = "".join(
            f"; refused: {reason}" for reason in sorted({reason for _, reason in verdict.refused})
        )
        return view, verdict.permitted, decision.reason + refused

    def _new_order(self, quote: Quote, view: MarketView) -> NewOrder:
        margin = Decimal(0)
        if view.market.derivative:
            margin = quote.price * quote.quantity / self._config.parameters.leverage
        return NewOrder(uuid.uuid4().hex, quote, margin)

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
            side, price, quantity = order.quote
            self._log.info(
                "order_placed", cid=order.cid, side=side, price=price, qty=quantity, tx_hash=tx_hash
            )
