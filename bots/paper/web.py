"""The venue's HTTP side: token list, health, faucet, transactions, and what an address has traded."""

from __future__ import annotations

import base64
import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from aiohttp import web

from bots import addresses
from bots.paper.markets import TOKENS
from bots.paper.trade_query import TradeQuery
from bots.paper.units import decimal_text

if TYPE_CHECKING:
    from bots.paper.chain import Chain
    from bots.paper.orders import Order
    from bots.paper.settlement import Trade

__all__ = ["FAUCET", "application", "top_up"]

FAUCET = {"INJ": Decimal(100), "USDT": Decimal(10_000), "TIA": Decimal(500), "APE": Decimal(1000)}
"""The faucet fills each bank balance up to this, in human units."""


_DIGITS = 18
_PAGE = 1000
"""Transactions of one answer."""


def top_up(chain: Chain, address: str) -> dict[str, str]:
    """Fill the balances of an address up to `FAUCET` and return them by denomination (chain units).

    Money behind open orders counts, so that calling again gives nothing more.

    Raises:
        ValueError: not an address.
    """
    owner = addresses.default_subaccount(address)
    ledger = chain.exchange.ledger
    chain.open_account(address)
    for denom, token in TOKENS.items():
        missing = FAUCET[token.symbol] - ledger.available[owner, denom] - ledger.held[owner, denom]
        if missing > 0:
            ledger.mint(owner, denom, missing)
    return {denom: str(token.to_chain(ledger.available[owner, denom])) for denom, token in TOKENS.items()}


def application(chain: Chain) -> web.Application:
    """Return the aiohttp application; it listens where no bot's secrets pass."""
    pages = _Pages(chain)
    app = web.Application(client_max_size=64 * 1024)
    app.router.add_get("/tokens.json", pages.tokens)
    app.router.add_get("/healthz", pages.health)
    app.router.add_get("/reference.json", pages.reference)
    app.router.add_post("/faucet", pages.faucet)
    app.router.add_get("/trades", pages.trades)
    app.router.add_get("/orders", pages.orders)
    app.router.add_get("/positions", pages.positions)
    app.router.add_get("/transactions", pages.transactions)
    return app


class _Pages:
    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._reference: dict[str, Any] = {"time": chain.time, "prices": {}}
        """What was answered last."""

    async def tokens(self, _request: web.Request) -> web.Response:
        tokens = [
            {**dataclasses.asdict(token), "address": "", "logo": "", "updatedAt": 0}
            for token in TOKENS.values()
        ]
        return web.json_response(tokens)

    async def health(self, _request: web.Request) -> web.Response:
        return web.json_response({"height": self._chain.height, "time": self._chain.time})

    async def reference(self, _request: web.Request) -> web.Response:
        """Answer the price elsewhere, as a mainnet book would give it: no order here moves it."""
        if self._chain.faults.on("freeze_reference"):
            return web.json_response(self._reference)
        flow, markets = self._chain.flow, self._chain.exchange.markets.values()
        prices = (
            {m.id: decimal_text(flow.reference_price(m).quantize(m.price_tick / 100)) for m in markets}
            if flow
            else {}
        )
        self._reference = {"time": self._chain.time, "prices": prices}
        return web.json_response(self._reference)

    async def faucet(self, request: web.Request) -> web.Response:
        try:
            body = await request.json()
            address = str(body["address"])
            balances = top_up(self._chain, address)
            self._chain.keep()  # money that was promised is kept
        except (ValueError, KeyError, TypeError) as error:
            return _bad_request(f'send {{"address": "inj1…"}} ({error})')
        return web.json_response({"address": address, "balances": balances})

    async def trades(self, request: web.Request) -> web.Response:
        """Answer every trade of an address, oldest first; `after` and `limit` cut pages out of many."""
        try:
            query = TradeQuery(
                owner=_subaccount_prefix(request),
                after=_number(request, "after", 0),
                limit=_number(request, "limit", -1),
                oldest_first=True,
            )
        except ValueError as error:
            return _bad_request(str(error))
        found = [_trade_json(trade) for trade in self._chain.store.trades(query)]
        return web.json_response({"height": self._chain.height, "trades": found})

    async def orders(self, request: web.Request) -> web.Response:
        try:
            prefix = _subaccount_prefix(request)
        except ValueError as error:
            return _bad_request(str(error))
        books = self._chain.exchange.books.values()
        found = [
            _order_json(o) for book in books for o in book.orders.values() if o.subaccount.startswith(prefix)
        ]
        return web.json_response({"height": self._chain.height, "orders": found})

    async def positions(self, request: web.Request) -> web.Response:
        try:
            prefix = _subaccount_prefix(request)
        except ValueError as error:
            return _bad_request(str(error))
        found = [
            {"subaccount_id": subaccount, "market_id": market_id, "quantity": decimal_text(held.quantity)}
            for (subaccount, market_id), held in self._chain.exchange.positions.items()
            if subaccount.startswith(prefix)
        ]
        return web.json_response({"height": self._chain.height, "positions": found})

    async def transactions(self, request: web.Request) -> web.Response:
        """Answer what was delivered, oldest first, as base64 of protobuf; `after` is a page's last `seq`."""
        try:
            after = _number(request, "after", 0)
            limit = min(_number(request, "limit", _PAGE), _PAGE)
        except ValueError as error:
            return _bad_request(str(error))
        found = [
            {"seq": seq, "hash": name, "raw": _base64(raw), "result": _base64(result)}
            for seq, name, raw, result in self._chain.store.transactions(after, limit)
        ]
        return web.json_response({"height": self._chain.height, "transactions": found})


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _subaccount_prefix(request: web.Request) -> str:
    return addresses.default_subaccount(request.query.get("address", ""))[:42]


def _number(request: web.Request, name: str, default: int) -> int:
    """Read a whole number of the query.

    Raises:
        ValueError: it is none, or longer than the history's numbers.
    """
    text = request.query.get(name, str(default))
    if len(text) > _DIGITS or not text.removeprefix("-").isdecimal():
        raise ValueError(f"{name} is {text[:40]!r}; write a whole number")
    return int(text)


def _bad_request(message: str) -> web.Response:
    return web.json_response({"error": message}, status=400)


def _order_json(order: Order) -> dict[str, Any]:
    return {
        "order_hash": order.hash,
        "cid": order.cid,
        "market_id": order.market_id,
        "subaccount_id": order.subaccount,
        "signer": order.signer,
        "side": "buy" if order.buy else "sell",
        "price": decimal_text(order.price),
        "quantity": decimal_text(order.quantity),
        "fillable": decimal_text(order.fillable),
    }


def _trade_json(trade: Trade) -> dict[str, Any]:
    plain = dataclasses.asdict(trade)
    texts = {name: decimal_text(value) for name, value in plain.items() if isinstance(value, Decimal)}
    return {
        **plain,
        **texts,
        "side": "buy" if trade.buy else "sell",
        "subaccount_id": trade.subaccount,
        "time": trade.time_ms / 1000,
    }
