"""Momentum: with a price whose fast mean left its slow mean, until it turns or comes back too far. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from bots.model import Decision
from bots.parameters import number, whole
from bots.strategies._exposure import exposure, towards
from bots.strategies._history import mean, window

if TYPE_CHECKING:
    from bots.model import MarketView

__all__ = ["HISTORY", "TYPES", "Parameters", "decide"]

TYPES = ("spot", "derivative")
_BPS = Decimal(10_000)


@dataclass(frozen=True)
class Parameters:
    """When it enters and leaves, and how large it gets."""

    fast_seconds: int = whole(5, 360, "Of the fast mean.")
    slow_multiple: Decimal = number("1.5", "10", "The slow mean is over this many times fast_seconds.")
    threshold_bps: Decimal = number("0.1", "1000", "Enters when the means are this far apart.")
    trail_bps: Decimal = number(
        "1", "2000", "Leaves when the price has come back this far from the slow window's best."
    )
    cross_bps: Decimal = number("0.1", "1000", "How far beyond the reference its orders may take.")
    position_notional: Decimal = number("0.01", "10000000", "Of the whole position, in the quote token.")
    order_notional: Decimal = number("0.01", "10000000", "Of one order.")
    target_base_share: Decimal = number(
        "0", "1", "Spot: share of the pair's value in the base token that is neutral.", derivative="0"
    )

    @property
    def slow_seconds(self) -> int:
        """Of the slow mean."""
        return int(self.fast_seconds * self.slow_multiple)


def HISTORY(parameters: Parameters) -> int:  # noqa: N802 - a name of the contract, beside TYPES
    """Return how many reference prices it looks back on."""
    return parameters.slow_seconds + 1


def decide(view: MarketView, parameters: Parameters) -> Decision:
    """Aim for a position with the trend. It takes from the book: a trend does not wait for its orders."""
    slow, fast = window(view, parameters.slow_seconds), window(view, parameters.fast_seconds)
    if not slow or not fast:
        return Decision((), f"knows less than {parameters.slow_seconds} s of prices yet")
    trend = (mean(fast) / mean(slow) - 1) * _BPS
    back = {
        1: (1 - view.reference / max(slow)) * _BPS,
        -1: (view.reference / min(slow) - 1) * _BPS,
    }
    aim = _aim(trend, back, exposure(view, parameters).direction, parameters)
    quotes = towards(view, parameters, aim, parameters.cross_bps, cross=True)
    words = {1: "long", 0: "neutral", -1: "short"}[aim]
    reason = f"reference {view.reference:f}, trend {trend:.2f} bps, {back[1]:.2f} below the best, "
    return Decision(quotes, reason + f"{back[-1]:.2f} above the worst: {words}")


def _aim(trend: Decimal, back: dict[int, Decimal], held: int, parameters: Parameters) -> int:
    """Return the position to have. It enters on half of what it bears once it is in: no to and fro there."""
    if held and held * trend > 0 and back[held] <= parameters.trail_bps:
        return held
    way = 1 if trend > 0 else -1
    if abs(trend) >= parameters.threshold_bps and back[way] <= parameters.trail_bps / 2:
        return way
    return 0
