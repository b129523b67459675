"""The account's own trades, looked up: what the stream did not tell, after a crash or a break.

From the indexer, which follows the chain some seconds behind. It speaks chain units without the 10^18
(injective-py 1.16.2, checked at the venue): a spot price is human x 10^(quote - base decimals), a spot
quantity human x 10^base; a derivative's price is human x 10^quote, its quantity is human; a fee is human x
10^quote. Newest first, at most 100 at a time, times in Unix milliseconds.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pyinjective.client.indexer.grpc.indexer_grpc_derivative_api import IndexerGrpcDerivativeApi
from pyinjective.client.indexer.grpc.indexer_grpc_spot_api import IndexerGrpcSpotApi
from pyinjective.client.model.pagination import PaginationOption

from bots.injective.calls import call
from bots.model import ExchangeError, Fill, MarketInfo, Side

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["History", "fill_of"]

_PAGE = 100


class History:
    """One subaccount's trades in one market."""

    def __init__(self, client: Any, network: Any, market: MarketInfo, subaccount: str) -> None:
        """Share the SDK client's channel to the indexer."""
        api = IndexerGrpcDerivativeApi if market.derivative else IndexerGrpcSpotApi
        self._api = api(channel=client.exchange_channel, cookie_assistant=network.exchange_cookie_assistant)
        self._market = market
        self._subaccount = subaccount

    async def indexed_until(self) -> datetime | None:
        """Return how far the indexer certainly is: the time of the newest trade that it knows in this market.

        None when nobody has traded yet.

        Raises:
            ExchangeError: not reachable.
        """
        fetch = self._api.fetch_trades_v2(
            market_ids=[self._market.id], pagination=PaginationOption(skip=0, limit=1)
        )
        rows = (await call(fetch, "newest trade"))["trades"]
        return _moment(rows[0]["executedAt"]) if rows else None

    async def fills_since(self, since: datetime | None) -> AsyncGenerator[list[Fill], None]:
        """Yield all fills from `since` (included; None: from the beginning) until now, in pages.

        The newest page comes first, each page begins with its oldest fill. Trades that happen meanwhile shift
        the pages: a fill may come twice, none is left out.

        Raises:
            ExchangeError: not reachable, or an answer that cannot be read.
        """
        start, skip = (int(since.timestamp() * 1000) if since else None), 0
        while True:
            fetch = self._api.fetch_trades_v2(
                market_ids=[self._market.id],
                subaccount_ids=[self._subaccount],
                pagination=PaginationOption(skip=skip, limit=_PAGE, start_time=start),
            )
            rows = (await call(fetch, "own trades"))["trades"]
            if not rows:
                return
            yield [fill_of(row, self._market) for row in reversed(rows)]
            skip += len(rows)


def fill_of(row: dict[str, Any], market: MarketInfo) -> Fill:
    """Read a `SpotTrade` or `DerivativeTrade` of the indexer.

    Raises:
        ExchangeError: a field is missing or no number.
    """
    try:
        if market.derivative:
            delta = row["positionDelta"]
            direction, price, quantity = (
                delta[name] for name in ("tradeDirection", "executionPrice", "executionQuantity")
            )
            base = 0
        else:
            direction, base = row["tradeDirection"], market.base_decimals
            price, quantity = row["price"]["price"], row["price"]["quantity"]
        return Fill(
            row["tradeId"],
            row["cid"],
            row["orderHash"],
            Side(direction),
            Decimal(price).scaleb(base - market.quote_decimals),
            Decimal(quantity).scaleb(-base),
            Decimal(row["fee"]).scaleb(-market.quote_decimals),
            _moment(row["executedAt"]),
        )
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        raise ExchangeError(f"own trades: {type(error).__name__} in a row") from error


def _moment(milliseconds: str) -> datetime:
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
