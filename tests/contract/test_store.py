"""The store: the same tests on the fake and on a real Postgres; and what the migration makes."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from api.credentials import Credentials, DatabaseLogin, Secret
from api.errors import SettingsError, StoreUnavailableError
from api.errors_bot import BotBusyError
from api.migrate import migrate
from api.models import BotId, BotSpec, BotType, Network
from api.store import AuditEntry, RenderedVersion, Store
from tests.engines import free_port
from tests.fakes import FakeStore

pytestmark = pytest.mark.anyio
REAL = pytest.param("real", marks=pytest.mark.engines)
ID = BotId("wallet-1", "inj-usdt", BotType.SPOT)
SPEC = BotSpec(ID, Network.PAPER)


@pytest.fixture
def anyio_backend():
    return "asyncio"


def rendered(hcl, spec=SPEC):
    return RenderedVersion(spec, "hash", "image", hcl)


@pytest.fixture(scope="module")
def logins(postgres_login):
    credentials = Credentials(postgres_login)
    migrate(credentials.database("owner"), credentials.database("api"), credentials.database("bots"), 20)
    return credentials


def as_owner(logins):
    login = logins.database("owner")
    return psycopg.connect(
        host=login.host,
        port=login.port,
        dbname=login.database,
        user=login.username,
        password=login.password.reveal(),
        autocommit=True,
    )


@pytest.fixture(params=["fake", REAL])
async def store(request):
    if request.param == "fake":
        yield FakeStore()
        return
    logins = request.getfixturevalue("logins")
    with as_owner(logins) as connection:
        connection.execute("TRUNCATE bots, bot_versions, audit")
    store = Store(logins.database("api"))
    await store.open()
    yield store
    await store.aclose()


class TestStore:
    async def test_a_start_is_kept(self, store):
        assert await store.definitions() == []
        assert await store.save_start(rendered("job 1"), "ada") == 1
        (found,) = await store.definitions()
        assert (found.spec, found.desired, found.version) == (SPEC, "running", 1)
        await store.ping()

    async def test_only_a_change_makes_a_version(self, store):
        versions = [await store.save_start(rendered(hcl), "ada") for hcl in ("a", "a", "b", "b")]
        assert versions == [1, 1, 2, 2]
        assert (await store.definitions())[0].version == 2

    async def test_desired_state(self, store):
        await store.save_start(rendered("a"), "ada")
        await store.set_desired(ID, "stopped")
        assert (await store.definitions())[0].desired == "stopped"
        await store.set_desired(ID, "deleted")
        assert await store.definitions() == []
        await store.save_start(rendered("a"), "ada")
        assert (await store.definitions())[0].desired == "running"

    async def test_another_network_is_another_definition(self, store):
        await store.save_start(rendered("a"), "ada")
        await store.save_start(rendered("b", BotSpec(ID, Network.TESTNET)), "ada")
        assert [item.spec.network for item in await store.definitions()] == [Network.TESTNET]

    async def test_one_operation_per_bot(self, store):
        other = BotId("wallet-2", "inj-usdt", BotType.SPOT)
        async with store.lock(ID):
            with pytest.raises(BotBusyError):
                async with store.lock(ID):
                    raise AssertionError("two hold the lock")
            async with store.lock(other):
                pass
        async with store.lock(ID):
            pass

    async def test_the_lock_is_given_back_after_an_error(self, store):
        with pytest.raises(ZeroDivisionError):
            async with store.lock(ID):
                raise ZeroDivisionError
        async with store.lock(ID):
            pass

    async def test_audit_takes_any_text(self, store):
        await store.audit(
            AuditEntry("ada", "203.0.113.7", "start", None, {"wallet": "'; DROP TABLE bots; --\n"}, "ok")
        )
        assert await store.definitions() == []


@pytest.mark.engines
class TestRealOnly:
    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM audit",
            "UPDATE audit SET who = 'x'",
            "TRUNCATE audit",
            "DELETE FROM bots",
            "DELETE FROM bot_versions",
            "UPDATE bot_versions SET who = 'x'",
            "DROP TABLE audit",
            "CREATE TABLE x (i int)",
            "CREATE ROLE x",
            "ALTER TABLE audit DISABLE TRIGGER ALL",
            "SELECT * FROM alembic_version",
            "SELECT * FROM pg_authid",
            "COPY (SELECT 1) TO PROGRAM 'true'",
        ],
    )
    async def test_the_apis_role_may_not(self, logins, statement):
        login = logins.database("api")
        with (
            psycopg.connect(
                host=login.host,
                port=login.port,
                dbname=login.database,
                user=login.username,
                password=login.password.reveal(),
            ) as connection,
            pytest.raises((psycopg.errors.InsufficientPrivilege, psycopg.errors.WrongObjectType)),
        ):
            connection.execute(statement)

    async def test_migrating_again_changes_the_password_only(self, logins):
        owner, api = logins.database("owner"), logins.database("api")
        renewed = DatabaseLogin(api.host, api.port, api.database, api.username, Secret("another' pw"))
        migrate(owner, renewed, patience=5)
        with pytest.raises(psycopg.OperationalError):
            psycopg.connect(
                host=api.host,
                port=api.port,
                dbname=api.database,
                user=api.username,
                password=api.password.reveal(),
            )
        migrate(owner, api, patience=5)

    async def test_two_migrations_at_once(self, logins):
        owner, api = logins.database("owner"), logins.database("api")
        await asyncio.gather(
            *(asyncio.to_thread(migrate, owner, api, logins.database("bots"), 10) for _ in range(3))
        )

    async def test_audit_rows_hold_what_was_done(self, logins):
        store = Store(logins.database("api"))
        await store.open()
        await store.audit(AuditEntry("ada", "203.0.113.7", "stop", str(ID), {"a": "b"}, "ok"))
        await store.aclose()
        with as_owner(logins) as connection:
            row = connection.execute(
                "SELECT who, from_addr, action, bot_id, detail, result FROM audit ORDER BY id DESC"
            ).fetchone()
        assert row == ("ada", "203.0.113.7", "stop", str(ID), {"a": "b"}, "ok")

    async def test_locks_hold_across_processes(self, logins):
        one, two = Store(logins.database("api")), Store(logins.database("api"))
        await one.open()
        await two.open()
        async with one.lock(ID):
            with pytest.raises(BotBusyError):
                async with two.lock(ID):
                    raise AssertionError("two hold the lock")
        await one.aclose()
        await two.aclose()


class Freezer:
    """A wire to Postgres that can be frozen: bytes are taken and not passed on, as by a hung server."""

    def __init__(self, port):
        self.target, self.flowing = port, asyncio.Event()
        self.flowing.set()

    async def __aenter__(self):
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self.flowing.set()
        self.server.close()

    async def _serve(self, reader, writer):
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        await asyncio.gather(self._pump(reader, far_writer), self._pump(far_reader, writer))

    async def _pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                await self.flowing.wait()
                writer.write(data)
        except ConnectionError:
            pass
        finally:
            writer.close()


@pytest.mark.engines
async def test_a_frozen_postgres_is_given_up_soon_and_found_again(logins):
    login = logins.database("api")
    clock = asyncio.get_running_loop().time
    async with Freezer(login.port) as wire:
        store = Store(DatabaseLogin("127.0.0.1", wire.port, login.database, login.username, login.password))
        await store.open()
        await store.ping()
        async with store.lock(ID):
            wire.flowing.clear()
            began = clock()
            with pytest.raises(StoreUnavailableError):
                await store.set_desired(ID, "stopped")
            with pytest.raises(StoreUnavailableError):
                async with store.lock(BotId("wallet-2", "inj-usdt", BotType.SPOT)):
                    raise AssertionError("a frozen server gave a lock")
            assert clock() - began < 7
            began = clock()
        assert clock() - began < 4  # leaving the lock waits no longer either
        wire.flowing.set()
        for _ in range(60):
            try:
                async with store.lock(ID):  # the abandoned lock is gone with its connection
                    break
            except (StoreUnavailableError, BotBusyError):
                await asyncio.sleep(0.25)
        else:
            raise AssertionError("the store does not come back")
        await store.aclose()


@pytest.mark.engines
async def test_a_wrong_owner_is_told_at_once(logins):
    owner = logins.database("owner")
    wrong = DatabaseLogin(owner.host, owner.port, owner.database, owner.username, Secret("guess"))
    with pytest.raises(SettingsError, match="refuses"):
        migrate(wrong, logins.database("api"), patience=60)


async def test_no_postgres_is_told_soon():
    nowhere = DatabaseLogin("127.0.0.1", free_port(), "drover", "u", Secret("p"))
    store = Store(nowhere)
    await store.open()
    began = asyncio.get_running_loop().time()
    with pytest.raises(StoreUnavailableError):
        await store.ping()
    assert asyncio.get_running_loop().time() - began < 4
    await store.aclose()
    with pytest.raises(SettingsError, match="does not answer"):
        migrate(nowhere, nowhere, patience=0.1)
