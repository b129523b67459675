"""Markets as the indexer writes them: ticks and notionals in chain units, rates as plain decimals."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots.paper.funding import HOURLY_INTEREST, HOURLY_RATE_CAP
from bots.paper.indexer_rows import price_text, quantity_text
from bots.paper.proto import derivative_indexer, spot_indexer
from bots.paper.units import decimal_text

if TYPE_CHECKING:
    from bots.paper.funding import Funding
    from bots.paper.markets import Market, Token

__all__ = ["derivative_row", "spot_row"]


def spot_row(market: Market) -> Any:
    """Return a spot market."""
    return spot_indexer.SpotMarketInfo(
        base_denom=market.base.denom,
        base_token_meta=_token(market.base, spot_indexer),
        **_common(market, spot_indexer),
    )


def derivative_row(market: Market, funding: Funding) -> Any:
    """Return a perpetual market with its funding."""
    return derivative_indexer.DerivativeMarketInfo(
        oracle_base=market.base.symbol,
        oracle_quote=market.quote.symbol,
        oracle_type="pricefeed",
        oracle_scale_factor=market.quote.decimals,
        is_perpetual=True,
        initial_margin_ratio=decimal_text(market.initial_margin),
        maintenance_margin_ratio=decimal_text(market.maintenance_margin),
        reduce_margin_ratio=decimal_text(market.reduce_margin),
        perpetual_market_info=derivative_indexer.PerpetualMarketInfo(
            hourly_funding_rate_cap=decimal_text(HOURLY_RATE_CAP),
            hourly_interest_rate=decimal_text(HOURLY_INTEREST),
            next_funding_timestamp=funding.next,
            funding_interval=market.funding_interval,
        ),
        perpetual_market_funding=derivative_indexer.PerpetualMarketFunding(
            cumulative_funding=decimal_text(funding.cumulative.scaleb(market.quote.decimals)),
            cumulative_price=decimal_text(funding.cumulative_price),
            last_timestamp=funding.last,
            last_funding_rate=decimal_text(funding.rate),
        ),
        **_common(market, derivative_indexer),
    )


def _common(market: Market, proto: Any) -> dict[str, Any]:
    return {
        "market_id": market.id,
        "market_status": "active",
        "ticker": market.ticker,
        "quote_denom": market.quote.denom,
        "quote_token_meta": _token(market.quote, proto),
        "maker_fee_rate": decimal_text(market.maker_fee),
        "taker_fee_rate": decimal_text(market.taker_fee),
        "service_provider_fee": decimal_text(market.relayer_share),
        "min_price_tick_size": price_text(market.price_tick, market),
        "min_quantity_tick_size": quantity_text(market.quantity_tick, market),
        "min_notional": decimal_text(Decimal(market.quote.to_chain(market.min_notional))),
    }


def _token(token: Token, proto: Any) -> Any:
    return proto.TokenMeta(name=token.name, symbol=token.symbol, decimals=token.decimals)
