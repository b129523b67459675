"""Docker, by its command line: is a daemon there, start one, images, containers of our allocations."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ops import interfaces, process
from ops.errors import OpsError

if TYPE_CHECKING:
    from ops.settings import Cluster

__all__ = [
    "Bridge",
    "Container",
    "answers",
    "bridge",
    "build",
    "containers",
    "details",
    "ensure",
    "image_id",
    "run",
]

_ANSWER_SECONDS = 10.0
_START_SECONDS = 60.0
_PID_FILES = {
    Path("/var/run/docker.pid"): "dockerd",
    Path("/var/run/docker/containerd/containerd.pid"): "containerd",
}
_LOOKS = 5
"""At all containers, until none of them goes while it is looked at."""
_TASK_FOLDERS = {"/alloc", "/local", "/secrets"}


@dataclass(frozen=True)
class Bridge:
    """Docker's default bridge: where the cluster's services listen."""

    address: str


@dataclass(frozen=True)
class Container:
    """A container of one of this cluster's allocations."""

    id: str
    name: str
    namespace: str
    running: bool


def run(*arguments: str, log: Path | None = None, patience: float | None = 120, stdin: Any = None) -> str:
    """Run one docker command and return what it printed.

    Raises:
        OpsError: it is not installed, took too long, or failed; with its own last words.
    """
    try:
        result = subprocess.run(
            ["docker", *arguments], stdin=stdin or subprocess.DEVNULL, capture_output=True, timeout=patience,
            check=False, env={**os.environ, "DOCKER_BUILDKIT": "0"},
        )  # fmt: skip
    except FileNotFoundError as error:
        raise OpsError("docker is not installed; on Debian: apt-get install docker.io.") from error
    except subprocess.TimeoutExpired as error:
        raise OpsError(
            f"docker {arguments[0]} did not end within {patience:.0f} s; is the daemon well?"
        ) from error
    if log is not None:
        with log.open("ab") as file:
            file.write(result.stdout + result.stderr)
    if result.returncode != 0:
        words = result.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
        raise OpsError(f"docker {arguments[0]} failed: {words[-1]}")
    return result.stdout.decode(errors="replace").strip()


def answers() -> str | None:
    """Return the daemon's version, or None when no daemon answers."""
    try:
        return run("version", "--format", "{{.Server.Version}}", patience=_ANSWER_SECONDS) or None
    except OpsError:
        return None


def ensure(cluster: Cluster, log: Path) -> str:
    """Make sure that a Docker daemon answers; say how it came to.

    Raises:
        OpsError: none answers and this user or system cannot be given one; says what to type.
    """
    if version := answers():
        return f"{version}, running"
    if os.geteuid() != 0:
        raise OpsError(
            "no Docker daemon answers this user; start it (systemctl start docker), or let this user use it "
            "(usermod -aG docker $USER, then sign in again), or run drover as root."
        )
    if shutil.which("dockerd") is None:
        _install(log)
    _start(cluster, log)
    return f"{answers()}, started"


def _install(log: Path) -> None:
    family = Path("/etc/os-release").read_text() if Path("/etc/os-release").exists() else ""
    if "debian" not in family or shutil.which("apt-get") is None:
        raise OpsError(
            "Docker is not installed and this is neither Debian nor Ubuntu; install Docker Engine first."
        )
    apt_install(["docker.io"], log)


def apt_install(packages: list[str], log: Path) -> None:
    """Install Debian packages.

    Raises:
        OpsError: apt refuses; says where its words are.
    """
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with log.open("ab") as output:
        for command in (
            ["apt-get", "update"],
            ["apt-get", "install", "-y", "--no-install-recommends", *packages],
        ):
            code = subprocess.run(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=environment, check=False
            ).returncode
    if code != 0:
        raise OpsError(
            f"apt-get could not install {' '.join(packages)}; its words are at the end of {log}. "
            f"Is there a network, and room on the disk?"
        )


