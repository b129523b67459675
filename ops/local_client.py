"""The local cluster's Nomad clients: one, or two where a test wants to lose one of them."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ops import interfaces, local_nomad, ports, process
from ops.errors import OpsError

if TYPE_CHECKING:
    from pathlib import Path

    from ops.docker import Bridge
    from ops.settings import Cluster

__all__ = ["FIRST", "MOST", "Client", "clients", "ensure_client", "missing"]

MOST = 2
_CPU_VARIABLE = "DROVER_TEST_CPU"


@dataclass(frozen=True)
class Client:
    """One client agent: a node of its own, with its own folders and ports, on the same Docker daemon."""

    number: int

    @property
    def _suffix(self) -> str:
        return "" if self.number == 1 else f"-{self.number}"

    @property
    def process(self) -> str:
        """The name that its process is recorded under."""
        return f"nomad-client{self._suffix}"

    def node(self, cluster: Cluster) -> str:
        """The name of its node in Nomad."""
        return f"{cluster.name}-client{self._suffix}"

    def folder(self, cluster: Cluster) -> Path:
        """Its data folder."""
        return cluster.state / "nomad" / f"client{self._suffix}"

    def allocations(self, cluster: Cluster) -> Path:
        """Where it keeps its allocations' folders."""
        return self.folder(cluster) / "alloc"

    def config(self, cluster: Cluster, bridge: Bridge) -> dict[str, Any]:
        """Return its configuration file.

        Raises:
            OpsError: DROVER_TEST_CPU is no number.
        """
        lowest = cluster.ports.dynamic + (self.number - 1) * cluster.ports.dynamic_count
        return {
            **local_nomad.common(cluster, f"client{self._suffix}"),
            "ports": {"http": cluster.ports.nomad_client + self.number - 1},
            "client": {
                "enabled": True,
                "servers": [f"127.0.0.1:{cluster.ports.nomad_rpc}"],
                "alloc_dir": str(self.allocations(cluster)),
                "host_volumes_dir": str(cluster.state / f"volumes{self._suffix}"),
                # No port without a host_network of its own is ever published outside this machine.
                "network_interface": "lo",
                "host_network": _host_networks(bridge),
                # Clients on one machine share the bridge's address: no two may give out the same port.
                "min_dynamic_port": lowest,
                "max_dynamic_port": lowest + cluster.ports.dynamic_count - 1,
                # 1000 a core makes `cpu = 250` with a hard limit a real quarter core.
                "cpu_total_compute": _total_compute(),
                "max_kill_timeout": "60s",
                "cgroup_parent": f"{cluster.name}{self._suffix}.slice",
                "gc_max_allocs": 200,
                # By default a template that waits for Vault ends its task after some minutes.
                "template": {"vault_retry": {"attempts": 0}},
            },
            "vault": {"enabled": True, "address": cluster.vault_addr, "jwt_auth_backend_path": "jwt-nomad"},
            "plugin": [
                {"docker": {"config": _docker_plugin()}},
                {"raw_exec": {"config": {"enabled": False}}},
            ],
        }


FIRST = Client(1)


def clients(cluster: Cluster) -> list[Client]:
    """Return the clients that this cluster has: the first, and each that was ever started."""
    later = [Client(number) for number in range(2, MOST + 1)]
    return [FIRST, *(client for client in later if client.folder(cluster).exists())]


def missing(cluster: Cluster, count: int) -> list[Client]:
    """Return the clients that a cluster of `count` clients lacks."""
    present = clients(cluster)
    wanted = [Client(number) for number in range(1, count + 1)]
    return [client for client in wanted if client not in present]


def ensure_client(cluster: Cluster, program: Path, bridge: Bridge, client: Client = FIRST) -> str:
    """Make sure that a client runs and its node is ready with Docker; say what was needed.

    Raises:
        OpsError: its port is taken, it does not come up, or Docker is not healthy in it.
    """
    words = "running"
    if process.recorded(cluster.run, client.process) is None:
        config = client.config(cluster, bridge)
        ports.refuse_taken([("127.0.0.1", config["ports"]["http"])], "Nomad's client")
        client.folder(cluster).mkdir(mode=0o700, parents=True, exist_ok=True)
        local_nomad.start(cluster, client.process, program, config)
        words = "started"
    ready = "is not ready with a healthy Docker driver"
    local_nomad.wait(cluster, client.process, lambda: _node_ready(cluster, client), ready)
    return words


def _total_compute() -> int:
    given = os.environ.get(_CPU_VARIABLE)
    if not given:
        return 1000 * (os.cpu_count() or 1)
    # For tests, where more bots must fit than this machine has quarter cores: each gets less in proportion.
    if not given.isascii() or not given.isdigit():
        raise OpsError(f"{_CPU_VARIABLE} is {given[:40]!r}; write a whole number of MHz such as 4000.")
    return int(given)


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


def _node_ready(cluster: Cluster, client: Client) -> bool:
    nodes = local_nomad.get(cluster, "nodes", local_nomad.management_token(cluster)) or []
    mine = [node for node in nodes if node["Name"] == client.node(cluster)]
    return any(
        node["Status"] == "ready" and node.get("Drivers", {}).get("docker", {}).get("Healthy")
        for node in mine
    )
