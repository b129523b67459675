"""How much memory bots take while they trade with the whole stack connected, and whether it grows.

    MINUTES=10 .venv/bin/pytest -s tests/bench/memory.py
    MINUTES=4 VARIANTS='plain: one-arena:MALLOC_ARENA_MAX=1' .venv/bin/pytest -s tests/bench/memory.py

One bot for each variant, with its variables in the environment, all at once. Memory is read every 2 s; the
trend is the slope of a straight line through the second half.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import pytest

from tests.paper import VenueProcess, make_wallet, until

_EVERY = 2.0
_LIMIT = 110.0
"""Megabytes; the container has 128 MiB."""


def resident(pid):
    """Return MB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def trend(samples):
    """Return the slope in MB an hour of (seconds, MB) samples."""
    later = samples[len(samples) // 2 :]
    return statistics.linear_regression(*zip(*later, strict=True)).slope * 3600


def variants():
    """Return environments by label."""
    for text in os.environ.get("VARIANTS", "plain:").split():
        label, _, rest = text.partition(":")
        yield label, dict(pair.split("=", 1) for pair in rest.split(",") if pair)


@pytest.fixture
def slow_venue():
    """A venue with the chain's blocks of 0.65 s."""
    running = VenueProcess(block_time="0.65").start()
    yield running
    running.end()


@pytest.fixture
def running(slow_venue, bots, tmp_path):
    """Bots that trade, by label."""
    started = {}
    for number, (label, env) in enumerate(variants(), 901):
        folder = tmp_path / label
        slow_venue.faucet(make_wallet(folder, f"{number:064x}"))
        started[label] = bots(
            slow_venue, folder, "inj-usdt", "spot", LOG_DIR=str(folder / "logs"), LOG_LEVEL="INFO", **env
        )
    for label, bot in started.items():
        until(lambda b=bot: b.events("order_placed"), f"{label} trades", 60)
    return started


@pytest.mark.timeout(7200)
def test_a_bot_stays_below_its_limit_while_it_trades(running):
    seconds = 60 * float(os.environ.get("MINUTES", "10"))
    samples = {label: [] for label in running}
    began = time.monotonic()
    while (now := time.monotonic() - began) < seconds:
        for label, bot in running.items():
            samples[label].append((now, resident(bot.process.pid)))
        time.sleep(_EVERY)
    report(samples, running)
    assert max(size for rows in samples.values() for _, size in rows) < _LIMIT
    assert all(bot.end() == 0 for bot in running.values())


def report(samples, running):
    names = ("first", "half-time", "last", "most", "MB/hour", "orders", "fills")
    lines = [f"\n{'resident, MB':<24}" + "".join(f"{name:>10}" for name in names)]
    for label, rows in samples.items():
        sizes = [size for _, size in rows]
        figures = [sizes[0], sizes[len(sizes) // 2], sizes[-1], max(sizes), trend(rows)]
        counts = [len(running[label].events(event)) for event in ("order_placed", "fill")]
        lines.append(
            f"{label:<24}" + "".join(f"{n:>10.1f}" for n in figures) + "".join(f"{n:>10}" for n in counts)
        )
    os.write(1, "\n".join([*lines, ""]).encode())
