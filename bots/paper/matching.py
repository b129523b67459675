"""Frequent batch auction at the end of a block. Pure.

Source: injective-core, modules/exchange/keeper (spot and derivative limit order matching): all limit fills of
a block have one clearing price; inside a price level resting orders come first, then order hash; there is no
time priority.
"""

from __future__ import annotations

from decimal import ROUND_FLOOR, Decimal
from typing import TYPE_CHECKING, NamedTuple

from bots.paper.units import ZERO

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bots.paper.orders import Order

__all__ = ["Auction", "Sweep", "auction", "buy_rank", "sell_rank", "sweep"]

_GRAIN = Decimal(1).scaleb(-18)


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


class Sweep(NamedTuple):
    """The fills of one block's market orders on one side."""

    price: Decimal
    """What all takers pay: the volume-weighted average of the swept prices, cut at 18 decimals."""
    takers: list[tuple[Order, Decimal]]
    makers: list[tuple[Order, Decimal]]
    dust: Decimal
    """What the makers' notionals add up to above the takers', because the average was cut."""


def sweep(takers: Sequence[Order], makers: Sequence[Order]) -> Sweep | None:
    """Fill market orders against resting orders, both sorted best first, each down to its worst price.

    Because the best worst price goes first, the average is never worse than any taker's worst price.

    Returns:
        None when nothing can be filled.
    """
    taken: list[tuple[Order, Decimal]] = []
    given: dict[str, tuple[Order, Decimal]] = {}
    rest = [(maker, maker.fillable) for maker in reversed(makers)]
    for taker in takers:
        left = taker.fillable
        while left and rest and _reaches(taker, rest[-1][0]):
            maker, open_quantity = rest.pop()
            quantity = min(left, open_quantity)
            left -= quantity
            given[maker.hash] = (maker, maker.fillable - open_quantity + quantity)
            if open_quantity > quantity:
                rest.append((maker, open_quantity - quantity))
        if left < taker.fillable:
            taken.append((taker, taker.fillable - left))
    if not taken:
        return None
    size = sum((quantity for _, quantity in taken), ZERO)
    notional = sum((maker.price * quantity for maker, quantity in given.values()), ZERO)
    price = (notional / size).quantize(_GRAIN, rounding=ROUND_FLOOR)
    return Sweep(price, taken, list(given.values()), notional - price * size)


def _reaches(taker: Order, maker: Order) -> bool:
    return maker.price <= taker.price if taker.buy else maker.price >= taker.price
