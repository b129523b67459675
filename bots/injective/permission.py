"""Reads on the chain what an account has granted to the key that trades for it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc

from bots import grants
from bots.injective.calls import DEADLINE, grpc_text
from bots.model import ExchangeError

if TYPE_CHECKING:
    from bots.grants import Grant

__all__ = ["NotGrantedError", "batch_grant"]


class NotGrantedError(ExchangeError):
    """The account did not allow this key to trade for it, or not this market or subaccount."""


async def batch_grant(client: Any, granter: str, grantee: str) -> Grant | None:
    """Return what `granter` granted `grantee` for the message that a bot sends; None is nothing.

    Raises:
        ExchangeError: not reachable, or an answer that cannot be read.
    """
    try:
        async with asyncio.timeout(DEADLINE):
            answer = await client.fetch_grants(granter, grantee, msg_type_url=grants.BATCH)
        entries = answer.get("grants", [])
        return grants.read(entries[0]) if entries else None
    except TimeoutError as error:
        raise ExchangeError("grants: no answer in time") from error
    except grpc.RpcError as error:
        # The status of this error differs between versions of cosmos-sdk; its words tell it from the others.
        if "authorization" in str(error.details()):
            return None
        raise ExchangeError(f"grants: {grpc_text(error)}") from error
    except (KeyError, ValueError, TypeError) as error:
        raise ExchangeError(f"grants: {type(error).__name__}: {str(error)[:200]}") from error
