"""The query services of the chain that bots use. Amounts go out in the units of facts the chain uses:
bank coins in chain integers, deposits in chain units × 10¹⁸, everything else human × 10¹⁸."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import grpc

from bots import addresses
from bots.paper.errors import VenueError
from bots.paper.events import level, position_message
from bots.paper.markets import TOKENS
from bots.paper.proto import (
    account_pb2,
    auth_pb2,
    auth_query,
    authz_query,
    bank_query,
    coin_pb2,
    exchange_pb2,
    exchange_query,
    market_pb2,
    meta_indexer,
    pack,
    serve,
    tendermint_query,
    tx_service,
    txfees_query,
)
from bots.paper.transactions import CHAIN_ID, MIN_GAS_PRICE
from bots.paper.units import ZERO, to_wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from bots.paper.chain import Chain
    from bots.paper.markets import Market
    from bots.paper.orders import Order

__all__ = ["Queries"]


class NotFoundError(Exception):
    """Answered as gRPC NOT_FOUND."""


class Queries:
    """One method per RPC: request message in, response message out."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._exchange = chain.exchange

    def handlers(self) -> list[Any]:
        """Return the gRPC handlers of all services."""
        tables = (
            (auth_query, "Query", {"Account": self.account}),
            (
                bank_query,
                "Query",
                {
                    "AllBalances": self.balances,
                    "SpendableBalances": self.balances,
                    "Balance": self.balance,
                    "DenomsMetadata": self.denoms,
                },
            ),
            (tendermint_query, "Service", {"GetLatestBlock": self.latest_block}),
            (
                tx_service,
                "Service",
                {"Simulate": self.simulate, "BroadcastTx": self.broadcast, "GetTx": self.tx},
            ),
            (authz_query, "Query", {"Grants": lambda _r: authz_query.QueryGrantsResponse()}),
            (txfees_query, "Query", {"GetEipBaseFee": self.base_fee}),
            (exchange_query, "Query", self._exchange_methods()),
            (meta_indexer, "InjectiveMetaRPC", {"Ping": lambda _r: meta_indexer.PingResponse()}),
        )
        return [
            serve(module, service, {name: self._unary(method) for name, method in methods.items()}, {})
            for module, service, methods in tables
        ]

    def _exchange_methods(self) -> dict[str, Callable[[Any], Any]]:
        return {
            "SpotMarkets": self.spot_markets,
            "SpotMarket": self.spot_market,
            "DerivativeMarkets": self.derivative_markets,
            "DerivativeMarket": self.derivative_market,
            "BinaryOptionsMarkets": lambda _r: exchange_query.QueryBinaryMarketsResponse(),
            "SpotOrderbook": self.spot_book,
            "DerivativeOrderbook": self.derivative_book,
            "SpotMidPriceAndTOB": self.spot_top,
            "DerivativeMidPriceAndTOB": self.derivative_top,
            "SubaccountDeposits": self.deposits,
            "SubaccountDeposit": self.deposit,
            "TraderSpotOrders": self.spot_orders,
            "TraderDerivativeOrders": self.derivative_orders,
            "SubaccountOrders": self.subaccount_orders,
            "SubaccountPositions": self.positions,
            "SubaccountPositionInMarket": self.position,
        }

    def _unary(self, method: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
        async def answer(request: Any, context: Any) -> Any:
            await context.send_initial_metadata((("x-cosmos-block-height", str(self._chain.height)),))
            try:
                return method(request)
            except NotFoundError as error:
                return await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
            except (VenueError, ValueError) as error:
                return await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))

        return answer

    # ---- cosmos

    def account(self, request: Any) -> Any:
        account = self._chain.account(request.address)
        if account is None:
            raise NotFoundError(f"account {request.address[:60]} not found")
        base = auth_pb2.BaseAccount(
            address=request.address, account_number=account.number, sequence=account.sequence
        )
        return auth_query.QueryAccountResponse(account=pack(account_pb2.EthAccount(base_account=base)))

    def balances(self, request: Any) -> Any:
        owner = addresses.default_subaccount(request.address)
        coins = [self._coin(owner, denom) for denom in TOKENS]
        return bank_query.QueryAllBalancesResponse(balances=[coin for coin in coins if coin.amount != "0"])

    def balance(self, request: Any) -> Any:
        coin = coin_pb2.Coin(denom=request.denom, amount="0")
        if request.denom in TOKENS:
            coin = self._coin(addresses.default_subaccount(request.address), request.denom)
        return bank_query.QueryBalanceResponse(balance=coin)

    def _coin(self, owner: str, denom: str) -> Any:
        amount = TOKENS[denom].to_chain(self._exchange.ledger.available[owner, denom])
        return coin_pb2.Coin(denom=denom, amount=str(amount))

    def denoms(self, _request: Any) -> Any:
        return bank_query.QueryDenomsMetadataResponse()

    def latest_block(self, _request: Any) -> Any:
        response = tendermint_query.GetLatestBlockResponse()
        for block in (response.block, response.sdk_block):
            block.header.height, block.header.chain_id = self._chain.height, CHAIN_ID
            block.header.time.FromNanoseconds(int(self._chain.time * 10**9))
        return response

    def simulate(self, request: Any) -> Any:
        response = tx_service.SimulateResponse()
        response.gas_info.gas_used = self._chain.simulate(request.tx_bytes)
        return response

    def broadcast(self, request: Any) -> Any:
        return tx_service.BroadcastTxResponse(tx_response=self._chain.broadcast(request.tx_bytes))

    def tx(self, request: Any) -> Any:
        found = self._chain.results.get(request.hash.upper().removeprefix("0X"))
        if found is None:
            raise NotFoundError(f"tx not found: {request.hash[:80]}")
        transaction, result = found
        response = tx_service.GetTxResponse(tx=transaction.full, tx_response=result)
        response.tx_response.tx.CopyFrom(pack(transaction.full))
        return response

    def base_fee(self, _request: Any) -> Any:
        fee = txfees_query.EipBaseFee(base_fee=to_wire(Decimal(MIN_GAS_PRICE)))
        return txfees_query.QueryEipBaseFeeResponse(base_fee=fee)

    # ---- exchange: markets and books

    def _listed(self, request: Any, *, derivative: bool) -> list[Market]:
        if request.status not in ("", "Active"):
            return []
        wanted = set(request.market_ids)
        return [
            m
            for m in self._exchange.markets.values()
            if m.derivative == derivative and (not wanted or m.id in wanted)
        ]

    def spot_markets(self, request: Any) -> Any:
        markets = self._listed(request, derivative=False)
        return exchange_query.QuerySpotMarketsResponse(markets=[_spot_market(m) for m in markets])

    def spot_market(self, request: Any) -> Any:
        market = self._market(request.market_id, derivative=False)
        return exchange_query.QuerySpotMarketResponse(market=_spot_market(market))

    def derivative_markets(self, request: Any) -> Any:
        markets = self._listed(request, derivative=True)
        return exchange_query.QueryDerivativeMarketsResponse(markets=[self._full(m) for m in markets])

    def derivative_market(self, request: Any) -> Any:
        market = self._market(request.market_id, derivative=True)
        return exchange_query.QueryDerivativeMarketResponse(market=self._full(market))

    def _market(self, market_id: str, *, derivative: bool) -> Market:
        try:
            return self._exchange.market(market_id, derivative=derivative)
        except VenueError as error:
            raise NotFoundError(str(error)) from error

    def _full(self, market: Market) -> Any:
        flow = self._chain.flow
        mark = flow.fair_price(market) if flow else self._exchange.books[market.id].mid or market.start_price
        return exchange_query.FullDerivativeMarket(
            market=_derivative_market(market), mark_price=to_wire(mark)
        )

    def _book(self, request: Any, response: Any, *, derivative: bool) -> Any:
        market = self._market(request.market_id, derivative=derivative)
        book = self._exchange.books[market.id]
        limit = request.limit or None
        sides = [sorted(book.levels[buy].items(), reverse=buy)[:limit] for buy in (True, False)]
        buys, sells = ([level(price, quantity) for price, quantity in side] for side in sides)
        return response(buys_price_level=buys, sells_price_level=sells, seq=book.sequence)

    def spot_book(self, request: Any) -> Any:
        return self._book(request, exchange_query.QuerySpotOrderbookResponse, derivative=False)

    def derivative_book(self, request: Any) -> Any:
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

    def spot_top(self, request: Any) -> Any:
        return self._top(request, exchange_query.QuerySpotMidPriceAndTOBResponse, derivative=False)

    def derivative_top(self, request: Any) -> Any:
        return self._top(request, exchange_query.QueryDerivativeMidPriceAndTOBResponse, derivative=True)

    # ---- exchange: one trader

    def deposits(self, request: Any) -> Any:
        subaccount = request.subaccount_id
        if not subaccount:
            subaccount = addresses.default_subaccount(request.subaccount.trader)
            subaccount = f"{subaccount[:42]}{request.subaccount.subaccount_nonce:024x}"
        entries = {denom: self._deposit(subaccount.lower(), denom) for denom in TOKENS}
        present = {denom: entry for denom, entry in entries.items() if entry.total_balance != "0"}
        return exchange_query.QuerySubaccountDepositsResponse(deposits=present)

    def deposit(self, request: Any) -> Any:
        if request.denom not in TOKENS:
            return exchange_query.QuerySubaccountDepositResponse(deposits=exchange_pb2.Deposit())
        entry = self._deposit(request.subaccount_id.lower(), request.denom)
        return exchange_query.QuerySubaccountDepositResponse(deposits=entry)

    def _deposit(self, subaccount: str, denom: str) -> Any:
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

    def spot_orders(self, request: Any) -> Any:
        orders = [exchange_query.TrimmedSpotLimitOrder(**_trimmed(o)) for o in self._resting(request)]
        return exchange_query.QueryTraderSpotOrdersResponse(orders=orders)

    def derivative_orders(self, request: Any) -> Any:
        orders = [
            exchange_query.TrimmedDerivativeLimitOrder(margin=to_wire(o.margin), **_trimmed(o))
            for o in self._resting(request)
        ]
        return exchange_query.QueryTraderDerivativeOrdersResponse(orders=orders)

    def subaccount_orders(self, request: Any) -> Any:
        response = exchange_query.QuerySubaccountOrdersResponse()
        for order in self._resting(request):
            data = (response.buy_orders if order.buy else response.sell_orders).add()
            data.order_hash = bytes.fromhex(order.hash[2:])
            data.order.price, data.order.quantity = to_wire(order.price), to_wire(order.fillable)
            data.order.cid = order.cid
        return response

    def positions(self, request: Any) -> Any:
        wanted = request.subaccount_id.lower()
        state = [
            exchange_pb2.DerivativePosition(subaccount_id=s, market_id=m, position=position_message(position))
            for (s, m), position in self._exchange.positions.items()
            if s == wanted
        ]
        return exchange_query.QuerySubaccountPositionsResponse(state=state)

    def position(self, request: Any) -> Any:
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
        reduce_margin_ratio=to_wire(2 * market.initial_margin),
        **_common(market),
    )
