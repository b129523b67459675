"""Fills that the stream did not tell: looked up at the venue, at start, after a break, and now and then."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

from bots.bookkeeper import fill_fields
from bots.model import ExchangeError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from bots.ledger import Ledger
    from bots.logs import EventLog
    from bots.model import Fill

__all__ = ["TradeHistory", "catch_up", "keep_caught_up"]

_OVERLAP = timedelta(seconds=10)
"""The indexer is taken to be complete that long before its newest trade; blocks come every 0.65 s."""
_EVERY = 15.0
"""Seconds between two looks. The indexer is behind the chain, so one after a break may see too little."""


class TradeHistory(Protocol):
    """Looks up trades; `bots.injective.history.History` is one. Both may raise `ExchangeError`."""

    async def indexed_until(self) -> datetime | None:
        """Return the time of the newest trade of anybody that it knows."""

    def fills_since(self, since: datetime | None) -> AsyncIterator[list[Fill]]:
        """Yield the own fills from `since` on, in pages."""


async def catch_up(history: TradeHistory, ledger: Ledger, log: EventLog) -> int:
    """Record what the venue traded for the bot and the ledger lacks; returns how many fills that were.

    Call it after `Ledger.opening`. How far the ledger is complete is taken from the venue's own clock: the
    newest trade that the indexer knew before it was asked, less the overlap. An indexer that stands still
    moves nothing on.

    Raises:
        ExchangeError: the venue cannot be asked; what was found until then is recorded.
    """
    indexed, found = await history.indexed_until(), 0
    async for page in history.fills_since(ledger.complete_until):
        for fill in page:
            if ledger.fill(fill):
                found += 1
                log.info("fill_caught_up", **fill_fields(fill), at=fill.at)
    if indexed is not None:
        ledger.advance(indexed - _OVERLAP)
    return found


async def keep_caught_up(
    history: Callable[[], TradeHistory], ledger: Ledger, log: EventLog, now: asyncio.Event
) -> None:
    """Catch up for ever: whenever `now` is set, and every 15 s.

    `history` may raise ExchangeError as long as the bot is not connected.
    """
    told = ""
    while True:
        now.clear()
        try:
            await catch_up(history(), ledger, log)
            told = ""
        except ExchangeError as error:
            if str(error) != told:
                log.warning("catch_up_failed", error=str(error))
            told = str(error)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_EVERY):
                await now.wait()
