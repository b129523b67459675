"""Derivative positions: netting and profit. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from bots.paper.units import ZERO

__all__ = ["Fill", "Position", "apply_fill", "is_liquidable", "with_funding"]

_GRAIN = Decimal(1).scaleb(-18)


@dataclass(frozen=True)
class Position:
    """A position of one subaccount in one market.

    `cost` is Σ signed quantity times price, kept instead of the average entry price because sums stay exact:
    over all positions of a market the quantities add up to nothing, and so do profits.
    """

    quantity: Decimal = ZERO
    """Positive is long, negative is short."""
    cost: Decimal = ZERO
    margin: Decimal = ZERO
    funding_entry: Decimal = ZERO
    """The market's cumulative funding when the margin was last settled with it."""

    @property
    def entry_price(self) -> Decimal:
        """Average price of the open quantity; zero when flat."""
        return self.cost / self.quantity if self.quantity else ZERO


@dataclass(frozen=True)
class Fill:
    """What one fill does to a position and to the cash beside it."""

    position: Position
    margin_used: Decimal
    """Taken from the margin that the order had locked; the rest of it goes back."""
    payout: Decimal
    """Margin of the closed part plus its profit; negative when it lost more than its margin."""


def apply_fill(position: Position, quantity: Decimal, price: Decimal, margin: Decimal) -> Fill:
    """Net a fill of signed `quantity` at `price`, backed by `margin`, into a position.

    The part against the position closes it and needs no margin; the rest opens or extends.
    """
    if position.quantity * quantity >= 0:
        return Fill(_extend(position, quantity, price, margin), margin, ZERO)
    closed = min(abs(quantity), abs(position.quantity))
    share = closed / abs(position.quantity)
    cost = (position.cost * share).quantize(_GRAIN)
    freed = (position.margin * share).quantize(_GRAIN)
    signed = closed.copy_sign(position.quantity)
    payout = freed + signed * price - cost
    rest = Position(
        position.quantity - signed, position.cost - cost, position.margin - freed, position.funding_entry
    )
    opened = quantity + signed
    if not opened:
        return Fill(rest, ZERO, payout)
    used = (margin * opened / quantity).quantize(_GRAIN)
    return Fill(_extend(rest, opened, price, used), used, payout)


def _extend(position: Position, quantity: Decimal, price: Decimal, margin: Decimal) -> Position:
    return Position(
        position.quantity + quantity,
        position.cost + quantity * price,
        position.margin + margin,
        position.funding_entry,
    )


def with_funding(position: Position, cumulative: Decimal) -> Position:
    """Settle a position's margin with what a long unit has paid since; the sum over a market is nothing."""
    owed = position.quantity * (cumulative - position.funding_entry)
    return Position(position.quantity, position.cost, position.margin - owed, cumulative)


def is_liquidable(position: Position, mark: Decimal, maintenance_margin: Decimal) -> bool:
    """Return whether margin and unrealised profit at the mark price are below the maintenance margin."""
    equity = position.margin + position.quantity * mark - position.cost
    return equity < abs(position.quantity) * mark * maintenance_margin
