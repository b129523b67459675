"""Start, stop, restart, plan, delete: every decision about bots. Clients do as they are told."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from api.bot_locks import BotLocks
from api.errors import DroverError, StoreUnavailableError
from api.errors_bot import (
    BotAlreadyRunningError,
    BotBusyError,
    BotNotFoundError,
    BotNotRunningError,
    BotStillRunningError,
    BotStoppingError,
    LogsNotFoundError,
)
from api.render import render_bot, template_hash
from api.roster import job_network, stopped
from api.store import RenderedVersion
from api.waking import wake

if TYPE_CHECKING:
    from api.audit import Actor, Audit
    from api.choice import Catalog
    from api.models import Bot, BotId, BotSpec
    from api.nomad_client import NomadClient
    from api.render import JobSettings
    from api.roster import Roster
    from api.store import Store

__all__ = ["Fleet", "Plan"]

log = logging.getLogger(__name__)

_ALIVE = {"pending", "running", "unknown"}
_LOG_LINE = 400
"""Bytes to fetch per line of log that is asked for."""


@dataclass(frozen=True)
class Plan:
    """What a start would do; nothing is submitted."""

    bot: BotId
    hcl: str
    diff: dict[str, Any]
    warnings: str
    placement: dict[str, Any]
    """Nomad's FailedTGAllocs: why it would find no room; empty when it would."""


