"""Refusals of an operation that a bot's present state does not allow."""

from __future__ import annotations

from api.errors import DroverError

__all__ = [
    "BotAlreadyRunningError",
    "BotBusyError",
    "BotNotFoundError",
    "BotNotRunningError",
    "BotStillRunningError",
    "BotStoppingError",
    "LogsNotFoundError",
]


class BotNotFoundError(DroverError):
    """Neither Nomad nor the definitions know the bot."""

    code = "bot_not_found"
    status = 404
    title = "No such bot"

    def __init__(self, bot_id: object) -> None:
        super().__init__(f"There is no bot {bot_id}; GET /api/v1/bots lists those there are.")


class BotAlreadyRunningError(DroverError):
    """A second start."""

    code = "bot_already_running"
    status = 409
    title = "Bot is already started"

    def __init__(self, bot_id: object, phase: str) -> None:
        super().__init__(f"{bot_id} is already started ({phase}); stop it before you start it anew.")


class BotStoppingError(DroverError):
    """A start while the process of the last run may still trade."""

    code = "bot_stopping"
    status = 409
    title = "Bot is still stopping"

    def __init__(self, bot_id: object) -> None:
        super().__init__(
            f"{bot_id} is still stopping and cancels its orders; try again when it shows stopped, "
            "within about half a minute."
        )


class BotNotRunningError(DroverError):
    """A restart of a bot that has nothing to restart."""

    code = "bot_not_running"
    status = 409
    title = "Bot is not running"

    def __init__(self, bot_id: object) -> None:
        super().__init__(f"{bot_id} is not running; start it instead.")


class BotStillRunningError(DroverError):
    """A delete of a bot that is started."""

    code = "bot_still_running"
    status = 409
    title = "Bot is still running"

    def __init__(self, bot_id: object) -> None:
        super().__init__(f"{bot_id} is still running; stop it, and delete it when it shows stopped.")


class BotBusyError(DroverError):
    """Another operation on the same bot is under way."""

    code = "bot_busy"
    status = 409
    title = "Another operation is under way"

    def __init__(self, bot_id: object) -> None:
        super().__init__(f"Somebody else is starting or stopping {bot_id} right now; try again in a moment.")


class LogsNotFoundError(DroverError):
    """There is no log to show."""

    code = "logs_not_found"
    status = 404
    title = "No logs"

    def __init__(self, bot_id: object) -> None:
        super().__init__(
            f"Nomad holds no log of {bot_id}; it has not run lately, or has written nothing yet."
        )
