"""May the bot have orders in the book now, and if not, why? Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bots.config import RiskLimits

__all__ = ["Facts", "Permission", "TradingState", "judge"]


class TradingState(StrEnum):
    """The bot's own view of what it does; Nomad's view is the phase."""

    STARTING = "starting"
    WAITING_FOR_LEASE = "waiting_for_lease"
    WAITING_FOR_LEDGER = "waiting_for_ledger"
    TRADING = "trading"
    PAUSED = "paused"
    HALTED = "halted"
    STOPPING = "stopping"


@dataclass(frozen=True)
class Facts:
    """What the decision looks at."""

    lease_held: bool
    lease_left: float
    """Seconds that the lease is surely still held."""
    lease_needed: float
    """Seconds below which the book is emptied: what is left then is for the cancellation."""
    ledger_open: bool
    """Whether the ledger has told what was traded before."""
    ledger_lag: float
    """Seconds since the oldest record that Postgres has not taken."""
    ledger_problem: str
    """Why nothing more can be recorded, even on disk; empty while it can."""
    reference_fresh: bool
    halt: str
    """Why an operator has to look first; empty when nobody has to."""


class Permission(NamedTuple):
    """What the bot may do. Without `may_place` its orders leave the book."""

    state: TradingState
    reason: str
    may_place: bool


def judge(facts: Facts, limits: RiskLimits) -> Permission:
    """Return what may be done; the gravest objection is the one that is told."""
    return next(_objections(facts, limits), Permission(TradingState.TRADING, "", may_place=True))


def _objections(facts: Facts, limits: RiskLimits) -> Iterator[Permission]:
    if not facts.lease_held:
        yield _no(TradingState.WAITING_FOR_LEASE, "another copy of this bot may be trading")
    if facts.halt:
        yield _no(TradingState.HALTED, facts.halt)
    if not facts.ledger_open:
        yield _no(TradingState.WAITING_FOR_LEDGER, "the ledger has not told yet what was traded before")
    if facts.lease_left < facts.lease_needed:
        left = max(0.0, facts.lease_left)
        yield _no(TradingState.PAUSED, f"the lease cannot be renewed and lapses in {left:.1f} s")
    if facts.ledger_problem:
        yield _no(TradingState.PAUSED, f"nothing can be recorded: {facts.ledger_problem}")
    if facts.ledger_lag > limits.ledger_outage_seconds:
        yield _no(TradingState.PAUSED, f"Postgres has taken nothing for {facts.ledger_lag:.0f} s")
    if not facts.reference_fresh:
        yield _no(TradingState.PAUSED, "the reference price is stale")


def _no(state: TradingState, reason: str) -> Permission:
    return Permission(state, reason, may_place=False)
