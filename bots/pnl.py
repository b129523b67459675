"""Profit and loss of one bot: average cost, in the quote token. Pure.

The inventory that was there before the first fill counts as nothing: quantity and profit are relative to it.
Funding payments of perpetuals are no trades and are not in here.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal

from bots.model import Side

__all__ = ["Book"]

_EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)
"""Prices and quantities have up to 18 decimals each: a product needs more digits than the default 28.

Python's own operators, even the sign, round to those 28."""
_GRAIN = Decimal(1).scaleb(-18)


@dataclass(frozen=True)
class Book:
    """Where a row of fills has led; `realised + unrealised = cash + quantity x mark - fees`, always."""

    quantity: Decimal = Decimal(0)
    """Signed: what was bought less what was sold, in the base token or contracts."""
    cost: Decimal = Decimal(0)
    """What the open quantity was bought for; negative: what it was sold for."""
    realised: Decimal = Decimal(0)
    """Of what was closed, after all fees."""
    fees: Decimal = Decimal(0)
    """Paid; negative when the rebates are more."""
    fills: int = 0

    @property
    def average(self) -> Decimal:
        """The average price of the open quantity; nothing when flat."""
        return _EXACT.divide(self.cost, self.quantity) if self.quantity else Decimal(0)

    def unrealised(self, mark: Decimal) -> Decimal:
        """Return what closing at `mark` would bring, before fees."""
        return _EXACT.subtract(_EXACT.multiply(self.quantity, mark), self.cost)

    def total(self, mark: Decimal) -> Decimal:
        """Return realised plus unrealised."""
        return _EXACT.add(self.realised, self.unrealised(mark))

    def filled(self, side: Side, price: Decimal, quantity: Decimal, fee: Decimal) -> Book:
        """Return the book after one fill; `quantity` is positive, a negative `fee` is a rebate."""
        signed = quantity if side is Side.BUY else quantity.copy_negate()
        closing = Decimal(0)
        if self.quantity and signed and self.quantity.is_signed() != signed.is_signed():
            closing = min(signed, self.quantity.copy_negate(), key=Decimal.copy_abs)
        released = self._cost_of(closing)
        # The identity holds exactly because what leaves the cost is what enters the profit, rounded or not.
        proceeds = _EXACT.multiply(closing.copy_negate(), price)
        profit = _EXACT.subtract(proceeds, released)
        opened = _EXACT.multiply(_EXACT.subtract(signed, closing), price)
        return Book(
            _EXACT.add(self.quantity, signed),
            _EXACT.add(_EXACT.subtract(self.cost, released), opened),
            _EXACT.subtract(_EXACT.add(self.realised, profit), fee),
            _EXACT.add(self.fees, fee),
            self.fills + 1,
        )

    def _cost_of(self, closing: Decimal) -> Decimal:
        """Return the part of the cost that belongs to what is closed; all of it when nothing is left."""
        if not closing:
            return Decimal(0)
        if closing == self.quantity.copy_negate():
            return self.cost
        share = _EXACT.divide(_EXACT.multiply(self.cost, closing.copy_negate()), self.quantity)
        return share.quantize(_GRAIN, context=_EXACT)
