"""No order stands in the book that nobody attends to, whatever breaks together."""

from __future__ import annotations

import asyncio
import json
import signal
from typing import TYPE_CHECKING, Any

import pytest

from bots.injective import Injective
from bots.lease import Lease
from bots.ledger import Ledger
from bots.reporter import Reporter
from tests.contract.test_fills import Hall, Life, fills
from tests.contract.test_tenure import KIND, MARKET, state, trading, wallet
from tests.paper import ROOT, run, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.hub import Hub
    from tests.paper import BotProcess, VenueProcess

    Start = Callable[..., BotProcess]


def aloof(folder: Path) -> str:
    """Write a configuration whose quotes stand so far away that nobody takes them."""
    document = json.loads((ROOT / "config" / "trader_config.json").read_text())
    for defaults in document["defaults"].values():
        defaults["parameters"]["half_spread_bps"] = 300
        defaults["risk"]["price_band_bps"] = 5000
    path = folder / "trader_config.json"
    path.write_text(json.dumps(document))
    return str(path)


def test_without_redis_and_stream_the_orders_leave_the_book_all_the_same(
    venue: VenueProcess, hub: Hub, bots: Start, tmp_path: Path
) -> None:
    address = wallet(venue, tmp_path, 541)
    bot = bots(venue, tmp_path, MARKET, KIND, TRADER_CONFIG=aloof(tmp_path))
    trading(bot)
    until(lambda: venue.orders(address), "orders stand in the book")
    venue.fault("freeze_stream", seconds=60)
    hub.redis.signal(signal.SIGSTOP)
    try:
        until(lambda: not venue.orders(address), "nobody attends to them: they are taken out", 16)
    finally:
        hub.redis.signal(signal.SIGCONT)
        venue.no_faults()
    until(lambda: venue.orders(address), "it trades again", 40)
    assert bot.end() == 0
    assert venue.orders(address) == []


def test_a_stream_that_does_not_come_back_empties_the_book(
    venue: VenueProcess, bots: Start, tmp_path: Path
) -> None:
    address = wallet(venue, tmp_path, 542)
    bot = bots(venue, tmp_path, MARKET, KIND, TRADER_CONFIG=aloof(tmp_path))
    trading(bot)
    until(lambda: venue.orders(address), "orders stand in the book")
    venue.fault("freeze_stream", seconds=60)
    try:
        until(lambda: not venue.orders(address), "it cannot see: nothing may stand in the book", 16)
        assert state(bot) == "paused"
    finally:
        venue.no_faults()
    until(lambda: venue.orders(address), "it trades again", 40)
    assert bot.end() == 0


def test_a_bot_that_starts_without_the_stream_takes_out_what_a_killed_one_left(
    venue: VenueProcess, bots: Start, tmp_path: Path
) -> None:
    address = wallet(venue, tmp_path, 543)
    first = bots(venue, tmp_path, MARKET, KIND, TRADER_CONFIG=aloof(tmp_path))
    trading(first)
    until(lambda: venue.orders(address), "orders stand in the book")
    first.end(signal.SIGKILL)
    venue.fault("freeze_stream", seconds=60)
    try:
        second = bots(venue, tmp_path, MARKET, KIND, TRADER_CONFIG=aloof(tmp_path))
        until(lambda: not venue.orders(address), "they are taken out", 25)
    finally:
        venue.no_faults()
    assert second.end() == 0


def test_a_stop_is_over_in_time_though_all_is_away_but_the_chain(
    venue: VenueProcess, hub: Hub, bots: Start, tmp_path: Path
) -> None:
    address = wallet(venue, tmp_path, 544)
    bot = bots(venue, tmp_path, MARKET, KIND, TRADER_CONFIG=aloof(tmp_path))
    trading(bot)
    until(lambda: venue.orders(address), "orders stand in the book")
    venue.fault("freeze_stream", seconds=90)
    venue.fault("delay", ms=4500, methods=["TradesV2"], seconds=90)
    hub.redis.signal(signal.SIGSTOP)
    try:
        with hub.postgres.frozen():
            # Fills may wait on the disk: it says that not all is well.
            assert bot.end() == 1
        assert venue.orders(address) == []
        assert bot.events("all_cancelled")
    finally:
        hub.redis.signal(signal.SIGCONT)
        venue.no_faults()


PARTS = {
    "the lease's keeper": (Lease, "_renew"),
    "what is told every second": (Reporter, "readings"),
    "the price for the page": (Injective, "mid_price"),
    "the looking up": (Ledger, "advance"),
}


@pytest.mark.parametrize("number", range(len(PARTS)), ids=PARTS)
def test_a_part_that_dies_by_a_defect_ends_the_bot_with_an_empty_book(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    whose, name = list(PARTS.values())[number]
    sound, broken = getattr(whose, name), False

    def once(*args: Any, **kwargs: Any) -> Any:
        nonlocal broken
        if broken:
            broken = False
            raise TypeError("a defect")
        return sound(*args, **kwargs)

    async def scenario() -> None:
        nonlocal broken
        async with Hall().serving() as hall:
            life = Life(hall, hub, tmp_path, 550 + number, "inj-usdt")
            running = asyncio.create_task(life.once(asyncio.Event()))
            await fills(life, 2, running)
            assert life.open_orders()
            broken = True
            async with asyncio.timeout(20):
                assert await running == 1
            assert not broken
            assert life.open_orders() == []
            (told,) = life.lines.named("internal_error")
            assert told["error"] == "TypeError: a defect"
            assert life.written() == life.traded()
            assert ":0" in hub.redis.admin("EXISTS", f"{life.bot_id}:lease")

    monkeypatch.setattr("bots.ledger_catchup._EVERY", 0.5)
    monkeypatch.setattr(whose, name, once)
    run(scenario())
