"""A stop in the first second, while the bot still loads: it ends cleanly, and leaves no order."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.paper import BotProcess, VenueProcess, make_wallet, until

if TYPE_CHECKING:
    from collections.abc import Callable

    Start = Callable[..., BotProcess]


def handles_stops(bot: BotProcess) -> bool:
    """Whether the process has its own handlers of SIGTERM and SIGINT, as the kernel knows them."""
    caught = next(
        line.split()[1]
        for line in Path(f"/proc/{bot.process.pid}/status").read_text().splitlines()
        if line.startswith("SigCgt:")
    )
    mask = (1 << (signal.SIGTERM - 1)) | (1 << (signal.SIGINT - 1))
    return int(caught, 16) & mask == mask


def has_loaded_the_sdk(bot: BotProcess) -> bool:
    return "/grpc/" in Path(f"/proc/{bot.process.pid}/maps").read_text()


def in_its_hands(bot: BotProcess) -> None:
    """Wait without a pause: the moment is a few milliseconds long."""
    end = time.monotonic() + 10
    while not handles_stops(bot):
        assert time.monotonic() < end


def test_the_first_thing_a_bot_does_is_to_take_stops_into_its_hands(
    venue: VenueProcess, bots: Start, tmp_path: Path
) -> None:
    address = make_wallet(tmp_path, f"{801:064x}")
    venue.faucet(address)
    bot = bots(venue, tmp_path, "inj-usdt", "spot")
    in_its_hands(bot)
    assert not has_loaded_the_sdk(bot)
    assert bot.end() == 0
    assert bot.events("stop_requested_early")
    assert bot.events("stopped")
    assert not bot.events("order_placed")
    assert "Traceback" not in bot.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stop_at_any_time_of_the_first_second_ends_cleanly(
    venue: VenueProcess, bots: Start, tmp_path: Path, number: int
) -> None:
    started = []
    for index, delay in enumerate((0.05, 0.2, 0.4, 0.8)):
        folder = tmp_path / str(index)
        address = make_wallet(folder, f"{810 + number * 10 + index:064x}")
        venue.faucet(address)
        bot = bots(venue, folder, "inj-usdt", "spot")
        in_its_hands(bot)
        time.sleep(delay)
        bot.process.send_signal(number)
        started.append((bot, address))
    for bot, address in started:
        assert bot.process.wait(26) == 0, bot.log.read_text()
        assert bot.events("stopped")
        assert venue.orders(address) == []


def test_a_bot_that_is_stopped_while_it_loads_takes_out_what_its_predecessor_left(
    venue: VenueProcess, bots: Start, tmp_path: Path
) -> None:
    address = make_wallet(tmp_path, f"{802:064x}")
    venue.faucet(address)
    first = bots(venue, tmp_path, "inj-usdt", "spot")
    until(lambda: venue.orders(address), "the first bot's orders")
    first.end(signal.SIGKILL)
    assert venue.orders(address)
    second = bots(venue, tmp_path, "inj-usdt", "spot")
    in_its_hands(second)
    assert second.end() == 0
    assert venue.orders(address) == []
