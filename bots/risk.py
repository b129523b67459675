"""What no order may break. No I/O, no clock; stands between the strategy and the exchange."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple

from bots.model import MarketView, Quote, Side

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bots.config_model import RiskLimits
    from bots.model import MarketInfo

__all__ = ["RateLimit", "Refusal", "Verdict", "loss_halt", "permit", "reference_is_fresh"]

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


class RateLimit:
    """New orders per second: a bucket of one second's worth that fills up again as time passes."""

    def __init__(self, per_second: Decimal) -> None:
        self._per_second = float(per_second)
        # Less than one order would never let any through.
        self._most = max(1.0, self._per_second)
        self._left = self._most
        self._at: float | None = None

    def take(self, wanted: int, now: float) -> int:
        """Return how many of `wanted` orders may go out at `now`, seconds of a clock that only goes on."""
        since = 0.0 if self._at is None else now - self._at
        self._left, self._at = min(self._most, self._left + since * self._per_second), now
        taken = min(wanted, int(self._left))
        self._left -= taken
        return taken


def loss_halt(day_pnl: Decimal, limits: RiskLimits) -> str:
    """Return why the bot has to halt, else nothing; `day_pnl` is since 00:00 UTC, in the quote token."""
    if day_pnl > -limits.daily_loss_limit:
        return ""
    return f"lost {-day_pnl:.2f} since 00:00 UTC; daily_loss_limit is {limits.daily_loss_limit}"


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
    notional = quote.price * quote.quantity
    objection = _form_objection(quote, notional, view.market)
    if objection:
        return objection
    if abs(quote.price - view.reference) * _BPS > limits.price_band_bps * view.reference:
        return f"price is more than {limits.price_band_bps} bps from the reference"
    if notional > limits.max_order_notional:
        return f"notional {notional:f} is above max_order_notional {limits.max_order_notional}"
    if len(before) >= limits.max_open_orders:
        return f"more than max_open_orders {limits.max_open_orders}"
    return _position_objection(quote, before, view, limits) or _funds_objection(quote, before, view)


def _form_objection(quote: Quote, notional: Decimal, market: MarketInfo) -> str:
    """Return why the exchange would not take such an order at all."""
    if quote.price <= 0 or quote.quantity <= 0:
        return "price and quantity must be above zero"
    if quote.price % market.price_tick or quote.quantity % market.quantity_tick:
        return "price or quantity is off the market's ticks"
    if notional < market.min_notional:
        return f"notional {notional:f} is below the market's least, {market.min_notional}"
    return ""


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
