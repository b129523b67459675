"""One account in one market: orders, balances, position, transactions, stream. Reads only."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import grpc
from pyinjective.composer_v2 import Composer

from bots import addresses
from bots.injective.calls import DEADLINE, call, grpc_text
from bots.injective.history import History
from bots.injective.market_data import MarketData
from bots.injective.parse import block_update, decimal, open_order
from bots.model import BlockUpdate, ExchangeError, Inventory, MarketInfo, OpenOrder, TxResult

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

__all__ = ["Account"]

_QUEUE = 1000
"""Blocks that the stream may be ahead of its reader; the feed reads at once."""
_GAS_DENOM = "inj"
_GAS_RESERVE = Decimal("0.05")
"""INJ. Cancelling ten orders takes 160 000 + 10 x 65 000 gas at most, which at the usual price
(1.1 x 160 000 000 x 10^-18 INJ) costs 0.00015: this pays for 300, or for three at 100 times the price."""


class Account(MarketData):
    """One subaccount of one address in one market; read without a key."""

    def __init__(
        self, network: Any, market_id: str, address: str, *, derivative: bool, subaccount: int = 0
    ) -> None:
        """Open the channels.

        Args:
            network: as `network_for` makes it.
            market_id: 0x and 64 hex digits.
            address: bech32 of the account whose money it is.
            derivative: whether the market is one.
            subaccount: index; 0 spends the bank account's money, any other only what was deposited in it.
        """
        super().__init__(network, market_id, derivative=derivative)
        self._address = address
        self._index = subaccount
        self._subaccount = addresses.subaccount(address, subaccount)
        self._composer = Composer(network=network.string())
        self._market: MarketInfo | None = None

    @property
    def subaccount(self) -> str:
        """The subaccount's id, 0x and 64 hex digits."""
        return self._subaccount

    @property
    def market(self) -> MarketInfo:
        """The market; known after `connect`."""
        if self._market is None:
            raise ExchangeError("not connected")
        return self._market

    async def load_market(self) -> MarketInfo:
        """Read the market's ticks and tokens.

        Raises:
            ExchangeError: not reachable, or the market is not listed.
        """
        load = self._client.all_derivative_markets if self._derivative else self._client.all_spot_markets
        markets = await call(load(), "markets")
        if self._market_id not in markets:
            raise ExchangeError(f"the market {self._market_id} is not active on this network")
        self._market = self._market_info(markets[self._market_id])
        return self._market

    def _market_info(self, market: Any) -> MarketInfo:
        quote, base = market.quote_token, getattr(market, "base_token", None)
        if quote is None or (base is None and not self._derivative):
            # The SDK only warns when the token list cannot be fetched, and leaves the tokens out.
            self._client._spot_markets = self._client._derivative_markets = None  # noqa: SLF001 - else cached for ever
            raise ExchangeError("the token list could not be fetched")
        return MarketInfo(
            market.id,
            market.ticker,
            self._derivative,
            base.denom if base else "",
            quote.denom,
            base.decimals if base else 0,
            quote.decimals,
            market.min_price_tick_size,
            market.min_quantity_tick_size,
            market.min_notional,
        )

    async def open_orders(self) -> list[OpenOrder]:
        """Return the own orders that rest in this market.

        Raises:
            ExchangeError: not reachable.
        """
        fetch = (
            self._client.fetch_chain_trader_derivative_orders
            if self._derivative
            else self._client.fetch_chain_trader_spot_orders
        )
        answer = await call(fetch(market_id=self._market_id, subaccount_id=self._subaccount), "open orders")
        return [open_order(order) for order in answer["orders"]]

    async def inventory(self) -> Inventory:
        """Return what is held: what the subaccount has, what open orders lock, and the position.

        Subaccount 0 has what the bank account has, and must leave some of it for gas; the money of any other
        is only what was deposited in it.

        Raises:
            ExchangeError: not reachable.
        """
        market = self.market
        deposits = await call(
            self._client.fetch_subaccount_deposits(subaccount_id=self._subaccount), "deposits"
        )
        totals = await self._bank() if self._index == 0 else {}
        for denom, deposit in deposits["deposits"].items():
            totals[denom] = totals.get(denom, Decimal(0)) + decimal(deposit["totalBalance"])
        return Inventory(
            base=totals.get(market.base_denom, Decimal(0)).scaleb(-market.base_decimals),
            quote=totals.get(market.quote_denom, Decimal(0)).scaleb(-market.quote_decimals),
            position=await self._position() if self._derivative else Decimal(0),
            gas=_GAS_RESERVE if self._index == 0 and market.base_denom == _GAS_DENOM else Decimal(0),
        )

    async def _bank(self) -> dict[str, Decimal]:
        coins = await call(self._client.fetch_bank_balances(self._address), "balances")
        return {coin["denom"]: Decimal(coin["amount"]) for coin in coins["balances"]}

    async def _position(self) -> Decimal:
        fetch = self._client.fetch_chain_subaccount_positions(subaccount_id=self._subaccount)
        for entry in (await call(fetch, "positions"))["state"]:
            if entry["marketId"] == self._market_id:
                quantity = decimal(entry["position"]["quantity"])
                return quantity if entry["position"]["isLong"] else -quantity
        return Decimal(0)

    def history(self) -> History:
        """Return the account's own trades in this market, to be looked up; after `load_market`.

        Raises:
            ExchangeError: not connected.
        """
        return History(self._client, self._network, self.market, self._subaccount)

    async def tx_result(self, tx_hash: str) -> TxResult | None:
        """Return a transaction's result, None while it is in no block.

        Raises:
            ExchangeError: not reachable.
        """
        try:
            async with asyncio.timeout(DEADLINE):
                answer = (await self._client.fetch_tx(tx_hash))["txResponse"]
        except TimeoutError as error:
            raise ExchangeError("transaction: no answer in time") from error
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return None
            raise ExchangeError(f"transaction: {grpc_text(error)}") from error
        return TxResult(tx_hash, int(answer["code"]), answer["rawLog"])

    async def updates(self) -> AsyncGenerator[BlockUpdate, None]:
        """Yield every block from now on; ends when the stream does, so the caller comes back for another one.

        Raises:
            ExchangeError: the stream broke.
        """
        queue: asyncio.Queue[Any] = asyncio.Queue(_QUEUE)
        task = asyncio.create_task(self._listen(queue))
        try:
            while (item := await queue.get()) is not None:
                yield block_update(item, derivative=self._derivative)
        finally:
            task.cancel()
        raise ExchangeError("stream: ended")

    async def _listen(self, queue: asyncio.Queue[Any]) -> None:
        composer, ids = (
            self._composer,
            {"subaccount_ids": [self._subaccount], "market_ids": [self._market_id]},
        )
        kind = "derivative" if self._derivative else "spot"
        filters = {
            f"{kind}_orders_filter": composer.chain_stream_orders_filter(**ids),
            f"{kind}_trades_filter": composer.chain_stream_trades_filter(**ids),
            "order_failures_filter": composer.chain_stream_order_failures_filter(accounts=[self._address]),
        }
        try:
            await self._client.listen_chain_stream_updates(callback=queue.put_nowait, **filters)
        finally:
            # The SDK returns after an error as after an end: None tells the reader of either.
            while queue.full():
                queue.get_nowait()
            queue.put_nowait(None)
