"""Where fair prices come from: a seeded process, or a recorded file. Pure but for reading the file.

A recording is a CSV file with the header `seconds,symbol,price`: seconds since its beginning (never going
back), a token's symbol such as INJ, and its price in USDT. A price holds until the next one of its symbol. At
the end of the file it begins again, after as long a pause as lay between its last two times. It stands still
while the venue does. Symbols that it does not name follow the seeded process.
"""

from __future__ import annotations

import bisect
import csv
import math
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Protocol

from bots.paper.errors import StartupError

if TYPE_CHECKING:
    import random
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["Prices", "Recording", "Wandering", "read_recordings"]

_STEP = 0.0003
_PULL = 0.002
_HEADER = ["seconds", "symbol", "price"]


class Prices(Protocol):
    """The fair price of one token over time."""

    kind: str
    """Which source it is: what it remembers means nothing to another."""
    state: float
    """All that a restart must know."""

    def step(self, seconds: float) -> None:
        """Move on by one block."""

    @property
    def price(self) -> Decimal:
        """The price now."""


class Wandering:
    """A log price that wanders and is pulled back to where it began; each block is one step."""

    kind = "wandering"

    def __init__(self, start: Decimal, rng: random.Random) -> None:
        self._start = math.log(float(start))
        self.state = self._start
        """The logarithm of the price."""
        self._rng = rng

    def step(self, seconds: float) -> None:  # noqa: ARG002 - a step is a block, however long it took
        """Move one block on."""
        self.state += self._rng.gauss(0, _STEP) + _PULL * (self._start - self.state)

    @property
    def price(self) -> Decimal:
        """The price now."""
        return Decimal(str(math.exp(self.state)))


class Recording:
    """Recorded prices, again from the beginning after the last one."""

    kind = "recording"

    def __init__(self, points: list[tuple[float, Decimal]], length: float) -> None:
        self._times = [seconds for seconds, _ in points]
        self._prices = [price for _, price in points]
        self._length = length
        self.state = 0.0
        """Seconds since the beginning."""

    def step(self, seconds: float) -> None:
        """Move on by the time that the block took."""
        self.state = (self.state + seconds) % self._length

    @property
    def price(self) -> Decimal:
        """The last price before now; before the first one of its symbol, that one."""
        return self._prices[max(bisect.bisect_right(self._times, self.state) - 1, 0)]


def read_recordings(path: Path) -> dict[str, Recording]:
    """Read a recording, by symbol.

    Raises:
        StartupError: it is no such file; says which line is wrong.
    """
    try:
        with path.open(newline="") as file:
            points = list(_points(path, csv.reader(file)))
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"PAPER_PRICES {path} cannot be read ({error}).") from error
    if not points:
        raise StartupError(f"{path} holds no prices.")
    times = sorted({seconds for seconds, _, _ in points})
    length = times[-1] + (times[-1] - times[-2] if len(times) > 1 else 1)
    by_symbol: dict[str, list[tuple[float, Decimal]]] = {}
    for seconds, symbol, price in points:
        by_symbol.setdefault(symbol, []).append((seconds, price))
    return {symbol: Recording(some, length) for symbol, some in by_symbol.items()}


def _points(path: Path, lines: Iterable[list[str]]) -> Iterable[tuple[float, str, Decimal]]:
    before = 0.0
    for number, line in enumerate(lines, 1):
        if number == 1:
            if line != _HEADER:
                raise StartupError(f"{path}, line 1: the header must be {','.join(_HEADER)}.")
            continue
        seconds, symbol, price = _point(path, number, line)
        if seconds < before:
            raise StartupError(f"{path}, line {number}: {seconds} s is before the line above.")
        before = seconds
        yield seconds, symbol, price


def _point(path: Path, number: int, line: list[str]) -> tuple[float, str, Decimal]:
    wrong = StartupError(
        f"{path}, line {number}: write seconds from 0 on, a symbol and a price above 0, as in 1,INJ,12.5."
    )
    try:
        seconds, symbol, price = float(line[0]), line[1], Decimal(line[2])
    except (ValueError, IndexError, InvalidOperation) as error:
        raise wrong from error
    if len(line) != len(_HEADER) or not (math.isfinite(seconds) and seconds >= 0) or not symbol:
        raise wrong
    if not price.is_finite() or price <= 0:
        raise wrong
    return seconds, symbol, price
