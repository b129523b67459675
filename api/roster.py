"""Which bots there are: definitions joined with the board. From memory; asks nobody per view."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from api.errors_bot import BotNotFoundError
from api.errors_choice import InvalidBotIdError
from api.models import Bot, BotId, Definition, Network, Phase

if TYPE_CHECKING:
    from api.status import StatusBoard
    from api.store import Store

__all__ = ["Roster", "job_network", "stopped"]


class Roster:
    """All bots: those defined, and those that Nomad runs without a definition."""

    def __init__(self, board: StatusBoard, store: Store) -> None:
        self._board, self._store = board, store
        self._definitions: dict[str, Definition] = {}

    async def refresh(self) -> None:
        """Read the definitions anew; the old ones stay when Postgres is away.

        Raises:
            StoreUnavailableError: Postgres is away.
        """
        self._definitions = {str(item.spec.id): item for item in await self._store.definitions()}

    def definition(self, bot_id: BotId) -> Definition | None:
        """Return what people decided about a bot; None when it is not, or no longer, defined."""
        return self._definitions.get(str(bot_id))

    def bots(self) -> list[Bot]:
        """Return all bots by id."""
        running = {name for name in self._board.job_ids() if not stopped(self._board.job(name))}
        found = {bot.id: bot for name in running | self._definitions.keys() if (bot := self._bot(name))}
        return [found[key] for key in sorted(found)]

    def bot(self, bot_id: BotId) -> Bot:
        """Return one bot.

        Raises:
            BotNotFoundError: neither defined nor known to Nomad.
        """
        name = str(bot_id)
        known = name in self._definitions or self._board.job(name) is not None
        bot = self._bot(name) if known else None
        if bot is None:
            raise BotNotFoundError(bot_id)
        return bot

    def phase(self, bot_id: BotId) -> Phase:
        """Return the bot's phase; stopped for one that nobody knows."""
        return self._board.verdict(str(bot_id)).phase

    def note(self, bot_id: BotId, index: int, *, stop: bool, network: Network) -> None:
        """Tell the board what Nomad has just accepted, so that the answer is true before the event comes."""
        meta = {"drover_network": network.value}
        self._board.note_job({"ID": str(bot_id), "Stop": stop, "ModifyIndex": index, "Meta": meta})

    async def announce(self) -> None:
        """Wake all who wait for a change."""
        await self._board.announce()

    def _bot(self, name: str) -> Bot | None:
        """Join definition and verdict; None for a job whose id is no bot id (an operator's own)."""
        definition, job = self._definitions.get(name), self._board.job(name)
        with suppress(InvalidBotIdError):
            verdict = self._board.verdict(name)
            lost = self._board.loaded and job is None and definition and definition.desired == "running"
            return Bot(
                id=BotId.parse(name),
                network=definition.spec.network if definition else job_network(job),
                phase=verdict.phase,
                reason="Nomad no longer has its job; start it again" if lost else verdict.reason,
                allocation_id=verdict.allocation_id,
                started_at=verdict.started_at,
                restarts=verdict.restarts,
            )
        return None


def stopped(job: dict[str, Any] | None) -> bool:
    """Tell whether Nomad is not meant to run the job: none there, or deregistered."""
    return job is None or bool(job.get("Stop"))


def job_network(job: dict[str, Any] | None) -> Network:
    """Read a job's network from its meta; paper when it says none."""
    name = ((job or {}).get("Meta") or {}).get("drover_network")
    return Network(name) if name in set(Network) else Network.PAPER
