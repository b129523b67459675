"""How an engine is found: the four ways, and what is refused."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import threading
import zipfile
from typing import TYPE_CHECKING

import pytest

from ops import doctor, engines
from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PROGRAM = b"#!/bin/sh\necho Nomad v1.11.2\n"


def no_words(line: str) -> None:
    """Stand for a person who does not read."""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with an empty PATH and an empty cache, and no release server that answers."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("DROVER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DROVER_RELEASES", "http://127.0.0.1:9")
    return tmp_path


@pytest.fixture
def releases(bare: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A local file server laid out as the official one, with one good release."""
    folder = bare / "releases" / "nomad" / "1.11.2"
    folder.mkdir(parents=True)
    name = f"nomad_1.11.2_linux_{engines._machine()}.zip"
    (folder / name).write_bytes(archive(PROGRAM))
    digest = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    (folder / "nomad_1.11.2_SHA256SUMS").write_text(f"{'0' * 64}  other.zip\n{digest}  {name}\n")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(bare / "releases"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("DROVER_RELEASES", f"http://127.0.0.1:{server.server_address[1]}")
    yield folder
    server.shutdown()
    server.server_close()


def archive(program: bytes, member: str = "nomad") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as bundle:
        bundle.writestr(member, program)
    return packed.getvalue()


def find(bare: Path) -> engines.Found:
    return engines.find(engines.NOMAD, bare / "log", no_words)


def put_on_path(bare: Path, name: str, script: str) -> None:
    path = bare / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_path_comes_first(releases: Path, bare: Path) -> None:
    put_on_path(bare, "nomad", "echo Nomad v1.12.0")
    assert find(bare) == engines.Found(bare / "bin" / "nomad", "1.12.0", "on PATH")


def test_a_release_is_downloaded_checked_and_then_cached(releases: Path, bare: Path) -> None:
    found = find(bare)
    assert found.origin == "downloaded"
    assert found.path.read_bytes() == PROGRAM
    assert os.access(found.path, os.X_OK)
    (releases / "nomad_1.11.2_SHA256SUMS").unlink()
    assert find(bare).origin == "cached"


def test_an_older_engine_on_path_is_left_alone_and_said(releases: Path, bare: Path) -> None:
    put_on_path(bare, "nomad", "echo Nomad v1.8.3")
    said: list[str] = []
    found = engines.find(engines.NOMAD, bare / "log", said.append)
    assert found.origin == "downloaded"
    assert "1.8.3" in said[0]
    assert "1.11.2" in said[0]


@pytest.mark.parametrize(
    ("spoil", "sentence"),
    [
        (lambda folder, name: (folder / name).write_bytes(archive(b"evil")), "checksum"),
        (lambda folder, name: (folder / name).unlink(), "failed (HTTPStatusError)"),
        (lambda folder, name: (folder / "nomad_1.11.2_SHA256SUMS").write_text("nonsense"), "does not name"),
    ],
    ids=["altered archive", "missing archive", "list without it"],
)
def test_a_release_that_cannot_be_trusted_is_not_used(releases: Path, bare: Path, spoil, sentence) -> None:
    spoil(releases, f"nomad_1.11.2_linux_{engines._machine()}.zip")
    with pytest.raises(OpsError, match="could not be had") as refusal:
        find(bare)
    assert sentence in str(refusal.value)
    assert not list((bare / "cache").rglob("nomad"))


def test_an_archive_without_the_program_is_not_used(releases: Path, bare: Path) -> None:
    name = f"nomad_1.11.2_linux_{engines._machine()}.zip"
    (releases / name).write_bytes(archive(PROGRAM, "readme"))
    digest = hashlib.sha256((releases / name).read_bytes()).hexdigest()
    (releases / "nomad_1.11.2_SHA256SUMS").write_text(f"{digest}  {name}\n")
    with pytest.raises(OpsError, match="holds no nomad"):
        find(bare)


def test_go_builds_when_no_release_can_be_had(bare: Path) -> None:
    put_on_path(bare, "go", 'while [ "$1" != -o ]; do shift; done; echo built > "$2"')
    os.environ["PATH"] += ":/usr/bin:/bin"
    found = find(bare)
    assert found.origin == "built"
    assert found.path.read_text() == "built\n"


def test_a_failed_build_leaves_nothing_and_says_what_to_do(bare: Path) -> None:
    put_on_path(bare, "go", "exit 1")
    with pytest.raises(OpsError, match="Go build failed") as refusal:
        find(bare)
    assert "Install nomad 1.11.2 or newer on PATH" in str(refusal.value)
    assert not list((bare / "cache").rglob("nomad"))


def test_without_anything_each_way_gives_its_reason(bare: Path) -> None:
    with pytest.raises(OpsError) as refusal:
        find(bare)
    assert "not on PATH" in str(refusal.value)
    assert "http://127.0.0.1:9 failed (ConnectError)" in str(refusal.value)
    assert "Go, to build it, is not on PATH either" in str(refusal.value)


def test_doctor_says_when_the_network_is_wanted_and_not_there(bare: Path) -> None:
    with pytest.raises(OpsError, match=r"vault and nomad must be fetched .* DROVER_RELEASES"):
        doctor._network()
    put_on_path(bare, "go", "exit 1")
    assert "Go will try" in doctor._network()


def test_doctor_is_content_when_nothing_is_left_to_fetch(releases: Path, bare: Path) -> None:
    assert "the release server answers, for vault and nomad" in doctor._network()
    put_on_path(bare, "nomad", "echo Nomad v1.12.0")
    put_on_path(bare, "vault", "echo Vault v1.19.5")
    assert "nothing to fetch" in doctor._network()
