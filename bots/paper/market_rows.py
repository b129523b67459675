"""Markets as the chain's queries write them: human numbers x 10^18. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots.paper.funding import HOURLY_INTEREST, HOURLY_RATE_CAP
from bots.paper.proto import market_pb2
from bots.paper.units import to_wire

if TYPE_CHECKING:
    from bots.paper.funding import Funding
    from bots.paper.markets import Market
    from bots.paper.orders import Book

__all__ = ["derivative_market", "funding_info", "funding_state", "spot_market", "top"]


def _common(market: Market) -> dict[str, Any]:
    return {
        "ticker": market.ticker,
        "quote_denom": market.quote.denom,
        "market_id": market.id,
        "maker_fee_rate": to_wire(market.maker_fee),
        "taker_fee_rate": to_wire(market.taker_fee),
        "relayer_fee_share_rate": to_wire(market.relayer_share),
        "status": market_pb2.MarketStatus.Value("Active"),
        "min_price_tick_size": to_wire(market.price_tick),
        "min_quantity_tick_size": to_wire(market.quantity_tick),
        "min_notional": to_wire(market.min_notional),
        "quote_decimals": market.quote.decimals,
    }


def spot_market(market: Market) -> Any:
    """Return a spot market."""
    return market_pb2.SpotMarket(
        base_denom=market.base.denom, base_decimals=market.base.decimals, **_common(market)
    )


def derivative_market(market: Market) -> Any:
    """Return a perpetual market."""
    return market_pb2.DerivativeMarket(
        oracle_base=market.base.symbol,
        oracle_quote=market.quote.symbol,
        oracle_type=2,
        oracle_scale_factor=market.quote.decimals,
        isPerpetual=True,
        initial_margin_ratio=to_wire(market.initial_margin),
        maintenance_margin_ratio=to_wire(market.maintenance_margin),
        reduce_margin_ratio=to_wire(market.reduce_margin),
        **_common(market),
    )


def funding_info(market: Market, funding: Funding) -> Any:
    """Return what a perpetual market's funding is limited by, and when it is paid next."""
    return market_pb2.PerpetualMarketInfo(
        market_id=market.id,
        hourly_funding_rate_cap=to_wire(HOURLY_RATE_CAP),
        hourly_interest_rate=to_wire(HOURLY_INTEREST),
        next_funding_timestamp=funding.next,
        funding_interval=market.funding_interval,
    )


def funding_state(funding: Funding) -> Any:
    """Return what a perpetual market's funding is now."""
    return market_pb2.PerpetualMarketFunding(
        cumulative_funding=to_wire(funding.cumulative),
        cumulative_price=to_wire(funding.cumulative_price),
        last_timestamp=funding.last,
    )


def top(book: Book) -> dict[str, str]:
    """Return mid price and best prices, those that there are."""
    prices = {
        "mid_price": book.mid,
        "best_buy_price": book.best(buy=True),
        "best_sell_price": book.best(buy=False),
    }
    return {name: to_wire(price) for name, price in prices.items() if price is not None}
