"""Faults of Nomad's clients, and a new key in the middle of trading."""

from __future__ import annotations

import os
import signal
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bots import cid
from ops import process
from ops.keys import new_key
from tests.chaos import fleet
from tests.chaos.faults import FREEZE_SECONDS, Struck, freeze
from tests.chaos.invariants import shared_tenures

if TYPE_CHECKING:
    import random
    from collections.abc import Callable

    from ops.process import Identity
    from tests.chaos.arena import Arena
    from tests.chaos.boxes import Box
    from tests.chaos.invariants import Tenure

_PLACED_SECONDS = 240
"""Nomad's heartbeats miss after half a minute; the replacement waits for `stop_on_client_after` besides."""
_TOGETHER_SECONDS = 10.0
_HANDED_OVER = 3
"""Of six bots: their originals stand still for longer than the lease, so that the replacements take over."""
_PARTED_SECONDS = 120


def freeze_client(arena: Arena, chance: random.Random) -> Struck:
    """Freeze the bots' client until Nomad has placed all of them again on the other, then thaw it.

    Meanwhile some originals lose their lease to the replacement and come back.
    """
    _gather(arena)
    agent = _agent(arena)
    originals = [arena.box(bot.id) for bot in arena.bots]
    fleet.let_place(arena, fleet.HUB, eligible=True)
    os.kill(agent.pid, signal.SIGSTOP)
    try:
        twice = arena.live.until(lambda: _twice(arena), "two copies of each bot", _PLACED_SECONDS)
        freeze(chance.sample(originals, _HANDED_OVER), FREEZE_SECONDS["bot"])
        time.sleep(_TOGETHER_SECONDS)
        violations = shared_tenures({box.id[:12]: _tenures(box) for box in twice})
    finally:
        os.kill(agent.pid, signal.SIGCONT)
    over = datetime.now(UTC)
    arena.live.until(lambda: _once(arena), "one copy of each bot", _PARTED_SECONDS)
    return Struck(f"{len(arena.bots)} bots twice", over, violations)


def _agent(arena: Arena) -> Identity:
    agent = process.recorded(arena.cluster.run, fleet.BOTS.process)
    assert agent is not None, "the bots' client does not run"
    return agent


def _copies(arena: Arena) -> dict[str, list[Box]]:
    return {bot.id: arena.copies(bot.id) for bot in arena.bots}


def _twice(arena: Arena) -> list[Box] | None:
    copies = _copies(arena)
    every = [box for some in copies.values() for box in some]
    return every if all(len(some) > 1 for some in copies.values()) else None


def _once(arena: Arena) -> bool:
    return all(len(some) == 1 for some in _copies(arena).values())


def _tenures(box: Box) -> set[Tenure]:
    """Return the tenures in which a process sent orders, by its own log."""
    placed = (cid.parse(line["cid"]) for line in box.log() if line["event"] == "order_placed")
    return {(one.tag, one.fence) for one in placed if one}


def _gather(arena: Arena) -> None:
    """Bring the bots back to the second client, where an earlier fault has moved them."""
    fleet.let_place(arena, fleet.HUB, eligible=False)
    folder = fleet.BOTS.folder(arena.cluster)
    strays = [bot for bot in arena.bots if not arena.box(bot.id).secrets.is_relative_to(folder)]
    for bot in strays:
        _stop_allocation(arena, bot.id)
    if strays:
        arena.live.until(
            lambda: all(
                box.secrets.is_relative_to(folder) for some in _copies(arena).values() for box in some
            ) and _once(arena),
            "the bots on the second client", _PARTED_SECONDS,
        )  # fmt: skip
        _, ill = arena.wait_well(datetime.now(UTC))
        assert not ill, f"not all bots trade on the second client: {ill}"


def _stop_allocation(arena: Arena, bot: str) -> None:
    allocation = arena.live.running_allocation(bot, "bots")
    arena.nomad.post(f"/v1/allocation/{allocation}/stop?namespace=bots", {})


def restart_client(arena: Arena, chance: random.Random) -> Struck:
    """End the bots' client, by request or by kill, and start it again: its bots trade on meanwhile."""
    _gather(arena)
    before = {bot.id: arena.box(bot.id).id for bot in arena.bots}
    how = chance.choice([signal.SIGTERM, signal.SIGKILL])
    process.end(_agent(arena), 20, first=how)
    time.sleep(chance.uniform(0, 5))
    fleet.start_client(arena.live, fleet.BOTS)
    over = datetime.now(UTC)
    # A client that finds its tasks again leaves them alone.
    time.sleep(5)
    after = {bot.id: [box.id for box in arena.copies(bot.id)] for bot in arena.bots}
    restarted = [bot for bot in before if after[bot] != [before[bot]]]
    violations = [f"restarted with Nomad's client ({how.name}): {restarted}"] if restarted else []
    return Struck(f"client, {how.name}", over, violations)


def new_key_in_the_middle(arena: Arena, _chance: random.Random) -> Struck:
    """Write a new grantee key with its grant; the wallet's bots are placed anew and trade with it."""
    version = fleet.rotate(arena, new_key())
    began = datetime.now(UTC)
    mine = [bot.id for bot in arena.bots if bot.wallet == fleet.GRANTED]
    for bot in mine:
        _stop_allocation(arena, bot)
    arena.live.until(
        lambda: all(arena.status(bot).get("key_version") == version for bot in mine),
        f"version {version} of the key in {mine}", 90,
    )  # fmt: skip
    return Struck(f"{fleet.GRANTED}, version {version}", began)


KINDS: dict[str, Callable[[Arena, random.Random], Struck]] = {
    "freeze client": freeze_client,
    "restart client": restart_client,
    "new key": new_key_in_the_middle,
}
