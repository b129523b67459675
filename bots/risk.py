"""What no order may break. Pure; stands between the strategy and the exchange."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from bots.model import MarketView, Quote, Side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bots.config_model import RiskLimits

__all__ = ["Refusal", "Verdict", "permit", "reference_is_fresh"]

_BPS = Decimal(10_000)
_ZERO = Decimal(0)


class Refusal(NamedTuple):
    """A quote that may not be sent, and why."""

    quote: Quote
    reason: str


class Verdict(NamedTuple):
    """The strategy's quotes, judged."""

    permitted: tuple[Quote, ...]
    refused: tuple[Refusal, ...]


def reference_is_fresh(age_seconds: float | None, limits: RiskLimits) -> bool:
    """Return whether the reference may be traded on; None is a reference that never came."""
    return age_seconds is not None and 0 <= age_seconds <= limits.max_reference_age_seconds


def permit(quotes: Iterable[Quote], view: MarketView, limits: RiskLimits) -> Verdict:
    """Judge quotes one after the other; each permitted one counts as filled for those after it."""
    permitted: list[Quote] = []
    refused: list[Refusal] = []
    for quote in quotes:
        reason = _objection(quote, permitted, view, limits)
        if reason:
            refused.append(Refusal(quote, reason))
        else:
            permitted.append(quote)
    return Verdict(tuple(permitted), tuple(refused))


def _objection(quote: Quote, before: list[Quote], view: MarketView, limits: RiskLimits) -> str:
    market, notional = view.market, quote.price * quote.quantity
    if quote.price <= 0 or quote.quantity <= 0:
        return "price and quantity must be above zero"
    if quote.price % market.price_tick or quote.quantity % market.quantity_tick:
        return "price or quantity is off the market's ticks"
    if abs(quote.price - view.reference) * _BPS > limits.price_band_bps * view.reference:
        return f"price is more than {limits.price_band_bps} bps from the reference"
    if notional > limits.max_order_notional:
        return f"notional {notional:f} is above max_order_notional {limits.max_order_notional}"
    if len(before) >= limits.max_open_orders:
        return f"more than max_open_orders {limits.max_open_orders}"
    return _position_objection(quote, before, view, limits) or _funds_objection(quote, before, view)


def _position_objection(quote: Quote, before: list[Quote], view: MarketView, limits: RiskLimits) -> str:
    """An order may not lead above the limit, but one that leads back towards zero always may."""
    signed = {Side.BUY: 1, Side.SELL: -1}
    held = view.inventory.position if view.market.derivative else view.inventory.base
    same_side = sum((q.quantity for q in before if q.side is quote.side), _ZERO) + quote.quantity
    after = (held + signed[quote.side] * same_side) * view.reference
    if abs(after) > limits.max_position_notional and abs(after) > abs(held * view.reference):
        return f"position of {after:.2f} would be above max_position_notional {limits.max_position_notional}"
    return ""


def _funds_objection(quote: Quote, before: list[Quote], view: MarketView) -> str:
    """Spot: what is not there cannot be sold or paid with. Derivative margin is the exchange's to check."""
    if view.market.derivative:
        return ""
    same = [q for q in before if q.side is quote.side] + [quote]
    if quote.side is Side.SELL and sum((q.quantity for q in same), _ZERO) > view.inventory.base:
        return "not enough base tokens"
    if quote.side is Side.BUY and sum((q.price * q.quantity for q in same), _ZERO) > view.inventory.quote:
        return "not enough quote tokens"
    return ""
