"""Strategies: one file each, no I/O, found by their names.

A strategy is a module here that has

- `Parameters`: a frozen dataclass whose fields come from `bots.parameters`;
- `TYPES`: the market types that it trades, of "spot" and "derivative";
- `decide(view, parameters) -> Decision`: what should stand in the book now; same view, same answer;
- if it looks back: `HISTORY(parameters) -> int`, how many reference prices (about one a second) it wants.

Names with a leading underscore are what strategies share.
"""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from bots.parameters import rules

if TYPE_CHECKING:
    from collections.abc import Callable

    from bots.model import Decision, MarketView

__all__ = ["Strategy", "StrategyError", "find", "names"]

_TYPES = {"spot", "derivative"}


class StrategyError(Exception):
    """There is no such strategy, or its file does not keep to the contract; the message says which."""


class Decide(Protocol):
    """A strategy's decision."""

    def __call__(self, view: MarketView, parameters: Any) -> Decision:
        """Return what should stand in the book now."""


@dataclass(frozen=True)
class Strategy:
    """One strategy file."""

    name: str
    types: tuple[str, ...]
    parameters: type[Any]
    decide: Decide
    history: Callable[[Any], int]


def names() -> tuple[str, ...]:
    """Return the names of all strategies."""
    found = (module.name for module in pkgutil.iter_modules(__path__))
    return tuple(sorted(name for name in found if not name.startswith("_")))


def find(name: str) -> Strategy:
    """Load a strategy.

    Raises:
        StrategyError: no such strategy, or one whose file is wrong.
    """
    if name not in names():
        raise StrategyError(f"must be one of {', '.join(names())}")
    try:
        module = importlib.import_module(f"{__name__}.{name}")
    except Exception as error:  # a plug-in's file may fail in any way
        raise StrategyError(f"{name} cannot be loaded ({type(error).__name__}: {error})") from error
    for needed, complaint in _contract(module):
        if not needed:
            raise StrategyError(f"{name} is no strategy: its file {complaint}")
    history = getattr(module, "HISTORY", _none)
    return Strategy(name, tuple(module.TYPES), module.Parameters, module.decide, history)


def _contract(module: Any) -> list[tuple[bool, str]]:
    types = getattr(module, "TYPES", ())
    return [
        (callable(getattr(module, "decide", None)), "has no function decide(view, parameters)"),
        (
            _has_rules(getattr(module, "Parameters", None)),
            "has no dataclass Parameters whose fields have rules",
        ),
        (bool(types) and set(types) <= _TYPES, 'has no TYPES such as ("spot", "derivative")'),
    ]


def _has_rules(shape: Any) -> bool:
    if not isinstance(shape, type) or not dataclasses.is_dataclass(shape):
        return False
    try:
        rules(shape)
    except KeyError:
        return False
    return True


def _none(_parameters: object) -> int:
    return 0
