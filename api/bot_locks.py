"""One operation on a bot at a time: within this process, and across processes by a lock in Postgres."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

from api.errors import StoreUnavailableError
from api.errors_bot import BotBusyError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from api.models import BotId
    from api.store import Store

__all__ = ["BotLocks"]


class BotLocks:
    """Who is being started, stopped or changed right now."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._busy: set[BotId] = set()

    @asynccontextmanager
    async def hold(self, bot_id: BotId) -> AsyncIterator[None]:
        """Hold a bot, here and in Postgres.

        Raises:
            BotBusyError: somebody else holds it.
            StoreUnavailableError: Postgres is away.
        """
        async with self._one_at_a_time(bot_id), self._store.lock(bot_id):
            yield

    @asynccontextmanager
    async def hold_if_possible(self, bot_id: BotId) -> AsyncIterator[bool]:
        """Hold a bot here, and in Postgres if that answers: yields whether it does. For Stop.

        Raises:
            BotBusyError: somebody else holds it.
        """
        async with self._one_at_a_time(bot_id), self._store_lock_if_possible(bot_id) as reachable:
            yield reachable

    @asynccontextmanager
    async def _one_at_a_time(self, bot_id: BotId) -> AsyncIterator[None]:
        """Hold the bot within this process: the lock in Postgres may be away when Stop comes."""
        if bot_id in self._busy:
            raise BotBusyError(bot_id)
        self._busy.add(bot_id)
        try:
            yield
        finally:
            self._busy.discard(bot_id)

    @asynccontextmanager
    async def _store_lock_if_possible(self, bot_id: BotId) -> AsyncIterator[bool]:
        """Hold the lock in Postgres; yield False and go on without it when Postgres is away."""
        lock = self._store.lock(bot_id)
        try:
            await lock.__aenter__()
        except StoreUnavailableError:
            yield False
            return
        try:
            yield True
        finally:
            with suppress(StoreUnavailableError):
                await lock.__aexit__(None, None, None)
