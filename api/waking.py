"""A process that died took none of its orders out of the book; its next one, told to stop at once, does."""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING

from api.phases import died, runs

if TYPE_CHECKING:
    from api.models import BotId
    from api.nomad_client import NomadClient

__all__ = ["wake"]

log = logging.getLogger(__name__)

_SECONDS = 8.0
"""How long a stop waits for the process; Nomad places it within a second, where there is room."""
_POLL_SECONDS = 0.2


async def wake(nomad: NomadClient, bot_id: BotId) -> None:
    """Start a dead bot's next process now, when it has one coming; to be called before its job is stopped.

    Nomad would wait a while before it starts the next one, and starts none once the job is stopped.

    Raises:
        DroverError: Nomad does not answer or refuses.
    """
    dead = [item for item in await nomad.allocations_of(bot_id) if died(item)]
    if not dead:
        return
    log.info("woken to be stopped", extra={"bot": str(bot_id)})
    await nomad.stop_allocation(max(dead, key=lambda item: item["CreateIndex"])["ID"])
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end:
        if any(runs(item) for item in await nomad.allocations_of(bot_id)):
            return
        await asyncio.sleep(_POLL_SECONDS)
    log.warning("stopped without a process: look for open orders at the venue", extra={"bot": str(bot_id)})
