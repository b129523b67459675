"""Log files that two processes of one bot may write at once: a standby that waits for its lease logs too.

Each line is one `write` to a file opened for appending, which the kernel does not interleave. A process looks
before each line whether the file still has its name; who finds it old or large renames it, under a lock that
nobody waits for. So a frozen process holds up no other, and no line is lost between two files.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import logging
import os
import re
import time
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

__all__ = ["DailyFile", "FileHandler"]

_FILE_BYTES = 5_000_000
_FOLDER_BYTES = 50_000_000
_FILES = 2
"""Files that are being written, beside the old ones."""
_DAYS = 5
_MODE = 0o640
_RETRY_SECONDS = 60.0
_OLD = re.compile(r"[a-z_]+\.log\.(\d{4}-\d\d-\d\d)\.(\d+)", re.ASCII)
_FIRST_LINE = re.compile(rb'\{"ts": "(\d{4}-\d\d-\d\d)T')


class DailyFile:
    """`name.log` in a bot's own folder; older parts are `name.log.<day>.<number>`.

    The number counts what was put aside in the folder that day, so all parts have one order.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._fd = -1
        self._day = ""
        self._torn = False

    def append(self, line: bytes, day: date) -> None:
        """Write one line of `day` (UTC), after putting a file of an earlier day or a full one aside.

        Raises:
            OSError: the line is not (or not wholly) in the file.
        """
        if not self._is_current():
            self._open(day)
        size = os.fstat(self._fd).st_size
        if not size:
            self._day = str(day)
        elif str(day) > self._day or size + len(line) > _FILE_BYTES:
            self._rotate(day)
        self._write(line)

    def _write(self, line: bytes) -> None:
        # After a torn line, as a full disk leaves it, the next one must not become a part of it.
        line = b"\n" + line if self._torn else line
        written = os.write(self._fd, line)
        self._torn = 0 < written < len(line)
        if written < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def _is_current(self) -> bool:
        if self._fd < 0:
            return False
        try:
            named = self._path.stat()
        except FileNotFoundError:
            return False
        return os.path.samestat(named, os.fstat(self._fd))

    def _open(self, day: date) -> None:
        self.close()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = _open(self._path, os.O_APPEND)
        first = _FIRST_LINE.match(os.pread(self._fd, 40, 0))
        status = os.fstat(self._fd)
        if first:
            self._day = first[1].decode()
        else:
            self._day = str(datetime.fromtimestamp(status.st_mtime, UTC).date() if status.st_size else day)

    def close(self) -> None:
        """Let go of the file; another line opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    # ---- rotation

    def _rotate(self, day: date) -> None:
        with self._alone() as alone:
            if not alone:
                return
            if self._is_current():
                number = 1 + max(
                    (int(part[2]) for part, _ in self._parts() if part[1] == self._day), default=0
                )
                self._path.rename(f"{self._path}.{self._day}.{number}")
            self._prune(day)
        self._open(day)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[bool]:
        lock = _open(self._path.parent / ".rotation", 0)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield True
        except BlockingIOError:
            yield False
        finally:
            os.close(lock)

    def _parts(self) -> list[tuple[re.Match[str], Path]]:
        """Return what was put aside: of this file and of the others in the folder."""
        found = ((_OLD.fullmatch(path.name), path) for path in self._path.parent.iterdir())
        return [(match, path) for match, path in found if match]

    def _prune(self, today: date) -> None:
        """Remove what is too old, then the oldest until all files of the folder fit."""
        first_day = str(today - timedelta(days=_DAYS - 1))
        parts = sorted(self._parts(), key=lambda part: (part[0][1], int(part[0][2])))
        room = _FOLDER_BYTES - _FILES * _FILE_BYTES
        total = sum(path.stat().st_size for _, path in parts)
        for match, path in parts:
            if match[1] < first_day or total > room:
                total -= path.stat().st_size
                path.unlink()


def _open(path: Path, flags: int) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags, _MODE)
    if os.fstat(fd).st_mode & 0o777 != _MODE:
        os.fchmod(fd, _MODE)
    return fd


class FileHandler(logging.Handler):
    """Logs to a `DailyFile`; while that fails it says so once, and tries again each minute."""

    def __init__(self, path: Path, tell: Callable[..., None]) -> None:
        """Write to `path`; `tell` logs an event with fields somewhere else."""
        super().__init__()
        self._path = path
        self._file = DailyFile(path)
        self._tell = tell
        self._lost = 0
        self._retry_at = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        if self._lost and time.monotonic() < self._retry_at:
            self._lost += 1
            return
        try:
            line = f"{self.format(record)}\n".encode()
            self._file.append(line, datetime.fromtimestamp(record.created, UTC).date())
        except OSError as error:
            self._failed(error)
        except Exception:  # noqa: BLE001 - as the standard's handlers do: a line that fails must not stop the bot
            self.handleError(record)
        else:
            self._worked()

    def _failed(self, error: OSError) -> None:
        self._retry_at = time.monotonic() + _RETRY_SECONDS
        self._lost += 1
        if self._lost == 1:
            self._tell("log_file_failed", path=str(self._path), error=error.strerror)

    def _worked(self) -> None:
        if self._lost:
            self._tell("log_file_back", path=str(self._path), lost=self._lost)
            self._lost = 0

    def close(self) -> None:
        """See `logging.Handler`."""
        self._file.close()
        super().close()
