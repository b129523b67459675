"""A Stop while the bot's process is dead: its orders still come out of the book."""

from __future__ import annotations

from typing import Any

import pytest

from ops import docker

pytestmark = pytest.mark.engines


def state_of(live: Any, allocation: str) -> str:
    found = live.nomad("GET", f"/v1/allocation/{allocation}").json()
    return str(found["TaskStates"]["bot"]["State"])


def kill(live: Any, bot: str) -> None:
    """Kill the process and wait until Nomad knows; it lets two seconds and more pass before the next one."""
    allocation = live.running_allocation(bot, "bots")
    docker.run("kill", "--signal=KILL", live.container(allocation))
    live.until(lambda: state_of(live, allocation) != "running", "Nomad knows that it is dead")


def test_a_stop_between_two_processes_leaves_no_order(live: Any) -> None:
    bot = live.start("wallet-3", "inj-usdt", "spot")
    for _ in range(2):
        live.until(lambda: live.orders("wallet-3"), "its orders stand in the book")
        kill(live, bot)
        assert live.orders("wallet-3"), "nobody took them out"
        live.stop(bot)
        assert live.orders("wallet-3") == []
        assert live.bot(bot)["reason"] == ""
        assert live.api("POST", f"/bots/{bot}/start").status_code == 202
        live.wait_phase(bot, "running")
    live.stop(bot)
