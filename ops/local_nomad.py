"""The local cluster's Nomad server, and what its clients (`local_client`) share with it."""

from __future__ import annotations

import json
import os
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx

from ops import ports, process
from ops.errors import OpsError
from ops.settings import write_private

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ops.settings import Cluster

__all__ = ["SERVER", "common", "ensure_server", "get", "management_token", "start", "wait"]

SERVER = "nomad-server"
_START_SECONDS = 60.0
_TOKEN = "nomad-management-token"  # noqa: S105 - a file's name
# No AWS_CA_BUNDLE or proxy of this shell: a bundle that is missing there ends the agent at its fingerprint.
_ENVIRONMENT = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "HOME": "/root"}


def management_token(cluster: Cluster) -> str:
    """Return Nomad's management token of this cluster.

    Raises:
        OpsError: there is none yet.
    """
    try:
        return (cluster.secrets / _TOKEN).read_text().strip()
    except FileNotFoundError as error:
        raise OpsError(
            f"{cluster.secrets / _TOKEN} is missing; run drover up, or restore it from a backup."
        ) from error


def ensure_server(cluster: Cluster, program: Path) -> str:
    """Make sure that the server runs, leads and has its management token; say what was needed.

    Raises:
        OpsError: a port is taken, it does not come up, or its token is not ours.
    """
    words = "running"
    if process.recorded(cluster.run, SERVER) is None:
        numbers = (cluster.ports.nomad, cluster.ports.nomad_rpc, cluster.ports.nomad_serf)
        ports.refuse_taken([("127.0.0.1", number) for number in numbers], "Nomad's server")
        start(cluster, SERVER, program, _server_config(cluster))
        words = "started"
    wait(cluster, SERVER, lambda: bool(get(cluster, "status/leader")), "has no leader")
    return words + _ensure_token(cluster)


def start(cluster: Cluster, name: str, program: Path, config: dict[str, Any]) -> None:
    """Start one agent, recorded under `name`, with `config` in a file of its own.

    Raises:
        OpsError: the program cannot be started.
    """
    (cluster.state / "nomad").mkdir(mode=0o700, exist_ok=True)
    path = cluster.state / "nomad" / f"{name}.json"
    write_private(path, json.dumps(config, indent=2))
    command = [str(program), "agent", f"-config={path}"]
    process.start(cluster.run, name, command, cluster.log / f"{name}.out.log", _ENVIRONMENT)


def common(cluster: Cluster, name: str) -> dict[str, Any]:
    """Return what the server's and a client's configuration have in common."""
    return {
        "name": f"{cluster.name}-{name}",
        "data_dir": str(cluster.state / "nomad" / name),
        "bind_addr": "127.0.0.1",
        # Said aloud, because Nomad takes a loopback address only from who asks for it.
        "advertise": {"http": "127.0.0.1", "rpc": "127.0.0.1", "serf": "127.0.0.1"},
        "disable_update_check": True,
        "acl": {"enabled": True},
        "log_level": "INFO",
        "log_file": str(cluster.log / f"nomad-{name}.log"),
        "log_rotate_bytes": 10_000_000,
        "log_rotate_max_files": 3,
        "telemetry": {"prometheus_metrics": True, "publish_allocation_metrics": True},
    }


def _server_config(cluster: Cluster) -> dict[str, Any]:
    return {
        **common(cluster, "server"),
        "ports": {
            "http": cluster.ports.nomad,
            "rpc": cluster.ports.nomad_rpc,
            "serf": cluster.ports.nomad_serf,
        },
        # The default of 100 events is gone in one busy second; who reconnects then has to list again.
        "server": {"enabled": True, "bootstrap_expect": 1, "event_buffer_size": 1000},
        "vault": {"enabled": True, "default_identity": {"aud": ["vault.io"], "ttl": "1h"}},
    }


def get(cluster: Cluster, path: str, token: str = "") -> Any:
    """Return the server's decoded answer to `/v1/<path>`, or None when there is none yet."""
    try:
        answer = httpx.get(f"{cluster.nomad_addr}/v1/{path}", headers={"X-Nomad-Token": token}, timeout=5)
    except httpx.HTTPError:
        return None
    return answer.json() if answer.status_code == httpx.codes.OK else None


def wait(cluster: Cluster, name: str, ready: Callable[[], bool], otherwise: str) -> None:
    """Wait until an agent is ready.

    Raises:
        OpsError: it ended, or is not ready within a minute; says where its words are.
    """
    deadline = time.monotonic() + _START_SECONDS
    while not ready():
        if process.recorded(cluster.run, name) is None:
            log = cluster.log / f"{name}.out.log"
            raise OpsError(f"Nomad ({name}) ended; its words are at the end of {log}.")
        if time.monotonic() > deadline:
            raise OpsError(f"Nomad ({name}) {otherwise}; see {cluster.log / f'{name}.log'}.")
        time.sleep(0.2)


def _ensure_token(cluster: Cluster) -> str:
    path = cluster.secrets / _TOKEN
    if path.exists() and get(cluster, "acl/token/self", management_token(cluster)):
        return ""
    # The token is chosen and written down before Nomad learns it: a kill in between costs nothing.
    if not path.exists():
        write_private(path, str(uuid.uuid4()))
    url = f"{cluster.nomad_addr}/v1/acl/bootstrap"
    answer = httpx.post(url, json={"BootstrapSecret": management_token(cluster)}, timeout=30)
    if answer.is_error:
        raise OpsError(
            f"Nomad's ACLs were bootstrapped with another token than {path} holds ({answer.text[:80]}); "
            f"restore that file from a backup, or start over with drover down --purge."
        )
    return ", ACLs bootstrapped"
