"""`drover doctor`: is this machine good ground for a cluster? One line a check, each with what to do."""

from __future__ import annotations

import os
import platform
import shutil
from typing import TYPE_CHECKING

from ops import docker, engines, local_client, local_nomad, local_vault, ports, process
from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.settings import Cluster

__all__ = ["LEAST_FREE_BYTES", "check_disk", "check_rights", "examine"]

LEAST_FREE_BYTES = 3_000_000_000
"""Images take 1.5 GB, a Go build of the engines 2.5 GB for the time of the build."""
_LEAST_MEMORY_BYTES = 1_800_000_000


def examine(cluster: Cluster) -> list[tuple[str, str | None, str]]:
    """Run every check; return (what, complaint or None, finding)."""
    return [
        _try("system", _system),
        _try("rights", check_rights),
        _try("state folder", lambda: _state(cluster)),
        _try("disk", lambda: check_disk(cluster)),
        _try("memory", _memory),
        _try("docker", _docker),
        _try("nomad", lambda: _engine(engines.NOMAD)),
        _try("vault", lambda: _engine(engines.VAULT)),
        _try("network", _network),
        _try("ports", lambda: _ports(cluster)),
    ]


def _try(what: str, check: Callable[[], str]) -> tuple[str, str | None, str]:
    try:
        return what, None, check()
    except OpsError as error:
        return what, str(error), ""


def _system() -> str:
    if platform.system() != "Linux":
        raise OpsError("this is not Linux; Nomad's Docker driver with tmpfs secrets needs a Linux host.")
    return f"Linux {platform.release()}, {os.cpu_count()} cores"


def check_rights() -> str:
    """Refuse a user who cannot run Nomad's client.

    Raises:
        OpsError: not root.
    """
    if os.geteuid() != 0:
        raise OpsError(
            "drover up needs root: Nomad's client mounts tmpfs folders for keys and sets cgroup limits; "
            "run sudo ./drover up."
        )
    return "root"


def _state(cluster: Cluster) -> str:
    cluster.check_version()
    return f"{cluster.state}, {'there' if cluster.state.exists() else 'will be made'}"


def check_disk(cluster: Cluster) -> str:
    """Refuse a disk that would fill up half way.

    Raises:
        OpsError: too little room.
    """
    for folder in (cluster.state, *cluster.state.parents):
        if folder.exists():
            free = shutil.disk_usage(folder).free
            break
    if free < LEAST_FREE_BYTES:
        raise OpsError(
            f"only {free / 1e9:.1f} GB are free for {cluster.state}, and {LEAST_FREE_BYTES / 1e9:.0f} GB are "
            f"needed; free some (docker system df shows what images hold), or name a folder on another disk "
            f"with --state."
        )
    return f"{free / 1e9:.0f} GB free"


def _memory() -> str:
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if total < _LEAST_MEMORY_BYTES:
        raise OpsError(
            f"{total / 1e9:.1f} GB of memory is too little for the whole cluster; see README, What it needs."
        )
    return f"{total / 1e9:.1f} GB"


def _docker() -> str:
    if version := docker.answers():
        return f"daemon {version} answers"
    if shutil.which("dockerd"):
        return "installed, no daemon answers: drover up starts one"
    if shutil.which("apt-get"):
        return "not installed: drover up installs docker.io"
    raise OpsError(
        "Docker is not installed and this is neither Debian nor Ubuntu; install Docker Engine first."
    )


def _engine(engine: engines.Engine) -> str:
    if path := engines.at_hand(engine):
        return str(path)
    go = shutil.which("go")
    return f"will be downloaded{', or built with Go if that fails' if go else ''}"


def _network() -> str:
    missing = [engine.name for engine in (engines.VAULT, engines.NOMAD) if engines.at_hand(engine) is None]
    if not missing:
        return "both engines are here, nothing to fetch for them"
    if engines.releases_answer():
        return f"the release server answers, for {' and '.join(missing)}"
    if shutil.which("go"):
        return f"the release server does not answer; Go will try to build {' and '.join(missing)}"
    raise OpsError(
        f"{' and '.join(missing)} must be fetched and the release server does not answer: check network and "
        f"proxy, name a mirror in DROVER_RELEASES, or put the engines on PATH."
    )


def _ports(cluster: Cluster) -> str:
    numbers = cluster.ports
    wanted = {
        local_vault.NAME: [numbers.vault, numbers.vault_cluster],
        local_nomad.SERVER: [numbers.nomad, numbers.nomad_rpc, numbers.nomad_serf],
        local_client.FIRST.process: [numbers.nomad_client, numbers.page],
    }
    for name, list_of_ports in wanted.items():
        if process.recorded(cluster.run, name) is None:
            ports.refuse_taken([("127.0.0.1", number) for number in list_of_ports], name)
    return "free, or held by this cluster"
