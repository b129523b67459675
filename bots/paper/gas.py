"""The gas of a transaction: what the chain charges for each order, and a fixed part. Pure.

The numbers are those of the SDK's heuristics (injective-py, core/gas_heuristics_gas_limit_estimator), so what
it sends always suffices, but for market orders in a batch: the SDK reckons them as nothing, while the chain
charges them like others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots.paper import messages_form
from bots.paper.proto import exchange_tx
from bots.paper.units import POST_ONLY_TYPES

if TYPE_CHECKING:
    from bots.paper.transactions import Transaction

__all__ = ["gas_used"]

_ANTE = 105_000
_POST_ONLY = 20_000
_CREATE = {("spot", False): 100_000, ("spot", True): 50_000, ("derivative", False): 120_000}
_CREATE["derivative", True] = 105_000
"""By kind of market and whether it is a market order."""
_CANCEL = {"spot": 65_000, "derivative": 70_000}
_CANCEL_ALL = {"spot": 40_000, "derivative": 50_000}
_OTHER = 15_000
_SINGLE = {
    exchange_tx.MsgCreateSpotLimitOrder: ("spot", False),
    exchange_tx.MsgCreateSpotMarketOrder: ("spot", True),
    exchange_tx.MsgCreateDerivativeLimitOrder: ("derivative", False),
    exchange_tx.MsgCreateDerivativeMarketOrder: ("derivative", True),
}
_SEVERAL = {
    exchange_tx.MsgBatchCreateSpotLimitOrders: ("spot", False),
    exchange_tx.MsgBatchCreateDerivativeLimitOrders: ("derivative", False),
}
_CANCELS = {
    exchange_tx.MsgCancelSpotOrder: "spot",
    exchange_tx.MsgCancelDerivativeOrder: "derivative",
    exchange_tx.MsgBatchCancelSpotOrders: "spot",
    exchange_tx.MsgBatchCancelDerivativeOrders: "derivative",
}


def gas_used(tx: Transaction) -> int:
    """Return the gas that a transaction uses, with the messages that it carries inside of others."""
    leaves = [leaf for message in tx.messages for leaf in messages_form.leaves(message)]
    return _ANTE + sum(_of(leaf) for leaf in leaves)


def _of(message: Any) -> int:
    kind = type(message)
    if kind is exchange_tx.MsgBatchUpdateOrders:
        return _of_batch(message)
    if kind in _SINGLE:
        return _order(message.order, *_SINGLE[kind])
    if kind in _SEVERAL:
        return sum(_order(order, *_SEVERAL[kind]) for order in message.orders)
    if kind in _CANCELS:
        return _CANCEL[_CANCELS[kind]] * (len(message.data) if hasattr(message, "data") else 1)
    return _OTHER


def _of_batch(message: Any) -> int:
    total = 0
    for market in ("spot", "derivative"):
        for order in getattr(message, f"{market}_orders_to_create"):
            total += _order(order, market, at_market=False)
        for order in getattr(message, f"{market}_market_orders_to_create"):
            total += _order(order, market, at_market=True)
        total += _CANCEL[market] * len(getattr(message, f"{market}_orders_to_cancel"))
        total += _CANCEL_ALL[market] * len(getattr(message, f"{market}_market_ids_to_cancel_all"))
    return total


def _order(order: Any, market: str, at_market: bool) -> int:  # noqa: FBT001 - comes out of the tables above
    return _CREATE[market, at_market] + _POST_ONLY * (order.order_type in POST_ONLY_TYPES)
