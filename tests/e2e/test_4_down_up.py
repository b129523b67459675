"""`drover down` ends exactly what `up` started and loses nothing."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from ops import docker

pytestmark = pytest.mark.engines


def ours(live: Any) -> list[str]:
    """Command lines that name the cluster's folder, but for this test's own."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            text = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            opened = [str(link.readlink()) for link in (entry / "fd").iterdir()]
        except OSError:
            continue
        if "pytest" not in text and any(str(live.cluster.state) in one for one in [text, *opened]):
            found.append(f"{entry.name}: {text}")
    return found


def test_down_ends_everything_and_up_brings_it_back(live: Any) -> None:
    running = live.start("wallet-3", "tia-usdt", "spot")
    stopped = live.start("wallet-3", "inj-usdt", "spot")
    live.stop(stopped)
    wallets = {name: live.wallet(name) for name in ("wallet-1", "wallet-2", "wallet-3")}
    foreign = docker.run("run", "--detach", "--entrypoint", "/bin/sleep", "drover-bot", "600")
    try:
        live.drover("down")
        assert ours(live) == []
        assert [line for line in Path("/proc/mounts").read_text().splitlines() if str(live.cluster.state) in line] == []
        assert docker.containers(live.cluster.state / "nomad/client/alloc") == []
        assert docker.run("inspect", "--format", "{{.State.Running}}", foreign) == "true"
        assert live.drover("down").returncode == 0  # again, with nothing to end
    finally:
        docker.run("rm", "--force", foreign)
    live.drover("up")
    assert {name: live.wallet(name) for name in wallets} == wallets
    live.wait_phase(running, "running", 120)
    assert live.bot(stopped)["phase"] == "stopped"
    assert docker.containers(live.cluster.state / "nomad/client/alloc")
    live.stop(running)


def test_down_takes_the_bots_orders_with_it(live: Any) -> None:
    import importlib  # noqa: PLC0415

    wait_for = importlib.import_module("conftest").wait_for if False else None  # noqa: F841
    bot = live.start("wallet-2", "inj-usdt", "spot")
    import time  # noqa: PLC0415

    deadline = time.monotonic() + 60
    while not live.orders("wallet-2"):
        assert time.monotonic() < deadline
        time.sleep(0.3)
    address = live.wallet("wallet-2")["account"]
    live.drover("down")
    live.drover("up")
    live.wait_phase(bot, "running", 120)
    assert address == live.wallet("wallet-2")["account"]
    live.stop(bot)
    assert live.orders("wallet-2") == []


def test_the_api_image_can_be_replaced_by_hand_with_the_nomad_cli(live: Any) -> None:
    script = live.drover("env").stdout + "\nnomad job status -namespace=hub api"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)
    assert "running" in result.stdout
