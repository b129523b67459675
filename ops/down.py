"""`drover down`: ends exactly what `up` started, and loses nothing."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

from ops import docker, drain, local_client, local_nomad, local_vault, process, tmpfs
from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ops.docker import Container
    from ops.process import Identity
    from ops.settings import Cluster
    from ops.steps import Steps

__all__ = ["down"]

_BOTS_SECONDS = 35
"""A bot cancels its orders within 20 s of SIGTERM."""
_SERVICES_SECONDS = 45
_AGENT_SECONDS = 20.0
_DOCKERD_SECONDS = 30.0


def down(cluster: Cluster, steps: Steps) -> None:
    """End the cluster: bots first, while their venue and Vault still answer.

    Raises:
        OpsError: something would not end; says what.
    """
    with steps.step("Bots, then services", "down") as step:
        step.done(_drain(cluster))
    for client in local_client.clients(cluster):
        with steps.step("Nomad's client", "down") as step:
            step.done(_end_client(cluster, client.process))
    with steps.step("Containers", "down") as step:
        step.done(_end_containers(cluster))
    with steps.step("Nomad's helpers and mounts", "down") as step:
        step.done(_clean_up(cluster))
    for title, name in (("Nomad's server", local_nomad.SERVER), ("Vault", local_vault.NAME)):
        with steps.step(title, "down") as step:
            step.done(_end(cluster, name))
    with steps.step("Docker", "down") as step:
        step.done(_end_dockerd(cluster))


def _drain(cluster: Cluster) -> str:
    agents = (local_nomad.SERVER, local_client.FIRST.process)
    if any(process.recorded(cluster.run, name) is None for name in agents):
        return "Nomad does not run"
    try:
        return drain.drain(cluster)
    except OpsError as error:
        # Without Nomad's help the containers are stopped one step below, as gently.
        return f"not by Nomad: {error}"


def _end_client(cluster: Cluster, name: str) -> str:
    # Ended first: it would start again every container that ends. It leaves its tasks running.
    client = process.recorded(cluster.run, name)
    if client is None:
        return "was not running"
    # Its children outlive it, with nobody's name on them: write down who they are while it can be seen.
    _remember_helpers(cluster, process.descendants(client.pid))
    asked = process.end(client, _AGENT_SECONDS)
    _forget(cluster, name)
    return "ended" if asked else "killed: it did not end when asked"


def _end_containers(cluster: Cluster) -> str:
    if docker.answers() is None:
        return "no Docker daemon, so none runs"
    mine = docker.containers(cluster.state / "nomad")
    bots = [c for c in mine if c.namespace == "bots"]
    services = [c for c in mine if c.namespace != "bots"]
    _stop(bots, _BOTS_SECONDS)
    # The page before the database, the venue last of all.
    for name in ("api-", "postgres-", "redis-", ""):
        _stop([c for c in services if c.name.startswith(name)], _SERVICES_SECONDS)
    for container in mine:
        docker.run("rm", "--force", "--volumes", container.id)
    running = sum(container.running for container in mine)
    return f"{running} ended, {len(mine)} removed" if mine else "none left"


def _stop(containers: Iterable[Container], seconds: int) -> None:
    running = [c.id for c in containers if c.running]
    if running:
        docker.run("stop", "--time", str(seconds), *running, patience=seconds * len(running) + 30)


def _helpers_file(cluster: Cluster) -> Path:
    return cluster.run / "nomad-helpers.jsonl"


def _remember_helpers(cluster: Cluster, found: list[Identity]) -> None:
    with _helpers_file(cluster).open("a") as file:
        file.writelines(json.dumps(vars(identity)) + "\n" for identity in found)


def _clean_up(cluster: Cluster) -> str:
    ended = 0
    if _helpers_file(cluster).exists():
        for line in _helpers_file(cluster).read_text().splitlines():
            identity = process.Identity(**json.loads(line))
            if identity.alive():
                process.end(identity, 5)
                ended += 1
        _helpers_file(cluster).unlink()
    for orphan in _orphans(cluster):
        process.end(orphan, 5)
        ended += 1
    mounts = tmpfs.uncover(cluster)
    return f"{ended} processes, {mounts} mounts"


def _orphans(cluster: Cluster) -> list[Identity]:
    # A client that was killed left helpers that nobody wrote down. They are Nomad's own program, and they
    # hold a file below this cluster's folder open.
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) == 1:
            continue
        if _is_helper(entry, cluster) and (identity := process.identify(int(entry.name))):
            found.append(identity)
    return found


def _is_helper(entry: Path, cluster: Cluster) -> bool:
    try:
        arguments = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
        if not arguments[1:] or arguments[1] not in {"logmon", "docker_logger", "executor"}:
            return False
        opened = [link.readlink() for link in (entry / "fd").iterdir()]
    except OSError:
        return False
    return any(path.is_relative_to(cluster.state) for path in opened)


def _end(cluster: Cluster, name: str) -> str:
    identity = process.recorded(cluster.run, name)
    if identity is None:
        _forget(cluster, name)
        return "was not running"
    asked = process.end(identity, _AGENT_SECONDS)
    _forget(cluster, name)
    return "ended" if asked else "killed: it did not end when asked"


def _end_dockerd(cluster: Cluster) -> str:
    identity = process.recorded(cluster.run, "dockerd")
    if identity is None:
        _forget(cluster, "dockerd")
        return "not started by this cluster, left alone"
    others = docker.run("ps", "--quiet").split()
    if others:
        return f"left running: {len(others)} other containers use it"
    process.end(identity, _DOCKERD_SECONDS)
    _forget(cluster, "dockerd")
    time.sleep(0.2)
    return "ended"


def _forget(cluster: Cluster, name: str) -> None:
    (cluster.run / f"{name}.json").unlink(missing_ok=True)
