"""The local cluster's Nomad: a server and a client, two processes on one machine."""

from __future__ import annotations

import json
import os
import time
import uuid
from typing import TYPE_CHECKING, Any

import httpx

from ops import interfaces, ports, process
from ops.errors import OpsError
from ops.settings import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from ops.docker import Bridge
    from ops.settings import Cluster

__all__ = ["CLIENT", "SERVER", "allocations", "ensure_client", "ensure_server", "management_token"]

SERVER = "nomad-server"
CLIENT = "nomad-client"
_START_SECONDS = 60.0
_TOKEN = "nomad-management-token"  # noqa: S105 - a file's name
# No AWS_CA_BUNDLE or proxy of this shell: a bundle that is missing there ends the agent at its fingerprint.
_ENVIRONMENT = {"PATH": os.environ.get("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), "HOME": "/root"}


def allocations(cluster: Cluster) -> Path:
    """Where the client keeps its allocations' folders."""
    return cluster.state / "nomad" / "client" / "alloc"


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
        _start(cluster, SERVER, program, _server_config(cluster))
        words = "started"
    _wait(cluster, SERVER, lambda: bool(_get(cluster, "status/leader")), "has no leader")
    return words + _ensure_token(cluster)


def ensure_client(cluster: Cluster, program: Path, bridge: Bridge) -> str:
    """Make sure that the client runs and its node is ready with Docker; say what was needed.

    Raises:
        OpsError: its port is taken, it does not come up, or Docker is not healthy in it.
    """
    words = "running"
    if process.recorded(cluster.run, CLIENT) is None:
        ports.refuse_taken([("127.0.0.1", cluster.ports.nomad_client)], "Nomad's client")
        _start(cluster, CLIENT, program, _client_config(cluster, bridge))
        words = "started"
    _wait(cluster, CLIENT, lambda: _node_ready(cluster), "is not ready with a healthy Docker driver")
    return words


def _start(cluster: Cluster, name: str, program: Path, config: dict[str, Any]) -> None:
    (cluster.state / "nomad").mkdir(mode=0o700, exist_ok=True)
    path = cluster.state / "nomad" / f"{name}.json"
    write_private(path, json.dumps(config, indent=2))
    command = [str(program), "agent", f"-config={path}"]
    process.start(cluster.run, name, command, cluster.log / f"{name}.out.log", _ENVIRONMENT)


def _common(cluster: Cluster, name: str) -> dict[str, Any]:
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
        **_common(cluster, "server"),
        "ports": {
            "http": cluster.ports.nomad,
            "rpc": cluster.ports.nomad_rpc,
            "serf": cluster.ports.nomad_serf,
        },
        # The default of 100 events is gone in one busy second; who reconnects then has to list again.
        "server": {"enabled": True, "bootstrap_expect": 1, "event_buffer_size": 1000},
        "vault": {"enabled": True, "default_identity": {"aud": ["vault.io"], "ttl": "1h"}},
    }


def _client_config(cluster: Cluster, bridge: Bridge) -> dict[str, Any]:
    cores = os.cpu_count() or 1
    return {
        **_common(cluster, "client"),
        "ports": {"http": cluster.ports.nomad_client},
        "client": {
            "enabled": True,
            "servers": [f"127.0.0.1:{cluster.ports.nomad_rpc}"],
            "alloc_dir": str(allocations(cluster)),
            "host_volumes_dir": str(cluster.state / "volumes"),
            # No port without a host_network of its own is ever published outside this machine.
            "network_interface": "lo",
            "host_network": _host_networks(bridge),
            # 1000 a core makes `cpu = 250` with a hard limit a real quarter core.
            "cpu_total_compute": 1000 * cores,
            "max_kill_timeout": "60s",
            "cgroup_parent": f"{cluster.name}.slice",
            "gc_max_allocs": 200,
        },
        "vault": {"enabled": True, "address": cluster.vault_addr, "jwt_auth_backend_path": "jwt-nomad"},
        "plugin": [{"docker": {"config": _docker_plugin()}}, {"raw_exec": {"config": {"enabled": False}}}],
    }


def _host_networks(bridge: Bridge) -> list[dict[str, Any]]:
    networks = [
        {"bridge": {"cidr": f"{bridge.address}/32"}},
        {"loopback": {"cidr": "127.0.0.1/32"}},
    ]
    if outside := interfaces.outside():
        networks.append({"outside": {"interface": outside}})
    return networks


def _docker_plugin() -> dict[str, Any]:
    return {
        "allow_privileged": False,
        "allow_caps": [],
        "volumes": {"enabled": False},
        "extra_labels": ["namespace", "job_name", "task_name"],
        # image: images made here could not be pulled again. dangling_containers: a second client on this
        # Docker daemon would remove this one's bots, and this one the other's.
        "gc": {"image": False, "dangling_containers": {"enabled": False}},
    }


def _get(cluster: Cluster, path: str, token: str = "") -> Any:
    try:
        answer = httpx.get(f"{cluster.nomad_addr}/v1/{path}", headers={"X-Nomad-Token": token}, timeout=5)
    except httpx.HTTPError:
        return None
    return answer.json() if answer.status_code == httpx.codes.OK else None


def _node_ready(cluster: Cluster) -> bool:
    nodes = _get(cluster, "nodes", management_token(cluster)) or []
    mine = [node for node in nodes if node["Name"] == f"{cluster.name}-client"]
    return any(
        node["Status"] == "ready" and node.get("Drivers", {}).get("docker", {}).get("Healthy")
        for node in mine
    )


def _wait(cluster: Cluster, name: str, ready: Any, otherwise: str) -> None:
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
    if path.exists() and _get(cluster, "acl/token/self", management_token(cluster)):
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
