"""What bots say of themselves in Redis, and the end of a halt."""

from __future__ import annotations

import contextlib
import getpass
import json
import platform
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from api.errors import DroverError
from api.models import BotId
from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ops.redis import Redis

__all__ = ["BotRow", "Halt", "clear_halt", "list_bots", "list_halts"]


@dataclass(frozen=True)
class BotRow:
    """A bot, as it last spoke of itself."""

    bot: str
    state: str
    reason: str
    age: float | None
    """Seconds since its last heartbeat, one a second while it runs; None when it does not tell."""


@dataclass(frozen=True)
class Halt:
    """Why a bot places no orders until somebody clears it."""

    bot: str
    reason: str
    at: str
    by: str


def list_bots(redis: Redis, now: datetime) -> list[BotRow]:
    """Return every bot that ever published a status.

    Raises:
        OpsError: Redis refuses, or a record is damaged.
    """
    return [
        BotRow(bot, _text(status, "state"), _text(status, "reason"), _age(_text(status, "heartbeat"), now))
        for bot, status in _records(redis, "status")
    ]


def list_halts(redis: Redis) -> list[Halt]:
    """Return the bots that are halted.

    Raises:
        OpsError: Redis refuses, or a record is damaged.
    """
    return [
        Halt(bot, _text(halt, "reason"), _text(halt, "at"), _text(halt, "by"))
        for bot, halt in _records(redis, "halt")
    ]


def clear_halt(redis: Redis, bot: str, now: datetime) -> Halt:
    """End the halt of a bot, and keep who did it and when; the bot trades again within seconds.

    Raises:
        OpsError: there is no such bot, it is not halted, or Redis refuses.
    """
    name = _known(redis, bot)
    halt = _record(redis, f"{name}:halt")
    if halt is None:
        raise OpsError(f"{name} is not halted; `drover bots halts` shows which bots are.")
    # Never before the halt: the bot takes a clearing for its halt's only when it is the later one, and this
    # machine's clock may be behind.
    at = max(now.astimezone(UTC).isoformat(), _text(halt, "at"))
    cleared = {"at": at, "by": f"{getpass.getuser()}@{platform.node()}", "halt": halt}
    if not redis.exchange(f"{name}:halt", f"{name}:cleared", json.dumps(cleared)):
        raise OpsError(f"{name} is not halted any more; somebody else has just cleared it.")
    return Halt(name, _text(halt, "reason"), _text(halt, "at"), _text(halt, "by"))


def _known(redis: Redis, bot: str) -> str:
    try:
        name = str(BotId.parse(bot))
    except DroverError as error:
        raise OpsError(str(error)) from error
    if redis.get(f"{name}:status") is None and redis.get(f"{name}:halt") is None:
        raise OpsError(f"No bot {name} has ever run here; `drover bots list` shows those that have.")
    return name


def _records(redis: Redis, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the bots that have such a record; a key that is no bot's could only be there to deceive."""
    for key in redis.names(f"*:{kind}"):
        bot = key.removesuffix(f":{kind}")
        with contextlib.suppress(DroverError):
            BotId.parse(bot)
            if (record := _record(redis, key)) is not None:
                yield bot, record


def _record(redis: Redis, key: str) -> dict[str, Any] | None:
    text = redis.get(key)
    if text is None:
        return None
    try:
        record = json.loads(text)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise OpsError(f"{key} in Redis holds no JSON object; delete that key.")
    return record


def _age(heartbeat: str, now: datetime) -> float | None:
    try:
        return (now - datetime.fromisoformat(heartbeat)).total_seconds()
    except (ValueError, TypeError):
        return None


def _text(record: dict[str, Any], name: str) -> str:
    """Return a field for the terminal: one line, nothing that could move the cursor."""
    return "".join(letter if letter.isprintable() else " " for letter in str(record.get(name) or ""))
