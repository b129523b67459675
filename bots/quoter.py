"""What should change in the book now: strategy, then risk, then the fewest changes. No I/O but the log."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Protocol

from bots import risk
from bots.model import MarketView, NewOrder
from bots.working import plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bots.config import TraderConfig
    from bots.logs import EventLog
    from bots.model import Batch, Inventory, MarketInfo, OpenOrder, Quote

__all__ = ["Quoter", "ReferencePrice"]


class ReferencePrice(Protocol):
    """Where the bot reads the reference price."""

    price: Decimal

    @property
    def age(self) -> float | None:
        """Seconds since it came; None before the first."""

    def start(self) -> None:
        """Begin to follow it."""


class Quoter:
    """Decides for one bot; tells the log why."""

    def __init__(
        self,
        reference: ReferencePrice,
        config: TraderConfig,
        log: EventLog,
    ) -> None:
        self._reference = reference
        self._config = config
        self._log = log
        self._stale = False

    def changes(self, market: MarketInfo, inventory: Inventory, have: Iterable[OpenOrder]) -> Batch:
        """Return what leads from the orders in the book to those that should stand there."""
        limits = self._config.risk
        view = MarketView(market, self._reference.price, inventory, limits.max_position_notional)
        wanted, reason = self._wanted(view)
        batch = plan(
            wanted, have, self._config.execution.refresh_bps, lambda quote: self._new_order(quote, view)
        )
        if batch.create or batch.cancel:
            self._log.info("decision", reason=reason, create=len(batch.create), cancel=len(batch.cancel))
        return batch

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
        return NewOrder(uuid.uuid4().hex, quote, margin)
