"""`drover down` ends exactly what `up` started and loses nothing."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ops import docker, process, tmpfs

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

pytestmark = pytest.mark.engines


def ours(live: Any, besides: AbstractSet[int] = frozenset()) -> list[str]:
    """Command lines that name the cluster's folder, but for this test's own."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            opened = [str(link.readlink()) for link in (entry / "fd").iterdir()]
        except OSError:
            continue
        if int(entry.name) in besides or "pytest" in text:
            continue
        if any(str(live.cluster.state) in one for one in [text, *opened]):
            found.append(f"{entry.name}: {text}")
    return found


def dockerd(live: Any) -> set[int]:
    """The pids of the Docker daemon, when this cluster started it: it stays while others use it."""
    daemon = process.recorded(live.cluster.run, "dockerd")
    return {daemon.pid, *(below.pid for below in process.descendants(daemon.pid))} if daemon else set()


def test_down_ends_everything_and_up_brings_it_back(live: Any) -> None:
    running = live.start("wallet-3", "tia-usdt", "spot")
    stopped = live.start("wallet-3", "inj-usdt", "spot")
    live.stop(stopped)
    wallets = {name: live.wallet(name) for name in ("wallet-1", "wallet-2", "wallet-3")}
    foreign = docker.run("run", "--detach", "--entrypoint", "/bin/sleep", "drover-bot", "600")
    try:
        live.drover("down")
        assert ours(live, besides=dockerd(live)) == []
        assert [
            line for line in Path("/proc/mounts").read_text().splitlines() if str(live.cluster.state) in line
        ] == []
        assert docker.containers(live.cluster.state / "nomad/client/alloc") == []
        assert docker.run("inspect", "--format", "{{.State.Running}}", foreign) == "true"
        assert live.drover("down").returncode == 0  # again, with nothing to end
    finally:
        docker.run("rm", "--force", foreign)
    # With nobody else's container on it, the daemon goes too, if this cluster started it.
    live.drover("down")
    assert ours(live) == []
    live.drover("up")
    assert {name: live.wallet(name) for name in wallets} == wallets
    live.wait_phase(running, "running", 120)
    assert live.bot(stopped)["phase"] == "stopped"
    assert docker.containers(live.cluster.state / "nomad/client/alloc")
    live.stop(running)


def test_down_takes_the_bots_orders_with_it(live: Any) -> None:
    bot = live.start("wallet-2", "inj-usdt", "spot")
    live.until(lambda: live.orders("wallet-2"), "an open order")
    first = live.bot(bot)["allocation_id"]
    live.drover("down")
    log = live.cluster.state / "nomad" / "client" / "alloc" / first / "alloc" / "logs" / "bot.stdout.0"
    assert '"event": "stopped"' in log.read_text().splitlines()[-1]
    live.drover("up")
    live.wait_phase(bot, "running", 120)
    live.stop(bot)
    assert live.orders("wallet-2") == []


def test_after_a_crash_of_the_machine_no_key_lands_on_the_disk(live: Any) -> None:
    bot = live.start("wallet-1", "tia-usdt", "spot")
    allocation = live.bot(bot)["allocation_id"]
    crash(live)
    bare = live.task_folder(allocation) / "secrets"
    assert not (bare / "wallet.key").exists()
    live.drover("up")
    live.wait_phase(bot, "running", 120)
    mounted = {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " tmpfs " in line}
    keys = list((live.cluster.state / "nomad").rglob("wallet.key"))
    assert keys
    assert {str(key.parent) for key in keys} <= mounted
    live.stop(bot)


def crash(live: Any) -> None:
    """What a reboot leaves: no process, no mount, dead containers."""
    for name in ("nomad-client", "nomad-server", "vault"):
        identity = process.recorded(live.cluster.run, name)
        assert identity is not None
        below = process.descendants(identity.pid)
        for one in (identity, *below):
            process.end(one, 5, first=signal.SIGKILL)
    for container in docker.containers(live.cluster.state / "nomad/client/alloc"):
        docker.run("kill", container.id)
    tmpfs.uncover(live.cluster)
