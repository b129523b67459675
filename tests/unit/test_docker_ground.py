"""No Docker, no rights, no Debian: each gets its own sentence, and nothing is installed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ops import docker
from ops.errors import OpsError
from ops.settings import Cluster


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH that holds nothing."""
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def ensure(bare: Path) -> str:
    cluster = Cluster.load(bare / "state", 900)
    cluster.make()
    return docker.ensure(cluster, bare / "log")


def put(bare: Path, name: str, script: str) -> None:
    (bare / "bin" / name).write_text(f"#!/bin/sh\n{script}\n")
    (bare / "bin" / name).chmod(0o755)


def test_no_docker_command(bare: Path) -> None:
    with pytest.raises(OpsError, match=r"docker is not installed; on Debian: apt-get install docker\.io"):
        docker.run("version")


def test_no_daemon_and_not_root(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(OpsError, match=r"no Docker daemon answers this user.*usermod -aG docker"):
        ensure(bare)


def test_no_daemon_and_no_apt(bare: Path) -> None:
    with pytest.raises(OpsError, match="neither Debian nor Ubuntu"):
        ensure(bare)


def test_apt_without_a_network(bare: Path) -> None:
    put(bare, "apt-get", "echo 'Could not resolve host'; exit 100")
    with pytest.raises(OpsError, match=r"apt-get could not install docker\.io; its words are at the end of"):
        ensure(bare)
    assert "Could not resolve host" in (bare / "log").read_text()


def test_a_daemon_that_dies_is_not_left_recorded(bare: Path) -> None:
    put(bare, "dockerd", "echo no space left; exit 1")
    with pytest.raises(OpsError, match=r"ended as soon as it was started|did not come up"):
        ensure(bare)


@pytest.mark.parametrize("content", ["", "nonsense", str(2**22), str(os.getpid())])
def test_a_stale_pid_file_is_taken_away_also_when_another_has_the_pid(tmp_path: Path, content: str) -> None:
    file = tmp_path / "docker.pid"
    file.write_text(content)
    docker._forget_stale(file, "dockerd")
    assert not file.exists()


def test_the_pid_file_of_a_living_daemon_stays(tmp_path: Path) -> None:
    file = tmp_path / "some.pid"
    file.write_text(str(os.getpid()))
    docker._forget_stale(file, Path("/proc/self/comm").read_text().strip())
    assert file.exists()


def test_a_container_that_goes_while_all_are_looked_at_is_no_failure(bare: Path) -> None:
    mount = f'{{"Destination": "/secrets", "Source": "{bare}/alloc/secrets"}}'
    known = '"Id": "b", "Name": "/b", "Config": {"Labels": {}}, "State": {"Running": true}'
    put(
        bare,
        "docker",
        f"""
        if [ "$1" = ps ]; then if [ -e {bare}/gone ]; then echo b; else echo a b; fi; exit; fi
        if [ "$2" = a ]; then : > {bare}/gone; echo "Error: No such object: a" >&2; exit 1; fi
        echo '[{{{known}, "Mounts": [{mount}]}}]'
        """,
    )
    assert [one.id for one in docker.containers(bare / "alloc")] == ["b"]
    assert docker.containers(bare / "another") == []
