"""Bad ground gets one clear sentence: ports, folders, offsets, versions."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from ops import doctor, ports
from ops.errors import OpsError
from ops.settings import STATE_VERSION, Cluster

if TYPE_CHECKING:
    from collections.abc import Iterator

REPO = Path(__file__).resolve().parent.parent.parent


def drover(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", *arguments],
        cwd=REPO,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_taken_port_names_who_has_it() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OpsError) as refusal:
            ports.refuse_taken([("127.0.0.1", port)], "Vault")
    assert f"port {port} on 127.0.0.1, which Vault needs, is taken by pid {os.getpid()} (" in str(
        refusal.value
    )


def test_listeners_show_address_and_port() -> None:
    with socket.socket() as one, socket.socket(socket.AF_INET6) as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("::1", 0))
        one.listen()
        two.listen()
        found = {(listener.address, listener.port) for listener in ports.listeners()}
        assert ("127.0.0.1", one.getsockname()[1]) in found
        assert ("::1", two.getsockname()[1]) in found


@pytest.mark.parametrize(
    ("version", "word"), [(STATE_VERSION - 1, "an older"), (STATE_VERSION + 1, "a newer"), ("x", "an older")]
)
def test_a_folder_of_another_version_is_refused_untouched(tmp_path: Path, version: object, word: str) -> None:
    record = tmp_path / "cluster.json"
    record.write_text(json.dumps({"version": version, "port_offset": 0}))
    before = record.read_bytes()
    with pytest.raises(OpsError, match=f"made by {word} drover"):
        Cluster.load(tmp_path, None).make()
    assert record.read_bytes() == before


def test_an_offset_that_contradicts_the_folder_is_refused(tmp_path: Path) -> None:
    Cluster.load(tmp_path, 300).make()
    assert Cluster.load(tmp_path, None).ports.vault == 8500
    with pytest.raises(OpsError, match="port offset 300, not 400"):
        Cluster.load(tmp_path, 400)


@pytest.mark.parametrize("offset", [-1, 50001])
def test_an_offset_out_of_range_is_refused(tmp_path: Path, offset: int) -> None:
    with pytest.raises(OpsError, match="out of range"):
        Cluster.load(tmp_path, offset)


@pytest.mark.parametrize("text", ["ten", "-5", "1.5", "²"])
def test_a_bad_offset_in_the_environment_is_a_sentence(tmp_path: Path, text: str) -> None:
    result = drover("--state", str(tmp_path), "status", DROVER_PORT_OFFSET=text)
    assert result.returncode == 1
    assert result.stderr.startswith("drover: DROVER_PORT_OFFSET is ")
    assert "Traceback" not in result.stderr


def test_the_state_folder_is_closed_to_others(tmp_path: Path) -> None:
    cluster = Cluster.load(tmp_path / "state", None)
    cluster.make()
    for folder in (cluster.state, cluster.secrets, cluster.run, cluster.log):
        assert folder.stat().st_mode & 0o777 == 0o700


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own without a free byte."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True)
    with (folder / "filler").open("wb") as filler, contextlib.suppress(OSError):
        filler.write(b"x" * 2**17)
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a full disk")
def test_a_full_disk_is_refused_before_anything_is_made(full_disk: Path) -> None:
    result = drover("--state", str(full_disk / "state"), "--port-offset", "500", "up")
    assert result.returncode == 1
    assert "only 0.0 GB are free for" in result.stderr
    assert [path.name for path in full_disk.iterdir()] == ["filler"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a full disk")
def test_a_folder_that_cannot_be_written_any_more_is_a_sentence(full_disk: Path) -> None:
    with pytest.raises(OpsError, match=r"cannot be written \(No space left on device\); free some disk"):
        Cluster.load(full_disk / "state", 500).make()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_a_user_without_rights_is_refused_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(OpsError, match=r"needs root.*sudo"):
        doctor.check_rights()


def test_down_without_a_cluster_has_nothing_to_do(tmp_path: Path) -> None:
    result = drover("--state", str(tmp_path / "none"), "down")
    assert result.returncode == 0
    assert "Nothing to end" in result.stdout
    assert not (tmp_path / "none").exists()


def test_purge_asks_first(tmp_path: Path) -> None:
    state = tmp_path / "state"
    Cluster.load(state, 700).make()
    result = drover("--state", str(state), "down", "--purge")
    assert result.returncode == 1
    assert "destroys" in result.stdout
    assert state.exists()
