"""`python -m bots`: one trading bot.

Exit codes: 0 stopped and clean, 1 orders or unlogged fills may be left, 2 will not start.
"""

from __future__ import annotations

import signal
import sys

_asked: list[int] = []


def _note(number: int, _frame: object) -> None:
    _asked.append(number)


def main() -> int:
    """Run the bot; returns the exit code."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _note)
    # Imported late: the SDK takes a second or more to load, and a stop that comes meanwhile must not kill
    # the process: a predecessor's orders may stand in the book, and only a bot that starts takes them out.
    from bots.wiring import run  # noqa: PLC0415 - see above

    return run(_asked)


if __name__ == "__main__":
    sys.exit(main())
