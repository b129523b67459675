"""Waiting with an end: a server that is frozen answers nothing, and refuses nothing either."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["within"]

_T = TypeVar("_T")
_left: set[asyncio.Task[Any]] = set()
"""Work that was given up and still tidies up; held here, or the garbage collector may take it half done."""


async def within(seconds: float, work: Coroutine[Any, Any, _T]) -> _T:
    """Return what `work` returns, if it does so in time.

    Unlike `asyncio.timeout` this does not wait until the work has tidied up: psycopg spends ten seconds on
    asking a frozen server to cancel, and nobody who wants to stop a bot should wait for that.

    Raises:
        TimeoutError: it did not end in time; it has been cancelled and goes on tidying up by itself.
    """
    task = asyncio.create_task(work)
    _left.add(task)
    task.add_done_callback(_forget)
    try:
        done, _ = await asyncio.wait({task}, timeout=seconds)
    except asyncio.CancelledError:
        task.cancel()
        raise
    if not done:
        task.cancel()
        raise TimeoutError
    return task.result()


def _forget(task: asyncio.Task[Any]) -> None:
    _left.discard(task)
    if not task.cancelled():
        task.exception()  # looked at, or asyncio reports it as never retrieved
