"""What strategies that look back share: the reference prices of the last seconds."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bots.model import MarketView

__all__ = ["mean", "window"]

_SPAN = 0.9
"""The part of a window that the prices must span: one comes about every second, not exactly."""
_SLOWEST = 4
"""Most seconds between prices, on average: with larger holes in it a window says nothing."""


def window(view: MarketView, seconds: int) -> tuple[Decimal, ...]:
    """Return the reference prices of the last `seconds`, oldest first; none while they are not known yet."""
    if not view.history:
        return ()
    now = view.history[-1].at
    points = [point for point in view.history if point.at > now - seconds]
    known = now - view.history[0].at >= seconds * _SPAN and len(points) * _SLOWEST >= seconds
    return tuple(point.price for point in points) if known else ()


def mean(prices: Sequence[Decimal]) -> Decimal:
    """Return the arithmetic mean of at least one price."""
    return sum(prices, Decimal(0)) / len(prices)
