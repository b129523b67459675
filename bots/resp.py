"""One connection to a Redis server: RESP2, as the server's protocol page describes it.

The client library is left out on purpose: it weighs 22 MB in memory, a fifth of what a bot may have. A bot
needs a few commands, one connection, and to know exactly when an answer may no longer be waited for.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bots.secret import Secret

__all__ = ["Answer", "BrokenError", "Connection", "RefusedError"]

Answer = str | int | None | list["Answer"]
_LINE_END = b"\r\n"


class BrokenError(Exception):
    """The connection is gone, or was never there; whether the command happened is not known."""


class RefusedError(Exception):
    """The server answered with an error; the message is its own."""


class Connection:
    """Commands one after another; opens itself when needed. Deadlines are the caller's, by cancelling."""

    def __init__(self, host: str, port: int, username: str, password: Secret) -> None:
        self._address = host, port
        self._login = username, password
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self._turn = asyncio.Lock()

    async def call(self, *parts: str | int) -> Answer:
        """Send one command and return its answer.

        Raises:
            RefusedError: the server refuses the command, or the sign-in.
            BrokenError: there is no connection, or it broke before the answer.
        """
        async with self._turn:
            try:
                return await self._exchange(*parts)
            except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
                self.close()
                raise BrokenError(str(error) or type(error).__name__) from error
            except asyncio.CancelledError:
                # The answer may still come: the next command must not take it for its own.
                self.close()
                raise

    async def _exchange(self, *parts: str | int) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(*self._address)
            try:
                await _ask(*self._streams, "AUTH", self._login[0], self._login[1].reveal())
            except RefusedError:
                self.close()
                raise
        return await _ask(*self._streams, *parts)

    def close(self) -> None:
        """Drop the connection; the next call opens another."""
        if self._streams is not None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed already
                self._streams[1].transport.abort()
            self._streams = None


async def _ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *parts: str | int) -> Answer:
    encoded = [str(part).encode() for part in parts]
    writer.write(b"*%d\r\n" % len(encoded))
    writer.write(b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in encoded))
    await writer.drain()
    return await _answer(reader)


async def _answer(reader: asyncio.StreamReader) -> Answer:
    line = (await reader.readuntil(_LINE_END))[:-2]
    kind, rest = line[:1], line[1:].decode()
    if kind == b"+":
        return rest
    if kind == b":":
        return int(rest)
    if kind == b"-":
        raise RefusedError(rest)
    if kind == b"$":
        return await _bulk(reader, int(rest))
    if kind == b"*":
        return [await _answer(reader) for _ in range(int(rest))]
    raise ValueError("an answer that is not of Redis")


async def _bulk(reader: asyncio.StreamReader, length: int) -> str | None:
    if length < 0:
        return None
    return (await reader.readexactly(length + len(_LINE_END)))[:-2].decode()
