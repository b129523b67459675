"""Keeps the board true: snapshot, then event stream, for ever; a timed reconcile beside it."""

from __future__ import annotations

import asyncio
import logging
import random
from contextlib import suppress
from typing import TYPE_CHECKING

from api.errors import DroverError

if TYPE_CHECKING:
    from api.nomad_client import NomadClient
    from api.status import StatusBoard

__all__ = ["Watcher"]

log = logging.getLogger(__name__)

RECONCILE_SECONDS = 30.0
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
            except DroverError as error:
                log.warning("event stream lost", extra={"why": str(error)})
            except Exception:
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
        async with self._nomad.events(index) as batches:
            async for batch in batches:
                self._board.connected = True
                self._board.fold(batch)
                if batch:
                    await self._board.announce()

    async def _reconcile(self) -> None:
        while True:
            await asyncio.sleep(RECONCILE_SECONDS)
            try:
                await self.refresh()
            except DroverError as error:
                log.warning("reconcile failed", extra={"why": str(error)})
