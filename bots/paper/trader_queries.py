"""The exchange's queries about one trader: deposits, open orders, positions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots import addresses
from bots.paper import balances
from bots.paper.events import position_message
from bots.paper.markets import TOKENS
from bots.paper.proto import exchange_pb2, exchange_query
from bots.paper.units import ZERO, to_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bots.paper.chain import Chain
    from bots.paper.orders import Order
    from bots.paper.positions import Position

__all__ = ["TraderQueries"]

_ORDER_KINDS = (
    ("Spot", exchange_query.TrimmedSpotLimitOrder),
    ("Derivative", exchange_query.TrimmedDerivativeLimitOrder),
)


class TraderQueries:
    """One method per RPC: request message in, response message out."""

    def __init__(self, chain: Chain) -> None:
        self._exchange = chain.exchange

    def methods(self) -> dict[str, Callable[[Any], Any]]:
        """Return what is served, by RPC name."""
        methods: dict[str, Callable[[Any], Any]] = {
            "SubaccountDeposits": self._deposits,
            "SubaccountDeposit": self._deposit,
            "ExchangeBalances": self._all_deposits,
            "SubaccountOrders": self._subaccount_orders,
            "SubaccountOrderMetadata": self._order_metadata,
            "SubaccountPositions": self._of_subaccount,
            "SubaccountPositionInMarket": self._position,
            "SubaccountEffectivePositionInMarket": self._effective_position,
            "Positions": lambda _r: exchange_query.QueryPositionsResponse(state=self._positions()),
            "PositionsInMarket": self._in_market,
            "TraderDerivativeConditionalOrders": lambda _r: (
                exchange_query.QueryTraderDerivativeConditionalOrdersResponse()
            ),
        }
        for kind, trimmed in _ORDER_KINDS:
            methods |= self._order_methods(kind, trimmed)
        return methods

    # ---- deposits

    def _deposits(self, request: Any) -> Any:
        subaccount = request.subaccount_id
        if not subaccount:
            nonce = request.subaccount.subaccount_nonce
            subaccount = addresses.subaccount(request.subaccount.trader, nonce)
        ledger = self._exchange.ledger
        entries = {denom: balances.deposit(ledger, subaccount.lower(), denom) for denom in TOKENS}
        present = {denom: entry for denom, entry in entries.items() if entry.total_balance != "0"}
        return exchange_query.QuerySubaccountDepositsResponse(deposits=present)

    def _deposit(self, request: Any) -> Any:
        if request.denom not in TOKENS:
            return exchange_query.QuerySubaccountDepositResponse(deposits=exchange_pb2.Deposit())
        entry = balances.deposit(self._exchange.ledger, request.subaccount_id.lower(), request.denom)
        return exchange_query.QuerySubaccountDepositResponse(deposits=entry)

    def _all_deposits(self, _request: Any) -> Any:
        ledger, response = self._exchange.ledger, exchange_query.QueryExchangeBalancesResponse()
        for owner, denom in sorted({*ledger.available, *ledger.held}):
            entry = balances.deposit(ledger, owner, denom)
            if owner.startswith("0x") and entry.total_balance != "0":
                response.balances.add(subaccount_id=owner, denom=denom, deposits=entry)
        return response

    # ---- orders

    def _order_methods(self, kind: str, trimmed: Any) -> dict[str, Callable[[Any], Any]]:
        def answer(name: str, choose: Callable[[Any], Iterable[Order]]) -> Callable[[Any], Any]:
            response = getattr(exchange_query, f"Query{name}Response")
            return lambda request: response(orders=[_trimmed(o, trimmed) for o in choose(request)])

        return {
            f"Trader{kind}Orders": answer(f"Trader{kind}Orders", self._resting),
            f"Trader{kind}TransientOrders": answer(f"Trader{kind}Orders", lambda _r: ()),
            f"{kind}OrdersByHashes": answer(f"{kind}OrdersByHashes", self._by_hash),
            f"AccountAddress{kind}Orders": answer(f"AccountAddress{kind}Orders", self._of_account),
        }

    def _resting(self, request: Any) -> list[Order]:
        book = self._exchange.books.get(request.market_id)
        return [o for o in book.of(request.subaccount_id.lower()) if o.resting] if book else []

    def _by_hash(self, request: Any) -> list[Order]:
        return [o for o in self._resting(request) if o.hash in request.order_hashes]

    def _of_account(self, request: Any) -> list[Order]:
        book = self._exchange.books.get(request.market_id)
        owner = addresses.default_subaccount(request.account_address)[:42]
        return (
            [o for o in book.orders.values() if o.resting and o.subaccount.startswith(owner)] if book else []
        )

    def _subaccount_orders(self, request: Any) -> Any:
        response = exchange_query.QuerySubaccountOrdersResponse()
        for order in self._resting(request):
            data = (response.buy_orders if order.buy else response.sell_orders).add()
            data.order_hash = bytes.fromhex(order.hash[2:])
            data.order.price, data.order.quantity = to_wire(order.price), to_wire(order.fillable)
            data.order.isReduceOnly, data.order.cid = order.reduce_only, order.cid
        return response

    def _order_metadata(self, request: Any) -> Any:
        response, subaccount = (
            exchange_query.QuerySubaccountOrderMetadataResponse(),
            request.subaccount_id.lower(),
        )
        for market_id, book in self._exchange.books.items():
            for buy in (True, False):
                orders = [o for o in book.of(subaccount) if o.buy == buy and o.resting]
                reducing = [o for o in orders if o.reduce_only]
                plain = [o for o in orders if not o.reduce_only]
                if orders:
                    row = response.metadata.add(market_id=market_id, isBuy=buy)
                    row.metadata.vanilla_limit_order_count = len(plain)
                    row.metadata.reduce_only_limit_order_count = len(reducing)
                    row.metadata.aggregate_vanilla_quantity = to_wire(_open(plain))
                    row.metadata.aggregate_reduce_only_quantity = to_wire(_open(reducing))
        return response

    # ---- positions

    def _positions(self, subaccount: str = "", market_id: str = "") -> list[Any]:
        return [
            exchange_pb2.DerivativePosition(subaccount_id=s, market_id=m, position=position_message(position))
            for (s, m), position in self._exchange.positions.items()
            if subaccount in {"", s} and market_id in {"", m}
        ]

    def _of_subaccount(self, request: Any) -> Any:
        # an empty id is nobody's, not everybody's
        state = self._positions(request.subaccount_id.lower() or "nobody")
        return exchange_query.QuerySubaccountPositionsResponse(state=state)

    def _in_market(self, request: Any) -> Any:
        state = self._positions(market_id=request.market_id or "none")
        return exchange_query.QueryPositionsInMarketResponse(state=state)

    def _position(self, request: Any) -> Any:
        found = self._exchange.positions.get((request.subaccount_id.lower(), request.market_id))
        state = position_message(found) if found else None
        return exchange_query.QuerySubaccountPositionInMarketResponse(state=state)

    def _effective_position(self, request: Any) -> Any:
        response = exchange_query.QuerySubaccountEffectivePositionInMarketResponse()
        key = (request.subaccount_id.lower(), request.market_id)
        if key not in self._exchange.positions:
            return response
        held: Position = self._exchange.position(*key)
        mark = self._exchange.mark_price(self._exchange.markets[request.market_id])
        response.state.is_long, response.state.quantity = held.quantity > 0, to_wire(abs(held.quantity))
        response.state.entry_price = to_wire(held.entry_price)
        response.state.effective_margin = to_wire(held.margin + held.quantity * mark - held.cost)
        return response


def _open(orders: Iterable[Order]) -> Any:
    return sum((o.fillable for o in orders), ZERO)


def _trimmed(order: Order, kind: Any) -> Any:
    margin = {"margin": to_wire(order.margin)} if "margin" in kind.DESCRIPTOR.fields_by_name else {}
    return kind(
        price=to_wire(order.price),
        quantity=to_wire(order.quantity),
        fillable=to_wire(order.fillable),
        isBuy=order.buy,
        order_hash=order.hash,
        cid=order.cid,
        **margin,
    )
