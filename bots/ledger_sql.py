"""The ledger's Postgres: the bot's only module that imports psycopg; its exceptions stop here.

Every statement may be repeated and come in any order within what one bot records: a writer that died, or gave
up on a frozen server, does not know whether it was heard.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psycopg
from psycopg.conninfo import make_conninfo

from bots.ledger_seen import Place, SeenFill
from bots.ledger_statements import BY_KIND, COUNT_FILLS, CURSOR, DAY, FOLD, OVERFILLED, SEEN, UNFINISHED
from bots.model import Side
from bots.pnl import Book

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from datetime import date, datetime, timedelta
    from decimal import Decimal

    from bots.ledger_records import Identity
    from bots.logins import LedgerLogin

__all__ = ["LedgerUnavailableError", "Postgres", "State", "StoredOrder"]

_DEADLINE = 5.0
"""Seconds for one transaction."""
_FOLD_DEADLINE = 60.0
"""Seconds for reading all fills of a bot once."""
_PAGE = 1000


class LedgerUnavailableError(Exception):
    """Postgres is away, frozen, or refuses; says which in a few words."""


@dataclass(frozen=True)
class StoredOrder:
    """An order whose end the ledger does not know."""

    order_id: str
    """The cid, or the hash of an order that has none."""
    order_hash: str | None
    tx_hash: str | None
    status: str
    side: Side | None
    price: Decimal | None
    quantity: Decimal | None
    filled: Decimal
    created_at: datetime


@dataclass(frozen=True)
class State:
    """What Postgres knows of one bot at one moment."""

    book: Book
    last_at: datetime | None
    """The newest fill's time."""
    complete_until: datetime | None
    seen: tuple[SeenFill, ...]
    """The fills since `complete_until` less the overlap, oldest first; the last 5000 of them."""
    days: dict[date, Decimal]
    unfinished: tuple[StoredOrder, ...]


class Postgres:
    """One connection, made when it is needed. Every method may raise LedgerUnavailableError."""

    def __init__(self, login: LedgerLogin) -> None:
        self._login = login
        self._connection: psycopg.AsyncConnection[Any] | None = None

    async def write(self, who: Identity, records: Sequence[dict[str, Any]]) -> list[str]:
        """Write all records in one transaction, all or none.

        Returns the orders that now have more fills than they asked for: something counts trades twice.
        """
        async with self._transaction(_DEADLINE) as connection:
            cursor = connection.cursor()
            for kind, statements in BY_KIND.items():
                rows = [record for record in records if record["kind"] == kind]
                for statement in statements if rows else ():
                    await cursor.executemany(statement, rows)
            touched = sorted({record["order_id"] for record in records if "order_id" in record})
            if touched:
                await cursor.execute(COUNT_FILLS, {**who.fields(), "orders": touched})
            await cursor.execute(OVERFILLED, {"orders": touched})
            return [row[0] for row in await cursor.fetchall()]

    async def read(self, who: Identity, today: date, overlap: timedelta) -> State:
        """Read everything at one moment; fills are folded as they come, so memory stays small."""
        async with self._transaction(_FOLD_DEADLINE) as connection:
            await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            fields: dict[str, Any] = {**who.fields(), "overlap": overlap, "today": today}
            until = await (await connection.execute(CURSOR, fields)).fetchone()
            seen = await (await connection.execute(SEEN, fields)).fetchall()
            days = await (await connection.execute(DAY, fields)).fetchall()
            orders = await (await connection.execute(UNFINISHED, fields)).fetchall()
            book, last_at = await _fold(connection, fields)
        return State(
            book,
            last_at,
            until[0] if until else None,
            tuple(SeenFill(Place(*row[:3]), *row[3:]) for row in seen),
            dict(days),
            tuple(_stored(row) for row in orders),
        )

    def cut(self) -> None:
        """End the connection at once, whatever it is doing: its work fails."""
        connection, self._connection = self._connection, None
        if connection is not None:
            _shut(connection)

    @asynccontextmanager
    async def _transaction(self, seconds: float) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """Yield the connection in a transaction that ends within `seconds` and the time to connect."""
        try:
            connection = await self._connected()
            end = asyncio.get_running_loop().call_later(seconds, _shut, connection)
            try:
                async with connection.transaction():
                    yield connection
            finally:
                end.cancel()
        except (psycopg.Error, TimeoutError, OSError) as error:
            self.cut()
            raise LedgerUnavailableError(_text(error)) from None
        except asyncio.CancelledError:
            self.cut()
            raise

    async def _connected(self) -> psycopg.AsyncConnection[Any]:
        if self._connection is None or self._connection.closed:
            login = self._login
            conninfo = make_conninfo(
                host=login.host,
                port=login.port,
                dbname=login.database,
                user=login.username,
                password=login.password.reveal(),
                connect_timeout=3,
                gssencmode="disable",
                application_name="drover-bot",
                options=f"-c statement_timeout={int(_FOLD_DEADLINE * 1000)} -c lock_timeout=4000"
                " -c idle_in_transaction_session_timeout=60000 -c timezone=UTC",
            )
            async with asyncio.timeout(_DEADLINE):
                self._connection = await psycopg.AsyncConnection.connect(conninfo, autocommit=True)
        return self._connection


def _shut(connection: psycopg.AsyncConnection[Any]) -> None:
    """Shut the connection's socket, so that whatever waits for the server fails now.

    A cancellation instead would make psycopg ask the server to cancel, and wait ten seconds for a frozen one.
    """
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as wire:
        wire.shutdown(socket.SHUT_RDWR)


async def _fold(
    connection: psycopg.AsyncConnection[Any], fields: dict[str, Any]
) -> tuple[Book, datetime | None]:
    book, at = Book(), None
    async with connection.cursor(name="fold") as cursor:
        await cursor.execute(FOLD, fields)
        while rows := await cursor.fetchmany(_PAGE):
            for side, price, quantity, commission, at in rows:  # noqa: B007 - the last one's time is kept
                book = book.filled(Side(side), price, quantity, commission)
    return book, at


def _stored(row: tuple[Any, ...]) -> StoredOrder:
    order_id, order_hash, tx_hash, status, side, price, quantity, filled, created_at = row
    return StoredOrder(
        order_id,
        order_hash,
        tx_hash,
        status,
        Side(side) if side else None,
        price,
        quantity,
        filled,
        created_at,
    )


def _text(error: BaseException) -> str:
    """Return an error in one line: no statement, no row."""
    if isinstance(error, TimeoutError):
        return "Postgres: no answer in time"
    first = next(iter(str(error).splitlines()), "")
    return f"Postgres: {type(error).__name__}: {first[:200]}"
