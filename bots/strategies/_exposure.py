"""What strategies with a target position share: how far from neutral they are, one order towards a target.

Neutral is no position for derivatives, and for spot a share of the pair's value in the base token: what is
held above it is long, below it short, so nothing is ever sold that is not there.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from bots.model import Side
from bots.ticks import on_ticks, price_on_tick

if TYPE_CHECKING:
    from bots.model import MarketView, Quote

__all__ = ["Exposure", "Sizes", "exposure", "towards"]

_BPS = Decimal(10_000)
_ZERO = Decimal(0)
_IDLE = Decimal("0.25")
"""A target that is missed by less than this part of an order is good enough: each correction costs."""
_SPENDABLE = Decimal("0.998")
"""The exchange reserves its fee beside the price: the rest must do for it."""


class Sizes(Protocol):
    """Parameters of such a strategy; notionals in the quote token."""

    @property
    def position_notional(self) -> Decimal:
        """Of the whole target position."""

    @property
    def order_notional(self) -> Decimal:
        """Of one order on the way there."""

    @property
    def target_base_share(self) -> Decimal:
        """Spot: the share of the pair's value that is neutral."""


@dataclass(frozen=True)
class Exposure:
    """Notionals above neutral, in the quote token; below it they are negative."""

    now: Decimal
    short: Decimal
    """The lowest that can be aimed for."""
    long: Decimal
    """The highest."""

    @property
    def direction(self) -> int:
        """1 when at least half of a long target is held, -1 of a short one, else 0."""
        if 0 < self.long <= 2 * self.now:
            return 1
        return -1 if 0 > self.short >= 2 * self.now else 0

    def target(self, direction: int) -> Decimal:
        """Return the exposure to aim for."""
        return {1: self.long, 0: _ZERO, -1: self.short}[direction]


def exposure(view: MarketView, sizes: Sizes) -> Exposure:
    """Return what is held above neutral, and how far up and down the targets lie."""
    largest, size = view.max_position_notional, sizes.position_notional
    if view.market.derivative:
        reach = min(size, largest)
        return Exposure(view.inventory.position * view.reference, -reach, reach)
    held = view.inventory.base * view.reference
    value = held + view.inventory.quote
    neutral = min(value * sizes.target_base_share, largest)
    return Exposure(held - neutral, -min(size, neutral), min(size, value - neutral, largest - neutral))


def towards(
    view: MarketView, sizes: Sizes, direction: int, distance_bps: Decimal, *, cross: bool
) -> tuple[Quote, ...]:
    """Return the order, if any, that leads towards a target: long (1), neutral (0) or short (-1).

    It stands `distance_bps` away from the reference, or with `cross` takes up to that far beyond it.
    """
    seen = exposure(view, sizes)
    missing = seen.target(direction) - seen.now
    if abs(missing) < _least(view, sizes, direction):
        return ()
    side = Side.BUY if missing > 0 else Side.SELL
    outward = -1 if (side is Side.BUY) is not cross else 1
    price = price_on_tick(view.market, side, view.reference * (1 + outward * distance_bps / _BPS))
    if price <= 0:
        return ()
    notional = min(abs(missing), sizes.order_notional)
    quantity = min(notional / max(price, view.reference), _affordable(view, side, price))
    quote = on_ticks(view.market, side, price, quantity, post_only=not cross)
    return (quote,) if quote else ()


def _least(view: MarketView, sizes: Sizes, direction: int) -> Decimal:
    """A position is closed to the end; any other target may be missed by a little."""
    if view.market.derivative and direction == 0:
        return view.market.min_notional
    return max(view.market.min_notional, sizes.order_notional * _IDLE)


def _affordable(view: MarketView, side: Side, price: Decimal) -> Decimal:
    if view.market.derivative:
        return Decimal("Infinity")
    return view.inventory.base if side is Side.SELL else view.inventory.quote * _SPENDABLE / price