def _start(cluster: Cluster, log: Path) -> None:
    if answers():  # the package's own scripts have started it, as they do under systemd
        return
    for file, name in _PID_FILES.items():
        _forget_stale(file, name)
    identity = process.start(
        cluster.run, "dockerd", [shutil.which("dockerd") or "dockerd"], log, dict(os.environ)
    )
    deadline = time.monotonic() + _START_SECONDS
    while not answers():
        if not identity.alive() or time.monotonic() > deadline:
            process.end(identity, 5)
            raise OpsError(f"the Docker daemon did not come up; its words are at the end of {log}.")
        time.sleep(0.3)


def _forget_stale(file: Path, name: str) -> None:
    # After a kill the files stay; when somebody else has the pid by now, dockerd would take them for its own.
    try:
        pid = int(file.read_text())
        alive = Path(f"/proc/{pid}/comm").read_text().strip() == name
    except (OSError, ValueError):
        alive = False
    if not alive:
        file.unlink(missing_ok=True)


def bridge() -> Bridge:
    """Return the address of Docker's default bridge.

    Raises:
        OpsError: the daemon has no default bridge, or it has no address.
    """
    name = run(
        "network", "inspect", "bridge", "--format", '{{index .Options "com.docker.network.bridge.name"}}'
    )
    # Asked of the kernel: a daemon's first start does not write the gateway into the network's own record.
    address = interfaces.address(name)
    if address is None:
        raise OpsError(
            f"Docker's default bridge {name!r} has no IPv4 address; drover needs that bridge: start the "
            f"daemon without --bridge=none."
        )
    return Bridge(address)


def image_id(reference: str) -> str | None:
    """Return the id (`sha256:…`) of a local image, or None."""
    try:
        return run("image", "inspect", "--format", "{{.Id}}", reference) or None
    except OpsError:
        return None


def build(dockerfile: Path, tag: str, context: Path, log: Path, **arguments: str) -> str:
    """Build an image and return its id.

    Raises:
        OpsError: the build failed.
    """
    flags = [part for name, value in arguments.items() for part in ("--build-arg", f"{name}={value}")]
    try:
        run("build", "--tag", tag, "--file", str(dockerfile), *flags, str(context), log=log, patience=1800)
    except OpsError as error:
        raise OpsError(
            f"the image {tag} could not be built ({error}); the build's words are in {log}."
        ) from error
    found = image_id(tag)
    if found is None:
        raise OpsError(f"the image {tag} was built but Docker does not know it.")
    return found


def containers(allocations: Path) -> list[Container]:
    """Return the containers whose task folders all lie under `allocations`: ours beyond doubt."""
    return [_container(data) for data in details(allocations)]


def details(allocations: Path) -> list[dict[str, Any]]:
    """Return what `docker inspect` says of each of these containers.

    Raises:
        OpsError: Docker does not answer, or containers come and go faster than they can be read.
    """
    return [data for data in _inspected(_LOOKS) if _is_ours(data, allocations)]


def _inspected(looks: int) -> list[dict[str, Any]]:
    label = "label=com.hashicorp.nomad.alloc_id"
    ids = run("ps", "--all", "--quiet", "--no-trunc", "--filter", label).split()
    try:
        found: list[dict[str, Any]] = json.loads(run("inspect", *ids)) if ids else []
    except OpsError:
        # One that was removed in between, perhaps another cluster's, is no reason to fail.
        if looks == 1:
            raise
        return _inspected(looks - 1)
    return found


def _is_ours(data: dict[str, Any], allocations: Path) -> bool:
    sources = [
        Path(m["Source"]) for m in data["Mounts"] if m.get("Destination") in _TASK_FOLDERS and m.get("Source")
    ]
    return bool(sources) and all(source.is_relative_to(allocations) for source in sources)


def _container(data: dict[str, Any]) -> Container:
    labels = data["Config"]["Labels"] or {}
    return Container(
        id=data["Id"],
        name=data["Name"].lstrip("/"),
        namespace=labels.get("com.hashicorp.nomad.namespace", ""),
        running=bool(data["State"]["Running"]),
    )
