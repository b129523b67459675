"""Strict reading of a JSON file: every refusal names the file and the place in it, and all are collected."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any

from bots.parameters import rules

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from bots.parameters import Rule

__all__ = ["ConfigError", "Reader"]

_LONGEST_NAME = 100


class ConfigError(Exception):
    """A configuration file is wrong; each of `problems` is a sentence with the file and the place in it."""

    def __init__(self, problems: Sequence[str]) -> None:
        more = len(problems) - 1
        tail = f" There is more ({more}): `drover config check` lists all." if more else ""
        super().__init__(problems[0] + tail)
        self.problems = tuple(problems)


class _Object(dict[str, Any]):
    """A JSON object that remembers which names stand in it twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        names = [name for name, _ in pairs]
        self.repeated = sorted({name for name in names if names.count(name) > 1})


class Reader:
    """One JSON file and what is wrong in it; `finish` raises when that is anything."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._problems: list[str] = []
        try:
            self.document = json.loads(
                path.read_text(encoding="utf-8"),
                parse_float=_decimal,
                parse_constant=_no_number,
                object_pairs_hook=_Object,
            )
            self._look_for_repeated(self.document, "$")
        except OSError as error:
            raise ConfigError([f"{path}: cannot be read ({error.strerror})."]) from error
        except ValueError as error:
            raise ConfigError([f"{path}: is no JSON ({error})."]) from error
        except RecursionError as error:
            raise ConfigError([f"{path}: is nested too deep for a configuration."]) from error

    def wrong(self, place: str, problem: str) -> None:
        """Note what is wrong at a place in the file."""
        self._problems.append(f"{self._path}: {place} {problem}.")

    def finish(self) -> None:
        """End the reading.

        Raises:
            ConfigError: with everything that was wrong.
        """
        if self._problems:
            raise ConfigError(self._problems)

    def table(self, value: Any, place: str) -> dict[str, Any]:
        """Return an object; an empty one when it is none, which is noted."""
        if isinstance(value, dict):
            return value
        self.wrong(place, "must be an object {…}")
        return {}

    def exact(self, value: Any, place: str, keys: Collection[str]) -> dict[str, Any]:
        """Return an object's known entries; unknown and missing ones are noted."""
        table = self.table(value, place)
        for name in sorted(set(table) - set(keys)):
            self.wrong(within(place, name), f"is unknown; known are {', '.join(sorted(keys))}")
        if isinstance(value, dict):
            for name in sorted(set(keys) - set(table)):
                self.wrong(within(place, name), "is missing")
        return {name: table[name] for name in keys if name in table}

    def value(self, rule: Rule, value: Any, place: str, kind: str) -> Any:
        """Return a setting's value; None when its rule refuses it, which is noted."""
        try:
            return rule.read(value, kind)
        except ValueError as error:
            self.wrong(place, str(error))
            return None

    def settings(self, shape: Any, value: Any, place: str, kind: str) -> Any:
        """Return a dataclass of settings; None when anything in it is wrong, which is noted."""
        before, known = len(self._problems), rules(shape)
        entry = self.exact(value, place, known)
        read = {name: self.value(known[name], entry[name], within(place, name), kind) for name in entry}
        return shape(**read) if len(self._problems) == before else None

    def _look_for_repeated(self, value: Any, place: str) -> None:
        if isinstance(value, _Object):
            for name in value.repeated:
                self.wrong(within(place, name), "stands there twice")
            for name, inner in value.items():
                self._look_for_repeated(inner, within(place, name))


def within(place: str, name: str) -> str:
    """Return the place of a name in an object; a name from the file may hold anything."""
    shown = name if name.isprintable() and len(name) <= _LONGEST_NAME else ascii(name[:_LONGEST_NAME])
    return shown if place == "$" else f"{place}.{shown}"


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise ValueError(f"the number {text[:40]} is too large") from None


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number")
