"""Prices and quantities on the market's ticks. Pure; what the exchange would refuse is not made at all."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING

from bots.model import Quote, Side

if TYPE_CHECKING:
    from bots.model import MarketInfo

__all__ = ["on_ticks", "price_on_tick"]


def price_on_tick(market: MarketInfo, side: Side, price: Decimal) -> Decimal:
    """Return the nearest price on the ticks that is no worse: a buy's is cut, a sell's raised."""
    rounding = ROUND_FLOOR if side is Side.BUY else ROUND_CEILING
    return (price / market.price_tick).to_integral_value(rounding) * market.price_tick


def on_ticks(
    market: MarketInfo, side: Side, price: Decimal, quantity: Decimal, *, post_only: bool = True
) -> Quote | None:
    """Return a quote on the market's ticks, None when it would be below the least that the market takes.

    The quantity is cut: never more than what was meant. Size by `price_on_tick` where the notional counts.
    """
    price = price_on_tick(market, side, price)
    quantity = (quantity / market.quantity_tick).to_integral_value(ROUND_FLOOR) * market.quantity_tick
    if price <= 0 or quantity <= 0 or price * quantity < market.min_notional:
        return None
    return Quote(side, price, quantity, post_only)
