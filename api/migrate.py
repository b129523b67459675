"""`python -m api.migrate`: schema up to date, and the roles of the API and the bots with least rights.

Reads `db-owner.json`, `db-api.json` and, where bots keep a ledger, `db-bots.json` in DROVER_SECRETS_DIR
(`/secrets`). Several may run at once: a lock in Postgres lets one work. Passwords reach Postgres as SCRAM
verifiers, so not even its log can hold them.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import psycopg
from alembic import command
from alembic.config import Config
from psycopg import sql
from sqlalchemy import Connection, NullPool, create_engine

from api.credentials import Credentials, DatabaseLogin
from api.errors import DroverError, SettingsError

__all__ = ["main", "migrate"]

_MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_LOCK = 7_203_685
"""Any number that nothing else in this database locks."""
_API_RIGHTS = {
    "bots": "SELECT, INSERT, UPDATE",
    "bot_versions": "SELECT, INSERT",
    "audit": "SELECT, INSERT",
    "orders": "SELECT",
    "fills": "SELECT",
    "ledger_cursors": "SELECT",
    "trading_days": "SELECT",
}
_BOTS_RIGHTS = {
    "orders": "SELECT, INSERT, UPDATE",
    "fills": "SELECT, INSERT",
    "ledger_cursors": "SELECT, INSERT, UPDATE",
    "trading_days": "SELECT, INSERT, UPDATE",
}


def migrate(
    owner: DatabaseLogin, api: DatabaseLogin, bots: DatabaseLogin | None = None, patience: float = 120.0
) -> None:
    """Bring schema and roles up to date; safe to run again. Without `bots` their role is left alone.

    Raises:
        SettingsError: Postgres did not answer within `patience` seconds, or refused the owner.
    """
    with _connect(owner, patience) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))  # held until the connection closes
        engine = create_engine(
            "postgresql+psycopg://", creator=lambda: _connect(owner, patience), poolclass=NullPool
        )
        with engine.begin() as alembic_connection:
            _upgrade(alembic_connection)
        with connection.transaction():
            _grant(connection, api, _API_RIGHTS)
            if bots is not None:
                _grant(connection, bots, _BOTS_RIGHTS)


def _connect(login: DatabaseLogin, patience: float) -> psycopg.Connection[tuple[object, ...]]:
    """Connect as soon as Postgres answers; say every ten seconds that it does not."""
    end, said = time.monotonic() + patience, 0.0
    while True:
        try:
            return psycopg.connect(
                host=login.host,
                port=login.port,
                dbname=login.database,
                user=login.username,
                password=login.password.reveal(),
                connect_timeout=5,
                autocommit=True,
            )
        except psycopg.OperationalError as error:
            refused = "authentication failed" in str(error) or "does not exist" in str(error)
            if refused or time.monotonic() > end:
                why = "refuses the owner, or lacks the database" if refused else "does not answer"
                raise SettingsError(
                    f"Postgres at {login.host}:{login.port} {why}; look at the job postgres in namespace hub."
                ) from None
        if time.monotonic() - said > 10:  # noqa: PLR2004 - seconds between two signs of life
            said = time.monotonic()
            _say(f"waiting for Postgres at {login.host}:{login.port}")
        time.sleep(0.5)


def _upgrade(connection: Connection) -> None:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _grant(
    connection: psycopg.Connection[tuple[object, ...]], login: DatabaseLogin, rights: dict[str, str]
) -> None:
    """Make or mend a role. Rights that a later version no longer grants are taken back."""
    role = sql.Identifier(login.username)
    verifier = connection.pgconn.encrypt_password(
        login.password.reveal().encode(), login.username.encode(), b"scram-sha-256"
    ).decode()
    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (login.username,)).fetchone()
    verb = sql.SQL("ALTER" if known else "CREATE")
    options = sql.SQL("LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS PASSWORD")
    connection.execute(sql.SQL("{} ROLE {} {} {}").format(verb, role, options, sql.Literal(verifier)))
    connection.execute(sql.SQL("REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {}").format(role))
    connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    connection.execute(sql.SQL("GRANT USAGE ON SCHEMA public TO {}").format(role))
    for table, granted in rights.items():
        statement = sql.SQL("GRANT " + granted + " ON {} TO {}")  # both parts are constants above
        connection.execute(statement.format(sql.Identifier(table), role))


def _say(text: str) -> None:
    sys.stdout.write(f"drover: {text}\n")
    sys.stdout.flush()


def main() -> int:
    """Run from the environment; return the exit code."""
    folder = Path(os.environ.get("DROVER_SECRETS_DIR", "/secrets"))
    credentials = Credentials(folder)
    try:
        bots = credentials.database("bots") if (folder / "db-bots.json").exists() else None
        migrate(credentials.database("owner"), credentials.database("api"), bots)
    except DroverError as error:
        sys.stderr.write(f"drover: {error}\n")
        return 1
    _say("the database is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
