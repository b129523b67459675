"""Keys come in where no shell history, process list or screen keeps them: a prompt, stdin, a closed file."""

from __future__ import annotations

import os
import stat
import sys
from typing import TYPE_CHECKING

import click

from ops.errors import OpsError
from ops.keys import parse_key

if TYPE_CHECKING:
    from pathlib import Path

    from ops.secret import Secret

__all__ = ["ask_key", "read_key_file", "refuse_key_in_arguments"]

_LONGEST_KEY = 1000


def refuse_key_in_arguments(extra: tuple[str, ...]) -> None:
    """Refuse arguments that are too many: one may be a key.

    Raises:
        OpsError: there is one. Left to click, the refusal would print the argument once more.
    """
    if extra:
        raise OpsError(
            "Give only the wallet's name: the key is asked for, or read from stdin. If a key was typed "
            "there, this shell's history holds it now; delete it from there."
        )


def ask_key(whose: str) -> Secret:
    """Ask for a key on the terminal, else read it from stdin.

    Raises:
        OpsError: it is no key.
    """
    if sys.stdin.isatty():
        return parse_key(click.prompt(f"Private key of {whose} (not shown)", hide_input=True))
    return parse_key(sys.stdin.read(_LONGEST_KEY))


def read_key_file(path: Path) -> Secret:
    """Read a key from a file that nobody else may read.

    Raises:
        OpsError: it cannot be read, others may read it, or it holds no key.
    """
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            closed = stat.S_ISREG(mode) and not mode & (stat.S_IRWXG | stat.S_IRWXO)
            content = file.read(_LONGEST_KEY) if closed else b""
    except OSError as error:
        raise OpsError(
            f"{path} cannot be read ({error.strerror}); name the file with the owner's key."
        ) from None
    if not closed:
        raise OpsError(
            f"{path} must be a file that only its owner may read: chmod 600 it, and think of its key as "
            "known to whoever could read it until now."
        )
    return parse_key(content.decode("ascii", "replace"))
