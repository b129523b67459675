"""One isolated cluster for the whole run: made by `drover up` itself, beside whatever else runs here."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ops import docker, ports
from ops.test_setup import cluster as test_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ops.settings import Cluster

REPO = Path(__file__).resolve().parent.parent.parent


@dataclass
class Live:
    """The running cluster, as its users and its operator reach it."""

    cluster: Cluster
    username: str = ""
    password: str = ""
    first_output: str = ""
    seconds_up: float = 0.0
    listening_before: set[tuple[str, int]] = field(default_factory=set)

    @staticmethod
    def until(look: Callable[[], Any], what: str, seconds: float = 60) -> Any:
        """Look again and again until there is something; fail with what was waited for."""
        deadline = time.monotonic() + seconds
        while not (found := look()):
            assert time.monotonic() < deadline, f"waited {seconds:.0f} s for {what}"
            time.sleep(0.2)
        return found

    def drover(
        self, *arguments: str, check: bool = True, **variables: str
    ) -> subprocess.CompletedProcess[str]:
        """Run the drover command on this cluster."""
        hidden = ("NOMAD_", "VAULT_", "DASHBOARD_")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        result = subprocess.run(
            [sys.executable, "-m", "ops", "--state", str(self.cluster.state), *arguments],
            cwd=REPO, env={**inherited, **variables}, capture_output=True, text=True, check=False,
            timeout=1800,
        )  # fmt: skip
        if check:
            assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        return result

    @property
    def sign_in(self) -> tuple[str, str]:
        return (self.username, self.password)

    def api(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """Call the REST API as the first user."""
        kwargs.setdefault("auth", self.sign_in)
        return httpx.request(method, f"{self.cluster.page_addr}/api/v1{path}", timeout=30, **kwargs)

    def bot(self, bot: str) -> dict[str, Any]:
        answer = self.api("GET", f"/bots/{bot}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait_phase(self, bot: str, phase: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until the API shows a phase; fails with what it shows instead."""
        deadline = time.monotonic() + seconds
        while (shown := self.bot(bot))["phase"] != phase:
            assert time.monotonic() < deadline, f"{bot} is not {phase} but {shown}"
            time.sleep(0.2)
        return shown

    def start(self, wallet: str, market: str, kind: str) -> str:
        """Start a bot by REST and wait until it runs; returns its id."""
        answer = self.api("POST", "/bots", json={"wallet": wallet, "market": market, "type": kind})
        assert answer.status_code == 202, answer.text
        self.wait_phase(answer.json()["id"], "running")
        return str(answer.json()["id"])

    def stop(self, bot: str) -> None:
        answer = self.api("POST", f"/bots/{bot}/stop")
        assert answer.status_code == 202, answer.text
        self.wait_phase(bot, "stopped")

    def nomad(self, method: str, path: str, token: str | None = None, **kwargs: Any) -> httpx.Response:
        """Call Nomad with its management token, or with another."""
        token = self._secret("nomad-management-token") if token is None else token
        return httpx.request(
            method, self.cluster.nomad_addr + path, headers={"X-Nomad-Token": token}, timeout=30, **kwargs
        )

    def vault(self, method: str, path: str, token: str | None = None, **kwargs: Any) -> httpx.Response:
        """Call Vault with its root token, or with another."""
        if token is None:
            token = json.loads(self._secret("vault-init.json"))["root_token"]
        headers = {"X-Vault-Token": token}
        return httpx.request(
            method, f"{self.cluster.vault_addr}/v1/{path}", headers=headers, timeout=30, **kwargs
        )

    def _secret(self, name: str) -> str:
        return (self.cluster.secrets / name).read_text().strip()

    def wallet(self, name: str) -> dict[str, str]:
        """What Vault holds of a wallet, the key included."""
        return dict(self.vault("GET", f"wallets/data/{name}").json()["data"]["data"])

    def venue(self, path: str) -> dict[str, Any]:
        """Ask the paper venue's HTTP side."""
        base = f"http://{docker.bridge().address}:{self.cluster.ports.venue_http}"
        return dict(httpx.get(base + path, timeout=10).raise_for_status().json())

    def orders(self, wallet: str) -> list[dict[str, Any]]:
        return list(self.venue(f"/orders?address={self.wallet(wallet)['account']}")["orders"])

    def trades(self, wallet: str) -> list[dict[str, Any]]:
        return list(self.venue(f"/trades?address={self.wallet(wallet)['account']}")["trades"])

    def task_folder(self, allocation: str, task: str = "bot") -> Path:
        """An allocation's folder for a task on this machine: `secrets/` lies in it."""
        return self.cluster.state / "nomad" / "client" / "alloc" / allocation / task

    def container(self, allocation: str, task: str = "bot") -> str:
        """The id of the container of one allocation's task."""
        return docker.run("ps", "--quiet", "--no-trunc", "--filter", f"name=^{task}-{allocation}$")

    def inspect(self, container: str) -> dict[str, Any]:
        return dict(json.loads(docker.run("inspect", container))[0])

    def running_allocation(self, job: str, namespace: str) -> str:
        """The id of a job's running allocation."""
        listed = self.nomad("GET", f"/v1/job/{job}/allocations?namespace={namespace}").json()
        found = [one["ID"] for one in listed if one["ClientStatus"] == "running"]
        assert len(found) == 1, found
        return str(found[0])


def listening() -> set[tuple[str, int]]:
    return {(listener.address, listener.port) for listener in ports.listeners()}


@pytest.fixture(scope="session")
def live() -> Iterator[Live]:
    """Bring the cluster up from nothing; leave nothing behind."""
    live = Live(test_cluster())
    live.drover("down", "--purge", "--yes")
    live.listening_before = listening()
    live.cluster.make()
    began = time.monotonic()
    live.first_output = live.drover("up").stdout
    live.seconds_up = time.monotonic() - began
    match = re.search(r"Sign in +(\S+) / (\S+)", live.first_output)
    assert match, live.first_output
    live.username, live.password = match[1], match[2]
    yield live
    live.drover("down", "--purge", "--yes")
