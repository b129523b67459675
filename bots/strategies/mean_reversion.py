"""Mean reversion: against a price that has gone far from its mean, back to neutral when it returns. Pure.

How far is told by the z-score: the reference price less its mean over a window, in standard deviations.
"""

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

    window_seconds: int = whole(
        30, 3600, "Of the mean and the deviation; it does not trade before it has them."
    )
    entry_z: Decimal = number("0.5", "10", "Enters against the price at this z-score.")
    exit_share: Decimal = number("0", "0.9", "Leaves when the z-score is back to this part of entry_z.")
    stop_multiple: Decimal = number(
        "1.1", "10", "Gives up at this multiple of entry_z: leaves at once, taking from the book."
    )
    min_edge_bps: Decimal = number("0", "1000", "Least distance from the mean to enter at.")
    distance_bps: Decimal = number("0.1", "1000", "Distance of its limit orders from the reference.")
    cross_bps: Decimal = number("0.1", "1000", "How far beyond the reference giving up may take.")
    position_notional: Decimal = number("0.01", "10000000", "Of the whole position, in the quote token.")
    order_notional: Decimal = number("0.01", "10000000", "Of one order.")
    target_base_share: Decimal = number(
        "0", "1", "Spot: share of the pair's value in the base token that is neutral.", derivative="0"
    )


def HISTORY(parameters: Parameters) -> int:  # noqa: N802 - a name of the contract, beside TYPES
    """Return how many reference prices it looks back on."""
    return parameters.window_seconds + 1


def decide(view: MarketView, parameters: Parameters) -> Decision:
    """Aim for a position against the deviation, for none near the mean; give up when it runs away."""
    prices = window(view, parameters.window_seconds)
    if not prices:
        return Decision((), f"knows less than {parameters.window_seconds} s of prices yet")
    middle = mean(prices)
    deviation = mean([(price - middle) ** 2 for price in prices]).sqrt()
    if not deviation:
        return Decision((), f"the price has not moved for {parameters.window_seconds} s")
    z = (view.reference - middle) / deviation
    held = exposure(view, parameters).direction
    edge = abs(view.reference - middle) * _BPS / middle
    aim = _aim(z, held, parameters, far_enough=edge >= parameters.min_edge_bps)
    give_up = held != 0 and -held * z >= parameters.entry_z * parameters.stop_multiple
    distance = parameters.cross_bps if give_up else parameters.distance_bps
    quotes = towards(view, parameters, aim, distance, cross=give_up)
    words = "gives up" if give_up else {1: "long", 0: "neutral", -1: "short"}[aim]
    return Decision(quotes, f"reference {view.reference:f}, mean {middle:.6f}, z {z:.2f}: {words}")


def _aim(z: Decimal, held: int, parameters: Parameters, *, far_enough: bool) -> int:
    """Return the position to have. Entry lies well inside of giving up: no to and fro there."""
    against = -1 if z > 0 else 1
    stop = parameters.entry_z * parameters.stop_multiple
    if held == against and parameters.entry_z * parameters.exit_share < abs(z) < stop:
        return held
    if far_enough and parameters.entry_z <= abs(z) <= (parameters.entry_z + stop) / 2:
        return against
    return 0
