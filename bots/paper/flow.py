"""Background trading: makers around the fair price and takers now and then.

Without it a lone bot would never be filled. The accounts belong to nobody and have no key; they trade outside
of the transaction path, through the same exchange and ledger as everybody.
"""

from __future__ import annotations

import math
import random
from decimal import Decimal
from typing import TYPE_CHECKING

from bots import addresses
from bots.paper.errors import VenueError
from bots.paper.markets import TOKENS
from bots.paper.order_rules import NewOrder
from bots.paper.prices import Wandering
from bots.paper.units import ZERO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bots.paper.exchange import Exchange
    from bots.paper.markets import Market
    from bots.paper.orders import Order
    from bots.paper.prices import Prices

__all__ = ["MAKER", "TAKER", "Flow"]

MAKER = addresses.to_bech32(addresses.keccak(b"drover paper venue: background maker")[12:])
TAKER = addresses.to_bech32(addresses.keccak(b"drover paper venue: background taker")[12:])
_FORTUNE = Decimal(10**9)
_OFFSETS = (Decimal("0.0025"), Decimal("0.004"), Decimal("0.007"), Decimal("0.012"))
"""Distances of the makers' levels from the fair price, as fractions: outside of where bots quote."""
_ROUND = 3
"""Blocks after which a market is quoted anew."""
_TAKE_PROBABILITY = 0.5
_MAKER_NOTIONAL = 600
_TAKER_NOTIONAL = 120
_REACH = Decimal("0.003")
_NOISE = 0.00005
"""Standard deviation of what the reference price wanders off by in a block, as a fraction."""
_NOISE_KEPT = 0.9


class Flow:
    """The background accounts; one underlying has one price, so spot and perpetual stay together."""

    def __init__(
        self, markets: dict[str, Market], seed: int, recordings: Mapping[str, Prices] | None = None
    ) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - a market simulation, no cryptography
        self._markets = list(markets.values())
        self._turn = 0
        self._moved = 0
        self._latest: dict[str, set[str]] = {}
        self.prices: dict[str, Prices] = dict(recordings or {})
        """By the symbol of the base token."""
        for market in self._markets:
            if market.base.symbol not in self.prices:
                self.prices[market.base.symbol] = Wandering(market.start_price, self._rng)
        self._noise = dict.fromkeys(self.prices, 0.0)
        self._reference = {symbol: prices.price for symbol, prices in self.prices.items()}

    def fund(self, exchange: Exchange) -> None:
        """Give the background accounts their fortune, once."""
        for token in TOKENS.values():
            for address in (MAKER, TAKER):
                owner = addresses.default_subaccount(address)
                if not exchange.ledger.available[owner, token.denom]:
                    exchange.ledger.mint(owner, token.denom, _FORTUNE)

    def restore(self, states: dict[tuple[str, str], float], exchange: Exchange) -> None:
        """Go on from the prices and quotes of an earlier run; prices by source and symbol."""
        for symbol, prices in self.prices.items():
            prices.state = states.get((prices.kind, symbol), prices.state)
        owner = addresses.default_subaccount(MAKER)
        for market in self._markets:
            self._latest[market.id] = {order.hash for order in exchange.books[market.id].of(owner)}

    def reference_price(self, market: Market) -> Decimal:
        """Return the price elsewhere: the fair price one block ago, off by a few hundredths of a percent."""
        return self._reference[market.base.symbol]

    def fair_price(self, market: Market) -> Decimal:
        """Return the fair price of a market, which is also its mark price."""
        return self.prices[market.base.symbol].price

    def oracle_prices(self) -> dict[str, Decimal]:
        """Return the price of every token in the quote token, by symbol."""
        quotes = {market.quote.symbol: Decimal(1) for market in self._markets}
        return {**quotes, **{symbol: process.price for symbol, process in self.prices.items()}}

    def trade(self, exchange: Exchange) -> None:
        """Act once per block: one market is quoted anew, any market may see a taker."""
        self._move(exchange.time_ms)
        for index, market in enumerate(self._markets):
            levels = exchange.books[market.id].levels
            if not (levels[True] and levels[False]) or self._turn % _ROUND == index % _ROUND:
                self._quote(exchange, market)
            if self._rng.random() < _TAKE_PROBABILITY:
                self._take(exchange, market)
        self._turn += 1

    def _move(self, now: int) -> None:
        seconds = max(now - (self._moved or now), 0) / 1000
        self._moved = now
        for symbol, prices in self.prices.items():
            self._noise[symbol] = self._noise[symbol] * _NOISE_KEPT + self._rng.gauss(0, _NOISE)
            self._reference[symbol] = prices.price * Decimal(str(math.exp(self._noise[symbol])))
            prices.step(seconds)

    def _quote(self, exchange: Exchange, market: Market) -> None:
        """Quote anew; the quotes before these stay until the next time.

        Cancelling and quoting in one block would leave nothing that rests, and market orders with nothing to
        take.
        """
        latest = self._latest.get(market.id, set())
        for order in exchange.books[market.id].of(addresses.default_subaccount(MAKER)):
            if order.hash not in latest:
                exchange.cancel(market.id, order.subaccount, order.hash, "")
        fair = self.fair_price(market)
        placed = []
        for offset in _OFFSETS:
            notional = Decimal(self._rng.randint(_MAKER_NOTIONAL // 2, _MAKER_NOTIONAL))
            placed += [
                self._place(exchange, market, MAKER, buy=True, price=fair * (1 - offset), notional=notional),
                self._place(exchange, market, MAKER, buy=False, price=fair * (1 + offset), notional=notional),
            ]
        self._latest[market.id] = {order.hash for order in placed if order is not None}

    def _take(self, exchange: Exchange, market: Market) -> None:
        buy = self._rng.random() < 1 / 2
        price = self.fair_price(market) * (1 + _REACH if buy else 1 - _REACH)
        notional = Decimal(self._rng.randint(_TAKER_NOTIONAL // 4, _TAKER_NOTIONAL))
        self._place(exchange, market, TAKER, buy=buy, price=price, notional=notional, at_market=True)

    def _place(  # noqa: PLR0913 - one order has that many sides
        self,
        exchange: Exchange,
        market: Market,
        address: str,
        *,
        buy: bool,
        price: Decimal,
        notional: Decimal,
        at_market: bool = False,
    ) -> Order | None:
        price = price // market.price_tick * market.price_tick
        quantity = notional / price // market.quantity_tick * market.quantity_tick
        margin = price * quantity if market.derivative else ZERO
        new = NewOrder(
            market.id, addresses.default_subaccount(address), price, quantity, 1 if buy else 2, margin=margin
        )
        try:
            return exchange.place(new, address, "", derivative=market.derivative, at_market=at_market)
        except VenueError:
            # Too small after rounding, or a fortune spent: the background simply sits this block out.
            return None
