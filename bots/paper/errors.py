"""The refusals of the venue, with the codes that the chain uses for them."""

from __future__ import annotations

__all__ = ["FaultError", "NotFoundError", "StartupError", "StateError", "VenueError"]


class VenueError(Exception):
    """A transaction or an order is refused.

    Codes: cosmos-sdk `types/errors` for the codespace `sdk`, injective-core `modules/exchange/types`
    for `exchange`.
    """

    def __init__(self, code: int, log: str, codespace: str = "exchange") -> None:
        super().__init__(log)
        self.code = code
        self.codespace = codespace


class NotFoundError(Exception):
    """A query asks for what does not exist: gRPC NOT_FOUND."""


class StartupError(Exception):
    """The venue cannot start; the message is the sentence for the person who started it."""


class StateError(Exception):
    """The state cannot be kept: the venue must stop rather than tell what it would forget."""


class FaultError(Exception):
    """A fault on demand is asked for in a way that means nothing; the message is the sentence to answer."""
