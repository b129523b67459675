"""One file of the queue: lines of `<crc32> <json>`."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import zlib
from collections import deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["SpoolFile", "encode"]

_CHUNK = 256 * 1024


def encode(record: dict[str, Any]) -> bytes:
    """Return a record as a line; its values must be what JSON knows."""
    text = json.dumps(record, separators=(",", ":")).encode("ascii")
    return b"%08x %b\n" % (zlib.crc32(text), text)


def decode(line: bytes) -> dict[str, Any] | None:
    """Return the record of a line without its newline; None when it is damaged."""
    checksum, _, text = line.partition(b" ")
    if checksum != b"%08x" % zlib.crc32(text):
        return None
    record: dict[str, Any] = json.loads(text)
    return record


class SpoolFile:
    """Appended at the end, read from the front. Every method but `peek` and `done` may raise OSError."""

    def __init__(self, path: Path, flags: int) -> None:
        self.path = path
        self._fd = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | flags, 0o600)
        self.size = os.fstat(self._fd).st_size
        self.damaged = 0
        self._read = 0
        self._ends: deque[int] = deque()
        self._emptied = 0
        """Bytes that were in it before it was last emptied."""

    @property
    def drained(self) -> bool:
        """Whether all has been read and done with."""
        return self._read >= self.size

    @property
    def put(self) -> int:
        """Bytes ever put in."""
        return self._emptied + self.size

    @property
    def taken(self) -> int:
        """Of these, the bytes that are done with."""
        return self._emptied + self._read

    def lock(self) -> None:
        """Take the file's lock, which the kernel gives back when the process ends, however it ends."""
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def rename(self, path: Path) -> None:
        """Give the file its name."""
        self.path.rename(path)
        self.path = path

    def append(self, line: bytes) -> None:
        """Write a line, or nothing of it."""
        try:
            whole = os.write(self._fd, line) == len(line)
        except OSError:
            os.ftruncate(self._fd, self.size)  # half a line would spoil the next one too
            raise
        if not whole:
            os.ftruncate(self._fd, self.size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.size += len(line)

    def peek(self, count: int) -> list[dict[str, Any]]:
        """Return up to `count` records from the front; what is spoilt before them is passed over for good."""
        self._ends.clear()
        while not self.drained:
            chunk = os.pread(self._fd, _CHUNK, self._read)
            if records := self._records(chunk, count):
                return records
            end = chunk.find(b"\n") + 1
            # No newline: what a dying writer left torn, or nothing at all, where the machine lost its power.
            self._read += end or len(chunk)
            self.damaged += 1
        return []

    def _records(self, chunk: bytes, count: int) -> list[dict[str, Any]]:
        """Return the sound records at the front of a chunk, and note where each ends."""
        records: list[dict[str, Any]] = []
        position = self._read
        for line in chunk.split(b"\n")[:-1][:count]:
            record = decode(line)
            if record is None:
                break
            position += len(line) + 1
            records.append(record)
            self._ends.append(position)
        return records

    def done(self, count: int) -> None:
        """Pass over the first `count` records of the last `peek`."""
        for _ in range(count):
            self._read = self._ends.popleft()

    def empty(self) -> None:
        """Start again at the front; only when it is drained."""
        if self.size:
            os.ftruncate(self._fd, 0)
            self._emptied += self.size
            self.size = self._read = 0

    def sync(self) -> None:
        """Wait for the disk."""
        os.fsync(self._fd)

    def remove(self) -> None:
        """Delete the file and close it."""
        self.path.unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Close it; its lock goes too."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
