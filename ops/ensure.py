"""Compare what is there with what is wanted, write only the difference, say one line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Report", "ensure", "same"]


class Report:
    """Says one line per thing."""

    def __init__(self, say: Callable[[str], object]) -> None:
        """Pass every line to `say`."""
        self.say = say

    def changed(self, what: str, how: str) -> None:
        """Say that a thing was made, repaired or removed."""
        self.say(f"{what}: {how}")

    def unchanged(self, what: str) -> None:
        """Say that a thing is as it should be."""
        self.say(f"{what}: unchanged")


def ensure(
    what: str,
    present: Mapping[str, Any] | None,
    wanted: Mapping[str, Any],
    write: Callable[[], object],
    report: Report,
) -> None:
    """Call `write` unless everything in `wanted` is already `present`.

    Raises:
        OpsError: the write is refused.
    """
    if present is not None and same(present, wanted):
        report.unchanged(what)
        return
    write()
    report.changed(what, "made" if present is None else "set right")


def same(present: Any, wanted: Any) -> bool:
    """Whether `present` holds what `wanted` says: mappings by the wanted keys, lists in any order.

    Both servers answer with more fields than were written, and give lists back in an order of their own.
    """
    if isinstance(wanted, dict):
        return isinstance(present, dict) and all(
            same(present.get(key), value) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return sorted(map(str, present or [])) == sorted(map(str, wanted))
    if wanted in ("", 0, False) and present is None:
        return True
    return bool(present == wanted)
