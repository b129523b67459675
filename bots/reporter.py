"""What the bot says of itself: every second to Redis, whenever asked to Prometheus and to Nomad's check."""

from __future__ import annotations

import asyncio
import time
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bots import risk
from bots.health import Health, judge_health
from bots.metrics import Readings
from bots.model import ExchangeError
from bots.state import StateError

if TYPE_CHECKING:
    from decimal import Decimal

    from bots.desk import Desk, Parts

__all__ = ["Reporter"]

_EVERY_SECONDS = 1.0
_PRICE_SECONDS = 2.0


class Reporter:
    """Reads desk and parts; decides nothing."""

    def __init__(self, parts: Parts, desk: Desk) -> None:
        self._parts = parts
        self._desk = desk
        self._began = time.monotonic()
        self._away = False

    async def run(self) -> None:
        """Publish for ever; without Redis it goes on trying."""
        prices = asyncio.create_task(self._follow_price())
        try:
            while True:
                try:
                    await self.publish()
                    self._away = False
                except StateError as error:
                    if not self._away:
                        self._parts.log.warning("redis_away", error=str(error))
                    self._away = True
                if prices.done():
                    # Only a defect ends it, and that must not pass in silence.
                    prices.result()
                await asyncio.sleep(_EVERY_SECONDS)
        finally:
            prices.cancel()

    async def publish(self) -> None:
        """Publish once; only who holds the lease speaks for the bot.

        Raises:
            StateError: Redis is away.
        """
        parts = self._parts
        if not parts.lease.held:
            return
        await parts.halts.sync()
        if self._desk.ledger_open:
            # Each time: a Redis that lost its data has it again within a second.
            await parts.state.save_position(parts.symbol, self._position())
        await parts.state.save_status(self.status())

    def _position(self) -> dict[str, Any]:
        book = self._parts.ledger.book
        return {
            "symbol": self._parts.symbol,
            "qty": book.quantity,
            "entry_price": book.average,
            "realised_pnl": book.realised,
            "fills": book.fills,
            "updated_at": datetime.now(UTC).isoformat(),
        }

    async def _follow_price(self) -> None:
        """Keep the trading network's own price for the page; orders go by the reference."""
        while True:
            try:
                self._desk.venue_price = await self._parts.exchange.mid_price()
            except ExchangeError:
                self._desk.venue_price = None
            await asyncio.sleep(_PRICE_SECONDS)

    # ---- what there is to tell

    def readings(self) -> Readings:
        """Return what holds now."""
        parts, desk = self._parts, self._desk
        book, mark = parts.ledger.book, parts.reference.price
        known = desk.ledger_open
        return Readings(
            state=desk.state,
            stream_age=parts.feed.age,
            reference_age=parts.reference.age,
            position=self._held(),
            realised_pnl=book.realised if known else None,
            unrealised_pnl=book.unrealised(mark) if known and mark else None,
            day_pnl=self._day_pnl(),
            open_orders=len(desk.orders.open),
            lease_remaining=parts.lease.remaining,
            fence=parts.lease.fence,
            ledger_lag=parts.ledger.lag,
            key_version=parts.key_version,
            halted=bool(parts.halts.reason),
        )

    def _day_pnl(self) -> Decimal | None:
        """Return the day's profit where a decision would ask for it too: the first to ask begins the day."""
        parts, reference = self._parts, self._parts.reference
        fresh = risk.reference_is_fresh(reference.age, parts.config.risk)
        if not (fresh and self._desk.ledger_open and parts.lease.held):
            return None
        return parts.ledger.day_pnl(reference.price, datetime.now(UTC))

    def _held(self) -> Decimal:
        inventory = self._desk.inventory
        return inventory.position if self._parts.derivative else inventory.base

    def status(self) -> dict[str, Any]:
        """Return the record for the page; amounts are `Decimal`, times ISO 8601."""
        desk, parts = self._desk, self._parts
        readings = self.readings()
        told = {field.name: getattr(readings, field.name) for field in fields(readings)}
        return {
            **told,
            "bot_id": parts.bot_id,
            "symbol": parts.symbol,
            "strategy": parts.config.strategy,
            "reason": desk.reason or parts.halts.reason,
            "heartbeat": datetime.now(UTC).isoformat(),
            "started": parts.started.isoformat(),
            "base_balance": desk.inventory.base,
            "quote_balance": desk.inventory.quote,
            "reference_price": parts.reference.price or None,
            "venue_price": desk.venue_price,
            "ledger_away": parts.ledger.away,
        }

    def health(self) -> Health:
        """Return what Nomad's check is answered."""
        now = time.monotonic()
        stream_age = self._parts.feed.age
        if stream_age is None:
            stream_age = now - self._began
        return judge_health(self._desk.state, stream_age, now - self._desk.turned_at)
