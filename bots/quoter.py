"""What should change in the book now: strategy, then risk, then the fewest changes. No I/O but the log."""

from __future__ import annotations

import time
import uuid
from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Protocol

from bots import risk
from bots.model import MarketView, NewOrder
from bots.working import plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from bots.config_model import TraderConfig
    from bots.model import Batch, Inventory, MarketInfo, OpenOrder, PricePoint, Quote

__all__ = ["DecisionLog", "Quoter", "ReferencePrice"]

_TELL_SECONDS = 10.0
"""A decision that changes nothing is told this often."""


class ReferencePrice(Protocol):
    """Where the bot reads the reference price."""

    price: Decimal

    @property
    def history(self) -> Sequence[PricePoint]:
        """The prices so far, about one a second, as many as the strategy looks back on."""

    @property
    def age(self) -> float | None:
        """Seconds since it came; None before the first."""

    def start(self) -> None:
        """Begin to follow it."""


class DecisionLog(Protocol):
    """Where decisions are told; `bots.logs.EventLog` is one."""

    def debug(self, event: str, **fields: Any) -> None:
        """Tell detail."""

    def info(self, event: str, **fields: Any) -> None:
        """Tell what a trader wants to read."""

    def warning(self, event: str, **fields: Any) -> None:
        """Tell what went wrong."""


def _random_cid() -> str:
    return uuid.uuid4().hex


class Quoter:
    """Decides for one bot; tells the log why."""

    def __init__(
        self,
        reference: ReferencePrice,
        config: TraderConfig,
        log: DecisionLog,
        new_cid: Callable[[], str] = _random_cid,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reference = reference
        self._config = config
        self._log = log
        self.new_cid = new_cid
        self._clock = clock
        self._rate = risk.RateLimit(config.risk.max_orders_per_second)
        self._stale = False
        self._told_at: float | None = None

    def changes(self, market: MarketInfo, inventory: Inventory, have: Iterable[OpenOrder]) -> Batch:
        """Return what leads from the orders in the book to those that should stand there."""
        limits = self._config.risk
        view = MarketView(
            market,
            self._reference.price,
            inventory.tradable(),
            limits.max_position_notional,
            tuple(self._reference.history),
        )
        wanted, reason = self._wanted(view)
        refresh = self._config.execution.refresh_bps
        now = self._clock()
        batch, waiting = self._in_time(plan(wanted, have, refresh, lambda q: self._new_order(q, view)), now)
        if waiting:
            reason += f"; {waiting} must wait: max_orders_per_second {limits.max_orders_per_second}"
        self._tell(batch, reason, now)
        return batch

    def _in_time(self, batch: Batch, now: float) -> tuple[Batch, int]:
        """Hold back the orders above the rate; the next decision wants them again. Cancellations all go."""
        allowed = self._rate.take(len(batch.create), now)
        return replace(batch, create=batch.create[:allowed]), len(batch.create) - allowed

    def _tell(self, batch: Batch, reason: str, now: float) -> None:
        idle = not batch.create and not batch.cancel
        if idle and self._told_at is not None and now - self._told_at < _TELL_SECONDS:
            return
        self._told_at = now
        self._log.info("decision", reason=reason, create=len(batch.create), cancel=len(batch.cancel))

    def _wanted(self, view: MarketView) -> tuple[tuple[Quote, ...], str]:
        if not self._reference_is_fresh():
            return (), "the reference price is stale: nothing may stand in the book"
        decision = self._config.decide(view)
        verdict = risk.permit(decision.quotes, view, self._config.risk)
        for quote, reason in verdict.refused:
            self._log.debug(
                "quote_refused", side=quote.side, price=quote.price, qty=quote.quantity, reason=reason
            )
        reasons = sorted({reason for _, reason in verdict.refused})
        return verdict.permitted, decision.reason + "".join(f"; refused: {reason}" for reason in reasons)

    def _reference_is_fresh(self) -> bool:
        fresh = risk.reference_is_fresh(self._reference.age, self._config.risk)
        if fresh is self._stale:
            self._stale = not fresh
            self._log.warning("reference_stale" if self._stale else "reference_back")
        return fresh

    def _new_order(self, quote: Quote, view: MarketView) -> NewOrder:
        margin = Decimal(0)
        if view.market.derivative:
            margin = quote.price * quote.quantity / self._config.execution.leverage
        return NewOrder(self.new_cid(), quote, margin)
