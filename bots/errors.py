"""Why a bot does not start."""

from __future__ import annotations

__all__ = ["SettingsError"]


class SettingsError(Exception):
    """The bot must not start; the message is one sentence that says what to do."""
