"""The end of a block: expiry, market orders, the auction of limit orders, liquidations, what rests.

Source: injective-core, modules/exchange/keeper: market orders of a block are taken best worst-price first
against what rests and all pay one price, the volume-weighted average of what they swept, while the resting
orders get their own; limit orders follow (`matching`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bots.paper import funding, settlement
from bots.paper.ledger import FEES
from bots.paper.liquidation import liquidate
from bots.paper.market_rows import funding_state
from bots.paper.matching import auction, buy_rank, sell_rank, sweep
from bots.paper.units import ZERO

if TYPE_CHECKING:
    from decimal import Decimal

    from bots.paper.exchange import Exchange
    from bots.paper.markets import Market
    from bots.paper.orders import Order

__all__ = ["clear"]


def clear(exchange: Exchange) -> None:
    """Match what arrived in this block, let the rest stay in the book, note what changed."""
    exchange.trades.clear()
    for market in exchange.markets.values():
        _expire(exchange, market)
        _drop_excess_reduce_only(exchange, market)
    taken, exchange.market_orders = exchange.market_orders, []
    for market in exchange.markets.values():
        for buy in (True, False):
            _sweep(exchange, market, [o for o in taken if o.market_id == market.id and o.buy == buy])
        _auction(exchange, market)
        if market.derivative:
            liquidate(exchange, market)
        _rest(exchange, market)
        exchange.events.book(market, exchange.books[market.id])
        _pay_funding(exchange, market)


def _pay_funding(exchange: Exchange, market: Market) -> None:
    traded, now = exchange.volumes[market.id], exchange.time_ms // 1000
    if market.derivative:
        kept, mark = exchange.funding[market.id], exchange.mark_price(market)
        if size := sum((quantity for _, quantity in traded), ZERO):
            average = sum((price * quantity for price, quantity in traded), ZERO) / size
            kept = funding.traded(kept, average, mark, now)
        after = funding.advanced(kept, market, mark, now)
        before, exchange.funding[market.id] = exchange.funding[market.id], after
        if after != before:
            paid = after.cumulative - before.cumulative if after.next != before.next else None
            exchange.events.funding(market.id, funding_state(after), paid, mark)
    traded.clear()


def _expire(exchange: Exchange, market: Market) -> None:
    for order in list(exchange.books[market.id].orders.values()):
        if 0 < order.expiration_block <= exchange.height:
            exchange.cancel(market.id, order.subaccount, order.hash, "")


def _drop_excess_reduce_only(exchange: Exchange, market: Market) -> None:
    """Cancel reduce-only orders that would close more than there is, those that are met last first."""
    if not market.derivative:
        return
    left: dict[tuple[str, bool], Decimal] = {}
    orders = [o for o in exchange.books[market.id].orders.values() if o.resting and o.reduce_only]
    for order in sorted(orders, key=lambda o: -o.price if o.buy else o.price):
        key = (order.subaccount, order.buy)
        if key not in left:
            held = exchange.position(order.subaccount, market.id).quantity
            left[key] = max(-held if order.buy else held, ZERO)
        left[key] -= order.fillable
        if left[key] < 0:
            left[key] += order.fillable
            exchange.cancel(market.id, order.subaccount, order.hash, "")


def _sweep(exchange: Exchange, market: Market, orders: list[Order]) -> None:
    if not orders:
        return
    buy = orders[0].buy
    makers = exchange.books[market.id].side(buy=not buy, resting=True)
    result = sweep(
        sorted(orders, key=buy_rank if buy else sell_rank), sorted(makers, key=sell_rank if buy else buy_rank)
    )
    if result is not None:
        for order, quantity in result.takers:
            fill(exchange, market, order, quantity, result.price, "Market")
        for order, quantity in result.makers:
            fill(exchange, market, order, quantity, order.price, "LimitFill")
        exchange.ledger.credit(FEES, market.quote.denom, -result.dust if buy else result.dust)
    for order in orders:
        exchange.ledger.release(order.subaccount, order.held_denom, order.held)
        if order.fillable:
            exchange.events.order(market, order, "Cancelled")


def _auction(exchange: Exchange, market: Market) -> None:
    book = exchange.books[market.id]
    result = auction(
        sorted(book.side(buy=True), key=buy_rank), sorted(book.side(buy=False), key=sell_rank), book.mid
    )
    if result is None:
        return
    for order, quantity in result.fills:
        execution = "LimitMatchRestingOrder" if order.resting else "LimitMatchNewOrder"
        fill(exchange, market, order, quantity, result.price, execution)


def fill(  # noqa: PLR0913, PLR0917 - who, what and how of one fill
    exchange: Exchange, market: Market, order: Order, quantity: Decimal, price: Decimal, execution: str
) -> None:
    """Settle one side of a fill, reduce the order, and note both."""
    trade = settlement.settle(exchange, market, order, quantity, price, execution)
    exchange.books[market.id].fill(order, quantity)
    exchange.record(market, order, trade)
    if not order.fillable:
        exchange.by_cid.pop((order.subaccount, order.cid), None)
        exchange.events.order(market, order, "Matched")


def _rest(exchange: Exchange, market: Market) -> None:
    book = exchange.books[market.id]
    for order in list(book.orders.values()):
        if not order.resting:
            book.rest(order)
            exchange.events.order(market, order, "Booked")