@dataclass
class Fleet:
    """All operations on bots; one at a time per bot, across processes by a lock in Postgres."""

    nomad: NomadClient
    store: Store
    roster: Roster
    catalog: Catalog
    audit: Audit
    job: JobSettings

    def __post_init__(self) -> None:
        self._locks = BotLocks(self.store)
        self._owed: set[BotId] = set()
        """Bots that were stopped while the database was away: it still says that they should run."""

    async def create(  # noqa: PLR0913 - the request's fields, by name
        self,
        actor: Actor,
        *,
        wallet: str,
        market: str,
        kind: str,
        network: str | None,
        confirmed: bool = False,
    ) -> Bot:
        """Define a bot, if it is not yet, and start it.

        Raises:
            DroverError: the choice is wrong, the bot is started already, or an engine is away.
        """
        asked = {"wallet": wallet, "market": market, "type": kind, "network": network}
        async with self.audit.action(actor, "start", None, **asked) as entry:
            spec = await self.catalog.choose(wallet, market, kind, network)
            entry["bot_id"] = str(spec.id)
            self.catalog.allow(spec, confirmed=confirmed)
            return await self._start(actor, spec)

    async def start(self, actor: Actor, bot_id: BotId, *, confirmed: bool = False) -> Bot:
        """Start a stopped bot again as it was defined. Raises as `create`."""
        async with self.audit.action(actor, "start", bot_id):
            await self.roster.refresh()
            definition = self.roster.definition(bot_id)
            if definition is None:
                raise BotNotFoundError(bot_id)
            spec = definition.spec
            await self.catalog.choose(bot_id.wallet, bot_id.market, bot_id.type, spec.network)
            self.catalog.allow(spec, confirmed=confirmed)
            return await self._start(actor, spec)

    async def _start(self, actor: Actor, spec: BotSpec) -> Bot:
        async with self._locks.hold(spec.id):
            await self._must_be_free(spec.id)
            hcl = render_bot(spec, self.job)
            job = await self.nomad.parse(hcl)
            await self._look_ahead(spec.id, job)
            rendered = RenderedVersion(spec, template_hash(), self.job.bot_image, hcl)
            await self.store.save_start(rendered, actor.user)
            self._owed.discard(spec.id)
            try:
                index = await self.nomad.register(job, hcl)
            except DroverError:
                await self._roll_back(spec.id)
                raise
            self.roster.note(spec.id, index, stop=False, network=spec.network)
        await self._tell()
        return self.roster.bot(spec.id)

    async def _must_be_free(self, bot_id: BotId) -> None:
        """Ask Nomad itself: memory may lag, and a second process of one bot would trade twice."""
        if not stopped(await self.nomad.read_job(bot_id)):
            raise BotAlreadyRunningError(bot_id, self.roster.phase(bot_id))
        if await self._alive(bot_id):
            raise BotStoppingError(bot_id)

    async def _alive(self, bot_id: BotId) -> list[dict[str, Any]]:
        stubs = await self.nomad.allocations_of(bot_id)
        return [item for item in stubs if item.get("ClientStatus") in _ALIVE]

    async def _look_ahead(self, bot_id: BotId, job: dict[str, Any]) -> None:
        """Log what Nomad's plan warns of. A start without room waits for it, so that refuses nothing."""
        try:
            plan = await self.nomad.plan(bot_id, job)
        except DroverError as error:
            log.warning("no plan before the start", extra={"bot": str(bot_id), "why": str(error)})
            return
        if plan.get("Warnings") or plan.get("FailedTGAllocs"):
            log.warning(
                "plan warns", extra={"bot": str(bot_id), "why": str(plan.get("Warnings") or "no room")}
            )

    async def _roll_back(self, bot_id: BotId) -> None:
        """Undo a start whose registration failed; Nomad may have taken it although its answer was lost."""
        with suppress(DroverError):
            await self.nomad.deregister(bot_id)
        with suppress(DroverError):
            await self.store.set_desired(bot_id, "stopped")
        await self._tell()

    async def stop(self, actor: Actor, bot_id: BotId) -> Bot:
        """Stop a bot; one that is stopped already stays so. Works without Postgres and Vault.

        Raises:
            BotNotFoundError: neither Nomad nor the definitions know it.
            BotBusyError: it is being started or stopped right now.
        """
        async with (
            self.audit.action(actor, "stop", bot_id),
            self._locks.hold_if_possible(bot_id) as reachable,
        ):
            job = await self.nomad.read_job(bot_id)
            if job is None and self.roster.definition(bot_id) is None:
                raise BotNotFoundError(bot_id)
            if not stopped(job):
                await wake(self.nomad, bot_id)
                index = await self.nomad.deregister(bot_id)
                self.roster.note(bot_id, index, stop=True, network=job_network(job))
            self._owed.add(bot_id)
            if reachable:
                with suppress(StoreUnavailableError):
                    await self._note_stopped(bot_id)
        await self._tell(read=reachable)
        return self.roster.bot(bot_id)

    async def settle(self) -> None:
        """Write down the stops that the database missed.

        Raises:
            StoreUnavailableError: it is still away; they go on waiting.
        """
        for bot_id in tuple(self._owed):
            with suppress(BotBusyError):
                async with self._locks.hold(bot_id):
                    if bot_id in self._owed:
                        await self._note_stopped(bot_id)

    async def _note_stopped(self, bot_id: BotId) -> None:
        await self.store.set_desired(bot_id, "stopped")
        self._owed.discard(bot_id)

    async def restart(self, actor: Actor, bot_id: BotId) -> Bot:
        """Stop the bot's allocation; Nomad starts its replacement when the old process has gone.

        Raises:
            BotNotRunningError: there is nothing to restart.
        """
        async with (
            self.audit.action(actor, "restart", bot_id),
            self._locks.hold(bot_id),
        ):
            job = await self.nomad.read_job(bot_id)
            if job is None and self.roster.definition(bot_id) is None:
                raise BotNotFoundError(bot_id)
            wanted = (
                [] if stopped(job) else [i for i in await self._alive(bot_id) if i["DesiredStatus"] == "run"]
            )
            if not wanted:
                raise BotNotRunningError(bot_id)
            await self.nomad.stop_allocation(max(wanted, key=lambda item: item["CreateIndex"])["ID"])
        return self.roster.bot(bot_id)

    async def delete(self, actor: Actor, bot_id: BotId) -> None:
        """Forget a stopped bot's definition; its versions and audit rows stay.

        Raises:
            BotStillRunningError, BotStoppingError: it must be stopped first.
        """
        async with (
            self.audit.action(actor, "delete", bot_id),
            self._locks.hold(bot_id),
        ):
            await self.roster.refresh()
            if not stopped(await self.nomad.read_job(bot_id)):
                raise BotStillRunningError(bot_id)
            if self.roster.definition(bot_id) is None:
                raise BotNotFoundError(bot_id)
            if await self._alive(bot_id):
                raise BotStoppingError(bot_id)
            await self.store.set_desired(bot_id, "deleted")
            self._owed.discard(bot_id)
        await self._tell()

    async def plan(self, *, wallet: str, market: str, kind: str, network: str | None) -> Plan:
        """Render the job and ask Nomad what registering it would do. Raises as `create`."""
        spec = await self.catalog.choose(wallet, market, kind, network)
        hcl = render_bot(spec, self.job)
        answer = await self.nomad.plan(spec.id, await self.nomad.parse(hcl))
        placement = answer.get("FailedTGAllocs") or {}
        return Plan(spec.id, hcl, answer.get("Diff") or {}, answer.get("Warnings") or "", placement)

    async def logs(self, bot_id: BotId, stream: str, tail: int) -> str:
        """Return the last `tail` lines of `stdout` or `stderr` of the newest allocation.

        Raises:
            LogsNotFoundError: it has not run lately, or has written nothing.
        """
        allocation = self.roster.bot(bot_id).allocation_id
        text = await self.nomad.log_tail(allocation, stream, tail * _LOG_LINE) if allocation else None
        if text is None:
            raise LogsNotFoundError(bot_id)
        return "".join(text.splitlines(keepends=True)[-tail:])

    async def _tell(self, *, read: bool = True) -> None:
        if read:
            with suppress(StoreUnavailableError):
                await self.roster.refresh()
        await self.roster.announce()
