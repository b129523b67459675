"""What the feed makes of a stream's blocks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from bots.feed import Feed
from bots.logs import configure
from bots.metrics import Metrics
from bots.model import BlockUpdate
from tests.paper import run

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Stream:
    """An exchange whose stream tells these heights, half a second apart, and then nothing."""

    def __init__(self, *heights: int) -> None:
        self._heights = heights

    async def updates(self) -> AsyncGenerator[BlockUpdate, None]:
        for number, height in enumerate(self._heights):
            yield BlockUpdate(height, 0, NOW + timedelta(seconds=number / 2))
        await asyncio.Event().wait()


def feed_of(*heights: int) -> Feed:
    exchange: Any = Stream(*heights)
    return Feed(exchange, lambda _block: None, configure("b", "INFO"), Metrics())


@pytest.mark.parametrize(
    ("heights", "seconds"), [((7,), None), ((7, 7), None), ((7, 7, 8), 1.0), ((7, 8, 9), 0.5)]
)
def test_a_blocks_time_is_that_from_one_height_to_the_next(
    heights: tuple[int, ...], seconds: float | None
) -> None:
    async def scenario() -> None:
        feed = feed_of(*heights)
        await feed.open()
        for _ in heights:
            await feed.next()
        assert feed.block_seconds == seconds
        await feed.close()

    run(scenario())
