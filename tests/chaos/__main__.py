"""`make chaos`: faults on a real cluster while six bots trade, and what must hold after each."""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path

from ops.settings import REPO, Cluster
from tests.chaos import suite
from tests.chaos.faults import KINDS as SIMPLE
from tests.chaos.fleet import bring_up
from tests.chaos.nodes import KINDS as OF_NODES
from tests.e2e.conftest import Live

_STATE = REPO / ".drover-chaos"
_OFFSET = 13000
KINDS = {**SIMPLE, **OF_NODES}


def main() -> int:
    """Run the suite; returns 1 when anything was violated."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="faults of each kind (default 5)")
    parser.add_argument("--kinds", default="", help=f"comma separated, of: {', '.join(KINDS)}")
    parser.add_argument("--seed", type=int, default=None, help="of order and targets; printed")
    parser.add_argument("--keep", action="store_true", help="leave the cluster up afterwards")
    parser.add_argument("--report", type=Path, default=REPO / ".drover-chaos-report.json")
    given = parser.parse_args()
    names = [name.strip() for name in given.kinds.split(",") if name.strip()] or list(KINDS)
    if strangers := [name for name in names if name not in KINDS]:
        parser.error(f"{strangers[0]!r} is no kind; choose of: {', '.join(KINDS)}.")
    seed = random.randrange(10**6) if given.seed is None else given.seed
    print(f"seed {seed}, {given.rounds} rounds of {len(names)} kinds", flush=True)  # noqa: T201 - its output
    live = Live(Cluster.load(_STATE, _OFFSET))
    arena = bring_up(live)
    try:
        report = suite.run(arena, {name: KINDS[name] for name in names}, given.rounds, random.Random(seed))
    finally:
        if not given.keep:
            live.drover("down", "--purge", "--yes")
    report["seed"] = seed
    suite.write(report, given.report)
    print(suite.table(report), flush=True)  # noqa: T201 - its output
    return 1 if report["violations"] else 0


if __name__ == "__main__":
    sys.exit(main())
