"""Trading while the lease is held: connect, tidy up, follow the stream, have each block decided on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from bots.canceller import cancel_everything, settle, snapshot
from bots.dealer import Dealer
from bots.ledger import LedgerUnavailableError
from bots.ledger_catchup import catch_up
from bots.model import ExchangeError

if TYPE_CHECKING:
    from datetime import datetime

    from bots.desk import Desk, Parts
    from bots.model import BlockUpdate

__all__ = ["LeaseLostError", "Session"]

_ANSWER_BLOCKS = 3
"""Blocks after which a batch that the stream did not answer for is looked up."""
_RECONCILE_SECONDS = 20.0
_GRANT_SECONDS = 3600.0
_FARTHEST_HORIZON = 200
"""Blocks; a lease of 8 s allows 160 of the fastest (0.05 s): what is farther, a chain had that began anew."""
_OPENING_SECONDS = 0.2
_OPENING_AGAIN_SECONDS = 1.0


class LeaseLostError(Exception):
    """Another process may be the bot now."""


class Session:
    """One bot's trading; goes on with what it knew when it is entered again."""

    def __init__(self, parts: Parts, desk: Desk) -> None:
        self._parts = parts
        self._desk = desk
        self._log = parts.log
        self._exchange = parts.exchange
        self._tidy_for = 0
        """The fence under which the book was emptied of what earlier tenures left."""
        self._reconciled_at = 0.0
        self._dealer = Dealer(parts, desk)
        self._opening_at = 0.0
        self._grant_at = 0.0
        self._inventory_is_old = False
        self.blocks = 0
        """How many it has looked at."""

    async def follow(self, fence: int) -> None:
        """Trade until something breaks.

        Raises:
            ExchangeError: connection or stream broke; to be entered again.
            StateError: Redis broke at the start.
            LeaseLostError: the lease is no longer held.
        """
        await self._begin(fence)
        feed = self._parts.feed
        while True:
            block = await feed.next()
            self._apply(block)
            if not feed.more:
                # What came while the bot was busy is old news: only the newest block is decided on.
                await self._act(block, fence)

    # ---- the beginning

    async def _begin(self, fence: int) -> None:
        market = await self._exchange.connect()
        self._log.info("connected", ticker=market.ticker, market_id=market.id, fence=fence)
        await self._check_grant()
        # Subscribed first, then the snapshot: nothing can fall between the two.
        await self._parts.feed.open()
        await self._pass_horizon(fence)
        await self._parts.halts.load()
        if self._tidy_for != fence:
            # What a killed predecessor left would otherwise stand beside our own orders.
            await cancel_everything(self._exchange, self._log)
            # Another process may have traded meanwhile, and begun the day.
            self._parts.ledger.reopen()
            self._desk.ledger_opened.clear()
            self._tidy_for = fence
        await self._settle()
        await self._open_ledger()
        if self._desk.ledger_open:
            await catch_up(self._exchange.history(), self._parts.ledger, self._log)
        await self._reconcile()

    async def _pass_horizon(self, fence: int) -> None:
        """Wait until no transaction of an earlier tenure can be in a block any more."""
        feed, horizon = self._parts.feed, self._parts.lease.horizon
        if horizon > feed.height + _FARTHEST_HORIZON:
            self._log.warning("horizon_of_another_chain", horizon=horizon, height=feed.height)
            return
        while feed.height <= horizon:
            self._check_lease(fence)
            self._desk.turn()
            await feed.next()

    async def _open_ledger(self) -> None:
        """Let the ledger say what was traded before; without Postgres it is asked again later."""
        desk, now = self._desk, time.monotonic()
        if desk.ledger_open or now < self._opening_at:
            return
        try:
            opening = await self._parts.ledger.opening(_OPENING_SECONDS)
        except LedgerUnavailableError as error:
            self._opening_at = now + _OPENING_AGAIN_SECONDS
            self._log.debug("ledger_waited_for", error=str(error))
            return
        await catch_up(self._exchange.history(), self._parts.ledger, self._log)
        desk.ledger_opened.set()
        left = [(order.order_id, order.order_hash or "") for order in opening.unfinished]
        # The book was emptied at the beginning of the tenure: of these, only our own can be in it now.
        self._parts.books.gone([one for one in left if one[0] not in desk.orders.open], self._time)
        book = self._parts.ledger.book
        self._log.info("ledger_opened", fills=book.fills, position=book.quantity, realised=book.realised)
        await self._compare_position()

    async def _compare_position(self) -> None:
        """Go on from the position that was left in Redis: the ledger must know it, or it lacks fills."""
        left, book = await self._parts.state.position(self._parts.symbol), self._parts.ledger.book
        if left is None:
            return
        known = int(left.get("fills", 0))
        tell = self._log.warning if known > book.fills else self._log.info
        tell("position_found", position=left.get("qty"), fills=known, fills_in_ledger=book.fills)

    # ---- each block

    def _apply(self, block: BlockUpdate) -> None:
        self._desk.turn()
        self.blocks += 1
        if block.height < self._desk.orders.snapshot_height:
            return
        self._exchange.follow(block)
        self._desk.orders.apply(block)
        if block.failures:
            self._dealer.pause(block.height)
        if block.fills or block.failures:
            self._inventory_is_old = True

    async def _act(self, block: BlockUpdate, fence: int) -> None:
        self._check_lease(fence)
        orders = self._desk.orders
        if block.height < orders.snapshot_height:
            return
        if orders.in_flight is not None:
            if block.height >= orders.in_flight.sent_height + _ANSWER_BLOCKS:
                await self._settle()
                await self._reconcile()
            return
        if self._inventory_is_old:
            self._inventory_is_old = False
            self._desk.inventory = await self._exchange.inventory()
        if time.monotonic() - self._reconciled_at > _RECONCILE_SECONDS:
            await self._reconcile()
        if time.monotonic() - self._grant_at > _GRANT_SECONDS:
            await self._check_grant()
        await self._open_ledger()
        await self._dealer.decide(block, fence)

    async def _check_grant(self) -> None:
        """Say in time that the account's grant to this key ends; a key that trades its own needs none."""
        self._grant_at = time.monotonic()
        warning = await self._exchange.check_grant()
        if warning:
            self._log.warning("grant_ends", error=warning)

    def _check_lease(self, fence: int) -> None:
        lease = self._parts.lease
        if not lease.held or lease.fence != fence:
            raise LeaseLostError(lease.problem)

    async def _settle(self) -> None:
        in_flight = self._desk.orders.in_flight
        if in_flight is None:
            return
        result = await settle(self._exchange, in_flight, self._log)
        if result is None or result.code:
            reason = f"code {result.code}" if result else "in no block before its timeout height"
            self._parts.books.never_happened(in_flight.created, reason, self._time)

    async def _reconcile(self) -> None:
        orders = self._desk.orders
        before = {cid: order.order_hash for cid, order in orders.open.items()}
        before |= dict.fromkeys(orders.in_flight.created if orders.in_flight else (), "")
        height, found = await snapshot(self._exchange)
        orders.replace(found, height)
        self._desk.inventory = await self._exchange.inventory()
        self._reconciled_at = time.monotonic()
        if set(before) != set(orders.open):
            self._log.info("reconciled", before=len(before), open_orders=len(orders.open))
            gone = [(cid, order_hash) for cid, order_hash in before.items() if cid not in orders.open]
            self._parts.books.gone(gone, self._time)

    @property
    def _time(self) -> datetime:
        if self._parts.feed.time is None:
            raise ExchangeError("stream: no block yet")
        return self._parts.feed.time
