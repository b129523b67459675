"""Frequent batch auction at the end of a block. Pure.

Source: injective-core, modules/exchange/keeper (spot and derivative limit order matching): all limit fills of
a block have one clearing price; inside a price level resting orders come first, then order hash; there is no
time priority.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence
    from decimal import Decimal

    from bots.paper.orders import Order

__all__ = ["Auction", "auction", "buy_rank", "sell_rank", "sweep"]


class Auction(NamedTuple):
    """The fills of one block in one market."""

    price: Decimal
    fills: list[tuple[Order, Decimal]]


def buy_rank(order: Order) -> tuple[Decimal, bool, str]:
    """Sort key of a buy order: best first."""
    return -order.price, not order.resting, order.hash


def sell_rank(order: Order) -> tuple[Decimal, bool, str]:
    """Sort key of a sell order: best first."""
    return order.price, not order.resting, order.hash


def auction(buys: Sequence[Order], sells: Sequence[Order], mid: Decimal | None) -> Auction | None:
    """Match limit orders, each side sorted best first; `mid` is the mid price before this block's orders.

    Returns:
        None when nothing crosses.
    """
    if not buys or not sells or buys[0].price < sells[0].price:
        return None
    filled: dict[str, Decimal] = {}
    i = j = 0
    last_buy, last_sell = buys[0].price, sells[0].price
    buy_left, sell_left = buys[0].fillable, sells[0].fillable
    while i < len(buys) and j < len(sells) and buys[i].price >= sells[j].price:
        last_buy, last_sell = buys[i].price, sells[j].price
        quantity = min(buy_left, sell_left)
        for order in (buys[i], sells[j]):
            filled[order.hash] = filled.get(order.hash, quantity - quantity) + quantity
        buy_left, sell_left = buy_left - quantity, sell_left - quantity
        if not buy_left:
            i += 1
            buy_left = buys[i].fillable if i < len(buys) else buy_left
        if not sell_left:
            j += 1
            sell_left = sells[j].fillable if j < len(sells) else sell_left
    price = _clearing_price(last_buy, last_sell, mid)
    return Auction(price, [(o, filled[o.hash]) for side in (buys, sells) for o in side if o.hash in filled])


def _clearing_price(last_buy: Decimal, last_sell: Decimal, mid: Decimal | None) -> Decimal:
    if mid is None:
        return (last_buy + last_sell) / 2
    if last_buy <= mid:
        return last_buy
    return max(last_sell, mid)


def sweep(order: Order, makers: Sequence[Order]) -> list[tuple[Order, Decimal]]:
    """Fill a market order against resting orders, sorted best first, down to its worst price."""
    fills = []
    left = order.fillable
    for maker in makers:
        if not left or (maker.price > order.price if order.buy else maker.price < order.price):
            break
        quantity = min(left, maker.fillable)
        fills.append((maker, quantity))
        left -= quantity
    return fills
