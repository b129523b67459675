"""What one running bot is made of, and what its parts tell each other."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from bots.model import Inventory
from bots.permission import TradingState
from bots.working import WorkingOrders

if TYPE_CHECKING:
    from datetime import datetime
    from decimal import Decimal

    from bots.bookkeeper import Bookkeeper
    from bots.canceller import Exchange
    from bots.config import TraderConfig
    from bots.feed import Feed
    from bots.halts import Halts
    from bots.lease import Lease
    from bots.ledger import Ledger
    from bots.logs import EventLog
    from bots.metrics import Metrics
    from bots.quoter import Quoter, ReferencePrice
    from bots.state import BotState

__all__ = ["Desk", "Parts"]


@dataclass(frozen=True)
class Parts:
    """What a bot works with; put together in `bots.wiring`."""

    bot_id: str
    symbol: str
    """Of the market: its slug."""
    derivative: bool
    key_version: int
    config: TraderConfig
    exchange: Exchange
    reference: ReferencePrice
    quoter: Quoter
    lease: Lease
    state: BotState
    ledger: Ledger
    books: Bookkeeper
    halts: Halts
    feed: Feed
    metrics: Metrics
    log: EventLog
    started: datetime
    """Aware UTC; when the process began."""


@dataclass
class Desk:
    """What the bot knows of itself now; each field is written in one place and read in many."""

    state: TradingState = TradingState.STARTING
    reason: str = ""
    """Why it does not trade; empty when it does."""
    orders: WorkingOrders = field(default_factory=WorkingOrders)
    inventory: Inventory = field(default_factory=Inventory)
    venue_price: Decimal | None = None
    """Mid price on the trading network."""
    ledger_opened: asyncio.Event = field(default_factory=asyncio.Event)
    """Set once the ledger has told what was traded before, and the history what it lacked."""
    turned_at: float = field(default_factory=time.monotonic)
    """When the bot's own loop last turned."""

    @property
    def ledger_open(self) -> bool:
        """Whether position and profit are known."""
        return self.ledger_opened.is_set()

    def turn(self) -> None:
        """Note that the bot's loop turns."""
        self.turned_at = time.monotonic()

    def tell(self, state: TradingState, reason: str, log: EventLog) -> None:
        """Take on a state; a change is logged."""
        if state is not self.state:
            log.info("state", state=state, was=self.state, reason=reason)
        self.state, self.reason = state, reason
