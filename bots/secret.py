"""A value that never shows in a log, a traceback or a dump."""

from __future__ import annotations

__all__ = ["Secret"]


class Secret:
    """Holds a secret text; every way to print it gives `***`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the secret, for the one call that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __reduce__(self) -> str:
        raise TypeError("a secret is not copied or pickled")
