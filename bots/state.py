"""What a bot keeps in Redis: position, status, halt; and the way there for lease and signing.

Every call is over within its deadline whatever the server does. A wallet's bots reach only keys `<wallet>.*`.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots.resp import Answer, BrokenError, Connection, RefusedError

if TYPE_CHECKING:
    from bots.logins import Login

__all__ = ["BotState", "Script", "State", "StateError"]

_CALL_SECONDS = 0.5
_TOTAL_SECONDS = 1.0
"""Of a call that has to open the connection anew."""


class StateError(Exception):
    """Redis did not do what was asked, or did not say; one sentence."""

    def __init__(self, message: str, refusal: str = "") -> None:
        super().__init__(message)
        self.refusal = refusal
        """The server's own words, when it answered."""


@dataclass(frozen=True)
class Script:
    """A Lua script; the server runs it as one step."""

    text: str
    sha: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "sha", hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest())


class State:
    """A Redis server, as a bot uses it; connects by itself, again and again."""

    def __init__(self, login: Login) -> None:
        self._where = f"{login.host}:{login.port}"
        self._connection = Connection(login.host, login.port, login.username, login.password)

    async def call(self, *command: str | int) -> Answer:
        """Do one command; all that are used here may be done twice, so a broken connection is tried again.

        Raises:
            StateError: refused, not reachable, or no answer in time: it may have happened.
        """
        try:
            async with asyncio.timeout(_TOTAL_SECONDS):
                try:
                    return await self._once(*command)
                except BrokenError:
                    return await self._once(*command)
        except TimeoutError as error:
            raise StateError(f"Redis at {self._where} did not answer in time.") from error
        except BrokenError as error:
            raise StateError(f"Redis at {self._where} cannot be reached ({error}).") from error
        except RefusedError as error:
            raise StateError(f"Redis at {self._where} refuses: {error}.", str(error)) from error

    async def _once(self, *command: str | int) -> Answer:
        async with asyncio.timeout(_CALL_SECONDS):
            return await self._connection.call(*command)

    async def script(self, script: Script, keys: list[str], *arguments: str | int) -> Answer:
        """Run a script, sending its text only when the server does not know it.

        Raises:
            StateError: as `call`.
        """
        try:
            return await self.call("EVALSHA", script.sha, len(keys), *keys, *arguments)
        except StateError as error:
            if not error.refusal.startswith("NOSCRIPT"):
                raise
        return await self.call("EVAL", script.text, len(keys), *keys, *arguments)

    def close(self) -> None:
        """Drop the connection."""
        self._connection.close()


class BotState:
    """The records of one bot, each a JSON object; amounts are `Decimal` and stand there as text."""

    def __init__(self, state: State, bot_id: str) -> None:
        self._state = state
        self._id = bot_id

    async def save_position(self, symbol: str, position: dict[str, Any]) -> None:
        """Keep what a restarted bot goes on from.

        Raises:
            StateError: as all calls here.
        """
        await self._save(f"position:{symbol}", position)

    async def position(self, symbol: str) -> dict[str, Any] | None:
        """Return the last position of a market, None when none was kept."""
        return await self._load(f"position:{symbol}")

    async def save_status(self, status: dict[str, Any]) -> None:
        """Publish the bot's own view of itself."""
        await self._save("status", status)

    async def status(self) -> dict[str, Any] | None:
        """Return what the bot last published."""
        return await self._load("status")

    async def save_halt(self, halt: dict[str, Any]) -> None:
        """Halt the bot until an operator clears it, restarts included."""
        await self._save("halt", halt)

    async def halt(self) -> dict[str, Any] | None:
        """Return why the bot is halted, None when it is not."""
        return await self._load("halt")

    async def cleared(self) -> dict[str, Any] | None:
        """Return who cleared the last halt and when ({"at", "by"}), None when nobody ever did."""
        return await self._load("cleared")

    async def forgiven(self) -> dict[str, Any] | None:
        """Return the clearing ({"at"}) after which the day's loss last counted anew, None when none did."""
        return await self._load("forgiven")

    async def save_forgiven(self, at: str) -> None:
        """Note that the day's loss counts anew after the clearing of that moment."""
        await self._save("forgiven", {"at": at})

    async def _save(self, name: str, record: dict[str, Any]) -> None:
        await self._state.call("SET", f"{self._id}:{name}", json.dumps(record, default=_plain))

    async def _load(self, name: str) -> dict[str, Any] | None:
        text = await self._state.call("GET", f"{self._id}:{name}")
        if text is None:
            return None
        try:
            record = json.loads(str(text))
        except ValueError:
            record = None
        if not isinstance(record, dict):
            raise StateError(f"{self._id}:{name} in Redis holds no JSON object; delete that key.")
        return record


def _plain(value: Any) -> str:
    return f"{value:f}" if isinstance(value, Decimal) else str(value)
