"""Market making: levels of quotes around the reference price, moved and thinned by the inventory. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from bots.model import Decision, Side
from bots.parameters import number, whole
from bots.ticks import on_ticks, price_on_tick

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bots.model import MarketView, Quote

__all__ = ["TYPES", "Parameters", "decide", "inventory_ratio"]

TYPES = ("spot", "derivative")
_BPS = Decimal(10_000)
_ONE = Decimal(1)


@dataclass(frozen=True)
class Parameters:
    """How the market maker quotes; basis points are 1/10 000 of the reference price."""

    levels: int = whole(1, 10, "Quotes on each side.")
    half_spread_bps: Decimal = number("0.1", "1000", "Distance of the first quote from the centre.")
    level_step_bps: Decimal = number("0", "1000", "Distance from one level to the next.")
    order_notional: Decimal = number("0.01", "10000000", "Of one quote, in the quote token.")
    skew_bps: Decimal = number("0", "1000", "How far a full inventory moves all quotes.")
    target_base_share: Decimal = number(
        "0", "1", "Spot: share of the pair's value to hold in the base token.", derivative="0"
    )


def inventory_ratio(view: MarketView, parameters: Parameters) -> Decimal:
    """Return how far the inventory is off its target: -1 is nothing or fully short, 1 all or fully long."""
    inventory = view.inventory
    if view.market.derivative:
        ratio = inventory.position * view.reference / view.max_position_notional
    else:
        held = inventory.base * view.reference
        total = held + inventory.quote
        target = parameters.target_base_share
        ratio = (held / total - target) / max(target, 1 - target) if total else Decimal(0)
    return max(-_ONE, min(_ONE, ratio))


def decide(view: MarketView, parameters: Parameters) -> Decision:
    """Quote `levels` prices on each side of the reference.

    A long inventory lowers all quotes (selling becomes likelier) and thins the buys, a short one the other
    way round, so that the inventory returns to its target.
    """
    ratio = inventory_ratio(view, parameters)
    centre = view.reference * (1 - ratio * parameters.skew_bps / _BPS)
    quotes = [
        quote
        for level in range(parameters.levels)
        for quote in _level(view, parameters, centre, ratio, level)
    ]
    reason = f"reference {view.reference:f}, inventory {ratio:.3f}, centre {centre:.6f}, {len(quotes)} quotes"
    return Decision(tuple(quotes), reason)


def _level(
    view: MarketView, parameters: Parameters, centre: Decimal, ratio: Decimal, level: int
) -> Iterator[Quote]:
    distance = (parameters.half_spread_bps + level * parameters.level_step_bps) / _BPS
    for side, price, share in (
        (Side.BUY, centre * (1 - distance), 1 - max(ratio, Decimal(0))),
        (Side.SELL, centre * (1 + distance), 1 + min(ratio, Decimal(0))),
    ):
        on_tick = price_on_tick(view.market, side, price)
        if on_tick > 0:
            quote = on_ticks(view.market, side, on_tick, parameters.order_notional * share / on_tick)
            if quote:
                yield quote
