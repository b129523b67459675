"""One market without an account: what a reference price needs."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

from pyinjective.async_client_v2 import AsyncClient

from bots.injective.calls import call
from bots.injective.parse import decimal
from bots.model import ExchangeError

if TYPE_CHECKING:
    from decimal import Decimal

__all__ = ["Client", "MarketData"]


class Client(AsyncClient):  # type: ignore[misc]  # the SDK ships no types
    """The SDK's client, which also remembers the hash of what it is about to send."""

    last_hash = ""

    async def broadcast_tx_sync_mode(self, tx_bytes: bytes) -> Any:
        """Send a signed transaction; its hash is known even when no answer comes."""
        self.last_hash = hashlib.sha256(tx_bytes).hexdigest().upper()
        return await super().broadcast_tx_sync_mode(tx_bytes)

    async def sync_timeout_height(self) -> None:
        """Do nothing: who signs sets the timeout height.

        The SDK's own, run in the background, would raise it; when the node does not answer it sets 0, which
        means none at all: a transaction that may still happen at any time.
        """


class MarketData:
    """One market of one network, without a key: what a reference price needs, and the base of `Injective`."""

    def __init__(self, network: Any, market_id: str, *, derivative: bool) -> None:
        """Open the channels; must run inside the event loop, or the SDK's calls fail."""
        self._network = network
        self._market_id = market_id
        self._derivative = derivative
        self._client = Client(network)

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
        answer = await call(fetch(market_id=self._market_id), "mid price")
        if not answer.get("midPrice"):
            raise ExchangeError("mid price: the book has an empty side")
        try:
            return decimal(answer["midPrice"])
        except ArithmeticError as error:
            raise ExchangeError("mid price: no number") from error

    async def close(self) -> None:
        """Close the channels."""
        await self._client.close_chain_channel()
        await self._client.close_chain_stream_channel()
        await self._client.exchange_channel.close()
        await self._client.explorer_channel.close()
