"""Where the reference price comes from: mainnet's book, or on paper the venue's own picture of it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Protocol

import aiohttp

from bots.model import ExchangeError, PricePoint

if TYPE_CHECKING:
    from bots.logs import EventLog

__all__ = ["PaperSource", "Reference", "Source"]

_POLL_SECONDS = 1.0
_TIMEOUT_SECONDS = 3.0


class Source(Protocol):
    """Asks for a price once."""

    async def mid_price(self) -> Decimal:
        """Return the price.

        Raises:
            ExchangeError: there is none now.
        """

    async def close(self) -> None:
        """Let go of connections."""


class PaperSource:
    """The paper venue's price process, which no order moves.

    A bot that quotes around the mid of a book in which its own quotes are the best would follow itself.
    """

    def __init__(self, http: str, market_id: str) -> None:
        self._url = f"{http}/reference.json"
        self._market_id = market_id
        self._session: aiohttp.ClientSession | None = None

    async def mid_price(self) -> Decimal:
        """See `Source`."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT_SECONDS))
        try:
            async with self._session.get(self._url) as response:
                answer = await response.json()
            return Decimal(answer["prices"][self._market_id])
        except (
            aiohttp.ClientError,
            TimeoutError,
            ValueError,
            KeyError,
            TypeError,
            InvalidOperation,
        ) as error:
            raise ExchangeError(f"reference price: {type(error).__name__}") from error

    async def close(self) -> None:
        """See `Source`."""
        if self._session is not None:
            await self._session.close()


class Reference:
    """The last price and how old it is; polls in the background, and keeps the last `history` answers."""

    def __init__(self, source: Source, log: EventLog, history: int) -> None:
        self._source = source
        self._log = log
        self._at: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._points: deque[PricePoint] = deque(maxlen=history)
        self.price = Decimal(0)

    @property
    def history(self) -> tuple[PricePoint, ...]:
        """The prices so far, oldest first; a poll that brought none left a hole."""
        return tuple(self._points)

    @property
    def age(self) -> float | None:
        """Seconds since the last price; None before the first."""
        return None if self._at is None else time.monotonic() - self._at

    def start(self) -> None:
        """Begin to poll."""
        self._task = asyncio.create_task(self._poll())

    async def _poll(self) -> None:
        failed = False
        while True:
            asked = time.monotonic()
            try:
                price = await self._source.mid_price()
                if price.is_finite() and price > 0:
                    self.price, self._at = price, asked
                    self._points.append(PricePoint(time.time(), price))
                failed = False
            except Exception as error:  # noqa: BLE001 - asked for no more, the bot would stand still for ever
                if not failed:
                    told = str(error) if isinstance(error, ExchangeError) else repr(error)[:200]
                    self._log.warning("reference_missing", error=told)
                failed = True
            await asyncio.sleep(_POLL_SECONDS)

    async def close(self) -> None:
        """Stop polling."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._source.close()
