"""The indexer's services: books, positions and trades for people and for looking back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots import addresses
from bots.paper.errors import NotFoundError, VenueError
from bots.paper.indexer_markets import derivative_row, spot_row
from bots.paper.indexer_rows import (
    derivative_trade_row,
    direction,
    position_row,
    price_text,
    quantity_text,
    spot_trade_row,
)
from bots.paper.proto import derivative_indexer, spot_indexer
from bots.paper.trade_query import TradeQuery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bots.paper.chain import Chain
    from bots.paper.markets import Market
    from bots.paper.settlement import Trade

__all__ = ["Indexer"]

_FAR = 2**62
"""More rows than any history has; sqlite's numbers end at 2^63."""
_PAGE = 100
"""Rows of an answer, at most and when nothing is asked for."""


class Indexer:
    """One method per RPC: request message in, response message out."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._exchange = chain.exchange

    def spot(self) -> dict[str, Callable[[Any], Any]]:
        """Return what is served of `InjectiveSpotExchangeRPC`, by RPC name."""
        return {
            "Markets": self._spot_markets,
            "Market": self._spot_market,
            "OrderbookV2": self._spot_book,
            "OrderbooksV2": self._spot_books,
            "TradesV2": self._spot_trades,
        }

    def derivative(self) -> dict[str, Callable[[Any], Any]]:
        """Return what is served of `InjectiveDerivativeExchangeRPC`, by RPC name."""
        return {
            "Markets": self._derivative_markets,
            "Market": self._derivative_market,
            "OrderbookV2": self._derivative_book,
            "OrderbooksV2": self._derivative_books,
            "PositionsV2": self._positions,
            "TradesV2": self._derivative_trades,
        }

    # ---- markets

    def _listed(self, request: Any, *, derivative: bool) -> list[Market]:
        statuses = {status for status in (request.market_status, *request.market_statuses) if status}
        return [
            market
            for market in self._exchange.markets.values()
            if market.derivative == derivative
            and (not statuses or "active" in statuses)
            and _asked(market.quote.denom, [request.quote_denom])
        ]

    def _spot_markets(self, request: Any) -> Any:
        rows = [
            spot_row(market)
            for market in self._listed(request, derivative=False)
            if _asked(market.base.denom, [request.base_denom])
        ]
        return spot_indexer.MarketsResponse(markets=rows)

    def _spot_market(self, request: Any) -> Any:
        market = self._market(request.market_id, derivative=False)
        return spot_indexer.MarketResponse(market=spot_row(market))

    def _derivative_markets(self, request: Any) -> Any:
        listed, funding = self._listed(request, derivative=True), self._exchange.funding
        rows = [derivative_row(market, funding[market.id]) for market in listed]
        return derivative_indexer.MarketsResponse(markets=rows)

    def _derivative_market(self, request: Any) -> Any:
        market = self._market(request.market_id, derivative=True)
        row = derivative_row(market, self._exchange.funding[market.id])
        return derivative_indexer.MarketResponse(market=row)

    def _market(self, market_id: str, *, derivative: bool) -> Market:
        try:
            return self._exchange.market(market_id, derivative=derivative)
        except VenueError as error:
            raise NotFoundError(str(error)) from error

    # ---- books

    def _spot_books(self, request: Any) -> Any:
        response = spot_indexer.OrderbooksV2Response()
        for market_id in request.market_ids:
            one = spot_indexer.OrderbookV2Request(market_id=market_id, depth=request.depth)
            response.orderbooks.add(market_id=market_id, orderbook=self._spot_book(one).orderbook)
        return response

    def _derivative_books(self, request: Any) -> Any:
        response = derivative_indexer.OrderbooksV2Response()
        for market_id in request.market_ids:
            one = derivative_indexer.OrderbookV2Request(market_id=market_id, depth=request.depth)
            response.orderbooks.add(market_id=market_id, orderbook=self._derivative_book(one).orderbook)
        return response

    def _spot_book(self, request: Any) -> Any:
        book = self._book(request, spot_indexer, spot_indexer.SpotLimitOrderbookV2, derivative=False)
        return spot_indexer.OrderbookV2Response(orderbook=book)

    def _derivative_book(self, request: Any) -> Any:
        kind = derivative_indexer.DerivativeLimitOrderbookV2
        book = self._book(request, derivative_indexer, kind, derivative=True)
        return derivative_indexer.OrderbookV2Response(orderbook=book)

    def _book(self, request: Any, proto: Any, kind: Any, *, derivative: bool) -> Any:
        market = self._market(request.market_id, derivative=derivative)
        book, now, depth = self._exchange.books[market.id], self._chain.time_ms, max(request.depth, 0)
        buys, sells = (
            [
                proto.PriceLevel(
                    price=price_text(price, market), quantity=quantity_text(size, market), timestamp=now
                )
                for price, size in sorted(book.levels[buy].items(), reverse=buy)[: depth or None]
            ]
            for buy in (True, False)
        )
        return kind(buys=buys, sells=sells, sequence=book.sequence, timestamp=now, height=self._chain.height)

    # ---- positions

    def _positions(self, request: Any) -> Any:
        found = [
            (subaccount, self._exchange.markets[market_id], position)
            for (subaccount, market_id), position in self._exchange.positions.items()
            if _asked(market_id, [request.market_id, *request.market_ids])
            and _asked(subaccount, [request.subaccount_id.lower()])
            and _asked(direction(position), [request.direction])
            and (not request.account_address or subaccount.startswith(_prefix(request.account_address)))
        ]
        now = self._chain.time_ms
        rows = [
            position_row(subaccount, market, position, self._chain.mark_price(market), now)
            for subaccount, market, position in _page(found, request)
        ]
        paging = _paging(derivative_indexer, len(found), len(rows), request)
        return derivative_indexer.PositionsV2Response(positions=rows, paging=paging)

    # ---- trades

    def _spot_trades(self, request: Any) -> Any:
        return self._trades(request, spot_indexer, spot_trade_row, derivative=False)

    def _derivative_trades(self, request: Any) -> Any:
        return self._trades(request, derivative_indexer, derivative_trade_row, derivative=True)

    def _trades(
        self, request: Any, proto: Any, row: Callable[[Trade, Market], Any], *, derivative: bool
    ) -> Any:
        markets = self._exchange.markets
        asked = _query(request, [m.id for m in markets.values() if m.derivative == derivative])
        found, total = self._chain.store.trades(asked), self._chain.store.count(asked)
        rows = [row(trade, markets[trade.market_id]) for trade in found]
        return proto.TradesV2Response(trades=rows, paging=_paging(proto, total, len(rows), request))


def _asked(value: str, wanted: Iterable[str]) -> bool:
    """Return whether a filter lets a value through; an empty one lets everything."""
    values = {text for text in wanted if text}
    return not values or value in values


def _prefix(address: str) -> str:
    return addresses.default_subaccount(address)[:42]


def _query(request: Any, of_this_kind: list[str]) -> TradeQuery:
    wanted = {market_id for market_id in (request.market_id, *request.market_ids) if market_id}
    subaccounts = [s.lower() for s in (request.subaccount_id, *request.subaccount_ids) if s]
    return TradeQuery(
        market_ids=[market_id for market_id in of_this_kind if not wanted or market_id in wanted],
        subaccounts=subaccounts,
        owner=_prefix(request.account_address) if request.account_address else "",
        buy=_side(request.direction, "buy", "sell"),
        maker=_side(request.execution_side, "maker", "taker"),
        trade_id=request.trade_id,
        cid=request.cid,
        fee_recipient=request.fee_recipient,
        start=request.start_time,
        end=request.end_time,
        skip=min(max(request.skip, 0), _FAR),
        limit=_limit(request),
    )


def _side(text: str, yes: str, no: str) -> bool | None:
    """Read a filter of two words; an empty one lets both through.

    Raises:
        ValueError: another word.
    """
    if text not in ("", yes, no):
        raise ValueError(f"{text[:40]!r} is neither {yes!r} nor {no!r}")
    return text == yes if text else None


def _limit(request: Any) -> int:
    return min(request.limit, _PAGE) if request.limit > 0 else _PAGE


def _page(rows: list[Any], request: Any) -> list[Any]:
    skip = max(request.skip, 0)
    return rows[skip : skip + _limit(request)]


def _paging(proto: Any, total: int, count: int, request: Any) -> Any:
    return proto.Paging(total=total, **{"from": request.skip + bool(count), "to": request.skip + count})
