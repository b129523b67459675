"""A text that does not print itself: keys, passwords and tokens on their way through the drover command."""

from __future__ import annotations

import hmac

__all__ = ["Secret"]


class Secret:
    """Holds a text; only `reveal` gives it out: a log line, a traceback or an f-string shows `***`."""

    __slots__ = ("__value",)

    def __init__(self, value: str) -> None:
        self.__value = value

    def reveal(self) -> str:
        """Return the text itself, for the one place that must send it."""
        return self.__value

    def __repr__(self) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value.encode(), other.reveal().encode())

    __hash__ = None  # type: ignore[assignment]  # a hash of a secret in a set or a dict would outlive it

    def __reduce__(self) -> str:
        raise TypeError("A secret is not written to a file or a pipe.")
