"""Funding of perpetual markets. Pure but for the state that it carries.

Source: injective-core, modules/exchange/keeper (perpetual funding): a block with trades adds how far their
average price lay from the mark, for the time since the block with trades before it; every interval the sum
gives a rate, long positions pay short ones rate x mark price per unit, by way of a cumulative sum that a
position remembers from its last change.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from bots.paper.units import ZERO

if TYPE_CHECKING:
    from bots.paper.markets import Market

__all__ = ["HOURLY_INTEREST", "HOURLY_RATE_CAP", "Funding", "advanced", "traded"]

HOURLY_INTEREST = Decimal("0.000004166666666666")
HOURLY_RATE_CAP = Decimal("0.000625")
"""Both as the chain's default parameters have them."""
_HOURS_OF_A_DAY = 24
_HOUR = 3_600
_GRAIN = Decimal(1).scaleb(-18)


@dataclass(frozen=True)
class Funding:
    """The state of one market: `PerpetualMarketFunding` and the time of the next payment. Unix seconds."""

    cumulative: Decimal = ZERO
    """What a long unit has paid since the market began, in the quote token."""
    cumulative_price: Decimal = ZERO
    """Σ (price - mark) / mark x seconds, since the last payment."""
    last: int = 0
    """When `cumulative_price` was last added to."""
    next: int = 0
    rate: Decimal = ZERO
    """That of the last payment, per interval."""


def traded(funding: Funding, average_price: Decimal, mark: Decimal, now: int) -> Funding:
    """Add a block's trades at their average price."""
    span = max(now - (funding.last or now), 0)
    added = ((average_price - mark) / mark * span).quantize(_GRAIN)
    return Funding(funding.cumulative, funding.cumulative_price + added, now, funding.next, funding.rate)


def advanced(funding: Funding, market: Market, mark: Decimal, now: int) -> Funding:
    """Pay when it is time; the first call sets the time of the first payment."""
    if not funding.next:
        return Funding(funding.cumulative, ZERO, now, _after(now, market.funding_interval), funding.rate)
    if now < funding.next:
        return funding
    average = funding.cumulative_price / (_HOURS_OF_A_DAY * market.funding_interval)
    hours = Decimal(market.funding_interval) / _HOUR
    rate = max(-HOURLY_RATE_CAP, min(HOURLY_RATE_CAP, average + HOURLY_INTEREST)) * hours
    paid = (rate * mark).quantize(_GRAIN)
    return Funding(
        funding.cumulative + paid, ZERO, now, _after(now, market.funding_interval), rate.quantize(_GRAIN)
    )


def _after(now: int, interval: int) -> int:
    return (now // interval + 1) * interval
