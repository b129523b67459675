"""Keeps the board true: snapshot, then event stream, for ever; a pulse and a timed reconcile beside it."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from typing import TYPE_CHECKING

from api.errors import DroverError, NomadUnavailableError
from api.errors_choice import InvalidBotIdError
from api.models import BotId

if TYPE_CHECKING:
    from api.nomad_client import NomadClient
    from api.status import StatusBoard

__all__ = ["Watcher"]

log = logging.getLogger(__name__)

RECONCILE_SECONDS = 30.0
PULSE_SECONDS = 5.0
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 10.0


class Watcher:
    """Two background tasks that feed the board."""

    def __init__(self, nomad: NomadClient, board: StatusBoard) -> None:
        self._nomad = nomad
        self._board = board
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start watching in the background."""
        self._tasks = [asyncio.create_task(self._follow()), asyncio.create_task(self._reconcile())]

    async def aclose(self) -> None:
        """Stop watching."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with suppress(asyncio.CancelledError):
                await task

    async def refresh(self) -> int:
        """Fold a fresh snapshot; return its index."""
        snapshot = await self._nomad.snapshot()
        self._board.load(snapshot.jobs, snapshot.allocations, snapshot.evaluations, snapshot.index)
        await self._board.announce()
        return snapshot.index

    async def _follow(self) -> None:
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._subscribe()
                pause = _FIRST_PAUSE
            except* DroverError as errors:
                log.warning("event stream lost", extra={"why": str(errors.exceptions[0])})
            except* Exception:
                # whatever one odd event does to the fold, the watcher must live on: it re-lists and goes on
                log.exception("event stream broke")
            if self._board.connected:
                pause = _FIRST_PAUSE
            self._board.connected = False
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - jitter, not a secret
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _subscribe(self) -> None:
        """List, then stream from that index until the stream ends.

        Nomad resumes a missing index silently at the nearest one it still holds: each reconnect lists again.
        """
        index = await self.refresh()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen(index))
            group.create_task(self._feel_pulse())

    async def _listen(self, index: int) -> None:
        async with self._nomad.events(index) as batches:
            async for batch in batches:
                self._board.connected = True
                self._board.fold(batch)
                if batch:
                    await self._board.announce()
        raise NomadUnavailableError

    async def _feel_pulse(self) -> None:
        """End the subscription when Nomad's servers are away: an agent keeps the stream open, and silent."""
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            await self._nomad.ping()

    async def _reconcile(self) -> None:
        while True:
            await asyncio.sleep(RECONCILE_SECONDS)
            try:
                await self.refresh()
                await self._revive()
            except DroverError as error:
                log.warning("reconcile failed", extra={"why": str(error)})

    async def _revive(self) -> None:
        """Have Nomad place again what it forgot.

        A client that is cut off stops its bots after a minute (`stop_on_client_after`). If it comes back
        before the servers gave it up, no evaluation follows, and the job stays without a process for ever
        (Nomad 1.11.2, a server that was away for 51 s).
        """
        for name in self._board.forsaken():
            with suppress(InvalidBotIdError):  # an operator's own job
                bot = BotId.parse(name)
                log.warning("placing a bot again that ended while Nomad was away", extra={"bot": name})
                await self._nomad.evaluate(bot)
