"""The daily loss limit: a bot that reaches it halts, over restarts too, until an operator clears it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bots import risk

if TYPE_CHECKING:
    from decimal import Decimal

    from bots.config import RiskLimits
    from bots.ledger import Ledger
    from bots.logs import EventLog
    from bots.state import BotState

__all__ = ["Halts"]


class Halts:
    """One bot's halt: here, so that it holds at once, and in Redis, so that it holds after a restart."""

    def __init__(self, state: BotState, ledger: Ledger, limits: RiskLimits, log: EventLog) -> None:
        self._state = state
        self._ledger = ledger
        self._limits = limits
        self._log = log
        self._unsaved = False
        self._at = ""
        self._clearing = ""
        """The moment of a clearing after which the day's loss does not count anew yet."""
        self._forgiven = ""
        """The same when it does, but Redis does not know yet."""
        self.reason = ""
        """Why the bot is halted; empty when it is not."""

    async def load(self) -> None:
        """Take over what a predecessor left, and a clearing that came while no bot ran.

        Raises:
            StateError: Redis cannot say.
        """
        if self.reason:
            return
        halt = await self._state.halt()
        if halt:
            self._halted(str(halt.get("reason", "no reason was written down")), str(halt.get("at", "")))
            return
        cleared = _moment(await self._state.cleared())
        if cleared not in (_moment(await self._state.forgiven()), self._forgiven):
            self._clearing = cleared

    def check(self, mark: Decimal) -> None:
        """Halt when the day's loss, positions valued at `mark`, has reached the limit.

        To be called with a fresh price and an open ledger: after a clearing the loss counts from here on.
        """
        now = datetime.now(UTC)
        if self._clearing:
            self._ledger.reset_day(mark, now)
            self._forgiven, self._clearing = self._clearing, ""
        reason = risk.loss_halt(self._ledger.day_pnl(mark, now), self._limits)
        if reason and not self.reason:
            self._halted(reason, now.isoformat())
            self._unsaved = True

    def _halted(self, reason: str, at: str) -> None:
        self.reason, self._at = reason, at
        self._log.error("halted", reason=reason, at=at, what_to_do="drover bots clear, once it is understood")

    async def sync(self) -> None:
        """Write down a halt, or see that it was cleared.

        Raises:
            StateError: Redis is away; to be called again.
        """
        if self._unsaved:
            await self._state.save_halt({"reason": self.reason, "at": self._at, "by": "daily_loss_limit"})
            self._unsaved = False
        if self._forgiven:
            await self._state.save_forgiven(self._forgiven)
            self._forgiven = ""
        halt = await self._state.halt()
        if halt is not None:
            await self.load()
        elif self.reason:
            await self._look_for_clearing()

    async def _look_for_clearing(self) -> None:
        cleared = _moment(await self._state.cleared())
        if not cleared or cleared < self._at:
            # Redis lost the halt; nobody has cleared it.
            self._unsaved = True
            return
        self._log.warning("halt_cleared", reason=self.reason)
        self.reason, self._clearing = "", cleared


def _moment(record: dict[str, Any] | None) -> str:
    """Return when a record says that it was made; nothing for none."""
    return str(record.get("at", "")) if record else ""
