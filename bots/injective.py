"""The exchange: the only module that imports pyinjective for trading. Its exceptions stop here.

The same code trades on paper, testnet and mainnet; only the `Network` differs. Units (injective-py 1.16.2):
the composer takes human `Decimal`; what comes back is human x 10^18, except bank coins (chain integers) and
deposits (chain units x 10^18).
"""

from __future__ import annotations

import asyncio
import hashlib
import random
import re
from decimal import ROUND_UP, Decimal
from typing import TYPE_CHECKING, Any

import grpc
from pyinjective.async_client_v2 import AsyncClient
from pyinjective.composer_v2 import Composer
from pyinjective.core.broadcaster import MessageBasedTransactionFeeCalculator, MsgBroadcasterWithPk
from pyinjective.core.network import Network

from bots import addresses
from bots.injective_parse import block_update, decimal, open_order
from bots.model import (
    Batch,
    BlockUpdate,
    ExchangeError,
    Inventory,
    MarketInfo,
    NewOrder,
    OpenOrder,
    RejectedError,
    Side,
    TxResult,
    UnknownOutcomeError,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable

    from bots.secret import Secret
    from bots.settings import PaperEndpoints

__all__ = ["Injective", "MarketData", "network_for"]

# The chain charges up to 120 000 before the messages, the SDK reckons with 105 000; more costs a trifle.
MessageBasedTransactionFeeCalculator.TRANSACTION_ANTE_GAS_LIMIT = 160_000

_PAPER_CHAIN_ID = "injective-paper-1"
_DEADLINE = 5.0
"""Seconds; the SDK sets none."""
_TIMEOUT_BLOCKS = 20
"""A transaction that is not in a block by then never will be: about 13 s."""
_SEQUENCE_MISMATCH = 32
_SEQUENCE_ATTEMPTS = 6
_GAS_MARGIN = Decimal("1.1")
_EXPECTED = re.compile(r"expected (\d+)")
_QUEUE = 1000


_CHANNEL_OPTIONS = (
    # gRPC's own default waits up to two minutes between attempts to reconnect.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5000),
)


class _Network(Network):  # type: ignore[misc]  # the SDK ships no types
    """The SDK's network, whose channels come back soon after an outage."""

    def _create_grpc_channel(self, endpoint: str, credentials: Any) -> Any:
        if credentials is None:
            return grpc.aio.insecure_channel(endpoint, options=_CHANNEL_OPTIONS)
        return grpc.aio.secure_channel(endpoint, credentials, options=_CHANNEL_OPTIONS)


def network_for(name: str, paper: PaperEndpoints | None) -> Any:
    """Return the SDK's network: its own endpoints, or the paper venue's."""
    if name == "mainnet":
        return _Network.mainnet()
    if name == "testnet":
        return _Network.testnet()
    if paper is None:
        raise ValueError("the paper network needs its endpoints")
    return _Network.custom(
        lcd_endpoint=paper.http,
        tm_websocket_endpoint="",
        grpc_endpoint=paper.grpc,
        grpc_exchange_endpoint=paper.grpc,
        grpc_explorer_endpoint=paper.grpc,
        chain_stream_endpoint=paper.grpc,
        chain_id=_PAPER_CHAIN_ID,
        env="paper",
        official_tokens_list_url=f"{paper.http}/tokens.json",
    )


async def _call(awaitable: Awaitable[Any], what: str) -> Any:
    """Await an SDK call with a deadline.

    Raises:
        ExchangeError: no answer in time, or an error of the connection or the chain.
    """
    try:
        # Not asyncio.wait_for: in Python 3.11 it can swallow a cancellation, and the bot would not stop.
        async with asyncio.timeout(_DEADLINE):
            return await awaitable
    except TimeoutError as error:
        raise ExchangeError(f"{what}: no answer within {_DEADLINE:.0f} s") from error
    except grpc.RpcError as error:
        raise ExchangeError(f"{what}: {_grpc_text(error)}") from error
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ExchangeError(f"{what}: {type(error).__name__}: {str(error)[:200]}") from error


def _grpc_text(error: Any) -> str:
    return (
        f"{error.code().name}: {str(error.details())[:200]}"
        if hasattr(error, "code")
        else type(error).__name__
    )


class _Client(AsyncClient):  # type: ignore[misc]  # the SDK ships no types
    """The SDK's client, which also remembers the hash of what it is about to send."""

    last_hash = ""

    async def broadcast_tx_sync_mode(self, tx_bytes: bytes) -> Any:
        self.last_hash = hashlib.sha256(tx_bytes).hexdigest().upper()
        return await super().broadcast_tx_sync_mode(tx_bytes)


class MarketData:
    """One market of one network, without a key: what a reference price needs, and the base of `Injective`."""

    def __init__(self, network: Any, market_id: str, *, derivative: bool) -> None:
        """Open the channels; must run inside the event loop, or the SDK's calls fail."""
        self._network = network
        self._market_id = market_id
        self._derivative = derivative
        self._client = _Client(network)

    async def mid_price(self) -> Decimal:
        """Return the middle of the best bid and ask.

        Raises:
            ExchangeError: not reachable, or a side of the book is empty.
        """
        fetch = (
            self._client.fetch_derivative_mid_price_and_tob
            if self._derivative
            else self._client.fetch_spot_mid_price_and_tob
        )
        answer = await _call(fetch(market_id=self._market_id), "mid price")
        if not answer.get("midPrice"):
            raise ExchangeError("mid price: the book has an empty side")
        return decimal(answer["midPrice"])

    async def close(self) -> None:
        """Close the channels."""
        await self._client.close_chain_channel()
        await self._client.close_chain_stream_channel()
        await self._client.exchange_channel.close()
        await self._client.explorer_channel.close()


class Injective(MarketData):
    """Trades one market with one key, out of subaccount 0, whose funds are the bank account's."""

    def __init__(self, network: Any, market_id: str, key: Secret, address: str, *, derivative: bool) -> None:
        super().__init__(network, market_id, derivative=derivative)
        self._key = key
        self._address = address
        self._subaccount = addresses.default_subaccount(address)
        self._composer = Composer(network=network.string())
        self._broadcaster: Any = None
        self._market: MarketInfo | None = None

    @property
    def market(self) -> MarketInfo:
        """The market; known after `connect`."""
        if self._market is None:
            raise ExchangeError("not connected")
        return self._market

    async def connect(self) -> MarketInfo:
        """Load the market and the account's number and sequence; can be repeated.

        Raises:
            ExchangeError: not reachable, the market is not listed, or the account does not exist yet.
        """
        load = self._client.all_derivative_markets if self._derivative else self._client.all_spot_markets
        markets = await _call(load(), "markets")
        if self._market_id not in markets:
            raise ExchangeError(f"the market {self._market_id} is not active on this network")
        self._market = self._market_info(markets[self._market_id])
        await self.resync()
        gas_price = int(await _call(self._client.current_chain_gas_price(), "gas price") * _GAS_MARGIN)
        if self._broadcaster is None:
            self._broadcaster = MsgBroadcasterWithPk.new_using_gas_heuristics(
                network=self._network,
                private_key=self._key.reveal(),
                gas_price=gas_price,
                client=self._client,
                composer=self._composer,
            )
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

    async def resync(self) -> None:
        """Read number and sequence of the account anew.

        Raises:
            ExchangeError: not reachable, or the account does not exist because nothing was ever sent to it.
        """
        if await _call(self._client.fetch_account(self._address), "account") is None:
            # The SDK hides why; the same query beneath it tells.
            await _call(self._client.auth_api.fetch_account(self._address), "account (has it been funded?)")
            raise ExchangeError(f"account {self._address} is not of a kind that trades")

    def follow(self, block: BlockUpdate) -> None:
        """Let timeout height and gas price follow the stream."""
        self._client.timeout_height = block.height + _TIMEOUT_BLOCKS
        if block.gas_price and self._broadcaster is not None:
            self._broadcaster.update_gas_price(int(block.gas_price * _GAS_MARGIN))

    async def sync_height(self) -> int:
        """Set the timeout height without a stream; returns the height.

        Raises:
            ExchangeError: not reachable.
        """
        block = await _call(self._client.fetch_latest_block(), "latest block")
        height = int(block["block"]["header"]["height"])
        self._client.timeout_height = height + _TIMEOUT_BLOCKS
        return height

    # ---- reading

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
        answer = await _call(fetch(market_id=self._market_id, subaccount_id=self._subaccount), "open orders")
        return [open_order(order) for order in answer["orders"]]

    async def inventory(self) -> Inventory:
        """Return what is held: the bank, plus what open orders lock, plus the position.

        Raises:
            ExchangeError: not reachable.
        """
        market = self.market
        coins = await _call(self._client.fetch_bank_balances(self._address), "balances")
        deposits = await _call(
            self._client.fetch_subaccount_deposits(subaccount_id=self._subaccount), "deposits"
        )
        totals: dict[str, Decimal] = {coin["denom"]: Decimal(coin["amount"]) for coin in coins["balances"]}
        for denom, deposit in deposits["deposits"].items():
            totals[denom] = totals.get(denom, Decimal(0)) + decimal(deposit["totalBalance"])
        return Inventory(
            base=totals.get(market.base_denom, Decimal(0)).scaleb(-market.base_decimals),
            quote=totals.get(market.quote_denom, Decimal(0)).scaleb(-market.quote_decimals),
            position=await self._position() if self._derivative else Decimal(0),
        )

    async def _position(self) -> Decimal:
        fetch = self._client.fetch_chain_subaccount_positions(subaccount_id=self._subaccount)
        for entry in (await _call(fetch, "positions"))["state"]:
            if entry["marketId"] == self._market_id:
                quantity = decimal(entry["position"]["quantity"])
                return quantity if entry["position"]["isLong"] else -quantity
        return Decimal(0)

    async def tx_result(self, tx_hash: str) -> TxResult | None:
        """Return a transaction's result, None while it is in no block.

        Raises:
            ExchangeError: not reachable.
        """
        try:
            async with asyncio.timeout(_DEADLINE):
                answer = (await self._client.fetch_tx(tx_hash))["txResponse"]
        except TimeoutError as error:
            raise ExchangeError("transaction: no answer in time") from error
        except grpc.RpcError as error:
            if error.code() == grpc.StatusCode.NOT_FOUND:
                return None
            raise ExchangeError(f"transaction: {_grpc_text(error)}") from error
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

    # ---- writing

    async def submit(self, batch: Batch) -> tuple[str, int]:
        """Send one batch; returns its transaction's hash and timeout height once the chain has accepted it.

        A wrong sequence is certain not to have happened: the very same orders, with the same cids, are signed
        anew with the right one. Another bot on this key may be faster several times, hence the jitter.

        Raises:
            RejectedError: refused; nothing happened.
            UnknownOutcomeError: sent without an answer; look the transaction up before sending anything new.
            ExchangeError: not even sent.
        """
        message = self._message(batch)
        for attempt in range(1, _SEQUENCE_ATTEMPTS + 1):
            height = self._client.timeout_height
            answer = await self._broadcast(message, height)
            code = int(answer["code"])
            if code == 0:
                return str(answer["txhash"]), height
            expected = _EXPECTED.search(answer["rawLog"]) if code == _SEQUENCE_MISMATCH else None
            if expected and attempt < _SEQUENCE_ATTEMPTS:
                # A query would answer the last block's sequence; the refusal names that of the mempool.
                self._client.sequence = int(expected[1])
                await asyncio.sleep(random.uniform(0, 0.05 * attempt))  # noqa: S311 - jitter, no cryptography
                continue
            await self.resync()
            raise RejectedError(code, str(answer["rawLog"])[:300])
        raise AssertionError("unreachable: the last attempt returns or raises")

    async def _broadcast(self, message: Any, timeout_height: int) -> Any:
        self._client.last_hash = ""
        try:
            async with asyncio.timeout(_DEADLINE):
                return (await self._broadcaster.broadcast([message]))["txResponse"]
        except (TimeoutError, grpc.RpcError, ValueError, RuntimeError) as error:
            if self._client.last_hash:
                raise UnknownOutcomeError(self._client.last_hash, timeout_height) from error
            raise ExchangeError(f"could not send: {type(error).__name__}") from error

    def _message(self, batch: Batch) -> Any:
        kind = "derivative" if self._derivative else "spot"
        content: dict[str, Any] = {
            f"{kind}_orders_to_create": [self._order(order) for order in batch.create],
            f"{kind}_orders_to_cancel": [
                self._composer.order_data_without_mask(
                    market_id=self._market_id,
                    subaccount_id=self._subaccount,
                    order_hash=order.order_hash,
                )
                for order in batch.cancel
            ],
        }
        if batch.cancel_all:
            # A subaccount without a market list is refused (code 58), and so is the reverse.
            content |= {
                "subaccount_id": self._subaccount,
                f"{kind}_market_ids_to_cancel_all": [self._market_id],
            }
        return self._composer.msg_batch_update_orders(sender=self._address, **content)

    def _order(self, order: NewOrder) -> Any:
        side, price, quantity = order.quote
        common = {
            "market_id": self._market_id,
            "subaccount_id": self._subaccount,
            "fee_recipient": self._address,
            "price": price,
            "quantity": quantity,
            "cid": order.cid,
            "order_type": "BUY_PO" if side is Side.BUY else "SELL_PO",
        }
        if not self._derivative:
            return self._composer.spot_order(**common)
        margin = order.margin.quantize(Decimal("0.000001"), rounding=ROUND_UP)
        return self._composer.derivative_order(margin=margin, **common)
