"""One signer at a time per wallet key: a lock in Redis, and the next sequence handed from one to the next.

Several bots may trade with one key. The chain numbers the transactions of an account, so two that sign at
once spoil each other's. The lock is for order, not for safety: the chain takes no sequence twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol

from bots.lease import boot_time
from bots.model import ExchangeError
from bots.state import Script, StateError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager

    from bots.state import State

__all__ = ["NoTurn", "Slot", "Turn", "TurnError", "WalletTurn"]

_LOCK_SECONDS = 9.0
_SEND_SECONDS = 6.0
"""What must be left of the lock when a transaction is sent: a call's deadline (5 s) and some."""
_WAIT_SECONDS = 5.0
_CANCEL_WAIT_SECONDS = 1.5
"""A cancellation does not wait long for others: a wrong sequence is soon put right."""
_POLL_SECONDS = (0.004, 0.012)
_QUEUE_MILLISECONDS = 100
_SEQUENCE_SECONDS = 60

# `wanted` names who is next, so that a busy signer cannot take the lock again and again before the others.
_TAKE = Script("""
local owner, wanted = redis.call('GET', KEYS[1]), redis.call('GET', KEYS[3])
if owner ~= ARGV[1] and (owner or (wanted and wanted ~= ARGV[1])) then
  if not wanted or wanted == ARGV[1] then redis.call('SET', KEYS[3], ARGV[1], 'PX', ARGV[3]) end
  return false
end
if wanted == ARGV[1] then redis.call('DEL', KEYS[3]) end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return redis.call('GET', KEYS[2]) or ''
""")
_LEAVE = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
if ARGV[2] == '' then redis.call('DEL', KEYS[2]) else redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3]) end
return redis.call('DEL', KEYS[1])
""")


class TurnError(ExchangeError):
    """The key may not be used now; nothing was sent. One sentence says why."""


class Slot:
    """The right to sign, until the block `async with` ends."""

    def __init__(self, sequence: int | None, until: float | None) -> None:
        self.sequence = sequence
        """The account's next sequence as the last signer left it; None when nobody knows it."""
        self.next: int | None = None
        self._until = until

    def valid(self) -> bool:
        """Whether a transaction may still be sent: to be asked right before."""
        return self._until is None or boot_time() + _SEND_SECONDS < self._until

    def done(self, next_sequence: int | None) -> None:
        """Leave the next sequence for the next signer; None: what became of the last one is not known."""
        self.next = next_sequence


class Turn(Protocol):
    """How a signer gets its turn."""

    def take(self, *, patient: bool = True) -> AbstractAsyncContextManager[Slot]:
        """Wait for the turn.

        Args:
            patient: new orders need the turn; a cancellation (False) goes out without it if it must.

        Raises:
            TurnError: others did not give way in time, or Redis cannot be asked.
        """


class NoTurn:
    """For a key that nobody else uses; the next sequence is remembered here."""

    def __init__(self) -> None:
        self._next: int | None = None

    @asynccontextmanager
    async def take(self, *, patient: bool = True) -> AsyncGenerator[Slot, None]:  # noqa: ARG002 - as in Turn
        """Return at once."""
        slot, self._next = Slot(self._next, None), None
        yield slot
        self._next = slot.next


class WalletTurn:
    """Turns among all bots that sign with one address's key."""

    def __init__(self, state: State, wallet: str, address: str) -> None:
        self._state = state
        self._keys = [f"{wallet}.:{name}:{address}" for name in ("signing", "sequence", "signing-next")]
        # One for all turns: a frozen Redis may give us the lock long after we stopped waiting for it; the
        # next turn then finds it ours.
        self._token = uuid.uuid4().hex
        self._ours = asyncio.Lock()

    @asynccontextmanager
    async def take(self, *, patient: bool = True) -> AsyncGenerator[Slot, None]:
        """Wait for the turn; see `Turn`."""
        async with self._ours:
            slot = Slot(None, None)
            try:
                slot = await self._first(patient=patient)
                yield slot
            finally:
                # Unheard, the lock lapses by itself, and a stale sequence is put right by the next refusal.
                with contextlib.suppress(StateError):
                    await self._leave(slot.next)

    async def _first(self, *, patient: bool) -> Slot:
        try:
            return await self._wait(_WAIT_SECONDS if patient else _CANCEL_WAIT_SECONDS)
        except (TurnError, StateError) as error:
            if patient:
                raise TurnError(f"The wallet's key may not be used: {error}") from error
            return Slot(None, None)

    async def _wait(self, patience: float) -> Slot:
        end = boot_time() + patience
        while True:
            sent = boot_time()
            answer = await self._state.script(
                _TAKE, self._keys, self._token, int(_LOCK_SECONDS * 1000), _QUEUE_MILLISECONDS
            )
            if answer is not None:
                return Slot(int(str(answer)) if answer else None, sent + _LOCK_SECONDS)
            if sent > end:
                raise TurnError(f"other bots of the wallet did not finish signing within {patience:g} s.")
            await asyncio.sleep(random.uniform(*_POLL_SECONDS))  # noqa: S311 - jitter, no cryptography

    async def _leave(self, sequence: int | None) -> None:
        left = "" if sequence is None else sequence
        await self._state.script(_LEAVE, self._keys, self._token, left, _SEQUENCE_SECONDS)
