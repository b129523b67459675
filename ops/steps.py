"""What a person sees while drover works: one line a step, with elapsed time, and a sign of life."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Steps"]

_SIGN_OF_LIFE_SECONDS = 15.0


class Step:
    """A step under way; `done` says how it ended, `note` adds a line below it."""

    def __init__(self, log: Path) -> None:
        self.log = log
        """The file that holds all that the step's commands printed."""
        self.outcome = "ok"
        self.notes: list[str] = []

    def done(self, outcome: str) -> None:
        """Say in a few words what the step did or found."""
        self.outcome = outcome

    def note(self, line: str) -> None:
        """Say something more, on a line of its own."""
        self.notes.append(line)


class Steps:
    """Prints steps as they pass."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._started = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds since the first step."""
        return time.monotonic() - self._started

    @contextmanager
    def step(self, title: str, log: str) -> Iterator[Step]:
        """Run one step; its commands write to `<log>.log`."""
        step = Step(self._logs / f"{log}.log")
        began = time.monotonic()
        finished = threading.Event()
        pulse = threading.Thread(target=self._pulse, args=(title, began, finished, step.log), daemon=True)
        pulse.start()
        try:
            yield step
        except BaseException:
            self._end(finished, pulse)
            self._line("failed", title, f"after {time.monotonic() - began:.1f} s; log: {step.log}", "red")
            raise
        self._end(finished, pulse)
        self._line("ok", title, f"{step.outcome} ({time.monotonic() - began:.1f} s)", "green")
        for line in step.notes:
            click.echo(f"          {line}")

    def _line(self, mark: str, title: str, text: str, colour: str) -> None:
        clock = f"{int(self.elapsed) // 60:d}:{int(self.elapsed) % 60:02d}"
        click.echo(f"{clock:>6}  {click.style(f'{mark:<7}', fg=colour)}{title:<30} {text}")

    def _end(self, finished: threading.Event, pulse: threading.Thread) -> None:
        finished.set()
        pulse.join()
        if sys.stdout.isatty():
            click.echo("\r\033[K", nl=False)

    def _pulse(self, title: str, began: float, finished: threading.Event, log: Path) -> None:
        # On a terminal one line that counts; elsewhere a line now and then, so that a log stays short.
        terminal = sys.stdout.isatty()
        while not finished.wait(0.5 if terminal else _SIGN_OF_LIFE_SECONDS):
            passed = time.monotonic() - began
            if terminal:
                click.echo(f"\r\033[K        ...    {title:<30} {passed:.0f} s", nl=False)
            else:
                self._line("...", title, f"{passed:.0f} s so far; log: {log}", "yellow")
