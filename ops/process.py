"""Processes that drover starts, recorded so that it ends those and no others."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ops.errors import OpsError
from ops.settings import write_private

__all__ = ["Identity", "descendants", "end", "identify", "recorded", "start"]

_KILL_AFTER_SECONDS = 5.0


@dataclass(frozen=True)
class Identity:
    """A process that cannot be mistaken for a later one with the same pid."""

    pid: int
    started: int
    """Clock ticks after boot, field 22 of /proc/<pid>/stat."""
    boot: str
    """/proc/sys/kernel/random/boot_id: pids of another boot mean nothing."""

    def alive(self) -> bool:
        """Whether this very process still runs (a zombie does not)."""
        return identify(self.pid) == self


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _stat(pid: int) -> list[str] | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The command name stands in parentheses and may hold spaces, so count from behind it.
    return text[text.rindex(")") + 2 :].split()


def identify(pid: int) -> Identity | None:
    """Return who runs under `pid` now, or None when nobody (or a zombie) does."""
    stat = _stat(pid)
    if stat is None or stat[0] == "Z":
        return None
    return Identity(pid, int(stat[19]), _boot_id())


def descendants(pid: int) -> list[Identity]:
    """Return all processes below `pid`, children first."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    found: list[Identity] = []
    queue = list(children.get(pid, []))
    while queue:
        child = queue.pop(0)
        queue += children.get(child, [])
        if identity := identify(child):
            found.append(identity)
    return found


def recorded(run: Path, name: str) -> Identity | None:
    """Return the live process that `up` recorded under `name`, or None."""
    try:
        identity = Identity(**json.loads((run / f"{name}.json").read_text()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise OpsError(
            f"{run / f'{name}.json'} cannot be read ({error}); if no {name} of this folder runs, remove it."
        ) from error
    return identity if identity.alive() else None


def record(run: Path, name: str, identity: Identity) -> None:
    """Remember a process as ours."""
    write_private(run / f"{name}.json", json.dumps(asdict(identity)))


def start(run: Path, name: str, command: list[str], log: Path, environment: dict[str, str]) -> Identity:
    """Start a process that outlives this one, and record it before anything else can fail.

    Raises:
        OpsError: the program cannot be started.
    """
    with log.open("ab") as output:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=environment,
                start_new_session=True,
                cwd="/",
            )
        except OSError as error:
            raise OpsError(f"{command[0]} cannot be started ({error.strerror}).") from error
    identity = identify(process.pid)
    if identity is None:
        raise OpsError(f"{name} ended as soon as it was started; its log is {log}.")
    record(run, name, identity)
    return identity


def end(identity: Identity, patience: float, first: signal.Signals = signal.SIGTERM) -> bool:
    """End one process: ask, wait up to `patience` seconds, then kill; False when it had to be killed."""
    if not _signal(identity, first) or _wait(identity, patience):
        return True
    _signal(identity, signal.SIGKILL)
    _wait(identity, _KILL_AFTER_SECONDS)
    return False


def _signal(identity: Identity, number: signal.Signals) -> bool:
    if not identity.alive():
        return False
    try:
        os.kill(identity.pid, number)
    except ProcessLookupError:
        return False
    return True


def _wait(identity: Identity, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while identity.alive():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
