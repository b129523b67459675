"""What a setting may be, said once beside it: reader, JSON Schema and `drover config` take it from here.

A field of a frozen dataclass gets its rule by `number`, `whole`, `choice` or `flag`:

    half_spread_bps: Decimal = number("0.1", "1000", "Distance of the first quote from the centre.")
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

__all__ = ["Choice", "Rule", "choice", "flag", "number", "rules", "whole"]

_RULE = "rule"


class Rule(Protocol):
    """What values a setting takes in a market type (spot or derivative)."""

    @property
    def text(self) -> str:
        """One line for the person who sets it."""

    def read(self, value: Any, kind: str) -> Any:
        """Return the value to use.

        Raises:
            ValueError: the value is refused; the words follow the setting's name in a sentence.
        """

    def schema(self, kind: str) -> dict[str, Any]:
        """Return the same rule as JSON Schema (draft 2020-12)."""


@dataclass(frozen=True)
class _Number:
    text: str
    low: Decimal
    high: Decimal
    integral: bool
    fixed: dict[str, Decimal]

    def read(self, value: Any, kind: str) -> Decimal | int:
        word = "a whole number" if self.integral else "a number"
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise ValueError(f"must be {word}")  # noqa: TRY004 - the caller reports one kind of refusal
        if self.integral and value != int(value):
            raise ValueError(f"must be {word}")
        if value != self.fixed.get(kind, value):
            raise ValueError(f"is {value}; in a {kind} market it must be {self.fixed[kind]}")
        if not self.low <= value <= self.high:
            raise ValueError(f"is {value}, outside of {self.low} to {self.high}")
        return int(value) if self.integral else Decimal(value)

    def schema(self, kind: str) -> dict[str, Any]:
        limits = {"minimum": _plain(self.low), "maximum": _plain(self.high)}
        if kind in self.fixed:
            limits = {"const": _plain(self.fixed[kind])}
        return {"type": "integer" if self.integral else "number", **limits, "description": self.text}


@dataclass(frozen=True)
class Choice:
    """One of some words."""

    text: str
    options: tuple[str, ...]

    def read(self, value: Any, kind: str) -> str:  # noqa: ARG002 - the rule's interface
        """See `Rule`."""
        if not isinstance(value, str) or value not in self.options:
            raise ValueError(f"must be one of {', '.join(self.options)}")
        return value

    def schema(self, kind: str) -> dict[str, Any]:  # noqa: ARG002 - the rule's interface
        """See `Rule`."""
        return {"enum": list(self.options), "description": self.text}


@dataclass(frozen=True)
class _Flag:
    text: str

    def read(self, value: Any, kind: str) -> bool:  # noqa: ARG002 - the rule's interface
        if not isinstance(value, bool):
            raise ValueError("must be true or false")  # noqa: TRY004 - the caller reports one kind of refusal
        return value

    def schema(self, kind: str) -> dict[str, Any]:  # noqa: ARG002 - the rule's interface
        return {"type": "boolean", "description": self.text}


def number(low: str, high: str, text: str, **fixed: str) -> Any:
    """Return a field of a `Decimal` from `low` to `high`; `fixed` is its only value in a market type."""
    only = {kind: Decimal(value) for kind, value in fixed.items()}
    return _field(_Number(text, Decimal(low), Decimal(high), integral=False, fixed=only))


def whole(low: int, high: int, text: str) -> Any:
    """Return a dataclass field of an `int` from `low` to `high`."""
    return _field(_Number(text, Decimal(low), Decimal(high), integral=True, fixed={}))


def choice(options: tuple[str, ...], text: str) -> Any:
    """Return a dataclass field of a `str` that is one of `options`."""
    return _field(Choice(text, options))


def flag(text: str) -> Any:
    """Return a dataclass field of a `bool`."""
    return _field(_Flag(text))


def rules(kind: type) -> dict[str, Rule]:
    """Return the rules of a dataclass by field.

    Raises:
        KeyError: a field without a rule.
    """
    return {field.name: field.metadata[_RULE] for field in dataclasses.fields(kind)}


def _field(rule: Rule) -> Any:
    return dataclasses.field(metadata={_RULE: rule})


def _plain(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)
