"""Is the bot well, or should Nomad start it again? Pure."""

from __future__ import annotations

from typing import NamedTuple

from bots.permission import TradingState

__all__ = ["Health", "judge_health"]

_STREAM_SECONDS = 30.0
_HEARTBEAT_SECONDS = 10.0
_NEEDS_STREAM = frozenset({TradingState.STARTING, TradingState.TRADING, TradingState.PAUSED})
"""The others wait for somebody, or are on their way out: a new process would only do the same again."""


class Health(NamedTuple):
    """The answer to Nomad's check."""

    healthy: bool
    reason: str
    """One clause; empty when healthy."""


def judge_health(state: TradingState, stream_age: float, heartbeat_age: float) -> Health:
    """Return whether the bot is well.

    Args:
        state: what the bot says it does.
        stream_age: seconds since the last block; since the process began before the first.
        heartbeat_age: seconds since the bot's own loop last turned.
    """
    if heartbeat_age > _HEARTBEAT_SECONDS:
        return Health(healthy=False, reason=f"the bot's loop has not turned for {heartbeat_age:.0f} s")
    if state in _NEEDS_STREAM and stream_age > _STREAM_SECONDS:
        return Health(healthy=False, reason=f"no block for {stream_age:.0f} s")
    return Health(healthy=True, reason="")
