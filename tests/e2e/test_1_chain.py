"""`drover up` from nothing: what it prints, what it opens, and that it repairs instead of repeating."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from ops import docker, ports, process

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.engines


def test_up_prints_what_a_person_needs_next(live: Any) -> None:
    assert live.cluster.page_addr in live.first_output
    assert f"{live.cluster.nomad_addr}/ui/" in live.first_output
    assert "Vault UI" in live.first_output
    assert live.nomad("GET", "/ui/").status_code == 200


def test_no_default_password(live: Any) -> None:
    assert len(live.password) >= 16
    assert live.api("GET", "/bots", auth=("admin", "admin")).status_code == 401
    assert live.api("GET", "/bots").status_code == 200


def test_secrets_of_the_local_cluster_are_closed_to_others(live: Any) -> None:
    found = [path for path in live.cluster.secrets.iterdir() if path.is_file()]
    assert {"vault-init.json", "nomad-management-token", "sign-in.json"} <= {path.name for path in found}
    assert {oct(path.stat().st_mode & 0o777) for path in found} == {"0o600"}
    assert live.cluster.state.stat().st_mode & 0o777 == 0o700


def test_nothing_listens_outside_loopback_and_bridge(live: Any) -> None:
    new = {(item.address, item.port) for item in ports.listeners()} - live.listening_before
    allowed = {"127.0.0.1", docker.bridge().address}
    assert {one for one in new if one[0] not in allowed} == set()
    assert ("127.0.0.1", live.cluster.ports.page) in new
    assert (docker.bridge().address, live.cluster.ports.postgres) in new
    assert (docker.bridge().address, live.cluster.ports.redis) in new


def test_three_funded_paper_wallets(live: Any) -> None:
    wallets = live.api("GET", "/wallets").json()
    names = {wallet["name"]: wallet for wallet in wallets["wallets"] if wallet["network"] == "paper"}
    assert {"wallet-1", "wallet-2", "wallet-3"} <= set(names)
    assert len({wallet["address"] for wallet in names.values()}) == len(names)
    assert "private_key" not in str(wallets)


def snapshot(live: Any) -> dict[str, Any]:
    jobs = {
        job["ID"]: live.nomad("GET", f"/v1/job/{job['ID']}?namespace=hub").json()["Version"]
        for job in live.nomad("GET", "/v1/jobs?namespace=hub").json()
    }
    containers = sorted(item.id for item in docker.containers(live.cluster.state / "nomad/client/alloc"))
    wallets = {name: live.wallet(name) for name in ("wallet-1", "wallet-2", "wallet-3")}
    return {"jobs": jobs, "containers": containers, "wallets": wallets}


def test_up_again_changes_nothing(live: Any) -> None:
    before = snapshot(live)
    live.drover("up")
    assert snapshot(live) == before


@pytest.mark.parametrize("name", ["vault", "nomad-server", "nomad-client"])
def test_up_repairs_a_killed_engine(live: Any, name: str) -> None:
    before = snapshot(live)
    killed = process.recorded(live.cluster.run, name)
    assert killed is not None
    process.end(killed, 5, first=signal.SIGKILL)
    status = live.drover("status", check=False)
    assert status.returncode == 1
    assert "not running" in status.stdout
    live.drover("up")
    assert live.drover("status").returncode == 0
    assert snapshot(live)["wallets"] == before["wallets"]


def test_a_killed_up_is_finished_by_the_next(live: Any) -> None:
    live.drover("down")
    command = [sys.executable, "-m", "ops", "--state", str(live.cluster.state), "up"]
    for seconds in (2.0, 6.0):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as half:
            time.sleep(seconds)
            half.kill()
    live.drover("up")
    assert live.drover("status").returncode == 0


def test_two_drovers_at_once_do_not_work_on_one_folder(live: Any) -> None:
    from ops.up import exclusively  # noqa: PLC0415 - only here

    with exclusively(live.cluster):
        result = live.drover("up", check=False)
    assert result.returncode == 1
    assert "another drover works on" in result.stderr


def test_a_taken_port_is_named_and_nothing_is_started(live: Any, tmp_path: Path) -> None:
    # Another cluster of the same ports: this one's Vault has them.
    result = subprocess.run(
        [
            sys.executable,
            "-m",
            "ops",
            "--state",
            str(tmp_path / "other"),
            "--port-offset",
            str(live.cluster.ports.offset),
            "up",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=dict(os.environ),
    )
    assert result.returncode == 1
    assert (
        f"port {live.cluster.ports.vault} on 127.0.0.1, which Vault needs, is taken by pid" in result.stderr
    )
    assert not list((tmp_path / "other" / "run").iterdir())


def test_env_lets_the_engines_own_commands_speak(live: Any) -> None:
    script = live.drover("env").stdout + "\nnomad node status | tail -1; vault kv list wallets"
    result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=False)
    assert "drover" in result.stdout
    assert "wallet-1" in result.stdout


def test_both_engines_keep_dangling_containers_of_others(live: Any) -> None:
    # Two clients on one Docker daemon would otherwise remove each other's bots.
    node = live.nomad("GET", "/v1/nodes").json()[0]["ID"]
    assert live.nomad("GET", f"/v1/node/{node}").status_code == 200
    config = (live.cluster.state / "nomad" / "nomad-client.json").read_text()
    assert '"dangling_containers": {\n              "enabled": false' in config
