"""Nomad and Vault: on PATH, else cached, else the official release, else built from their Go modules."""

from __future__ import annotations

import hashlib
import io
import os
import platform
import re
import shutil
import subprocess
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from ops.errors import OpsError
from ops.settings import REPO

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["NOMAD", "VAULT", "Engine", "Found", "at_hand", "cache_folder", "find", "releases_answer"]

_RELEASES = "https://releases.hashicorp.com"
_CONNECT_SECONDS = 5.0
_READ_SECONDS = 60.0


@dataclass(frozen=True)
class Engine:
    """One engine: what we need of it and how it is built."""

    name: str
    oldest: tuple[int, int, int]
    """The oldest version on PATH that will do."""
    version: str
    """The version that is downloaded or built."""
    module: str
    tags: str
    cgo: str


NOMAD = Engine(
    "nomad", (1, 11, 2), "1.11.2", "github.com/hashicorp/nomad", "ui", "1"
)  # first with register-job
VAULT = Engine("vault", (1, 16, 0), "1.19.5", "github.com/hashicorp/vault", "minimal", "0")


@dataclass(frozen=True)
class Found:
    """An engine that can be run."""

    path: Path
    version: str
    origin: str
    """`on PATH`, `cached`, `downloaded` or `built`."""


def cache_folder(environment: Mapping[str, str]) -> Path:
    """Where engines are kept between clones: `DROVER_CACHE`, else the user's cache folder."""
    if chosen := environment.get("DROVER_CACHE"):
        return Path(chosen).resolve()
    home = environment.get("XDG_CACHE_HOME") or Path(environment.get("HOME", "/root")) / ".cache"
    return Path(home) / "drover"


def find(engine: Engine, log: Path, tell: Callable[[str], None]) -> Found:
    """Find or make an engine.

    Raises:
        OpsError: none of the four ways works; says each one's reason and what to do.
    """
    if found := _on_path(engine, tell):
        return found
    cached = _cached(engine)
    if cached.exists() and _version(cached):
        return Found(cached, engine.version, "cached")
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OpsError(f"{cached.parent} cannot be made ({error.strerror}); set DROVER_CACHE.") from error
    refusals = []
    for origin, way in (("downloaded", _download), ("built", _build)):
        try:
            way(engine, cached, log)
        except OpsError as refusal:
            refusals.append(str(refusal))
            continue
        return Found(cached, engine.version, origin)
    raise OpsError(
        f"{engine.name} is not on PATH, and could not be had: {' '.join(refusals)} "
        f"Install {engine.name} {'.'.join(map(str, engine.oldest))} or newer on PATH, or Go, "
        f"and run drover up again."
    )


def at_hand(engine: Engine) -> Path | None:
    """Return the engine that `find` would use without fetching anything, or None."""
    if found := _on_path(engine, lambda _: None):
        return found.path
    cached = _cached(engine)
    return cached if cached.exists() else None


def releases_answer() -> bool:
    """Whether the server of the official releases (or DROVER_RELEASES) can be reached."""
    try:
        httpx.head(_releases(), timeout=_CONNECT_SECONDS)
    except httpx.HTTPError:
        return False
    return True


def _releases() -> str:
    return os.environ.get("DROVER_RELEASES", _RELEASES).rstrip("/")


def _cached(engine: Engine) -> Path:
    return cache_folder(os.environ) / "engines" / f"{engine.name}-{engine.version}" / engine.name


def _version(path: Path) -> tuple[int, int, int] | None:
    try:
        result = subprocess.run([path, "version"], capture_output=True, text=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"v(\d+)\.(\d+)\.(\d+)", result.stdout)
    return (int(match[1]), int(match[2]), int(match[3])) if match else None


def _on_path(engine: Engine, tell: Callable[[str], None]) -> Found | None:
    path = shutil.which(engine.name)
    if path is None:
        return None
    version = _version(Path(path))
    if version is None or version < engine.oldest:
        shown = ".".join(map(str, version)) if version else "of unknown version"
        tell(
            f"{path} is {shown}; at least {'.'.join(map(str, engine.oldest))} is needed, so it is left alone"
        )
        return None
    return Found(Path(path), ".".join(map(str, version)), "on PATH")


def _machine() -> str:
    return {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())


def _download(engine: Engine, target: Path, log: Path) -> None:
    base = _releases()
    folder = f"{base}/{engine.name}/{engine.version}"
    archive_name = f"{engine.name}_{engine.version}_linux_{_machine()}.zip"
    timeout = httpx.Timeout(_READ_SECONDS, connect=_CONNECT_SECONDS)
    try:
        with httpx.Client(timeout=timeout, follow_redirects=True) as client:
            sums = client.get(f"{folder}/{engine.name}_{engine.version}_SHA256SUMS").raise_for_status().text
            wanted = _checksum(sums, archive_name)
            archive = client.get(f"{folder}/{archive_name}").raise_for_status().content
    except httpx.HTTPError as error:
        with log.open("a") as file:
            file.write(f"{folder}: {error}\n")
        raise OpsError(f"The release download from {base} failed ({type(error).__name__}).") from error
    _check(archive, wanted, archive_name)
    _install(_unpack(archive, engine.name, archive_name), target)


def _checksum(sums: str, name: str) -> str:
    for line in sums.splitlines():
        digest, _, listed = line.partition("  ")
        if listed.strip() == name and re.fullmatch(r"[0-9a-f]{64}", digest):
            return digest
    raise OpsError(f"The release's checksum list does not name {name}.")


def _check(archive: bytes, wanted: str, name: str) -> None:
    found = hashlib.sha256(archive).hexdigest()
    if found != wanted:
        raise OpsError(
            f"{name} does not have the checksum its release lists ({found}, not {wanted}); not used."
        )


def _unpack(archive: bytes, member: str, name: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as bundle:
            return bundle.read(member)
    except (zipfile.BadZipFile, KeyError) as error:
        raise OpsError(f"{name} holds no {member}; not used.") from error


def _install(program: bytes, target: Path) -> None:
    try:
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as draft:
            draft.write(program)
        Path(draft.name).chmod(0o755)
        Path(draft.name).replace(target)
    except OSError as error:
        raise OpsError(f"{target} cannot be written ({error.strerror}).") from error


def _build(engine: Engine, target: Path, log: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise OpsError("Go, to build it, is not on PATH either.")
    draft = target.with_name(f"{engine.name}.new")
    command = [
        go, "build", "-mod=readonly", "-tags", engine.tags, "-trimpath", "-ldflags", "-s -w",
        "-o", str(draft), engine.module,
    ]  # fmt: skip
    environment = {**os.environ, "CGO_ENABLED": engine.cgo, "GOFLAGS": "-buildvcs=false"}
    with log.open("ab") as output:
        code = subprocess.run(
            command, cwd=REPO / "ops" / "engines_go" / engine.name, env=environment, stdin=subprocess.DEVNULL,
            stdout=output, stderr=output, check=False,
        ).returncode  # fmt: skip
    if code != 0:
        raise OpsError(f"The Go build failed; the compiler's words are at the end of {log}.")
    draft.replace(target)
