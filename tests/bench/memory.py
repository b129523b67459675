"""How much memory bots take while they trade, and whether it grows.

    .venv/bin/python -m tests.bench.memory MINUTES [label:NAME=VALUE,NAME=VALUE ...]

One bot for each label, with these variables in its environment, all at once against one venue. Memory is read
every 2 s; the trend is the slope of a straight line through the second half.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import click

from tests.paper import BotProcess, VenueProcess, make_wallet, until

_EVERY = 2.0
_MARKET = ("inj-usdt", "spot")


def resident(pid: int) -> float:
    """Return MiB."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def trend(samples: list[tuple[float, float]]) -> float:
    """Return the slope in MiB an hour of (seconds, MiB) samples."""
    later = samples[len(samples) // 2 :]
    return statistics.linear_regression(*zip(*later, strict=True)).slope * 3600


def variant(text: str) -> tuple[str, dict[str, str]]:
    label, _, rest = text.partition(":")
    return label, dict(pair.split("=", 1) for pair in rest.split(",") if pair)


def main(minutes: float, variants: dict[str, dict[str, str]]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        venue = VenueProcess(block_time="0.65").start()
        bots: dict[str, BotProcess] = {}
        samples: dict[str, list[tuple[float, float]]] = {label: [] for label in variants}
        try:
            for number, (label, env) in enumerate(variants.items(), 901):
                folder = Path(scratch) / label
                venue.faucet(make_wallet(folder, f"{number:064x}"))
                bots[label] = BotProcess(venue, folder, *_MARKET, **env)
            for bot in bots.values():
                until(lambda b=bot: b.events("order_placed"), "the bot trades", 60)
            began = time.monotonic()
            while (now := time.monotonic() - began) < minutes * 60:
                for label, bot in bots.items():
                    samples[label].append((now, resident(bot.process.pid)))
                time.sleep(_EVERY)
            report(samples, bots)
        finally:
            for bot in bots.values():
                bot.end()
            venue.end()


def report(samples: dict[str, list[tuple[float, float]]], bots: dict[str, BotProcess]) -> None:
    header = ("MiB resident", "first", "half-time", "last", "most", "MiB/hour", "orders", "fills")
    click.echo(f"{header[0]:<24}" + "".join(f"{name:>10}" for name in header[1:]))
    for label, rows in samples.items():
        sizes = [size for _, size in rows]
        counts = [len(bots[label].events(event)) for event in ("order_placed", "fill")]
        figures = [sizes[0], sizes[len(sizes) // 2], sizes[-1], max(sizes), trend(rows)]
        click.echo(
            f"{label:<24}" + "".join(f"{n:>10.1f}" for n in figures) + "".join(f"{n:>10}" for n in counts)
        )


if __name__ == "__main__":
    main(float(sys.argv[1]), dict(map(variant, sys.argv[2:] or ["default"])))
