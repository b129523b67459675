"""Only processes that we started are ended: by pid, start time and boot."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from ops import process
from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
WILL_NOT_END = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(1, flush=True)
time.sleep(60)
"""
DEAF = [sys.executable, "-c", WILL_NOT_END]


@pytest.fixture
def started(tmp_path: Path) -> Iterator[process.Identity]:
    identity = process.start(tmp_path, "sleeper", SLEEP, tmp_path / "log", {})
    yield identity
    process.end(identity, 0)


def test_a_started_process_is_found_again_and_ended(tmp_path: Path, started: process.Identity) -> None:
    assert process.recorded(tmp_path, "sleeper") == started
    assert process.end(started, 5)
    assert process.recorded(tmp_path, "sleeper") is None


def test_another_process_under_the_same_pid_is_not_ours(tmp_path: Path, started: process.Identity) -> None:
    for other in (
        dataclasses.replace(started, started=started.started + 1),
        dataclasses.replace(started, boot="another boot"),
    ):
        process.record(tmp_path, "sleeper", other)
        assert process.recorded(tmp_path, "sleeper") is None
        assert process.end(other, 0)
    assert started.alive()


def test_who_does_not_listen_is_killed(tmp_path: Path) -> None:
    identity = process.start(tmp_path, "deaf", DEAF, tmp_path / "log", {})
    while not (tmp_path / "log").read_text():
        time.sleep(0.02)
    assert not process.end(identity, 0.2)
    assert not identity.alive()


def test_descendants_are_found_below_their_parent(tmp_path: Path) -> None:
    command = ["/bin/sh", "-c", "/bin/sh -c 'sleep 60 & wait' & wait"]
    top = process.start(tmp_path, "family", command, tmp_path / "log", {"PATH": "/usr/bin:/bin"})
    deadline = time.monotonic() + 5
    while len(process.descendants(top.pid)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    below = process.descendants(top.pid)
    process.end(top, 1)
    assert len(below) == 2
    assert all(child.alive() for child in below)
    for child in below:
        process.end(child, 1)


def test_a_zombie_is_not_alive() -> None:
    with subprocess.Popen(["/bin/true"]) as child:
        time.sleep(0.2)
        assert process.identify(child.pid) is None


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"pid": 1})])
def test_a_broken_record_is_said_not_guessed(tmp_path: Path, text: str) -> None:
    (tmp_path / "vault.json").write_text(text)
    with pytest.raises(OpsError, match=r"vault\.json cannot be read"):
        process.recorded(tmp_path, "vault")


def test_a_program_that_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(OpsError, match="cannot be started"):
        process.start(tmp_path, "ghost", [str(tmp_path / "ghost")], tmp_path / "log", {})
