"""Postgres: what people decided. Definitions, versions, audit, and one lock per bot."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.types.json import Jsonb
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from api.errors import StoreUnavailableError
from api.errors_bot import BotBusyError
from api.models import BotId, BotSpec, BotType, Definition, Network
from api.patience import within

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine

    from api.credentials import DatabaseLogin

__all__ = ["AuditEntry", "RenderedVersion", "Store"]

logging.getLogger("psycopg.pool").setLevel(logging.ERROR)  # an outage is told by readyz, not twice a second

_WAIT = 1.5
"""Seconds to wait for a connection: with Postgres away, Stop must not wait long."""
_LIMIT = 2.5
"""Seconds for one whole operation. A server that is frozen, or behind a network that swallows packets, ends
no statement by itself, and psycopg waits for it without end."""
_AWAY = (psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed)
_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True)
class RenderedVersion:
    """What was rendered for one start of a bot."""

    spec: BotSpec
    template_hash: str
    image: str
    hcl: str


@dataclass(frozen=True)
class AuditEntry:
    """Who did what from where, and how it ended: `ok` or the code of the refusal."""

    who: str
    from_addr: str
    action: str
    bot_id: str | None
    detail: dict[str, Any]
    result: str
    at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """Aware UTC; a row may be written long after."""


def _bounded(
    method: Callable[_P, Coroutine[Any, Any, _T]],
) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Give one operation `_LIMIT` seconds in all; psycopg's exceptions end here."""

    @wraps(method)
    async def bounded(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return await within(_LIMIT, method(*args, **kwargs))
        except (TimeoutError, *_AWAY) as error:
            raise StoreUnavailableError from error

    return bounded


class Store:
    """A pool of connections. Every method may raise StoreUnavailableError."""

    def __init__(self, login: DatabaseLogin) -> None:
        conninfo = make_conninfo(
            host=login.host,
            port=login.port,
            dbname=login.database,
            user=login.username,
            password=login.password.reveal(),
            connect_timeout=3,
            application_name="drover-api",
            options="-c statement_timeout=2500",
        )
        self._pool = AsyncConnectionPool(
            conninfo,
            min_size=1,
            max_size=8,
            timeout=_WAIT,
            open=False,
            kwargs={"autocommit": True},
            check=AsyncConnectionPool.check_connection,
            reconnect_timeout=10,
        )

    async def open(self) -> None:
        """Start connecting in the background; the API serves without Postgres too."""
        await self._pool.open(wait=False)

    async def aclose(self) -> None:
        """Close all connections."""
        await self._pool.close()

    @_bounded
    async def ping(self) -> None:
        """Ask for a sign of life."""
        async with self._pool.connection() as connection:
            await connection.execute("SELECT 1")

    @_bounded
    async def definitions(self) -> list[Definition]:
        """Return all definitions that are not deleted, by id."""
        async with self._pool.connection() as connection:
            rows = await connection.execute(
                "SELECT wallet, market, type, network, desired_state, version FROM bots"
                " WHERE desired_state <> 'deleted' ORDER BY id"
            )
            return [_definition(row) async for row in rows]

    @_bounded
    async def save_start(self, rendered: RenderedVersion, who: str) -> int:
        """Write the definition as desired running, and its version; return the version's number.

        A version equal to the newest one is not written again.
        """
        spec, bot_id = rendered.spec, str(rendered.spec.id)
        async with self._pool.connection() as connection, connection.transaction():
            await connection.execute(
                "INSERT INTO bots (id, wallet, market, type, network, desired_state, version)"
                " VALUES (%s, %s, %s, %s, %s, 'running', 0) ON CONFLICT (id) DO UPDATE"
                " SET network = EXCLUDED.network, desired_state = 'running', updated_at = now()",
                (bot_id, spec.id.wallet, spec.id.market, spec.id.type.value, spec.network.value),
            )
            cursor = await connection.execute(
                "SELECT b.version, v.hcl FROM bots b LEFT JOIN bot_versions v"
                " ON v.bot_id = b.id AND v.version = b.version WHERE b.id = %s FOR UPDATE OF b",
                (bot_id,),
            )
            row = await cursor.fetchone()
            if row and row[1] == rendered.hcl:
                return int(row[0])
            version = int(row[0]) + 1 if row else 1
            await connection.execute(
                "INSERT INTO bot_versions (bot_id, version, spec, template_hash, image, hcl, who)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (
                    bot_id,
                    version,
                    Jsonb(_spec_json(spec)),
                    rendered.template_hash,
                    rendered.image,
                    rendered.hcl,
                    who,
                ),
            )
            await connection.execute("UPDATE bots SET version = %s WHERE id = %s", (version, bot_id))
            return version

    @_bounded
    async def set_desired(self, bot: BotId, state: str) -> None:
        """Write the desired state: running, stopped or deleted."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "UPDATE bots SET desired_state = %s, updated_at = now() WHERE id = %s", (state, str(bot))
            )

    @_bounded
    async def audit(self, entry: AuditEntry) -> None:
        """Append one row to the audit log."""
        async with self._pool.connection() as connection:
            await connection.execute(
                "INSERT INTO audit (at, who, from_addr, action, bot_id, detail, result)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                (
                    entry.at,
                    entry.who,
                    entry.from_addr,
                    entry.action,
                    entry.bot_id,
                    Jsonb(entry.detail),
                    entry.result,
                ),
            )

    @asynccontextmanager
    async def lock(self, bot: BotId) -> AsyncIterator[None]:
        """Hold the bot's lock, across all API processes: Nomad's own check-and-set is not atomic.

        Raises:
            BotBusyError: somebody else holds it.
            StoreUnavailableError: Postgres is away.
        """
        connection = await self._take(bot)
        try:
            yield
        finally:
            with suppress(
                StoreUnavailableError
            ):  # a lost connection has released it; the work itself is done
                await self._give_back(connection, bot)

    @_bounded
    async def _take(self, bot: BotId) -> psycopg.AsyncConnection[Any]:
        """Return a connection that holds the bot's lock."""
        connection = await self._pool.getconn()
        try:
            cursor = await connection.execute(
                "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))", (str(bot),)
            )
            row = await cursor.fetchone()
        except (psycopg.Error, asyncio.CancelledError):
            await connection.close()  # given up half way it may hold the lock: only its end releases it
            await self._pool.putconn(connection)
            raise
        if row and row[0]:
            return connection
        await self._pool.putconn(connection)
        raise BotBusyError(bot)

    @_bounded
    async def _give_back(self, connection: psycopg.AsyncConnection[Any], bot: BotId) -> None:
        try:
            await connection.execute("SELECT pg_advisory_unlock(hashtextextended(%s, 0))", (str(bot),))
        except (psycopg.Error, asyncio.CancelledError):
            await connection.close()
            raise
        finally:
            await self._pool.putconn(connection)


def _definition(row: tuple[Any, ...]) -> Definition:
    wallet, market, kind, network, desired, version = row
    return Definition(BotSpec(BotId(wallet, market, BotType(kind)), Network(network)), desired, version)


def _spec_json(spec: BotSpec) -> dict[str, str]:
    return {
        "wallet": spec.id.wallet,
        "market": spec.id.market,
        "type": spec.id.type.value,
        "network": spec.network.value,
    }
