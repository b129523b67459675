"""Containers of one cluster and the processes in them: found, checked, signalled."""

from __future__ import annotations

import json
import os
import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import docker, process

if TYPE_CHECKING:
    import signal

    from ops.process import Identity
    from ops.settings import Cluster


@dataclass(frozen=True)
class Box:
    """A running container of one of the cluster's tasks."""

    id: str
    job: str
    task: str
    pid: int
    """Of its first process, as this machine counts."""
    details: Any
    """What docker inspect says."""

    @property
    def secrets(self) -> Path:
        """Where its secrets lie on this machine."""
        return next(Path(m["Source"]) for m in self.details["Mounts"] if m["Destination"] == "/secrets")

    def runs(self) -> bool:
        """Return whether it has not ended yet."""
        return self.id in docker.run("ps", "--quiet", "--no-trunc")

    def processes(self) -> list[Identity]:
        """Return all processes in it but Docker's init, each checked to be of this container."""
        first = None if self.details["HostConfig"].get("Init") else process.identify(self.pid)
        found = [*process.descendants(self.pid), *([first] if first else [])]
        return [one for one in found if self._holds(one.pid)]

    def _holds(self, pid: int) -> bool:
        with suppress(OSError):
            return self.id in Path(f"/proc/{pid}/cgroup").read_text()
        return False

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to each of its processes."""
        for one in self.processes():
            if one.alive():
                with suppress(ProcessLookupError):
                    os.kill(one.pid, number)

    def log(self) -> list[dict[str, Any]]:
        """Return the JSON lines that it printed so far."""
        text = docker.run("logs", self.id)
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def cut(self) -> None:
        """Let no packet in or out any more."""
        self._iptables("-I")

    def mend(self) -> None:
        """Let packets through again; nothing to mend in a container that has ended."""
        with suppress(subprocess.CalledProcessError):
            self._iptables("-D")

    def _iptables(self, action: str) -> None:
        for chain in (("INPUT", "!", "-i", "lo"), ("OUTPUT", "!", "-o", "lo")):
            command = ["nsenter", "-t", str(self.pid), "-n", "iptables", "-w", action, *chain, "-j", "DROP"]
            subprocess.run(command, check=True, capture_output=True)


def boxes(cluster: Cluster) -> list[Box]:
    """Return the cluster's running containers, whichever of its clients they belong to."""
    found = docker.details(cluster.state / "nomad")
    return [_box(one) for one in found if one["State"]["Running"]]


def _box(details: dict[str, Any]) -> Box:
    labels = details["Config"]["Labels"]
    job, task = (labels[f"com.hashicorp.nomad.{name}"] for name in ("job_name", "task_name"))
    return Box(details["Id"], job, task, details["State"]["Pid"], details)
