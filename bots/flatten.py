"""`on_stop: flatten`: bring the position back to nothing, by limit orders that may take, within the band.

Derivatives: the position in the market, by reduce-only orders. Spot: what the bot bought beyond what it sold,
or the other way round; what was there before the bot is left alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass
from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from bots import risk
from bots.canceller import cancel_everything, settle
from bots.lease import height_cap
from bots.ledger import LedgerUnavailableError
from bots.ledger_catchup import catch_up
from bots.model import Batch, ExchangeError, MarketInfo, MarketView, NewOrder, Quote, Side
from bots.working import InFlight

if TYPE_CHECKING:
    from bots.config import RiskLimits
    from bots.desk import Parts

__all__ = ["closing_quote", "flatten"]

_SECONDS = 8.0
_SLOW_BLOCK = 1.0
"""Seconds; taken while no two blocks were seen."""
_FILL_SECONDS = 2.0
_LEARN_SECONDS = 3.0
_LOOKUP_SECONDS = 1.0
_BPS = Decimal(10_000)


@dataclass(frozen=True)
class _Held:
    position: Decimal
    view: MarketView


def closing_quote(
    position: Decimal, market: MarketInfo, reference: Decimal, limits: RiskLimits
) -> Quote | None:
    """Return the next order that brings a signed `position` nearer to nothing, None when there is none.

    Half the price band away from the reference, on the ticks, no larger than the largest order.
    """
    side = Side.SELL if position > 0 else Side.BUY
    away = limits.price_band_bps / 2 / _BPS
    price = reference * (1 - away if side is Side.SELL else 1 + away)
    price = (price / market.price_tick).to_integral_value(ROUND_FLOOR) * market.price_tick
    if price <= 0:
        return None
    most = min(abs(position), limits.max_order_notional / max(price, reference))
    quantity = most // market.quantity_tick * market.quantity_tick
    if quantity <= 0 or quantity * price < market.min_notional:
        return None
    return Quote(side, price, quantity, post_only=False)


async def flatten(parts: Parts) -> None:
    """Send closing orders until nothing is left to close or the time is up; says which.

    Raises:
        ExchangeError: the exchange cannot be asked, or refuses.
    """
    end = time.monotonic() + _SECONDS
    while True:
        if not parts.derivative and not await _knows_its_fills(parts):
            return
        held = await _held(parts)
        quote = _permitted(parts, held)
        if quote is None or time.monotonic() > end:
            break
        await _close_some(parts, quote)
    log = parts.log.info if not held.position else parts.log.warning
    log("flattened", position=held.position)


async def _knows_its_fills(parts: Parts) -> bool:
    """Return whether the book holds every fill until now: else what is closed would be closed again."""
    try:
        async with asyncio.timeout(_LEARN_SECONDS):
            await parts.ledger.opening(_LEARN_SECONDS)
            with contextlib.suppress(ExchangeError, TimeoutError):
                async with asyncio.timeout(_LOOKUP_SECONDS):
                    await catch_up(parts.exchange.history(), parts.ledger, parts.log)
            await parts.feed.reach(await parts.exchange.sync_height())
    except (ExchangeError, LedgerUnavailableError, TimeoutError) as error:
        parts.log.warning("flatten_without_fills", error=f"the position is not known, and stays: {error!r}")
        return False
    return True


async def _held(parts: Parts) -> _Held:
    market, inventory = parts.exchange.market, (await parts.exchange.inventory()).tradable()
    position = inventory.position if market.derivative else parts.ledger.book.quantity
    most = parts.config.risk.max_position_notional
    return _Held(position, MarketView(market, parts.reference.price, inventory, most))


def _permitted(parts: Parts, held: _Held) -> Quote | None:
    limits = parts.config.risk
    if not held.position or not parts.lease.held:
        return None
    if not risk.reference_is_fresh(parts.reference.age, limits):
        parts.log.error("flatten_without_price", position=held.position)
        return None
    position = held.position
    if not held.view.market.derivative:
        # Gas was paid from it, or is kept for that: what is there is closed all the same.
        position = min(position, held.view.inventory.base)
    quote = closing_quote(position, held.view.market, held.view.reference, limits)
    verdict = risk.permit([quote] if quote else [], held.view, limits)
    for refused, reason in verdict.refused:
        parts.log.error("flatten_refused", reason=reason, price=refused.price, qty=refused.quantity)
    return next(iter(verdict.permitted), None)


async def _close_some(parts: Parts, quote: Quote) -> None:
    exchange, lease, fence = parts.exchange, parts.lease, parts.lease.fence
    height = await exchange.sync_height()
    if height <= lease.horizon:
        raise ExchangeError("an earlier tenure's transaction may still come into a block")
    cap = height_cap(height, lease.remaining, parts.feed.block_seconds or _SLOW_BLOCK)
    # No margin makes a derivative's order reduce-only.
    order = NewOrder(parts.quoter.new_cid(), quote)

    async def permit(timeout_height: int) -> None:
        await lease.permit(timeout_height, fence=fence)

    tx_hash, timeout_height = await exchange.submit(Batch(create=(order,)), permit, cap)
    parts.books.sent([order], tx_hash, parts.feed.time or parts.started)
    await settle(exchange, InFlight(tx_hash, timeout_height, height, set()), parts.log)
    await asyncio.sleep(_FILL_SECONDS)
    await cancel_everything(exchange, parts.log)
