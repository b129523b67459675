"""Faults on demand: what tests ask the venue to do wrong. Nothing of it happens unless somebody asked."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from bots import addresses
from bots.paper.errors import FaultError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["KINDS", "Fault", "Faults", "parse"]

_DAY = 86_400
_MOST = 1_000_000
_LONGEST_DELAY = 600_000

KINDS: dict[str, tuple[frozenset[str], frozenset[str]]] = {
    kind: (frozenset(required.split()), frozenset(optional.split()))
    for kind, required, optional in (
        ("freeze_stream", "seconds", ""),
        ("freeze_reference", "seconds", ""),
        ("lose_blocks", "count", ""),
        ("drop_connections", "", "seconds"),
        ("halt_blocks", "seconds", ""),
        ("reject", "code", "codespace at count seconds signer"),
        ("delay", "ms", "methods count seconds"),
        ("lose_answers", "", "answer count seconds signer"),
    )
}
"""Parameters that a kind needs, and those that it may have."""


@dataclass
class Fault:
    """One fault that somebody asked for."""

    id: int
    kind: str
    ends: float | None
    """On the monotonic clock; None is until it is deleted or used up."""
    left: int | None
    """How many more times it happens; None is any number."""
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def plain(self, now: float) -> dict[str, Any]:
        """Return it as JSON, with what is left of it."""
        ends = None if self.ends is None else round(max(self.ends - now, 0), 3)
        return {
            **self.parameters,
            "id": self.id,
            "kind": self.kind,
            "seconds_left": ends,
            "count_left": self.left,
        }


class Faults:
    """The faults that are on."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._all: list[Fault] = []
        self._number = 0

    def add(self, asked: Mapping[str, Any]) -> Fault:
        """Begin what `parse` read."""
        self._number += 1
        seconds = asked.get("seconds")
        ends = None if seconds is None else self._clock() + seconds
        parameters = {k: v for k, v in asked.items() if k not in {"kind", "seconds", "count"}}
        fault = Fault(self._number, asked["kind"], ends, asked.get("count"), parameters)
        self._all.append(fault)
        return fault

    def clear(self) -> None:
        """End all of them."""
        self._all.clear()

    def plain(self) -> list[dict[str, Any]]:
        """Return those that are on as JSON."""
        return [fault.plain(self._clock()) for fault in self._live()]

    def _live(self) -> list[Fault]:
        now = self._clock()
        self._all = [f for f in self._all if (f.ends is None or f.ends > now) and f.left != 0]
        return list(self._all)

    def on(self, kind: str) -> bool:
        """Return whether a fault of this kind is on, without using it up."""
        return any(fault.kind == kind for fault in self._live())

    def take(self, kind: str, **about: str) -> Fault | None:
        """Return the first fault of this kind that concerns what it is about, and count it as used once.

        Args:
            kind: one of `KINDS`.
            about: `signer`, `at` and `method` of what could go wrong now.
        """
        for fault in self._live():
            if fault.kind == kind and _concerns(fault.parameters, about):
                if fault.left is not None:
                    fault.left -= 1
                return fault
        return None


def _concerns(parameters: Mapping[str, Any], about: Mapping[str, str]) -> bool:
    methods = parameters.get("methods", ())
    return (
        (not methods or about.get("method") in methods)
        and parameters.get("signer", about.get("signer")) == about.get("signer")
        and parameters.get("at", about.get("at")) == about.get("at")
    )


def parse(body: Any, methods: frozenset[str]) -> dict[str, Any]:
    """Read what `POST /faults` sends; `methods` are the RPCs that can be delayed.

    Raises:
        FaultError: a sentence that says what is wrong.
    """
    if not isinstance(body, dict):
        raise FaultError('Send a JSON object such as {"kind": "halt_blocks", "seconds": 5}.')
    kind = body.get("kind")
    if kind not in KINDS:
        raise FaultError(f"kind is {_shown(kind)}; take one of {', '.join(KINDS)}.")
    required, optional = KINDS[kind]
    given = body.keys() - {"kind"}
    if unknown := given - required - optional:
        known = ", ".join(sorted(required | optional))
        raise FaultError(f"{kind} has no parameter {_shown(min(unknown))}; it has {known}.")
    if missing := required - given:
        raise FaultError(f"{kind} needs {', '.join(sorted(missing))}.")
    asked = {"kind": kind, **{name: _value(name, body[name], methods) for name in given}}
    return {"at": "check", "codespace": "sdk", **asked} if kind == "reject" else asked


def _value(name: str, value: Any, methods: frozenset[str]) -> Any:
    good, wanted = {
        "seconds": (_number(value, _DAY), f"a number above 0, at most {_DAY}"),
        "count": (_whole(value, _MOST), f"a whole number from 1 to {_MOST}"),
        "ms": (_whole(value, _LONGEST_DELAY), f"a whole number from 1 to {_LONGEST_DELAY}"),
        "code": (_whole(value, _MOST), f"a whole number from 1 to {_MOST}"),
        "codespace": (isinstance(value, str) and value.isalnum(), "a word such as sdk or exchange"),
        "at": (value in ("check", "deliver"), "check or deliver"),
        "answer": (value in ("unavailable", "never"), "unavailable or never"),
        "signer": (isinstance(value, str) and addresses.is_address(value), "an address, inj1…"),
        "methods": (_are(value, methods), "a list of served RPC names such as BroadcastTx"),
    }[name]
    if not good:
        raise FaultError(f"{name} is {_shown(value)}; write {wanted}.")
    return value


def _number(value: Any, most: float) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= most


def _whole(value: Any, most: int) -> bool:
    return isinstance(value, int) and _number(value, most)


def _are(value: Any, known: frozenset[str]) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(v, str) and v in known for v in value)


def _shown(value: Any) -> str:
    return repr(value)[:60]
