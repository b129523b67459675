"""From a block to a transaction: may anything be done, what changes, and what became of sending it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from bots import risk
from bots.lease import LEASE_SECONDS, LeaseError, height_cap
from bots.model import Batch, RejectedError, UnknownOutcomeError
from bots.permission import Facts, Permission, judge
from bots.signing import TurnError

if TYPE_CHECKING:
    from bots.desk import Desk, Parts
    from bots.model import BlockUpdate, NewOrder

__all__ = ["Dealer"]

_LONGEST_PAUSE = 64
_LEAST_BLOCKS = 2
"""A transaction with less time than that would mostly time out."""


class Dealer:
    """Decides and sends for one bot; one batch at a time."""

    def __init__(self, parts: Parts, desk: Desk) -> None:
        self._parts = parts
        self._desk = desk
        self._log = parts.log
        self._exchange = parts.exchange
        self._resume_height = 0
        self._refusals = 0

    def pause(self, height: int) -> None:
        """Wait longer after each refusal in a row: what the chain refused once it mostly refuses again."""
        self._refusals += 1
        self._resume_height = height + min(2**self._refusals, _LONGEST_PAUSE)

    def permission(self) -> Permission:
        """Return whether orders may stand in the book now."""
        parts, limits = self._parts, self._parts.config.risk
        reference = parts.reference
        fresh = risk.reference_is_fresh(reference.age, limits)
        if fresh and self._desk.ledger_open:
            parts.halts.check(reference.price)
        facts = Facts(
            lease_held=parts.lease.held,
            lease_left=parts.lease.remaining,
            lease_needed=LEASE_SECONDS / 2,
            ledger_open=self._desk.ledger_open,
            ledger_lag=parts.ledger.lag,
            ledger_problem=parts.ledger.problem,
            reference_fresh=fresh,
            halt=parts.halts.reason,
        )
        return judge(facts, limits)

    async def decide(self, block: BlockUpdate, fence: int) -> None:
        """Bring the book to what should stand there after `block`; nothing may be in flight.

        Raises:
            ExchangeError: the exchange cannot be reached, or did not say what became of the transaction.
        """
        permission, orders = self.permission(), self._desk.orders
        self._desk.tell(permission.state, permission.reason, self._log)
        if not permission.may_place:
            await self._send(Batch(cancel=tuple(orders.open.values())), block, fence)
        elif block.height >= self._resume_height:
            have = orders.open.values()
            batch = self._parts.quoter.changes(self._exchange.market, self._desk.inventory, have)
            await self._send(batch, block, fence)

    async def _send(self, batch: Batch, block: BlockUpdate, fence: int) -> None:
        """Send what changes, as one transaction that cannot outlive the lease."""
        cap = self._height_cap()
        if cap is None:
            batch = Batch(cancel=batch.cancel)
        if not batch.create and not batch.cancel:
            return
        books, cids = self._parts.books, [order.cid for order in batch.create]
        permit = functools.partial(self._parts.lease.permit, fence=fence) if batch.create else None
        self._parts.metrics.decided(cids)
        try:
            tx_hash, timeout_height = await self._exchange.submit(batch, permit, cap)
        except RejectedError as error:
            self._parts.metrics.rejected(cids, error.code)
            self._rejected(batch.create, error, block)
            return
        except (LeaseError, TurnError) as error:
            self._log.warning("not_sent", reason=str(error))
            if batch.create:
                # Cancellations need nobody's leave, and whoever may place nothing needs them most.
                await self._send(Batch(cancel=batch.cancel), block, fence)
            return
        except UnknownOutcomeError as error:
            self._desk.orders.sent(batch, error.tx_hash, error.timeout_height, block.height)
            books.sent(batch.create, error.tx_hash, block.time)
            self._log.warning("outcome_unknown", tx_hash=error.tx_hash)
            raise
        self._refusals = 0
        self._parts.metrics.acked(cids)
        self._desk.orders.sent(batch, tx_hash, timeout_height, block.height)
        books.sent(batch.create, tx_hash, block.time)

    def _height_cap(self) -> int | None:
        """Return the last block that may hold new orders, None when too few are left of the lease."""
        feed = self._parts.feed
        if feed.block_seconds is None:
            return None
        cap = height_cap(feed.height, self._parts.lease.remaining, feed.block_seconds)
        return cap if cap >= feed.height + _LEAST_BLOCKS else None

    def _rejected(self, orders: tuple[NewOrder, ...], error: RejectedError, block: BlockUpdate) -> None:
        self.pause(block.height)
        self._parts.books.refused(orders, f"code {error.code}", block.time)
        self._log.warning(
            "batch_rejected", code=error.code, error=str(error), resume_height=self._resume_height
        )
