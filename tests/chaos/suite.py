"""Rounds of faults in random order, and what is told of them."""

from __future__ import annotations

import json
import statistics
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from tests.chaos.arena import Arena
    from tests.chaos.faults import Struck


@dataclass
class Round:
    """One fault and what came of it."""

    kind: str
    target: str
    began: str
    recovered: float
    """Seconds from the end of its cause until all bots traded again, with orders in the book."""
    took: float
    """Seconds in all, the checks included."""
    violations: list[str]


def run(
    arena: Arena,
    kinds: Mapping[str, Callable[[Arena, random.Random], Struck]],
    rounds: int,
    chance: random.Random,
) -> dict[str, Any]:
    """Strike every kind `rounds` times, then stop all bots; returns the report."""
    order = [name for name in kinds for _ in range(rounds)]
    chance.shuffle(order)
    found = []
    for number, name in enumerate(order, start=1):
        one = play(arena, name, kinds[name], chance)
        found.append(one)
        say(
            f"{number:>3}/{len(order)}  {one.kind:<16} {one.target:<36} again after {one.recovered:5.1f} s, "
            f"{one.took:5.1f} s in all  {'; '.join(one.violations) or 'ok'}"
        )
    left = arena.stop_all()
    say(f"all bots stopped: {'; '.join(left) or 'no order left, ledger equals venue'}")
    return {
        "rounds": [asdict(one) for one in found],
        "after_stop": left,
        "violations": sum(len(one.violations) for one in found) + len(left),
        "notes": arena.notes,
        "accepted_orders": len(arena.venue.accepted),
        "fills": len(arena.venue_fills()),
    }


def play(
    arena: Arena, name: str, strike: Callable[[Arena, random.Random], Struck], chance: random.Random
) -> Round:
    """Strike once, wait until the bots are well again, look at the records."""
    began, started = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
    try:
        struck = strike(arena, chance)
    except Exception as error:  # noqa: BLE001 - the other rounds are still worth having
        words = f"the fault did not work: {type(error).__name__}: {error}"
        return Round(name, "", began, 0.0, time.monotonic() - started, [words])
    recovered, ill = arena.wait_well(struck.over)
    violations = [*struck.violations, *(f"not well again: {bot} {why}" for bot, why in ill.items())]
    violations += arena.violations()
    return Round(name, struck.target, began, recovered, time.monotonic() - started, violations)


def say(line: str) -> None:
    """Tell what goes on, at once."""
    print(f"{datetime.now(UTC):%H:%M:%S}  {line}", flush=True)  # noqa: T201 - the suite's output


def table(report: Mapping[str, Any]) -> str:
    """Return one line per kind."""
    lines = [f"{'kind':<16} {'rounds':>6} {'again after, p50':>17} {'max':>8} {'violations':>11}"]
    rounds = report["rounds"]
    for kind in dict.fromkeys(one["kind"] for one in rounds):
        mine = [one for one in rounds if one["kind"] == kind]
        times = [one["recovered"] for one in mine]
        lines.append(
            f"{kind:<16} {len(mine):>6} {statistics.median(times):>15.1f} s {max(times):>6.1f} s "
            f"{sum(len(one['violations']) for one in mine):>11}"
        )
    lines.append(
        f"{len(rounds)} faults, {report['accepted_orders']} orders accepted, {report['fills']} fills; "
        f"after the stop of all: {'; '.join(report['after_stop']) or 'no order left, ledger equals venue'}"
    )
    return "\n".join(lines)


def write(report: Mapping[str, Any], path: Path) -> None:
    """Write the report as JSON."""
    path.write_text(json.dumps(report, indent=2))
