"""Numbers as the chain writes them: human `Decimal` inside, LegacyDec (x 10^18, as integers) on the wire."""

from __future__ import annotations

import decimal
from decimal import Decimal

__all__ = ["POST_ONLY_TYPES", "ZERO", "decimal_text", "from_wire", "to_wire"]

# Balances reach 10¹² with 18 decimals and are multiplied by rates: 28 digits, the default, would round
# money. The template covers contexts that are made later, the call covers this one.
decimal.DefaultContext.prec = 60
decimal.setcontext(decimal.DefaultContext)

ZERO = Decimal(0)
POST_ONLY_TYPES = frozenset({7, 8})
"""`injective.exchange.v2.OrderType`: BUY_PO and SELL_PO."""
_SCALE = Decimal(10**18)
_WHOLE = Decimal(1)


def to_wire(value: Decimal) -> str:
    """Return a human amount as a LegacyDec string, cut (not rounded up) at 18 decimals."""
    return str(int((value * _SCALE).quantize(_WHOLE, rounding=decimal.ROUND_FLOOR)))


def from_wire(text: str) -> Decimal:
    """Read a LegacyDec string; an empty one is zero, as a protobuf default is.

    Raises:
        ValueError: the text is no integer, which the chain refuses as well.
    """
    return Decimal(int(text)) / _SCALE if text else ZERO


def decimal_text(value: Decimal) -> str:
    """Return a plain decimal without exponent or trailing zeros, for JSON."""
    return f"{value.normalize():f}" if value else "0"
