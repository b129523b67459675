"""The exchange's queries about markets and books, in human units x 10^18; `trader_queries` has the others."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots import addresses
from bots.paper.errors import NotFoundError, VenueError
from bots.paper.events import level
from bots.paper.market_rows import derivative_market, funding_info, funding_state, spot_market, top
from bots.paper.matching import buy_rank, sell_rank
from bots.paper.proto import exchange_query
from bots.paper.trader_queries import TraderQueries
from bots.paper.units import ZERO, to_wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from bots.paper.chain import Chain
    from bots.paper.markets import Market
    from bots.paper.orders import Order

__all__ = ["ExchangeQueries"]


class ExchangeQueries:
    """One method per RPC of `injective.exchange.v2.Query`: request message in, response message out."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._exchange = chain.exchange

    def methods(self) -> dict[str, Callable[[Any], Any]]:
        """Return what is served, by RPC name."""
        methods: dict[str, Callable[[Any], Any]] = {
            "SpotMarkets": self._spot_markets,
            "SpotMarket": self._spot_market,
            "FullSpotMarkets": self._full_spot_markets,
            "FullSpotMarket": self._full_spot_market,
            "DerivativeMarkets": self._derivative_markets,
            "DerivativeMarket": self._derivative_market,
            "DerivativeMarketAddress": self._market_address,
            "BinaryOptionsMarkets": lambda _r: exchange_query.QueryBinaryMarketsResponse(),
            "DenomMinNotional": self._min_notional,
            "DenomMinNotionals": self._min_notionals,
            "PerpetualMarketInfo": self._funding_info,
            "PerpetualMarketFunding": self._funding,
            "OpenInterest": self._open_interest,
        }
        for kind, derivative in (("Spot", False), ("Derivative", True)):
            methods |= self._book_methods(kind, derivative=derivative)
        return methods | TraderQueries(self._chain).methods()

    def _market(self, market_id: str, *, derivative: bool) -> Market:
        try:
            return self._exchange.market(market_id, derivative=derivative)
        except VenueError as error:
            raise NotFoundError(str(error)) from error

    # ---- markets

    def _listed(self, request: Any, *, derivative: bool) -> list[Market]:
        if request.status not in ("", "Active"):
            return []
        wanted = set(request.market_ids)
        return [
            m
            for m in self._exchange.markets.values()
            if m.derivative == derivative and (not wanted or m.id in wanted)
        ]

    def _spot_markets(self, request: Any) -> Any:
        markets = self._listed(request, derivative=False)
        return exchange_query.QuerySpotMarketsResponse(markets=[spot_market(m) for m in markets])

    def _spot_market(self, request: Any) -> Any:
        market = self._market(request.market_id, derivative=False)
        return exchange_query.QuerySpotMarketResponse(market=spot_market(market))

    def _full_spot(self, market: Market, request: Any) -> Any:
        full = exchange_query.FullSpotMarket(market=spot_market(market))
        if request.with_mid_price_and_tob:
            full.mid_price_and_tob.SetInParent()
            for name, price in top(self._exchange.books[market.id]).items():
                setattr(full.mid_price_and_tob, name, price)
        return full

    def _full_spot_markets(self, request: Any) -> Any:
        markets = self._listed(request, derivative=False)
        return exchange_query.QueryFullSpotMarketsResponse(
            markets=[self._full_spot(m, request) for m in markets]
        )

    def _full_spot_market(self, request: Any) -> Any:
        market = self._market(request.market_id, derivative=False)
        return exchange_query.QueryFullSpotMarketResponse(market=self._full_spot(market, request))

    def _full(self, market: Market) -> Any:
        mark, funding = to_wire(self._chain.mark_price(market)), self._exchange.funding[market.id]
        full = exchange_query.FullDerivativeMarket(market=derivative_market(market), mark_price=mark)
        full.perpetual_info.market_info.CopyFrom(funding_info(market, funding))
        full.perpetual_info.funding_info.CopyFrom(funding_state(funding))
        return full

    def _derivative_markets(self, request: Any) -> Any:
        markets = self._listed(request, derivative=True)
        return exchange_query.QueryDerivativeMarketsResponse(markets=[self._full(m) for m in markets])

    def _derivative_market(self, request: Any) -> Any:
        market = self._market(request.market_id, derivative=True)
        return exchange_query.QueryDerivativeMarketResponse(market=self._full(market))

    def _market_address(self, request: Any) -> Any:
        """The first 20 bytes of the id, as on the chain."""
        market = self._market(request.market_id, derivative=True)
        address = addresses.to_bech32(bytes.fromhex(market.id[2:42]))
        subaccount = addresses.default_subaccount(address)
        return exchange_query.QueryDerivativeMarketAddressResponse(address=address, subaccount_id=subaccount)

    def _notionals(self) -> dict[str, str]:
        return {m.quote.denom: to_wire(m.min_notional) for m in self._exchange.markets.values()}

    def _min_notional(self, request: Any) -> Any:
        amount = self._notionals().get(request.denom, "0")
        return exchange_query.QueryDenomMinNotionalResponse(amount=amount)

    def _min_notionals(self, _request: Any) -> Any:
        response = exchange_query.QueryDenomMinNotionalsResponse()
        for denom, amount in self._notionals().items():
            response.denom_min_notionals.add(denom=denom, min_notional=amount)
        return response

    def _funding_info(self, request: Any) -> Any:
        market = self._market(request.market_id, derivative=True)
        info = funding_info(market, self._exchange.funding[market.id])
        return exchange_query.QueryPerpetualMarketInfoResponse(info=info)

    def _funding(self, request: Any) -> Any:
        market = self._market(request.market_id, derivative=True)
        state = funding_state(self._exchange.funding[market.id])
        return exchange_query.QueryPerpetualMarketFundingResponse(state=state)

    def _open_interest(self, request: Any) -> Any:
        market = self._market(request.market_id, derivative=True)
        held = self._exchange.positions.items()
        size = sum((p.quantity for (_, m), p in held if m == market.id and p.quantity > 0), ZERO)
        response = exchange_query.QueryOpenInterestResponse()
        response.amount.market_id, response.amount.balance = market.id, to_wire(size)
        return response

    # ---- books

    def _book_methods(self, kind: str, *, derivative: bool) -> dict[str, Callable[[Any], Any]]:
        def levels(request: Any) -> Any:
            book = self._exchange.books[self._market(request.market_id, derivative=derivative).id]
            limit = request.limit or None
            buys, sells = (
                [level(price, size) for price, size in sorted(book.levels[buy].items(), reverse=buy)[:limit]]
                for buy in (True, False)
            )
            response = getattr(exchange_query, f"Query{kind}OrderbookResponse")
            return response(buys_price_level=buys, sells_price_level=sells, seq=book.sequence)

        def mid(request: Any) -> Any:
            book = self._exchange.books[self._market(request.market_id, derivative=derivative).id]
            return getattr(exchange_query, f"Query{kind}MidPriceAndTOBResponse")(**top(book))

        def orders(request: Any) -> Any:
            book = self._exchange.books[self._market(request.market_id, derivative=derivative).id]
            response = getattr(exchange_query, f"QueryFull{kind}OrderbookResponse")(seq=book.sequence)
            bids = sorted(book.side(buy=True, resting=True), key=buy_rank)
            asks = sorted(book.side(buy=False, resting=True), key=sell_rank)
            response.Bids.extend(_row(order) for order in bids)
            response.Asks.extend(_row(order) for order in asks)
            return response

        return {f"{kind}Orderbook": levels, f"{kind}MidPriceAndTOB": mid, f"L3{kind}OrderBook": orders}


def _row(order: Order) -> Any:
    return exchange_query.TrimmedLimitOrder(
        price=to_wire(order.price),
        quantity=to_wire(order.fillable),
        order_hash=order.hash,
        subaccount_id=order.subaccount,
    )
