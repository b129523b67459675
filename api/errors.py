"""One class per refusal: a stable code, an HTTP status, and a sentence that says what to do."""

from __future__ import annotations

__all__ = ["DroverError", "InvalidBotIdError", "RenderError"]


class DroverError(Exception):
    """A refusal that a person reads. Subclasses set the code and the status."""

    code = "internal_error"
    status = 500
    title = "Something went wrong"


class InvalidBotIdError(DroverError):
    """The text is not a bot id."""

    code = "invalid_bot_id"
    status = 422
    title = "Not a bot id"

    def __init__(self, text: str) -> None:
        super().__init__(
            f"{text[:80]!r} is not a bot id; write <wallet>.<market>.<type>, such as wallet-1.inj-usdt.spot."
        )


class RenderError(DroverError):
    """A value cannot stand in a job specification."""

    code = "unrenderable_value"
    status = 422
    title = "Value cannot be used in a job"
