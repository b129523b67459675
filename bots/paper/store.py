"""What the venue keeps on its disk: its state, every trade, the last transactions. Only this knows sqlite.

A block is written in one transaction before anything of it is told, so a venue that is killed in any instant
goes on from the last block that anybody saw. Only rows that changed are written. Nothing waits for the disk
itself (`synchronous = NORMAL` in WAL mode): a kill loses nothing, a loss of power may lose the last blocks.
"""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots.paper.errors import StartupError, StateError
from bots.paper.settlement import Trade
from bots.paper.trade_query import TradeQuery

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

__all__ = ["Store"]

_VERSION = 2
"""Version 1 was a JSON file."""
_KEPT_TRANSACTIONS = 20_000
_FIELDS = [field.name for field in dataclasses.fields(Trade)]
_TYPES = {"Decimal": "TEXT", "str": "TEXT", "bool": "INTEGER", "int": "INTEGER"}
_COLUMNS = ", ".join(
    f"{field.name} {_TYPES[str(field.type)]} NOT NULL" for field in dataclasses.fields(Trade)
)
_SCHEMA = (
    "CREATE TABLE state(kind TEXT, key TEXT, value TEXT NOT NULL, PRIMARY KEY (kind, key)) WITHOUT ROWID",
    f"CREATE TABLE trades(seq INTEGER PRIMARY KEY, {_COLUMNS})",
    "CREATE INDEX trades_by_subaccount ON trades(subaccount, seq)",
    "CREATE INDEX trades_by_market ON trades(market_id, seq)",
    "CREATE INDEX trades_by_cid ON trades(cid)",
    "CREATE TABLE transactions(seq INTEGER PRIMARY KEY, hash TEXT UNIQUE, raw BLOB, result BLOB)",
    f"PRAGMA user_version = {_VERSION}",
)

Rows = dict[tuple[str, str], Any]
"""Value by kind and key; a value is a tuple of plain values, compared to see whether it changed."""


class Store:
    """One sqlite file, or memory without one.

    Raises:
        StartupError: the file is not such a state, or of another version.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._written: Rows = {}
        if path is not None and path.with_suffix(".json").exists():
            raise StartupError(
                f"{path.with_suffix('.json')} is the state of an older version; move it away to begin anew."
            )
        try:
            self._db = sqlite3.connect(path or ":memory:", isolation_level=None)
            self._open()
        except sqlite3.Error as error:
            raise StartupError(f"{path} cannot be read ({error}); move it away to begin anew.") from error

    def _open(self) -> None:
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "locking_mode = EXCLUSIVE"):
            self._db.execute(f"PRAGMA {pragma}")
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if not version:
            self._db.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                self._db.execute(statement)
            self._db.execute("COMMIT")
        elif version != _VERSION:
            raise StartupError(
                f"{self._path} is of version {version}, not {_VERSION}; move it away to begin anew."
            )

    def load(self) -> Mapping[str, list[tuple[str, Any]]]:
        """Return the state as lists of key and value (JSON) by kind; empty when there is none yet.

        Raises:
            StartupError: the file cannot be read.
        """
        found: dict[str, list[tuple[str, Any]]] = {}
        try:
            for kind, key, value in self._db.execute("SELECT kind, key, value FROM state"):
                found.setdefault(kind, []).append((key, json.loads(value)))
        except (sqlite3.Error, ValueError) as error:
            raise StartupError(
                f"{self._path} cannot be read ({error}); move it away to begin anew."
            ) from error
        # What is there now and not in the next block's rows must go then.
        self._written = {(kind, key): None for kind, some in found.items() for key, _ in some}
        return found

    def write(
        self, rows: Rows, trades: Iterable[Trade] = (), transactions: Iterable[tuple[str, bytes, bytes]] = ()
    ) -> None:
        """Write the state as it is now, new trades, new transactions (hash, raw, result), or nothing at all.

        Raises:
            StateError: the disk refuses; nothing of this block may be told.
        """
        changed = [
            (*key, json.dumps(value, default=str))
            for key, value in rows.items()
            if self._written.get(key) != value
        ]
        gone = [key for key in self._written if key not in rows]
        try:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.executemany("INSERT OR REPLACE INTO state VALUES (?, ?, ?)", changed)
            self._db.executemany("DELETE FROM state WHERE kind = ? AND key = ?", gone)
            self._write_trades(trades)
            self._write_transactions(transactions)
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StateError(
                f"{self._path} cannot be written ({error}); make room and start again."
            ) from error
        self._written = rows

    def _write_trades(self, trades: Iterable[Trade]) -> None:
        marks = ", ".join("?" * len(_FIELDS))
        self._db.executemany(
            f"INSERT INTO trades({', '.join(_FIELDS)}) VALUES ({marks})",  # noqa: S608 - names of our own fields
            [[_plain(getattr(trade, name)) for name in _FIELDS] for trade in trades],
        )

    def _write_transactions(self, transactions: Iterable[tuple[str, bytes, bytes]]) -> None:
        for row in transactions:
            cursor = self._db.execute(
                "INSERT OR REPLACE INTO transactions(hash, raw, result) VALUES (?, ?, ?)", row
            )
            self._db.execute(
                "DELETE FROM transactions WHERE seq <= ?", (int(cursor.lastrowid or 0) - _KEPT_TRANSACTIONS,)
            )

    def transaction(self, tx_hash: str) -> tuple[bytes, bytes] | None:
        """Return a delivered transaction and its result, both as protobuf bytes."""
        found = self._db.execute("SELECT raw, result FROM transactions WHERE hash = ?", (tx_hash,)).fetchone()
        return None if found is None else (found[0], found[1])

    def transactions(self, after: int, limit: int) -> list[tuple[int, str, bytes, bytes]]:
        """Return (place, hash, raw, result) of delivered transactions behind a place, in their order."""
        statement = "SELECT seq, hash, raw, result FROM transactions WHERE seq > ? ORDER BY seq LIMIT ?"
        return self._db.execute(statement, (after, limit)).fetchall()

    def trades(self, query: TradeQuery | None = None) -> list[Trade]:
        """Return trades, newest first unless the query says otherwise."""
        where, values, order = (query or TradeQuery()).sql()
        found = self._db.execute(
            f"SELECT {', '.join(_FIELDS)} FROM trades WHERE {where} {order}",  # noqa: S608 - see `TradeQuery.sql`
            values,
        )
        return [_typed(row) for row in found]

    def count(self, query: TradeQuery) -> int:
        """Return how many trades a query finds on all its pages."""
        where, values, _ = query.sql()
        statement = f"SELECT count(*) FROM trades WHERE {where}"  # noqa: S608 - see `TradeQuery.sql`
        return int(self._db.execute(statement, values).fetchone()[0])

    def close(self) -> None:
        """Write the journal back and close the file."""
        self._db.close()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Decimal) else value


def _typed(row: tuple[Any, ...]) -> Trade:
    casts: dict[str, Any] = {"Decimal": Decimal, "bool": bool, "str": str, "int": int}
    fields = dataclasses.fields(Trade)
    return Trade(*[casts[str(field.type)](value) for field, value in zip(fields, row, strict=True)])
