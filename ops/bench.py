"""`drover bench`: how long a start takes and what everything weighs, on the running local cluster.

Beside each start stands a bare one of the same image by docker alone, in the same run.
"""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import httpx

from ops import docker, local_client, local_nomad, local_vault, process, sign_in
from ops.errors import OpsError
from ops.target import LOCAL_ONLY, vault_of
from ops.wallets import list_wallets

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.settings import Cluster

__all__ = ["bench"]

_ROUNDS = 10
_PATIENCE_SECONDS = 60.0
_BOT = {"wallet": "wallet-3", "market": "inj-usdt", "type": "spot"}
_ID = "wallet-3.inj-usdt.spot"


class _Api:
    """The REST API and the venue, as the benchmark asks them."""

    def __init__(self, cluster: Cluster) -> None:
        auth = sign_in.read(cluster)
        self._http = httpx.Client(base_url=f"{cluster.page_addr}/api/v1", auth=auth, timeout=30)
        self._venue = f"http://{docker.bridge().address}:{cluster.ports.venue_http}"
        wallets = {wallet.name: wallet for wallet in list_wallets(vault_of(cluster, LOCAL_ONLY))}
        self._account = wallets[_BOT["wallet"]].account

    def call(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """Call the API.

        Raises:
            OpsError: it refuses.
        """
        answer = self._http.request(method, path, json=body)
        if answer.is_error:
            raise OpsError(f"{method} {path}: {answer.text[:200]}")
        found: dict[str, Any] = answer.json()
        return found

    def phase(self) -> str:
        """The bot's phase."""
        return str(self.call("GET", f"/bots/{_ID}")["phase"])

    def orders(self) -> int:
        """How many orders of the wallet are open."""
        return len(httpx.get(f"{self._venue}/orders", params={"address": self._account}).json()["orders"])


def _until(look: Callable[[], bool]) -> float:
    began = time.perf_counter()
    while not look():
        if time.perf_counter() - began > _PATIENCE_SECONDS:
            raise OpsError("the benchmark's bot did not get there within a minute; see its log.")
        time.sleep(0.02)
    return time.perf_counter()


def _bare_start(image: str) -> float:
    began = time.perf_counter()
    docker.run("run", "--rm", "--entrypoint", "/bin/true", image)
    return time.perf_counter() - began


def _rounds(api: _Api, image: str) -> dict[str, list[float]]:
    figures: dict[str, list[float]] = {
        "running": [],
        "first order": [],
        "stopped, no order": [],
        "bare docker run": [],
    }
    for _ in range(_ROUNDS):
        figures["bare docker run"].append(_bare_start(image))
        began = time.perf_counter()
        api.call("POST", "/bots", _BOT)
        figures["running"].append(_until(lambda: api.phase() == "running") - began)
        figures["first order"].append(_until(lambda: api.orders() > 0) - began)
        began = time.perf_counter()
        api.call("POST", f"/bots/{_ID}/stop")
        figures["stopped, no order"].append(
            _until(lambda: api.phase() == "stopped" and not api.orders()) - began
        )
    return figures


def _weights(cluster: Cluster) -> list[tuple[str, float]]:
    rows = docker.run("stats", "--no-stream", "--format", "{{.Name}} {{.MemUsage}}").splitlines()
    mine = {c.name for c in docker.containers(cluster.state / "nomad")}
    weights = [(row.split()[0], _mib(row.split()[1])) for row in rows if row.split()[0] in mine]
    for name in (local_vault.NAME, local_nomad.SERVER, local_client.FIRST.process):
        if identity := process.recorded(cluster.run, name):
            weights.append((name, _pss(identity.pid)))
            helpers = sum(_pss(below.pid) for below in process.descendants(identity.pid))
            weights += [(f"{name}: logmon and docker_logger", helpers)] if helpers else []
    return weights + _docker_weights(cluster)


def _docker_weights(cluster: Cluster) -> list[tuple[str, float]]:
    ids = [c.id for c in docker.containers(cluster.state / "nomad")]
    shims = [
        _pss(int(entry.parent.name))
        for entry in Path("/proc").glob("[0-9]*/cmdline")
        if (words := _words(entry)) and "containerd-shim" in words[0] and any(one in words for one in ids)
    ]
    weights = [(f"{len(shims)} containerd-shims", sum(shims))]
    daemon = Path("/var/run/docker.pid")
    if daemon.exists():
        pid = int(daemon.read_text())
        family = [pid, *(below.pid for below in process.descendants(pid))]
        weights.append(("dockerd, containerd, docker-proxy", sum(_pss(one) for one in family)))
    return weights


def _words(cmdline: Path) -> list[str]:
    try:
        return cmdline.read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []


def _used() -> float:
    rows = dict(line.split(":") for line in Path("/proc/meminfo").read_text().splitlines())
    return (int(rows["MemTotal"].split()[0]) - int(rows["MemAvailable"].split()[0])) / 1024


def _pss(pid: int) -> float:
    # Proportional: Nomad's helpers share their program's pages, which plain sizes count again each time.
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("Pss:")), 0.0)


def _mib(text: str) -> float:
    units = {"KiB": 1 / 1024, "MiB": 1.0, "GiB": 1024.0}
    unit = next(unit for unit in units if text.endswith(unit))
    return float(text.removesuffix(unit)) * units[unit]


def bench(cluster: Cluster) -> None:
    """Measure a running cluster and print tables.

    Raises:
        OpsError: it does not run, or a bot does not get there.
    """
    image = docker.image_id("drover-bot")
    if image is None or process.recorded(cluster.run, local_client.FIRST.process) is None:
        raise OpsError("no local cluster runs; ./drover up first.")
    api = _Api(cluster)
    click.echo(f"{'seconds from POST, n=' + str(_ROUNDS):<34}{'min':>8}{'p50':>8}{'max':>8}")
    for name, values in _rounds(api, image).items():
        click.echo(f"{name:<34}{min(values):>8.2f}{statistics.median(values):>8.2f}{max(values):>8.2f}")
    api.call("POST", "/bots", _BOT)
    _until(lambda: api.orders() > 0)
    time.sleep(5)
    weights = _weights(cluster)
    click.echo(f"\n{'memory, one bot running':<60}{'MiB':>8}")
    for name, weight in sorted(weights, key=lambda row: -row[1]):
        click.echo(f"{name:<60}{weight:>8.0f}")
    click.echo(f"{'sum':<60}{sum(weight for _, weight in weights):>8.0f}")
    click.echo(f"{'whole host, used (all that runs on it)':<60}{_used():>8.0f}")
    api.call("POST", f"/bots/{_ID}/stop")
