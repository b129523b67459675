"""The SDK's answers (decoded JSON) as the trader's words. Pure.

Numbers are human x 10^18 in text, names are camelCase, enums are names.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bots.model import BlockUpdate, Fill, OpenOrder, OrderUpdate, Side

__all__ = ["block_update", "decimal", "open_order"]


def decimal(text: str) -> Decimal:
    """Return a LegacyDec text as a human amount."""
    return Decimal(text or 0).scaleb(-18)


def _side(is_buy: bool) -> Side:  # noqa: FBT001 - the chain's own flag
    return Side.BUY if is_buy else Side.SELL


def open_order(order: dict[str, Any]) -> OpenOrder:
    """Read a `TrimmedSpotLimitOrder` or `TrimmedDerivativeLimitOrder`."""
    return OpenOrder(
        order["cid"],
        order["orderHash"],
        _side(order["isBuy"]),
        decimal(order["price"]),
        decimal(order["quantity"]),
        decimal(order["fillable"]),
    )


def block_update(message: dict[str, Any], *, derivative: bool) -> BlockUpdate:
    """Read a `StreamResponse`."""
    time = datetime.fromtimestamp(int(message["blockTime"]) / 1000, UTC)
    orders, trades = ("derivativeOrders", "derivativeTrades") if derivative else ("spotOrders", "spotTrades")
    return BlockUpdate(
        height=int(message["blockHeight"]),
        gas_price=int(decimal(message["gasPrice"])),
        time=time,
        orders=tuple(
            OrderUpdate(
                update["cid"],
                update["orderHash"],
                update["status"],
                decimal(update["order"]["order"]["fillable"]),
            )
            for update in message[orders]
        ),
        fills=tuple(_fill(trade, time, derivative=derivative) for trade in message[trades]),
        failures={failure["cid"]: int(failure["errorCode"]) for failure in message["orderFailures"]},
    )


def _fill(trade: dict[str, Any], at: datetime, *, derivative: bool) -> Fill:
    delta = trade["positionDelta"] if derivative else trade
    price, quantity = ("executionPrice", "executionQuantity") if derivative else ("price", "quantity")
    return Fill(
        trade["tradeId"],
        trade["cid"],
        trade["orderHash"],
        _side(trade["isBuy"]),
        decimal(delta[price]),
        decimal(delta[quantity]),
        decimal(trade["fee"]),
        at,
    )
