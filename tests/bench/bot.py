"""`make bench-bot`: what one bot's way to the exchange costs, beside a bare loop of the SDK.

Both sides are processes of their own against one real venue (blocks of 0.65 s, as on the chain), with a key
each. They take turns, round by round, and which goes first alternates: what slows the machine slows both.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import click

from tests.paper import ROOT, VenueProcess, make_wallet
from tests.redis import RedisServer

_SIDES = ("drover", "bare")
_ORDERS = 4
_DECISIONS = 8
_FLOOD_SECONDS = 4.0


class Side:
    """A process that does rounds when asked."""

    def __init__(self, name: str, where: dict[str, Any]) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.loops", name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.ask(where)

    def ask(self, what: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit("a side of the benchmark ended; its error stands above.")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(10)


def measure(rounds: int) -> dict[str, dict[str, list[Any]]]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        venue, redis = VenueProcess(block_time="0.65"), RedisServer(folder)
        sides: dict[str, Side] = {}
        try:
            venue.start()
            redis.start()
            for number, name in enumerate(_SIDES, 801):
                sides[name] = Side(name, address(venue, redis, folder, number))
            return alternate(sides, rounds)
        finally:
            for side in sides.values():
                side.end()
            redis.kill()
            venue.end()


def address(venue: VenueProcess, redis: RedisServer, folder: Path, number: int) -> dict[str, Any]:
    """Return where everything is, with a funded account of its own."""
    key = f"{number:064x}"
    account = make_wallet(folder / str(number), key)
    venue.faucet(account)
    login = redis.login()
    return {
        "grpc": venue.grpc,
        "http": venue.http,
        "key": key,
        "address": account,
        "redis": (login.host, login.port, login.username, login.password.reveal()),
    }


def alternate(sides: dict[str, Side], rounds: int) -> dict[str, dict[str, list[Any]]]:
    found: dict[str, dict[str, list[Any]]] = {
        name: {"ack": [], "booked": [], "rate": [], "cpu": [], "resident": []} for name in sides
    }
    for number in range(rounds + 1):
        for name in _SIDES if number % 2 else reversed(_SIDES):
            paced = sides[name].ask({"kind": "paced", "decisions": _DECISIONS, "orders": _ORDERS})
            flood = sides[name].ask({"kind": "flood", "seconds": _FLOOD_SECONDS, "orders": _ORDERS})
            if number == 0:
                continue  # channels open, code is warm
            mine = found[name]
            mine["ack"] += paced["ack"]
            mine["booked"] += paced["booked"]
            mine["rate"].append(flood["orders"] / flood["seconds"])
            mine["cpu"].append(1000 * flood["cpu"] / flood["orders"])
            mine["resident"].append(flood["resident"])
    return found


def centile(values: list[float], part: float) -> float:
    return sorted(values)[min(len(values) - 1, round(part * (len(values) - 1)))]


def report(found: dict[str, dict[str, list[Any]]], rounds: int) -> None:
    click.echo(f"{rounds} rounds, {rounds * _DECISIONS} decisions a side, {_ORDERS} orders in a batch")
    click.echo(f"{'':<52}{'drover':>10}{'bare':>10}")
    row("decision → ack, ms, p50", found, lambda side: 1000 * centile(side["ack"], 0.5))
    row("decision → ack, ms, p99", found, lambda side: 1000 * centile(side["ack"], 0.99))
    row(
        "decision → booked, ms, p50 (blocks of 650 ms)",
        found,
        lambda side: 1000 * centile(side["booked"], 0.5),
    )
    row("decision → booked, ms, p99", found, lambda side: 1000 * centile(side["booked"], 0.99))
    row(
        "orders a second, a batch after each booking", found, lambda s: _ORDERS / statistics.mean(s["booked"])
    )
    row("orders a second, a batch after each ack", found, lambda side: statistics.median(side["rate"]))
    row("CPU, ms an order (after each ack)", found, lambda side: statistics.median(side["cpu"]))
    row("resident, MiB, at the end", found, lambda side: side["resident"][-1])


def row(name: str, found: dict[str, dict[str, list[Any]]], figure: Any) -> None:
    click.echo(f"{name:<52}" + "".join(f"{figure(found[side]):>10.2f}" for side in _SIDES))


if __name__ == "__main__":
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 6
    report(measure(count), count)
