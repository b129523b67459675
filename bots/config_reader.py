"""Strict reading of a JSON file: every refusal names the file and the place in it."""

from __future__ import annotations

import dataclasses
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["ConfigError", "Reader"]


class ConfigError(Exception):
    """A configuration file is wrong; the message names the file and the place in it."""


class Reader:
    """One JSON file, and errors that say where in it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            text = path.read_text(encoding="utf-8")
            self.document = json.loads(text, parse_float=Decimal, object_pairs_hook=self._no_duplicates)
        except OSError as error:
            raise ConfigError(f"{path}: cannot be read ({error.strerror}).") from error
        except ValueError as error:
            raise ConfigError(f"{path}: is no JSON ({error}).") from error

    def _no_duplicates(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        repeated = {name for name in names if names.count(name) > 1}
        if repeated:
            raise self.error(min(repeated), "stands there twice")
        return dict(pairs)

    def error(self, place: str, problem: str) -> ConfigError:
        """Return the error to raise for a place in the file."""
        return ConfigError(f"{self._path}: {place} {problem}.")

    def table(self, value: Any, place: str, keys: set[str] | None) -> dict[str, Any]:
        """Return an object that has exactly `keys` (any, when None)."""
        if not isinstance(value, dict):
            raise self.error(place, "must be an object {…}")
        if keys is None:
            return value
        for unknown in sorted(set(value) - keys):
            raise self.error(f"{place}.{unknown}", f"is unknown; known are {', '.join(sorted(keys))}")
        for missing in sorted(keys - set(value)):
            raise self.error(f"{place}.{missing}", "is missing")
        return value

    def numbers(self, kind: Any, value: Any, place: str, ranges: Mapping[str, tuple[str, str]]) -> Any:
        """Read a dataclass of numbers, each within its range; `ranges` are lowest and highest by field."""
        fields = {field.name: field.type for field in dataclasses.fields(kind)}
        entry = self.table(value, place, set(fields))
        numbers = {
            name: self._number(entry[name], f"{place}.{name}", ranges[name], whole=type_ == "int")
            for name, type_ in fields.items()
        }
        return kind(**numbers)

    def _number(self, value: Any, place: str, limits: tuple[str, str], *, whole: bool) -> Decimal | int:
        low, high = limits
        if isinstance(value, bool) or not isinstance(value, int if whole else int | Decimal):
            raise self.error(place, "must be a whole number" if whole else "must be a number")
        if not Decimal(low) <= value <= Decimal(high):
            raise self.error(place, f"is {value}, outside of {low} to {high}")
        return value if whole else Decimal(value)
