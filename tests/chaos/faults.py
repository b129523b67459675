"""The kinds of faults. Each strikes while all bots trade, and returns when it is over for the machine."""

from __future__ import annotations

import json
import shutil
import signal
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from ops import docker
from ops.redis import redis_of
from ops.target import LOCAL_ONLY

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Sequence

    from tests.chaos.arena import Arena, Bot
    from tests.chaos.boxes import Box

VENUE, REDIS, POSTGRES = "paper-venue", "redis", "postgres"
FREEZE_SECONDS = {"bot": 12.0, VENUE: 13.0, REDIS: 12.0, POSTGRES: 17.0}
"""Longer than what each is waited for: the lease (8 s), the stream (5 s), a call to Postgres (5 s)."""
CUT_SECONDS = 13.0
COPY_SECONDS = 15.0
_BOTS_UID = 10001


@dataclass
class Struck:
    """What a fault did."""

    target: str
    over: datetime
    """When its cause ended: from then on recovery is measured."""
    violations: list[str] = field(default_factory=list)


def _over(target: str, violations: list[str] | None = None) -> Struck:
    return Struck(target, datetime.now(UTC), violations or [])


def _any_bot(arena: Arena, chance: random.Random) -> Bot:
    return chance.choice(arena.bots)


# ---- killed


def kill_bot(arena: Arena, chance: random.Random) -> Struck:
    bot = _any_bot(arena, chance)
    arena.box(bot.id).signal(signal.SIGKILL)
    return _over(bot.id)


def kill_service(job: str) -> Callable[[Arena, random.Random], Struck]:
    def strike(arena: Arena, _chance: random.Random) -> Struck:
        box = arena.box(job)
        box.signal(signal.SIGKILL)
        struck = _over(job)
        arena.live.until(lambda: not box.runs(), f"the end of {job}")
        return struck

    return strike


def kill_several(arena: Arena, chance: random.Random) -> Struck:
    """Kill a bot and some of what it stands on in one instant."""
    jobs = [_any_bot(arena, chance).id, *chance.sample([VENUE, REDIS, POSTGRES], chance.choice([1, 2, 3]))]
    some = [arena.box(job) for job in jobs]
    for box in some:
        box.signal(signal.SIGKILL)
    struck = _over(", ".join(jobs))
    for box in some:
        arena.live.until(lambda box=box: not box.runs(), f"the end of {box.job}")
    return struck


def empty_redis(arena: Arena, _chance: random.Random) -> Struck:
    """Let Redis forget everything: leases, fences, horizons, whose turn it is to sign."""
    redis_of(arena.cluster, arena.vault, LOCAL_ONLY)._call("FLUSHALL")
    return _over(REDIS)


# ---- frozen


def freeze(some: Sequence[Box], seconds: float) -> None:
    """Let all processes of some containers stand still for a while."""
    for box in some:
        box.signal(signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        for box in some:
            box.signal(signal.SIGCONT)


def freeze_bot(arena: Arena, chance: random.Random) -> Struck:
    bot = _any_bot(arena, chance)
    freeze([arena.box(bot.id)], FREEZE_SECONDS["bot"])
    return _over(bot.id)


def freeze_service(job: str) -> Callable[[Arena, random.Random], Struck]:
    def strike(arena: Arena, _chance: random.Random) -> Struck:
        freeze([arena.box(job)], FREEZE_SECONDS[job])
        return _over(job)

    return strike


# ---- alone


def cut_network(arena: Arena, chance: random.Random) -> Struck:
    bot = _any_bot(arena, chance)
    box = arena.box(bot.id)
    box.cut()
    try:
        time.sleep(CUT_SECONDS)
    finally:
        box.mend()
    return _over(bot.id)


# ---- twice


def copy_by_hand(arena: Arena, chance: random.Random) -> Struck:
    """Run the same image with the same environment and secrets beside the original, as a person might."""
    bot = _any_bot(arena, chance)
    original = arena.box(bot.id)
    before = arena.status(bot.id).get("fence")
    # In memory, and gone afterwards: it holds the wallet's key.
    with tempfile.TemporaryDirectory(prefix="drover-copy-", dir="/dev/shm") as folder:
        name = _run_copy(original, Path(folder))
        try:
            time.sleep(COPY_SECONDS)
            lines = docker.run("logs", name).splitlines()
        finally:
            docker.run("rm", "--force", "--volumes", name)
    events = [json.loads(line) for line in lines if line.startswith("{")]
    struck = _over(bot.id)
    if not any(one.get("state") == "waiting_for_lease" for one in events):
        struck.violations.append(f"the copy did not wait for the lease: {[one['event'] for one in events]}")
    struck.violations += [f"the copy did {one}" for one in events if one["event"] in _NEVER]
    if (now := arena.status(bot.id).get("fence")) != before:
        struck.violations.append(f"the original lost its tenure to the copy: {before} became {now}")
    return struck


_NEVER = {"connected", "order_placed", "order_cancelled", "all_cancelled", "withdrawn"}
"""What a copy has no right to do while the original holds the lease."""


def _run_copy(original: Box, folder: Path) -> str:
    secrets, spool = folder / "secrets", folder / "spool"
    secrets.mkdir()
    spool.mkdir()
    for path in original.secrets.iterdir():
        if path.is_file():
            shutil.copy(path, secrets)
    for path in (folder, secrets, spool, *secrets.iterdir()):
        shutil.chown(path, _BOTS_UID, _BOTS_UID)
    folder.chmod(0o700)
    config = original.details["Config"]
    inherited = [text for text in config["Env"] if not text.startswith(("SPOOL_DIR=", "LOG_DIR="))]
    variables = [part for text in [*inherited, "SPOOL_DIR=/spool"] for part in ("--env", text)]
    mounts = [part for name in ("secrets", "spool") for part in ("--volume", f"{folder / name}:/{name}")]
    name = f"drover-copy-{original.id[:12]}"
    docker.run(
        "run", "--detach", "--name", name, "--user", config["User"], "--init", *variables, *mounts,
        original.details["Image"],
    )  # fmt: skip
    return name


# ---- Nomad's clients and keys: see `tests.chaos.nodes`

KINDS: dict[str, Callable[[Arena, random.Random], Struck]] = {
    "kill bot": kill_bot,
    "kill venue": kill_service(VENUE),
    "kill redis": kill_service(REDIS),
    "kill postgres": kill_service(POSTGRES),
    "kill several": kill_several,
    "empty redis": empty_redis,
    "freeze bot": freeze_bot,
    "freeze venue": freeze_service(VENUE),
    "freeze redis": freeze_service(REDIS),
    "freeze postgres": freeze_service(POSTGRES),
    "cut network": cut_network,
    "copy by hand": copy_by_hand,
}
