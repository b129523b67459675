"""The exchange's queries. Deposits go out in chain units x 10^18, everything else in human units x 10^18."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots import addresses
from bots.paper.errors import NotFoundError, VenueError
from bots.paper.events import level, position_message
from bots.paper.markets import TOKENS
from bots.paper.proto import exchange_pb2, exchange_query, market_pb2
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
        return {
            "SpotMarkets": self._spot_markets,
            "SpotMarket": self._spot_market,
            "DerivativeMarkets": self._derivative_markets,
            "DerivativeMarket": self._derivative_market,
            "BinaryOptionsMarkets": lambda _r: exchange_query.QueryBinaryMarketsResponse(),
            "SpotOrderbook": self._spot_book,
            "DerivativeOrderbook": self._derivative_book,
            "SpotMidPriceAndTOB": self._spot_top,
            "DerivativeMidPriceAndTOB": self._derivative_top,
            "SubaccountDeposits": self._deposits,
            "SubaccountDeposit": self._deposit,
            "TraderSpotOrders": self._spot_orders,
            "TraderDerivativeOrders": self._derivative_orders,
            "SubaccountOrders": self._subaccount_orders,
            "SubaccountPositions": self._positions,
            "SubaccountPositionInMarket": self._position,
        }

    # ---- markets and books

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
        return exchange_query.QuerySpotMarketsResponse(markets=[_spot_market(m) for m in markets])

    def _spot_market(self, request: Any) -> Any:
        market = self._market(request.market_id, derivative=False)
        return exchange_query.QuerySpotMarketResponse(market=_spot_market(market))

    def _derivative_markets(self, request: Any) -> Any:
        markets = self._listed(request, derivative=True)
        return exchange_query.QueryDerivativeMarketsResponse(markets=[self._full(m) for m in markets])

    def _derivative_market(self, request: Any) -> Any:
        market = self._market(request.market_id, derivative=True)
        return exchange_query.QueryDerivativeMarketResponse(market=self._full(market))

    def _market(self, market_id: str, *, derivative: bool) -> Market:
        try:
            return self._exchange.market(market_id, derivative=derivative)
        except VenueError as error:
            raise NotFoundError(str(error)) from error

    def _full(self, market: Market) -> Any:
        mark = to_wire(self._chain.mark_price(market))
        return exchange_query.FullDerivativeMarket(market=_derivative_market(market), mark_price=mark)

    def _book(self, request: Any, response: Any, *, derivative: bool) -> Any:
        market = self._market(request.market_id, derivative=derivative)
        book = self._exchange.books[market.id]
        limit = request.limit or None
        sides = [sorted(book.levels[buy].items(), reverse=buy)[:limit] for buy in (True, False)]
        buys, sells = ([level(price, quantity) for price, quantity in side] for side in sides)
        return response(buys_price_level=buys, sells_price_level=sells, seq=book.sequence)

    def _spot_book(self, request: Any) -> Any:
        return self._book(request, exchange_query.QuerySpotOrderbookResponse, derivative=False)

    def _derivative_book(self, request: Any) -> Any:
        return self._book(request, exchange_query.QueryDerivativeOrderbookResponse, derivative=True)

    def _top(self, request: Any, response: Any, *, derivative: bool) -> Any:
        market = self._market(request.market_id, derivative=derivative)
        book = self._exchange.books[market.id]
        prices = {
            "mid_price": book.mid,
            "best_buy_price": book.best(buy=True),
            "best_sell_price": book.best(buy=False),
        }
        return response(**{name: to_wire(price) for name, price in prices.items() if price is not None})

    def _spot_top(self, request: Any) -> Any:
        return self._top(request, exchange_query.QuerySpotMidPriceAndTOBResponse, derivative=False)

    def _derivative_top(self, request: Any) -> Any:
        return self._top(request, exchange_query.QueryDerivativeMidPriceAndTOBResponse, derivative=True)

    # ---- one trader

    def _deposits(self, request: Any) -> Any:
        subaccount = request.subaccount_id
        if not subaccount:
            subaccount = addresses.default_subaccount(request.subaccount.trader)
            subaccount = f"{subaccount[:42]}{request.subaccount.subaccount_nonce:024x}"
        entries = {denom: self._entry(subaccount.lower(), denom) for denom in TOKENS}
        present = {denom: entry for denom, entry in entries.items() if entry.total_balance != "0"}
        return exchange_query.QuerySubaccountDepositsResponse(deposits=present)

    def _deposit(self, request: Any) -> Any:
        if request.denom not in TOKENS:
            return exchange_query.QuerySubaccountDepositResponse(deposits=exchange_pb2.Deposit())
        entry = self._entry(request.subaccount_id.lower(), request.denom)
        return exchange_query.QuerySubaccountDepositResponse(deposits=entry)

    def _entry(self, subaccount: str, denom: str) -> Any:
        """The free part of subaccount 0 is the bank balance, so only what orders hold shows here."""
        ledger, decimals = self._exchange.ledger, TOKENS[denom].decimals
        free = ZERO if subaccount.endswith("0" * 24) else ledger.available[subaccount, denom]
        total = free + ledger.held[subaccount, denom]
        return exchange_pb2.Deposit(
            available_balance=to_wire(free.scaleb(decimals)), total_balance=to_wire(total.scaleb(decimals))
        )

    def _resting(self, request: Any) -> list[Order]:
        book = self._exchange.books.get(request.market_id)
        return [o for o in book.of(request.subaccount_id.lower()) if o.resting] if book else []

    def _spot_orders(self, request: Any) -> Any:
        orders = [exchange_query.TrimmedSpotLimitOrder(**_trimmed(o)) for o in self._resting(request)]
        return exchange_query.QueryTraderSpotOrdersResponse(orders=orders)

    def _derivative_orders(self, request: Any) -> Any:
        orders = [
            exchange_query.TrimmedDerivativeLimitOrder(margin=to_wire(o.margin), **_trimmed(o))
            for o in self._resting(request)
        ]
        return exchange_query.QueryTraderDerivativeOrdersResponse(orders=orders)

    def _subaccount_orders(self, request: Any) -> Any:
        response = exchange_query.QuerySubaccountOrdersResponse()
        for order in self._resting(request):
            data = (response.buy_orders if order.buy else response.sell_orders).add()
            data.order_hash = bytes.fromhex(order.hash[2:])
            data.order.price, data.order.quantity = to_wire(order.price), to_wire(order.fillable)
            data.order.cid = order.cid
        return response

    def _positions(self, request: Any) -> Any:
        wanted = request.subaccount_id.lower()
        state = [
            exchange_pb2.DerivativePosition(subaccount_id=s, market_id=m, position=position_message(position))
            for (s, m), position in self._exchange.positions.items()
            if s == wanted
        ]
        return exchange_query.QuerySubaccountPositionsResponse(state=state)

    def _position(self, request: Any) -> Any:
        found = self._exchange.positions.get((request.subaccount_id.lower(), request.market_id))
        state = position_message(found) if found else None
        return exchange_query.QuerySubaccountPositionInMarketResponse(state=state)


def _trimmed(order: Order) -> dict[str, Any]:
    return {
        "price": to_wire(order.price),
        "quantity": to_wire(order.quantity),
        "fillable": to_wire(order.fillable),
        "isBuy": order.buy,
        "order_hash": order.hash,
        "cid": order.cid,
    }


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


def _spot_market(market: Market) -> Any:
    return market_pb2.SpotMarket(
        base_denom=market.base.denom, base_decimals=market.base.decimals, **_common(market)
    )


def _derivative_market(market: Market) -> Any:
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
