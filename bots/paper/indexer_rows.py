"""Rows of the indexer's answers. Pure.

Unlike the chain's own queries the indexer speaks chain units without the 10^18: a spot price is
human x 10^(quote decimals - base decimals), a spot quantity human x 10^(base decimals); a derivative's prices
and margins are human x 10^(quote decimals), its quantity is human. Times are Unix milliseconds.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots.paper.proto import derivative_indexer, spot_indexer
from bots.paper.units import ZERO, decimal_text

if TYPE_CHECKING:
    from bots.paper.markets import Market
    from bots.paper.positions import Position
    from bots.paper.settlement import Trade

__all__ = [
    "derivative_trade_row",
    "direction",
    "position_row",
    "price_text",
    "quantity_text",
    "spot_trade_row",
]

_GRAIN = Decimal(1).scaleb(-18)


def direction(position: Position) -> str:
    """Return which way a position goes."""
    return "long" if position.quantity > 0 else "short"


def position_row(subaccount: str, market: Market, position: Position, mark: Decimal, now: int) -> Any:
    """Return an open position, valued at the mark price."""
    return derivative_indexer.DerivativePositionV2(
        ticker=market.ticker,
        market_id=market.id,
        subaccount_id=subaccount,
        direction=direction(position),
        quantity=quantity_text(abs(position.quantity), market),
        entry_price=price_text(position.entry_price, market),
        margin=_money(position.margin, market),
        liquidation_price=price_text(max(_liquidation_price(market, position), ZERO), market),
        mark_price=price_text(mark, market),
        upnl=_money(position.quantity * mark - position.cost, market),
        denom=market.quote.denom,
        updated_at=now,
    )


def _liquidation_price(market: Market, position: Position) -> Decimal:
    """Return the mark price at which only the maintenance margin is left; there is no funding here."""
    room, rate = position.margin / abs(position.quantity), market.maintenance_margin
    if position.quantity > 0:
        return (position.entry_price - room) / (1 - rate)
    return (position.entry_price + room) / (1 + rate)


def price_text(price: Decimal, market: Market) -> str:
    """Return a price in chain units."""
    base = 0 if market.derivative else market.base.decimals
    return _text(price.scaleb(market.quote.decimals - base))


def quantity_text(quantity: Decimal, market: Market) -> str:
    """Return a quantity in chain units."""
    return _text(quantity if market.derivative else quantity.scaleb(market.base.decimals))


def _money(amount: Decimal, market: Market) -> str:
    return _text(amount.scaleb(market.quote.decimals))


def _text(value: Decimal) -> str:
    """Write at most 18 decimals, as many as the chain's numbers have."""
    return decimal_text(value.quantize(_GRAIN))


def _common(trade: Trade, market: Market) -> dict[str, Any]:
    return {
        "order_hash": trade.order_hash,
        "subaccount_id": trade.subaccount,
        "market_id": trade.market_id,
        "trade_execution_type": trade.execution[0].lower() + trade.execution[1:],
        "fee": _money(trade.fee, market),
        "executed_at": trade.time_ms,
        "fee_recipient": trade.fee_recipient,
        "trade_id": trade.trade_id,
        "execution_side": "maker" if trade.maker else "taker",
        "cid": trade.cid,
    }


def spot_trade_row(trade: Trade, market: Market) -> Any:
    """Return one side of a spot fill."""
    level = spot_indexer.PriceLevel(
        price=price_text(trade.price, market),
        quantity=quantity_text(trade.quantity, market),
        timestamp=trade.time_ms,
    )
    direction = "buy" if trade.buy else "sell"
    return spot_indexer.SpotTrade(trade_direction=direction, price=level, **_common(trade, market))


def derivative_trade_row(trade: Trade, market: Market) -> Any:
    """Return one side of a derivative fill."""
    delta = derivative_indexer.PositionDelta(
        trade_direction="buy" if trade.buy else "sell",
        execution_price=price_text(trade.price, market),
        execution_quantity=quantity_text(trade.quantity, market),
        execution_margin=_money(trade.margin, market),
    )
    payout = _money(trade.payout, market)
    return derivative_indexer.DerivativeTrade(position_delta=delta, payout=payout, **_common(trade, market))
