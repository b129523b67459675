"""Certainty about orders: is a transaction in a block, and is the book free of our orders?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from bots import cid
from bots.model import Batch, ExchangeError, UnknownOutcomeError
from bots.working import InFlight

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from decimal import Decimal

    from bots.ledger_catchup import TradeHistory
    from bots.logs import EventLog
    from bots.model import BlockUpdate, Inventory, MarketInfo, OpenOrder, TxResult

__all__ = ["Exchange", "cancel_everything", "settle", "snapshot", "withdraw"]

_POLL_SECONDS = 0.25
_SNAPSHOT_ATTEMPTS = 10
_SURE_BLOCKS = 2
"""Blocks beyond the timeout height: behind a load balancer another node may answer for the transaction than
did for the height, and a node indexes a block's transactions a moment after it tells the block."""


class Exchange(Protocol):
    """What the runner needs of an exchange; `bots.injective` is one. All calls may raise `ExchangeError`."""

    @property
    def market(self) -> MarketInfo:
        """The market; known after `connect`."""

    async def connect(self) -> MarketInfo:
        """Load market and account; can be repeated."""

    async def check_grant(self) -> str:
        """Return a warning when the right to trade ends soon; nothing when all is well."""

    async def sync_height(self) -> int:
        """Return the height; later transactions time out some blocks after it."""

    def follow(self, block: BlockUpdate) -> None:
        """Let timeout height and gas price follow the stream."""

    def updates(self) -> AsyncGenerator[BlockUpdate, None]:
        """Yield every block from now on."""

    async def open_orders(self) -> list[OpenOrder]:
        """Return the own orders in this market."""

    async def inventory(self) -> Inventory:
        """Return what is held."""

    async def tx_result(self, tx_hash: str) -> TxResult | None:
        """Return a transaction's result, None while it is in no block."""

    async def submit(
        self,
        batch: Batch,
        permit: Callable[[int], Awaitable[None]] | None = None,
        max_timeout_height: int | None = None,
    ) -> tuple[str, int]:
        """Send a batch; return its transaction's hash and timeout height."""

    async def mid_price(self) -> Decimal:
        """Return the middle of the market's best bid and ask."""

    def history(self) -> TradeHistory:
        """Return where own trades can be looked up; known after `connect`."""


async def settle(exchange: Exchange, in_flight: InFlight, log: EventLog) -> TxResult | None:
    """Wait until a transaction is in a block or never can be; returns its result, None when it never can.

    Its timeout height makes that certain: the chain takes no transaction after it, and two blocks later every
    node has told it.

    Raises:
        ExchangeError: the exchange cannot be asked.
    """
    while True:
        # The height before the lookup: a block in between could otherwise hold what was not seen.
        height = await exchange.sync_height()
        result = await exchange.tx_result(in_flight.tx_hash)
        if result is not None:
            if result.code:
                log.warning(
                    "transaction_failed", tx_hash=result.tx_hash, code=result.code, error=result.log[:300]
                )
            return result
        if height > in_flight.timeout_height + _SURE_BLOCKS:
            log.warning("transaction_expired", tx_hash=in_flight.tx_hash)
            return None
        await asyncio.sleep(_POLL_SECONDS)


async def snapshot(exchange: Exchange) -> tuple[int, list[OpenOrder]]:
    """Return a block's height and the open orders after exactly that block.

    Raises:
        ExchangeError: the exchange cannot be asked, or its blocks come too fast to read one.
    """
    height = await exchange.sync_height()
    for _ in range(_SNAPSHOT_ATTEMPTS):
        orders = await exchange.open_orders()
        before, height = height, await exchange.sync_height()
        if before == height:
            return height, orders
    raise ExchangeError("open orders: the blocks come faster than they can be read")


async def cancel_everything(exchange: Exchange, log: EventLog) -> None:
    """Take all own orders of this market out of the book, and make sure that none is left.

    The cancellation is always sent, even when no order shows: an order of a transaction that is still on its
    way does not show, but its lower account sequence puts it before the cancellation, or keeps it out.

    Raises:
        ExchangeError: the exchange cannot be asked, or refuses.
    """
    while True:
        height = await exchange.sync_height()
        try:
            tx_hash, timeout_height = await exchange.submit(Batch(cancel_all=True))
        except UnknownOutcomeError as error:
            tx_hash, timeout_height = error.tx_hash, error.timeout_height
        result = await settle(exchange, InFlight(tx_hash, timeout_height, height, set()), log)
        if result is not None and result.code == 0:
            left = await exchange.open_orders()
            if not left:
                log.info("all_cancelled", tx_hash=tx_hash)
                return
        await asyncio.sleep(_POLL_SECONDS)


async def withdraw(exchange: Exchange, fence: int, log: EventLog) -> None:
    """Take the orders of a tenure, and of those before, out of the book, and make sure that none is left.

    For a holder that has lost its lease: a successor's orders in the same market carry another fence.

    Raises:
        ExchangeError: the exchange cannot be asked, or refuses.
    """
    while own := [order for order in await exchange.open_orders() if 0 < _fence(order) <= fence]:
        height = await exchange.sync_height()
        try:
            tx_hash, timeout_height = await exchange.submit(Batch(cancel=tuple(own)))
        except UnknownOutcomeError as error:
            tx_hash, timeout_height = error.tx_hash, error.timeout_height
        await settle(exchange, InFlight(tx_hash, timeout_height, height, set()), log)
    log.info("withdrawn", fence=fence)


def _fence(order: OpenOrder) -> int:
    """Return the tenure of an order; 0 for one that is not this product's."""
    parsed = cid.parse(order.cid)
    return parsed.fence if parsed else 0
