"""Liquidation of positions that have lost their maintenance margin.

On the chain anybody may send MsgLiquidatePosition; here the venue does it itself at the end of each block. As
there, the position is closed by a market order, its owner gets nothing back, and what is left or missing is
the insurance fund's. What the book cannot take stays open and is tried again in the next block.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bots import addresses
from bots.paper.ledger import INSURANCE
from bots.paper.matching import buy_rank, sell_rank, sweep
from bots.paper.orders import Order
from bots.paper.positions import Position, apply_fill, is_liquidable
from bots.paper.settlement import Trade, settle
from bots.paper.units import ZERO

if TYPE_CHECKING:
    from bots.paper.exchange import Exchange
    from bots.paper.markets import Market

__all__ = ["liquidate"]


def liquidate(exchange: Exchange, market: Market) -> None:
    """Close every position of a market that is below its maintenance margin at the mark price."""
    mark = exchange.mark_price(market)
    for subaccount, market_id in list(exchange.positions):
        position = exchange.position(subaccount, market_id)
        if market_id == market.id and is_liquidable(position, mark, market.maintenance_margin):
            exchange.cancel_all(market.id, subaccount)
            _close(exchange, market, subaccount, position)


def _close(exchange: Exchange, market: Market, subaccount: str, position: Position) -> None:
    buy = position.quantity < 0
    makers = exchange.books[market.id].side(buy=not buy, resting=True)
    best_first = sorted(makers, key=sell_rank if buy else buy_rank)
    if not best_first:
        return
    order = _order(exchange, market, subaccount, position)
    order.price = best_first[-1].price
    result = sweep([order], best_first)
    if result is None:
        return
    for maker, quantity in result.makers:
        trade = settle(exchange, market, maker, quantity, maker.price, "LimitFill")
        exchange.books[market.id].fill(maker, quantity)
        exchange.record(market, maker, trade)
        if not maker.fillable:
            exchange.by_cid.pop((maker.subaccount, maker.cid), None)
            exchange.events.order(market, maker, "Matched")
    ((_, quantity),) = result.takers
    # Each resting order was paid its own price: the position is closed at exactly the sum of them.
    signed = quantity if buy else -quantity
    filled = apply_fill(position, signed, result.price, ZERO)
    exchange.set_position(subaccount, market.id, filled.position)
    exchange.ledger.credit(
        INSURANCE, market.quote.denom, filled.payout + (-result.dust if buy else result.dust)
    )
    exchange.nonce += 1
    exchange.record(
        market,
        order,
        Trade(
            f"{exchange.height}_{exchange.nonce}",
            market.id,
            subaccount,
            addresses.owner_of(subaccount),
            buy,
            result.price,
            quantity,
            ZERO,
            order.hash,
            "",
            order.fee_recipient,
            maker=False,
            execution="MarketLiquidation",
            height=exchange.height,
            time_ms=exchange.time_ms,
            payout=ZERO,
        ),
    )


def _order(exchange: Exchange, market: Market, subaccount: str, position: Position) -> Order:
    digest = hashlib.sha256(
        f"liquidation {subaccount}{exchange.height}.{exchange.nonce}".encode()
    ).hexdigest()
    size = abs(position.quantity)
    return Order(
        hash=f"0x{digest}",
        market_id=market.id,
        subaccount=subaccount,
        signer=addresses.owner_of(subaccount),
        buy=position.quantity < 0,
        price=ZERO,
        quantity=size,
        fillable=size,
        order_type=1 if position.quantity < 0 else 2,
        fee_recipient=addresses.owner_of(subaccount),
    )
