"""Who may trade as one bot: a lease in Redis with a fencing number, and the chain's height as the fence.

The key `{BOT_ID}:lease` names its holder for a few seconds and is renewed every second. What is signed under
it times out, by height, before it can lapse. `{BOT_ID}:horizon:{chain}` holds the greatest such height, and a
new holder trades only after the chain is past it. So a frozen holder whose last transaction is still on its
way can do no harm, whatever its own clock says.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from typing import TYPE_CHECKING, cast

from bots.model import ExchangeError
from bots.state import Script, StateError

if TYPE_CHECKING:
    from collections.abc import Callable

    from bots.resp import Answer
    from bots.state import State

__all__ = ["LEASE_SECONDS", "Lease", "LeaseError", "boot_time", "height_cap"]

LEASE_SECONDS = 8.0
_MARGIN = 0.5
"""Taken off the lease by its holder: its clock may run slower than that of Redis, and it must act in time."""
_RENEW_SECONDS = 1.0
_RETRY_SECONDS = 0.25

# The fence is at least the time, so that it grows even when Redis has lost its data.
_ACQUIRE = Script("""
local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] then return {} end
local fence = math.max(tonumber(redis.call('GET', KEYS[2]) or 0) + 1, tonumber(redis.call('TIME')[1]))
redis.call('SET', KEYS[2], string.format('%.0f', fence))
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {string.format('%.0f', fence), redis.call('GET', KEYS[3]) or '0'}
""")
_RENEW = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
""")
_PERMIT = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] or redis.call('GET', KEYS[2]) ~= ARGV[2] then return 0 end
if tonumber(redis.call('GET', KEYS[3]) or 0) < tonumber(ARGV[3]) then redis.call('SET', KEYS[3], ARGV[3]) end
return 1
""")
_RELEASE = Script("""
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])
""")


class LeaseError(ExchangeError):
    """No new order may go out now; one sentence says why."""


def boot_time() -> float:
    """Return seconds since the machine started: steady, and counting while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def height_cap(height: int, remaining: float, block_seconds: float) -> int:
    """Return the greatest timeout height of what is signed now.

    Args:
        height: of the last block that the stream told.
        remaining: seconds that the lease surely holds.
        block_seconds: observed time of a block; the slower the blocks, the fewer fit into the lease.
    """
    return height + int(max(remaining, 0.0) / block_seconds)


class Lease:
    """One process's claim to be the bot; `keep` is to run as a task all the time."""

    def __init__(self, state: State, bot_id: str, chain: str, clock: Callable[[], float] = boot_time) -> None:
        """Make a claim.

        Args:
            state: where Redis is.
            bot_id: whose lease it is.
            chain: name of the network; the heights of another chain mean nothing here.
            clock: seconds, steady.
        """
        self._state = state
        self._keys = [f"{bot_id}:lease", f"{bot_id}:fence", f"{bot_id}:horizon:{chain}"]
        self._clock = clock
        self._token = uuid.uuid4().hex
        self._until = 0.0
        self._released = False
        self.fence = 0
        """Of the present tenure, or of the last one."""
        self.horizon = 0
        """Height that the chain must be past before this tenure may trade."""
        self.problem = "the lease was not asked for yet"
        """Why it is not held or not renewed; empty when all is well."""
        self.taken = False
        """Whether another process held it when Redis last answered."""
        self.attempts = 0
        """How often Redis was asked to keep or give it, answered or not."""
        self.changed = asyncio.Event()
        """Set whenever `held` or `failing` may have changed; the reader clears it."""

    # ---- what is known without asking

    @property
    def remaining(self) -> float:
        """Seconds that the lease surely holds, counted from before the call that last renewed it was sent."""
        return max(0.0, self._until - self._clock())

    @property
    def held(self) -> bool:
        """Whether it is surely ours now."""
        return self.remaining > 0

    @property
    def failing(self) -> bool:
        """Whether it is held but less than half is left: take the orders out of the book while it holds."""
        return 0 < self.remaining < LEASE_SECONDS / 2

    # ---- keeping it

    async def keep(self) -> None:
        """Acquire, renew and re-acquire until released; otherwise ends only by cancellation."""
        told: tuple[bool, bool, int] | None = None
        while not self._released:
            try:
                await (self._renew() if self.held else self._acquire())
            except StateError as error:
                self.problem = str(error)
            self.attempts += 1
            now = self.held, self.failing, self.fence
            if now != told:
                told = now
                self.changed.set()
            await asyncio.sleep(_RETRY_SECONDS if self.problem else _RENEW_SECONDS)

    async def _acquire(self) -> None:
        sent = self._clock()
        answer = await self._ask(_ACQUIRE, int(LEASE_SECONDS * 1000))
        self.taken = not answer
        if self.taken:
            self.problem = "another process of this bot holds the lease"
            return
        self.fence, self.horizon = (int(text) for text in cast("list[str]", answer))
        self._granted(sent)

    async def _renew(self) -> None:
        sent = self._clock()
        if await self._ask(_RENEW, int(LEASE_SECONDS * 1000)):
            self._granted(sent)
        else:
            self._lose()

    def _granted(self, sent: float) -> None:
        """Count from before the call: that is when Redis can have begun to count at the earliest."""
        if not self._released:
            self._until = sent + LEASE_SECONDS - _MARGIN
            self.problem = ""

    def _lose(self) -> None:
        self._until = 0.0
        self.problem = "the lease is no longer in Redis under this process's name"
        self.changed.set()

    async def _ask(self, script: Script, *arguments: str | int) -> Answer:
        return await self._state.script(script, self._keys, self._token, *arguments)

    # ---- using it

    async def permit(self, timeout_height: int, *, fence: int) -> None:
        """Ask for one signing of new orders; to be called before each, retries included.

        Args:
            timeout_height: after which the chain takes the transaction no more.
            fence: in the cids of the orders; those of an earlier tenure may not go out any more.

        Raises:
            LeaseError: it is not ours, or Redis cannot say: the orders must not be sent.
        """
        if not self.held or fence != self.fence:
            raise LeaseError(f"No new orders: {self.problem or 'they are of an earlier tenure'}.")
        try:
            granted = await self._ask(_PERMIT, fence, timeout_height)
        except StateError as error:
            raise LeaseError(f"No new orders: {error}") from error
        if not granted and fence == self.fence:
            self._lose()
        # Redis may have said yes long ago, if this process stood still before it read the answer.
        if not granted or not self.held:
            raise LeaseError(f"No new orders: {self.problem or 'the lease has lapsed'}.")

    async def release(self) -> None:
        """Give it up for the next holder to have at once; nothing may be signed after.

        Raises:
            StateError: Redis did not hear of it; it lapses by itself.
        """
        self._released = True
        self._until = 0.0
        self.problem = "the lease was given back"
        self.changed.set()
        await self._ask(_RELEASE)
