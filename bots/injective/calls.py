"""SDK calls with a deadline; their exceptions end here."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc

from bots.model import ExchangeError

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["DEADLINE", "call", "grpc_text"]

DEADLINE = 5.0
"""Seconds; the SDK sets none."""


async def call(awaitable: Awaitable[Any], what: str) -> Any:
    """Await an SDK call with a deadline.

    Raises:
        ExchangeError: no answer in time, or an error of the connection or the chain.
    """
    try:
        # Not asyncio.wait_for: in Python 3.11 it can swallow a cancellation, and the bot would not stop.
        async with asyncio.timeout(DEADLINE):
            return await awaitable
    except TimeoutError as error:
        raise ExchangeError(f"{what}: no answer within {DEADLINE:.0f} s") from error
    except grpc.RpcError as error:
        raise ExchangeError(f"{what}: {grpc_text(error)}") from error
    except (ValueError, KeyError, TypeError, RuntimeError) as error:
        raise ExchangeError(f"{what}: {type(error).__name__}: {str(error)[:200]}") from error


def grpc_text(error: Any) -> str:
    """Return an RPC error in a few words."""
    return (
        f"{error.code().name}: {str(error.details())[:200]}"
        if hasattr(error, "code")
        else type(error).__name__
    )
