"""A queue on disk: JSON lines that survive `kill -9` at any byte, until they are done with.

A record is in the page cache when `append` returns, so the death of the process loses nothing; `sync` brings
it to the disk, for the death of the machine. Each process writes a file of its own, locked as long as it
lives. Files whose writer is dead are read first. A record may be read twice (its reader died before
`done`), so readers must not mind. Each line carries its checksum; a torn or damaged one is counted and
left out.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from bots.spool_file import SpoolFile, encode

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Spool", "SpoolError"]

_LIMIT = 50 * 1024 * 1024
_SAFE = 0.8
"""The part of the limit at which trading must stop: the rest is for what the last orders still bring."""
_MEMORY = 5000
"""Records kept in memory while the disk takes none."""


class SpoolError(Exception):
    """The queue's folder cannot be used."""


class Spool:
    """First in, first out: `append`, `peek`, `done`. Never blocks on anything but the page cache."""

    def __init__(self, folder: Path, limit: int = _LIMIT) -> None:
        self._folder = folder
        self._limit = limit
        self._own: SpoolFile | None = None
        self._left: deque[SpoolFile] = deque()
        self._memory: deque[dict[str, Any]] = deque()
        self._memory_taken = 0
        self._source: SpoolFile | None = None
        self._disk_problem = ""
        self.dropped = 0
        """Records for which there was no room at all."""
        self.damaged = 0
        """Lines that a crash or the disk spoilt."""

    def open(self) -> None:
        """Make this process's file and take over those of dead ones.

        Raises:
            SpoolError: the folder cannot be written to.
        """
        name = f"{time.time_ns()}-{os.getpid()}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            hidden = self._folder / f".{name}.tmp"
            file = SpoolFile(hidden, os.O_CREAT | os.O_EXCL)
            file.lock()
            file.rename(self._folder / f"{name}.spool")  # seen by others only once it is locked
        except OSError as error:
            raise SpoolError(
                f"The queue's folder {self._folder} cannot be written to ({error.strerror}); "
                "give it to the user that runs the bot."
            ) from error
        self._own = file
        self.adopt()

    def adopt(self) -> int:
        """Take over the files of processes that have died since; returns how many."""
        mine = {file.path for file in (*self._left, self._own) if file}
        found = 0
        for path in sorted(self._folder.glob("*.spool")):
            if path in mine:
                continue
            with contextlib.suppress(OSError):  # locked: its writer lives; gone: another has read it
                self._left.append(_dead(path))
                found += 1
        return found

    @property
    def problem(self) -> str:
        """Why trading must stop, in a few words; empty when there is room."""
        if self.dropped:
            return f"the queue on disk was full: {self.dropped} records were dropped"
        if self._disk_problem:
            return f"the queue's disk takes nothing: {self._disk_problem}"
        if self._own and self._own.size > self._limit * _SAFE:
            return f"the queue on disk holds {self._own.size >> 20} MB of at most {self._limit >> 20} MB"
        return ""

    def append(self, record: dict[str, Any]) -> bool:
        """Add a record; returns False, and counts it as dropped, when neither disk nor memory has room."""
        if self._own and not self._memory and self._write(self._own, encode(record)):
            return True
        if len(self._memory) < _MEMORY:
            # In memory until they are done with, later ones too: order is kept.
            self._memory.append(record)
            return True
        self.dropped += 1
        return False

    def _write(self, own: SpoolFile, line: bytes) -> bool:
        if own.size + len(line) > self._limit:
            self._disk_problem = f"its limit of {self._limit >> 20} MB is reached"
            return False
        try:
            own.append(line)
        except OSError as error:
            self._disk_problem = str(error.strerror)
            return False
        self._disk_problem = ""
        return True

    def peek(self, count: int) -> list[dict[str, Any]]:
        """Return up to `count` of the oldest records, all of one file."""
        for file in (*self._left, self._own):
            if file is None:
                continue
            records = file.peek(count)
            if records:
                self._source = file
                return records
            self._finish(file)
        self._source = None
        return [self._memory[index] for index in range(min(count, len(self._memory)))]

    @property
    def put(self) -> int:
        """How far this process has appended: in bytes on disk and records in memory, both together."""
        return (self._own.put if self._own else 0) + self._memory_taken + len(self._memory)

    @property
    def taken(self) -> int:
        """Up to where `put` then was all is done with, what dead processes left too; -1 while that is not."""
        if self._left:
            return -1
        return (self._own.taken if self._own else 0) + self._memory_taken

    def done(self, count: int) -> None:
        """Forget the first `count` records of the last `peek`."""
        if self._source is None:
            for _ in range(count):
                self._memory.popleft()
            self._memory_taken += count
            return
        self._source.done(count)
        if self._source.drained:
            self._finish(self._source)

    def _finish(self, file: SpoolFile) -> None:
        """Empty a file that has been read: the own one is used again, another's is removed."""
        self.damaged += file.damaged
        file.damaged = 0
        with contextlib.suppress(OSError):  # read again some day, which harms nobody
            if file is self._own:
                file.empty()
            else:
                self._left.remove(file)
                file.remove()

    def sync(self) -> None:
        """Bring what was written to the disk; blocks, so call it in a thread.

        Raises:
            OSError: the disk failed.
        """
        if self._own:
            self._own.sync()

    def close(self) -> None:
        """Let go of the files; an empty own one is removed."""
        for file in self._left:
            file.close()
        self._left.clear()
        own, self._own = self._own, None
        if own is None:
            return
        with contextlib.suppress(OSError):
            if not own.size:
                own.remove()
        own.close()


def _dead(path: Path) -> SpoolFile:
    file = SpoolFile(path, 0)
    try:
        file.lock()
        if not path.exists():  # read and removed while it was being opened
            raise FileNotFoundError
    except OSError:
        file.close()
        raise
    return file
