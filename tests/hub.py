"""The hub services that every bot needs, for tests: a real Redis and a real ledger, on loopback."""

from __future__ import annotations

import hashlib
import json
import shutil
from typing import TYPE_CHECKING, Any

import pytest

from api.credentials import Credentials
from api.migrate import migrate
from ops import redis_users
from ops.docker import apt_install
from tests.redis import PASSWORDS, RedisServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.postgres import PostgresServer

_PASSWORD = "the-wallet's-redis-password"


class Hub:
    """Redis and Postgres, and the files that let a wallet's bots in."""

    def __init__(self, redis: RedisServer, postgres: PostgresServer, bots: Any) -> None:
        self.redis = redis
        self.postgres = postgres
        self._bots = bots

    def admit(self, wallet: str, secrets: Path) -> dict[str, str]:
        """Give a wallet its logins, as files in `secrets`; returns the environment that goes with them."""
        digest = hashlib.sha256(_PASSWORD.encode()).hexdigest()
        lines = redis_users.acl_text(
            redis_users.FILE.read_text(), dict.fromkeys(PASSWORDS, digest), {wallet: digest}
        ).splitlines()
        (rights,) = [line for line in lines if line.startswith(f"user wallet-{wallet} ")]
        assert "+OK" in self.redis.admin("ACL", "SETUSER", rights.removeprefix("user "))
        (secrets / "redis.json").write_text(
            json.dumps({"username": f"wallet-{wallet}", "password": _PASSWORD})
        )
        login = {"username": self._bots.username, "password": self._bots.password.reveal()}
        (secrets / "ledger.json").write_text(json.dumps(login))
        return {
            "REDIS_ADDR": f"127.0.0.1:{self.redis.port}",
            "LEDGER_ADDR": f"{self._bots.host}:{self._bots.port}",
            "LEDGER_DB": self._bots.database,
            "SPOOL_DIR": str(secrets / "spool"),
        }

    def ledger(self, query: str, *values: Any) -> list[tuple[Any, ...]]:
        """Ask the ledger, as its owner."""
        with self.postgres.owner() as connection:
            return connection.execute(query, values).fetchall()


@pytest.fixture(scope="session")
def hub(
    postgres_server: PostgresServer, postgres_login: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hub]:
    """A running hub for the whole session; each wallet has rows and keys of its own."""
    folder = tmp_path_factory.mktemp("hub-redis")
    if shutil.which("redis-server") is None:
        apt_install(["redis-server"], folder / "apt.log")
    credentials = Credentials(postgres_login)
    migrate(*(credentials.database(who) for who in ("owner", "api", "bots")), patience=20)
    redis = RedisServer(folder).start()
    try:
        yield Hub(redis, postgres_server, credentials.database("bots"))
    finally:
        redis.kill()
