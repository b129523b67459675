"""The images of the cluster: public bases where a registry answers, else made from Debian's packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from ops import docker
from ops.errors import OpsError
from ops.settings import REPO

__all__ = ["Images", "build_all"]

_PUBLIC_BASE = "python:3.11-slim-bookworm"
_LOCAL_BASE = "drover-base:bookworm"
_PUBLIC_POSTGRES = "postgres:15-bookworm"
_LOCAL_POSTGRES = "drover-postgres:15"
_PUBLIC_REDIS = "redis:7-bookworm"
_LOCAL_REDIS = "drover-redis:7"
_PULL_SECONDS = 300
_CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
_PACKAGES = "python3,python3-venv,ca-certificates"
_FROM_DEBIAN = "made from Debian packages"


@dataclass(frozen=True)
class Images:
    """Image ids (`sha256:…`): a tag can move, an id cannot."""

    api: str
    bot: str
    postgres: str
    redis: str


def build_all(log: Path) -> tuple[Images, str]:
    """Make what is missing; return the ids and where the base came from.

    Raises:
        OpsError: a base or an image cannot be had; says why.
    """
    base, origin = _base(log)
    public = origin != _FROM_DEBIAN
    postgres = _service("postgres", _PUBLIC_POSTGRES if public else None, _LOCAL_POSTGRES, base, log)
    redis = _service("redis", _PUBLIC_REDIS if public else None, _LOCAL_REDIS, base, log)
    bot = docker.build(REPO / "Dockerfile.bot", "drover-bot", REPO, log, BASE=base)
    api = docker.build(REPO / "Dockerfile.api", "drover-api", REPO, log, BASE=base)
    return Images(api=api, bot=bot, postgres=postgres, redis=redis), origin


def _pulled(reference: str, log: Path) -> bool:
    if docker.image_id(reference):
        return True
    try:
        docker.run("pull", "--quiet", reference, log=log, patience=_PULL_SECONDS)
    except OpsError:
        return False
    return True


def _base(log: Path) -> tuple[str, str]:
    if docker.image_id(_LOCAL_BASE):
        return _LOCAL_BASE, _FROM_DEBIAN
    if _pulled(_PUBLIC_BASE, log):
        return _PUBLIC_BASE, "public image"
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise OpsError(
            f"no registry gave {_PUBLIC_BASE}, and making a base image needs root on Debian or Ubuntu; "
            f"load one by hand: docker load, then docker tag … {_PUBLIC_BASE}."
        )
    if shutil.which("debootstrap") is None:
        docker.apt_install(["debootstrap"], log)
    _debootstrap(log)
    return _LOCAL_BASE, _FROM_DEBIAN


def _debootstrap(log: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="drover-base-") as folder, log.open("ab") as output:
        root = Path(folder) / "rootfs"
        command = ["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", "bookworm", str(root)]
        code = subprocess.run(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        ).returncode
        if code != 0:
            raise OpsError(f"debootstrap could not make a base image; its words are at the end of {log}.")
        _trust_this_machines_authorities(root)
        for leftover in ("var/cache/apt/archives", "var/lib/apt/lists"):
            for file in (root / leftover).glob("*"):
                file.unlink() if file.is_file() else shutil.rmtree(file)
        archive = subprocess.Popen(["tar", "-C", str(root), "-c", "."], stdout=subprocess.PIPE, stderr=output)
        docker.run("import", "-", _LOCAL_BASE, log=log, patience=600, stdin=archive.stdout)
        if archive.wait() != 0:
            raise OpsError(f"tar could not pack the base image; its words are at the end of {log}.")


def _trust_this_machines_authorities(root: Path) -> None:
    # A package index behind a company's own certificate authority is verified inside the build as outside.
    if _CA_BUNDLE.exists():
        shutil.copyfile(_CA_BUNDLE, root / "etc/ssl/certs/ca-certificates.crt")


def _service(name: str, public: str | None, local: str, base: str, log: Path) -> str:
    if public and _pulled(public, log):
        return docker.image_id(public) or public
    folder = REPO / "images" / name
    return docker.build(folder / "Dockerfile", local, folder, log, BASE=base)
