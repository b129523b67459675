"""`injective.stream.v2.Stream/StreamV2`: one message per block to every subscriber, through its filters."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc

from bots.paper.proto import serve, stream_query

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from bots.paper.faults import Faults

__all__ = ["Streams"]

_BUFFER = 100
"""Blocks that a slow client may lag, as on the chain; then its stream is cut."""

_DROPPED = "the venue drops connections: a fault on demand"
_THAW_SECONDS = 0.05

Key = tuple[str, "Callable[[Any], str]"]
_PLAIN: tuple[Key, ...] = (
    ("market_ids", lambda x: x.market_id),
    ("subaccount_ids", lambda x: x.subaccount_id),
)
_ORDER: tuple[Key, ...] = (
    ("market_ids", lambda x: x.order.market_id),
    ("subaccount_ids", lambda x: x.order.order.order_info.subaccount_id),
)
_BOOK: tuple[Key, ...] = (("market_ids", lambda x: x.orderbook.market_id),)
_FIELDS: tuple[tuple[str, str, tuple[Key, ...]], ...] = (
    ("spot_trades_filter", "spot_trades", _PLAIN),
    ("derivative_trades_filter", "derivative_trades", _PLAIN),
    ("positions_filter", "positions", _PLAIN),
    ("spot_orders_filter", "spot_orders", _ORDER),
    ("derivative_orders_filter", "derivative_orders", _ORDER),
    ("spot_orderbooks_filter", "spot_orderbook_updates", _BOOK),
    ("derivative_orderbooks_filter", "derivative_orderbook_updates", _BOOK),
    ("bank_balances_filter", "bank_balances", (("accounts", lambda x: x.account),)),
    ("subaccount_deposits_filter", "subaccount_deposits", (("subaccount_ids", lambda x: x.subaccount_id),)),
    ("oracle_price_filter", "oracle_prices", (("symbol", lambda x: x.symbol),)),
    ("market_funding_filter", "market_funding_updates", (("market_ids", lambda x: x.market_id),)),
    ("order_failures_filter", "order_failures", (("accounts", lambda x: x.account),)),
)
"""Filter of the request, list of the message, and which ids of the filter an item must match; `*` is any."""


class Streams:
    """The subscribers of the stream."""

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._queues: set[asyncio.Queue[Any]] = set()

    def publish(self, message: Any) -> None:
        """Hand one block's message to every subscriber; one that lags too far loses its stream."""
        if self._faults.take("lose_blocks"):
            return
        for queue in list(self._queues):
            try:
                queue.put_nowait(message)
            except asyncio.QueueFull:
                self._queues.discard(queue)

    def drop(self) -> None:
        """End every stream."""
        for queue in self._queues:
            # A subscriber that waits must wake up to notice.
            while not queue.empty():
                queue.get_nowait()
            queue.put_nowait(None)

    def handler(self) -> Any:
        """Return the gRPC handler of the service."""
        return serve(stream_query, "Stream", {}, {"StreamV2": self._stream})

    async def _stream(self, request: Any, context: Any) -> AsyncIterator[Any]:
        if not request.ListFields():
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "at least one filter must be set")
        if self._faults.on("drop_connections"):
            await context.abort(grpc.StatusCode.UNAVAILABLE, _DROPPED)
        queue: asyncio.Queue[Any] = asyncio.Queue(_BUFFER)
        self._queues.add(queue)
        try:
            while queue in self._queues:
                message = await queue.get()
                while self._faults.on("freeze_stream"):  # noqa: ASYNC110 - a fault ends by the clock, without a word
                    await asyncio.sleep(_THAW_SECONDS)
                if message is None:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, _DROPPED)
                yield _filtered(request, message)
        finally:
            self._queues.discard(queue)
        await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "client is too slow for the stream")


def _filtered(request: Any, message: Any) -> Any:
    out = stream_query.StreamResponse(
        block_height=message.block_height, block_time=message.block_time, gas_price=message.gas_price
    )
    for filter_name, field, keys in _FIELDS:
        if request.HasField(filter_name):
            wanted = [(set(getattr(getattr(request, filter_name), name)), key) for name, key in keys]
            getattr(out, field).extend(
                item
                for item in getattr(message, field)
                if all("*" in ids or key(item) in ids for ids, key in wanted)
            )
    return out
