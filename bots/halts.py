"""The daily loss limit: a bot that reaches it halts, over restarts too, until an operator clears it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

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
        self.reason = ""
        """Why the bot is halted; empty when it is not."""

    async def load(self) -> None:
        """Take over what a predecessor left.

        Raises:
            StateError: Redis cannot say.
        """
        halt = await self._state.halt()
        if halt and not self.reason:
            self._halted(str(halt.get("reason", "no reason was written down")), str(halt.get("at", "")))

    def check(self, mark: Decimal) -> None:
        """Halt when the day's loss, positions valued at `mark`, has reached the limit."""
        day_pnl = self._ledger.day_pnl(mark, datetime.now(UTC))
        reason = risk.loss_halt(day_pnl, self._limits)
        if reason and not self.reason:
            self._halted(reason, datetime.now(UTC).isoformat())
            self._unsaved = True

    def _halted(self, reason: str, at: str) -> None:
        self.reason, self._at = reason, at
        self._log.error("halted", reason=reason, at=at, what_to_do="drover bots clear, once it is understood")

    async def sync(self, mark: Decimal) -> None:
        """Write down a halt, or see that it was cleared; the day's loss then counts from `mark` on.

        Raises:
            StateError: Redis is away; to be called again.
        """
        if self._unsaved:
            await self._state.save_halt({"reason": self.reason, "at": self._at, "by": "daily_loss_limit"})
            self._unsaved = False
        halt = await self._state.halt()
        if halt is None and self.reason and await self._was_cleared():
            self._log.warning("halt_cleared", reason=self.reason)
            self.reason = ""
            self._ledger.reset_day(mark, datetime.now(UTC))
        elif halt is None and self.reason:
            # Redis lost it; nobody has cleared it.
            self._unsaved = True
        elif halt is not None and not self.reason:
            await self.load()

    async def _was_cleared(self) -> bool:
        cleared = await self._state.cleared()
        return cleared is not None and str(cleared.get("at", "")) >= self._at
