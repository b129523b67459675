"""The ledger on a real Postgres: every record once, whatever dies, freezes or is away."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from api.credentials import Credentials
from api.migrate import migrate
from bots.cid import tag
from bots.errors import SettingsError
from bots.ledger import Identity, Ledger, LedgerUnavailableError, OrderStatus
from bots.ledger_sql import Postgres
from bots.logins import LedgerLogin, read_ledger_login
from bots.logs import EventLog
from bots.model import Fill, NewOrder, Quote, Side
from bots.pnl import Book
from bots.secret import Secret
from tests.engines import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.engines]
ROOT = Path(__file__).resolve().parents[2]
BOT = "wallet-1.inj-usdt.spot"
TAG = tag(BOT)
NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
WHO = Identity(BOT, "inj-usdt", "paper", "0xaa")
LOG = EventLog(logging.getLogger("test"))


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def login(postgres_login):
    credentials = Credentials(postgres_login)
    migrate(*(credentials.database(who) for who in ("owner", "api", "bots")), patience=20)
    bots = credentials.database("bots")
    return LedgerLogin(bots.host, bots.port, bots.username, Secret(bots.password.reveal()), bots.database)


@pytest.fixture
def rows(postgres_server, login):
    """Empty the ledger; return what asks it, as the owner."""
    with postgres_server.owner() as connection:
        connection.execute("TRUNCATE orders, fills, ledger_cursors, trading_days")

    def ask(query):
        with postgres_server.owner() as connection:
            return connection.execute(query).fetchall()

    return ask


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "spool"


@contextlib.asynccontextmanager
async def opened(login, folder, who=WHO, seconds=10):
    ledger = Ledger(login, folder, who, LOG)
    await ledger.start()
    try:
        await ledger.opening(seconds)
        yield ledger
    finally:
        await ledger.close(0)


def order(cid, side=Side.BUY, price="10", quantity="2"):
    return NewOrder(cid, Quote(side, Decimal(price), Decimal(quantity)))


def fill(  # noqa: PLR0917 - a fill has as many parts
    number, cid=f"1-1-{TAG}", side=Side.BUY, price="10", quantity="1", fee="0.01", at=None
):
    at = at or NOW + timedelta(seconds=number)
    return Fill(f"{number}_1", cid, f"0x{cid}", side, Decimal(price), Decimal(quantity), Decimal(fee), at)


async def booked(ledger):
    assert await ledger.drained(10)
    assert ledger.lag == 0


class TestRows:
    async def test_an_orders_life(self, login, folder, rows):
        async with opened(login, folder) as ledger:
            ledger.order_sent(order(f"7-1-{TAG}"), "TX", NOW)
            await booked(ledger)
            state = "SELECT status, filled_qty, order_hash, tx_hash, fence, qty, price, side FROM orders"
            given = (Decimal(2), Decimal(10), "buy")
            assert rows(state) == [("sent", 0, None, "TX", 7, *given)]
            ledger.order_update(f"7-1-{TAG}", OrderStatus.BOOKED, "0xh", Decimal(0), NOW)
            await booked(ledger)
            assert rows(state) == [("booked", 0, "0xh", "TX", 7, *given)]
            ledger.fill(fill(1, f"7-1-{TAG}"))
            await booked(ledger)
            assert rows(state) == [("partially_filled", 1, "0xh", "TX", 7, *given)]
            ledger.order_update(f"7-1-{TAG}", OrderStatus.BOOKED, "0xh", Decimal(1), NOW)
            ledger.fill(fill(2, f"7-1-{TAG}"))
            await booked(ledger)
            assert rows(state) == [("filled", 2, "0xh", "TX", 7, *given)]
            ledger.order_update(f"7-1-{TAG}", OrderStatus.CANCELLED, "0xh", Decimal(2), NOW)
            await booked(ledger)
            assert rows(state) == [("filled", 2, "0xh", "TX", 7, *given)]

    @pytest.mark.parametrize("seed", range(12))
    async def test_records_in_any_order_and_number_come_to_the_same(self, login, folder, rows, seed):
        """The stream may be faster than the answer to the order; a batch may be written twice."""
        calls = [
            lambda ledger: ledger.order_sent(order(f"7-1-{TAG}", quantity="3"), "TX", NOW),
            lambda ledger: ledger.order_update(
                f"7-1-{TAG}", OrderStatus.BOOKED, f"0x7-1-{TAG}", Decimal(0), NOW
            ),
            lambda ledger: ledger.fill(fill(1, f"7-1-{TAG}")),
            lambda ledger: ledger.fill(fill(2, f"7-1-{TAG}")),
            lambda ledger: ledger.order_update(
                f"7-1-{TAG}", OrderStatus.CANCELLED, f"0x7-1-{TAG}", Decimal(2), NOW, "by the bot"
            ),
        ]
        dice = random.Random(seed)
        calls += dice.sample(calls, 3)
        dice.shuffle(calls)
        async with opened(login, folder) as ledger:
            for call in calls:
                call(ledger)
                if dice.random() < 0.4:
                    await booked(ledger)
            await booked(ledger)
        query = (
            "SELECT order_id, status, side, qty, price, filled_qty, order_hash, tx_hash, reason FROM orders"
        )
        assert rows(query) == [
            (f"7-1-{TAG}", "cancelled", "buy", 3, 10, 2, f"0x7-1-{TAG}", "TX", "by the bot")
        ]
        assert rows("SELECT count(*), sum(qty_filled) FROM fills") == [(2, 2)]

    async def test_a_fill_disproves_that_its_order_expired(self, login, folder, rows):
        async with opened(login, folder) as ledger:
            ledger.order_sent(order(f"7-1-{TAG}"), "TX", NOW)
            ledger.order_update(f"7-1-{TAG}", OrderStatus.EXPIRED, "", Decimal(0), NOW)
            await booked(ledger)
            assert rows("SELECT status FROM orders") == [("expired",)]
            ledger.fill(fill(1, f"7-1-{TAG}"))
            await booked(ledger)
        assert rows("SELECT status, filled_qty FROM orders") == [("partially_filled", 1)]

    async def test_a_fill_of_an_order_by_hand_is_kept_under_its_hash(self, login, folder, rows):
        async with opened(login, folder) as ledger:
            amounts = Decimal(9), Decimal(1), Decimal(0)
            by_hand = Fill("5_1", "", "0xhash", Side.SELL, *amounts, NOW)
            odd = Fill("5_2", "a\0'; DROP TABLE fills; --", "0x2", Side.SELL, *amounts, NOW)
            assert ledger.fill(by_hand)
            assert ledger.fill(odd)
            await booked(ledger)
        assert rows("SELECT order_id, side, qty, price FROM orders ORDER BY id") == [
            ("0xhash", "sell", None, None),
            ("a'; DROP TABLE fills; --", "sell", None, None),
        ]
        assert rows("SELECT order_id FROM fills ORDER BY id") == [("0xhash",), ("a'; DROP TABLE fills; --",)]

    async def test_a_venue_that_begins_anew_repeats_its_trade_ids(self, login, folder, rows):
        async with opened(login, folder) as ledger:
            assert ledger.fill(fill(1, f"7-1-{TAG}"))
            assert not ledger.fill(fill(1, f"7-1-{TAG}"))
            assert ledger.fill(fill(1, f"8-1-{TAG}"))
            await booked(ledger)
        assert rows("SELECT count(*) FROM fills") == [(2,)]

    async def test_bots_do_not_see_or_touch_each_others_rows(self, login, tmp_path, rows):
        other = Identity("wallet-2.inj-usdt.spot", "inj-usdt", "paper", "0xbb")
        async with opened(login, tmp_path / "1") as one, opened(login, tmp_path / "2", other) as two:
            one.fill(fill(1, "same cid"))
            await booked(one)
            two.order_update("same cid", OrderStatus.CANCELLED, "0x2", Decimal(0), NOW, "mine")
            two.fill(fill(1, "same cid", Side.SELL))
            await booked(two)
        assert rows("SELECT bot_id, status, reason FROM orders") == [(BOT, "partially_filled", "")]
        assert rows("SELECT bot_id, side FROM fills ORDER BY id") == [(BOT, "buy"), (other.bot_id, "sell")]
        async with opened(login, tmp_path / "2", other) as two:
            assert (two.book.quantity, two.book.fills) == (-1, 1)


class TestOpening:
    async def test_a_bot_goes_on_where_its_predecessor_ended(self, login, folder, rows):
        async with opened(login, folder) as ledger:
            assert ledger.complete_until is None
            ledger.order_sent(order(f"7-1-{TAG}"), "TX", NOW)
            ledger.fill(fill(1, f"7-1-{TAG}"))
            ledger.order_sent(order(f"7-2-{TAG}"), "TX2", NOW)
            assert ledger.day_pnl(Decimal(11), NOW) == 0
            ledger.advance(NOW + timedelta(seconds=1))
            ledger.advance(NOW)
            await booked(ledger)
            before = ledger.book
        async with opened(login, folder) as ledger:
            opening = await ledger.opening(1)
            assert ledger.book == before == Book().filled(Side.BUY, Decimal(10), Decimal(1), Decimal("0.01"))
            assert ledger.complete_until == opening.complete_until == NOW + timedelta(seconds=1)
            found = [(o.order_id, o.status, o.tx_hash, o.filled) for o in opening.unfinished]
            assert found == [
                (f"7-2-{TAG}", "sent", "TX2", 0),
                (f"7-1-{TAG}", "partially_filled", "TX", 1),
            ]
            assert not ledger.fill(fill(1, f"7-1-{TAG}"))

    async def test_the_day_begins_once_and_anew_when_an_operator_says_so(self, login, folder, rows):
        today, mark = datetime.now(UTC), Decimal(10)
        async with opened(login, folder) as ledger:
            assert ledger.day_pnl(mark, today) == 0
            ledger.fill(fill(1, quantity="5", fee="0"))
            assert ledger.day_pnl(Decimal(8), today) == -10
            await booked(ledger)
        async with opened(login, folder) as ledger:
            assert ledger.day_pnl(Decimal(8), today) == -10
            ledger.reset_day(Decimal(8), today)
            assert ledger.day_pnl(Decimal(8), today) == 0
            await booked(ledger)
        async with opened(login, folder) as ledger:
            assert ledger.day_pnl(Decimal(9), today) == 5
            assert ledger.day_pnl(Decimal(9), today + timedelta(days=1)) == 0

    async def test_a_late_fill_sets_the_split_right_once_all_is_written(self, login, folder, rows):
        fills = [
            fill(1, price="10"),
            fill(2, side=Side.SELL, price="12"),
            fill(3, price="14"),
            fill(4, side=Side.SELL, price="15"),
            fill(5, price="9", quantity="2"),
        ]
        right = Book()
        for one in fills:
            right = right.filled(one.side, one.price, one.quantity, one.fee)
        async with opened(login, folder) as ledger:
            for index in (4, 1, 0, 3, 2):
                assert ledger.fill(fills[index])
            assert ledger.book.total(Decimal(10)) == right.total(Decimal(10))
            assert await ledger.drained(5)
            async with asyncio.timeout(5):
                while ledger.book != right:  # noqa: ASYNC110 - the ledger tells nobody
                    await asyncio.sleep(0.02)

    async def test_fills_that_come_while_the_book_is_read_count_once(self, login, folder, rows):
        for round_ in range(10):
            ledger = Ledger(login, folder, WHO, LOG)
            await ledger.start()
            opening, count = asyncio.create_task(ledger.opening(10)), 0
            while not opening.done():
                ledger.fill(fill(1000 * round_ + count))
                count += 1
                await asyncio.sleep(0.002)
            await opening
            assert await ledger.drained(5)
            assert ledger.book.fills == rows("SELECT count(*) FROM fills")[0][0] >= count
            await ledger.close(1)


async def test_a_stream_of_records_without_a_pause_does_not_keep_the_bot_from_opening(login, folder, rows):
    ledger = Ledger(login, folder, WHO, LOG)
    await ledger.start()
    opening, count = asyncio.create_task(ledger.opening(10)), 0
    while not opening.done():
        for _ in range(20):
            ledger.fill(fill(count))
            count += 1
        await asyncio.sleep(0)
    await opening
    assert await ledger.drained(20)
    assert ledger.book.fills == rows("SELECT count(*) FROM fills")[0][0] == count
    await ledger.close(1)


@pytest.mark.parametrize("found", [1, 2])
async def test_an_old_fill_that_another_process_wrote_and_that_comes_while_the_book_is_read_counts_once(
    login, folder, rows, monkeypatch, found
):
    """What a copy finds in the history, while it takes over from the process that recorded it."""
    async with opened(login, folder / "copy") as copy:
        async with opened(login, folder / "first") as first:
            for number in range(3):
                first.fill(fill(number, f"1-{number}-{TAG}"))
            first.advance(NOW + timedelta(hours=1))
            await booked(first)
        read, again = Postgres.read, []

        async def slow_read(postgres, *asked):
            state = await read(postgres, *asked)
            if not again:
                again.append(copy.fill(fill(found, f"1-{found}-{TAG}")))
            return state

        monkeypatch.setattr(Postgres, "read", slow_read)
        copy.reopen()
        await copy.opening(5)
        assert again == [True]
        assert copy.book.fills == 3
    assert rows("SELECT count(*) FROM fills") == [(3,)]


class TestAway:
    async def test_without_postgres_it_says_why_and_records_on_disk(self, login, folder, rows):
        nowhere = LedgerLogin("127.0.0.1", free_port(), "x", Secret("hunter2"), "drover")
        ledger = Ledger(nowhere, folder, WHO, LOG)
        await ledger.start()
        began = time.monotonic()
        with pytest.raises(LedgerUnavailableError, match="Postgres"):
            await ledger.opening(1)
        assert "hunter2" not in ledger.away
        assert ledger.fill(fill(1))
        await asyncio.sleep(0.5)
        assert 0.4 < ledger.lag < 3
        assert ledger.problem == ""
        assert not await ledger.close(0.2)
        assert time.monotonic() - began < 5
        async with opened(login, folder) as successor:
            assert successor.book.fills == 1
        assert rows("SELECT trade_id FROM fills") == [("1_1",)]
        assert list(folder.iterdir()) == []

    async def test_frozen_and_back(self, login, folder, rows, postgres_server):
        """Nothing that the bot calls waits, closing neither; what was recorded meanwhile is there later."""
        async with opened(login, folder) as ledger:
            ledger.fill(fill(0))
            await booked(ledger)
            with postgres_server.frozen():
                slowest = 0.0
                for number in range(1, 300):
                    began = time.monotonic()
                    assert ledger.fill(fill(number))
                    slowest = max(slowest, time.monotonic() - began)
                    await asyncio.sleep(0.02)
                assert slowest < 0.2
                assert ledger.lag > 5
                assert "Postgres" in ledger.away
                other = Ledger(login, folder / "other", WHO, LOG)
                await other.start()
                with pytest.raises(LedgerUnavailableError):
                    await other.opening(0.3)
                assert other.fill(fill(1000))
                began = time.monotonic()
                assert not await other.close(0.2)
                assert time.monotonic() - began < 2
            assert await ledger.drained(15)
            assert ledger.away == ""
        assert rows("SELECT count(*), count(DISTINCT trade_id) FROM fills") == [(300, 300)]

    async def test_closing_on_a_server_that_froze_in_the_middle_does_not_wait(
        self, login, folder, rows, postgres_server
    ):
        async with opened(login, folder) as ledger:
            with postgres_server.frozen():
                ledger.fill(fill(1))
                await asyncio.sleep(0.3)
                began = time.monotonic()
                assert not await ledger.close(0.5)
                assert time.monotonic() - began < 2
        async with opened(login, folder) as ledger:
            assert ledger.book.fills == 1

    async def test_ended_and_started_again(self, login, folder, rows, postgres_server):
        async with opened(login, folder) as ledger:
            for turn in range(3):
                ledger.fill(fill(2 * turn))
                postgres_server.end()
                ledger.fill(fill(2 * turn + 1))
                await asyncio.sleep(0.3)
                assert ledger.lag > 0
                await asyncio.to_thread(postgres_server.start)
                assert await ledger.drained(15)
        assert rows("SELECT count(*), count(DISTINCT trade_id) FROM fills") == [(6, 6)]


WRITER = """
import asyncio, itertools, json, sys, logging
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from bots.ledger import Identity, Ledger
from bots.logins import LedgerLogin
from bots.logs import EventLog
from bots.model import Fill, Side
from bots.secret import Secret

async def main():
    told = json.loads(sys.argv[1])
    login = LedgerLogin("127.0.0.1", told["port"], told["user"], Secret(told["password"]), "postgres")
    who = Identity("wallet-1.inj-usdt.spot", "inj-usdt", "paper", "0xaa")
    ledger = Ledger(login, Path(told["folder"]), who, EventLog(logging.getLogger("x")))
    await ledger.start()
    at = datetime(2026, 11, 20, 12, tzinfo=UTC)
    for n in itertools.count(told["first"]):
        fill = Fill(f"{n}_1", f"by hand {n // 3}", "0x", Side.BUY, Decimal(10), Decimal(1), Decimal(0),
                    at + timedelta(seconds=n))
        ledger.fill(fill)
        sys.stdout.write(f"{n}\\n")
        sys.stdout.flush()
        await asyncio.sleep(0.0005)

asyncio.run(main())
"""


def killed_writers(count, told):
    """Kill that many writers at any moment, each repeating the last 20 fills; returns the next fill."""
    first, dice = 0, random.Random(4)
    for _ in range(count):
        argument = json.dumps({**told, "first": max(0, first - 20)})
        with subprocess.Popen(
            [sys.executable, "-c", WRITER, argument], cwd=ROOT, stdout=subprocess.PIPE, text=True
        ) as writer:
            writer.stdout.readline()
            time.sleep(dice.uniform(0, 0.12))
            writer.send_signal(signal.SIGKILL)
            whole = writer.stdout.read().split("\n")[:-1]
        first = max(first, *(int(line) + 1 for line in whole), 0)
    return first


class TestKilled:
    async def test_killed_at_any_moment_every_fill_is_there_once(self, login, folder, rows):
        """What a process had recorded when it was killed is written by the next; nobody cleans up between."""
        told = {"port": login.port, "user": login.username, "password": login.password.reveal()}
        first = await asyncio.to_thread(killed_writers, 24, {**told, "folder": str(folder)})
        left = sum(path.stat().st_size for path in folder.iterdir())
        async with opened(login, folder) as ledger:
            total = ledger.book.fills
        assert left > 0, "no process was killed with something left to write"
        assert rows("SELECT count(*), count(DISTINCT trade_id) FROM fills") == [(total, total)]
        assert total >= first > 500
        assert list(folder.iterdir()) == []


MANY_ORDERS = """
INSERT INTO orders (order_id, bot_id, symbol, status, created_at, network, account, updated_at)
VALUES ('o', %s, 'inj-usdt', 'filled', now(), 'paper', '0xaa', now())
"""
MANY_FILLS = """
INSERT INTO fills (order_id, bot_id, symbol, side, qty_filled, fill_price, commission, filled_at, trade_id,
                   height, nth, network, account)
SELECT 'o', %s, 'inj-usdt', CASE n %% 2 WHEN 0 THEN 'buy' ELSE 'sell' END, 1.5, 10 + n %% 7, 0.001,
       timestamptz '2026-11-01' + n * interval '1 s', n::text, n, 0, 'paper', '0xaa'
FROM generate_series(1, 100000) AS n
"""


class TestSize:
    async def test_a_hundred_thousand_fills_are_read_in_seconds_and_little_memory(
        self, login, folder, rows, postgres_server
    ):
        with postgres_server.owner() as connection:
            connection.execute(MANY_ORDERS, (BOT,))
            connection.execute(MANY_FILLS, (BOT,))
            connection.execute(
                "INSERT INTO ledger_cursors VALUES (%s, 'paper', '0xaa', '2026-12-01')", (BOT,)
            )
        before = _rss()
        began = time.monotonic()
        async with opened(login, folder, seconds=30) as ledger:
            took = time.monotonic() - began
            assert ledger.book.fills == 100_000
        print(f"100,000 fills: {took:.1f} s, {_rss() - before} KiB")  # noqa: T201 - shown with -s
        assert took < 20
        assert _rss() - before < 8 * 1024


def _rss():
    status = Path(f"/proc/{os.getpid()}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


class TestRights:
    @pytest.mark.parametrize(
        "statement",
        [
            "DELETE FROM fills",
            "UPDATE fills SET qty_filled = 0",
            "TRUNCATE fills",
            "DELETE FROM orders",
            "DELETE FROM ledger_cursors",
            "DELETE FROM trading_days",
            "SELECT * FROM bots",
            "INSERT INTO audit (who, from_addr, action, result) VALUES ('a', 'b', 'c', 'd')",
            "SELECT * FROM audit",
            "SELECT * FROM bot_versions",
            "SELECT * FROM alembic_version",
            "ALTER TABLE fills DISABLE TRIGGER ALL",
            "DROP TABLE orders",
            "CREATE TABLE x (i int)",
            "CREATE ROLE x",
            "SELECT * FROM pg_authid",
            "COPY (SELECT 1) TO PROGRAM 'true'",
        ],
    )
    async def test_the_bots_role_may_not(self, login, statement):
        with (
            psycopg.connect(
                host=login.host,
                port=login.port,
                dbname=login.database,
                user=login.username,
                password=login.password.reveal(),
            ) as connection,
            pytest.raises(psycopg.errors.InsufficientPrivilege),
        ):
            connection.execute(statement)

    @pytest.mark.parametrize("statement", ["UPDATE orders SET qty = 1", "DELETE FROM fills"])
    async def test_the_api_only_looks(self, login, postgres_login, statement):
        api = Credentials(postgres_login).database("api")
        with psycopg.connect(
            host=api.host,
            port=api.port,
            dbname=api.database,
            user=api.username,
            password=api.password.reveal(),
        ) as connection:
            connection.execute("SELECT 1 FROM orders, fills, ledger_cursors, trading_days")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(statement)


class TestLogin:
    async def test_read(self, tmp_path):
        (tmp_path / "ledger.json").write_text('{"username": "u", "password": "p"}')
        env = {"LEDGER_ADDR": "172.17.0.1:5432", "NOMAD_SECRETS_DIR": str(tmp_path)}
        login = read_ledger_login(env)
        assert (login.host, login.port, login.database, login.username) == ("172.17.0.1", 5432, "drover", "u")
        assert login.password.reveal() == "p"

    @pytest.mark.parametrize(
        ("env", "text", "said"),
        [
            ({"LEDGER_ADDR": "nowhere"}, "{}", "host:port"),
            ({"LEDGER_ADDR": ""}, "{}", "host:port"),
            ({"LEDGER_DB": "a b"}, "{}", "LEDGER_DB"),
            ({}, None, "cannot be read"),
            ({}, "hunter2", "must hold"),
            ({}, '["hunter2"]', "must hold"),
            ({}, '{"username": "u", "password": 5}', "must hold"),
        ],
    )
    async def test_refused_without_quoting_the_file(self, tmp_path, env, text, said):
        if text is not None:
            (tmp_path / "ledger.json").write_text(text)
        with pytest.raises(SettingsError, match=said) as refused:
            read_ledger_login({"LEDGER_ADDR": "h:1", "NOMAD_SECRETS_DIR": str(tmp_path), **env})
        assert "hunter2" not in str(refused.value)


class TestNames:
    """The public chain's stream and its indexer name one trade differently."""

    def named(self, trade_id, quantity="1", price="10"):
        return Fill(
            trade_id, f"7-1-{TAG}", "0xh", Side.BUY, Decimal(price), Decimal(quantity), Decimal(0), NOW
        )

    async def test_one_trade_under_two_names_counts_once(self, login, folder, rows):
        async with opened(login, folder) as ledger:
            ledger.order_sent(order(f"7-1-{TAG}", quantity="5"), "TX", NOW)
            assert ledger.fill(self.named("500_17"))
            assert not ledger.fill(self.named("500_2_0"))
            assert ledger.fill(self.named("501_3_1", "2"))
            assert not ledger.fill(self.named("501_0", "2"))
            await booked(ledger)
        async with opened(login, folder) as ledger:
            for again in (self.named("500_2_0"), self.named("500_17"), self.named("501_0", "2")):
                assert not ledger.fill(again)
            assert ledger.book.quantity == 3
            assert ledger.problem == ""
        assert rows("SELECT trade_id, height, nth FROM fills ORDER BY id") == [
            ("500_17", 500, 0),
            ("501_3_1", 501, 0),
        ]

    @pytest.mark.parametrize("restart", [False, True])
    async def test_the_same_quantity_twice_in_one_block_is_two_trades(self, login, folder, rows, restart):
        streamed = [self.named("500_17"), self.named("500_18"), self.named("500_19", "2")]
        looked_up = [self.named("500_9_0", "2"), self.named("500_8_0"), self.named("500_7_0")]
        async with opened(login, folder) as ledger:
            assert [ledger.fill(one) for one in streamed] == [True] * 3
            await booked(ledger)
            if not restart:
                assert [ledger.fill(one) for one in looked_up * 2] == [False] * 6
        async with opened(login, folder) as ledger:
            assert [ledger.fill(one) for one in looked_up * 2] == [False] * 6
            assert [ledger.fill(one) for one in streamed] == [False] * 3
            assert ledger.book.quantity == 4
        assert rows("SELECT count(*), sum(qty_filled) FROM fills") == [(3, 4)]

    async def test_fills_beyond_an_orders_size_stop_the_trading(self, login, folder, rows):
        async with opened(login, folder) as ledger:
            ledger.order_sent(order(f"7-1-{TAG}", quantity="1"), "TX", NOW)
            ledger.fill(self.named("500_1"))
            await booked(ledger)
            assert ledger.problem == ""
            ledger.fill(self.named("501_1"))
            await booked(ledger)
            assert "more fills than it asked for" in ledger.problem

    async def test_what_is_said_of_other_bots_orders_is_left_to_them(self, login, folder, rows):
        async with opened(login, folder) as ledger:
            other = f"7-1-{tag('wallet-1.tia-usdt.spot')}"
            ledger.order_update(other, OrderStatus.REJECTED, "", Decimal(0), NOW, "exchange code 59")
            ledger.order_update("", OrderStatus.REJECTED, "", Decimal(0), NOW, "exchange code 59")
            ledger.order_update("by hand", OrderStatus.REJECTED, "", Decimal(0), NOW, "exchange code 59")
            assert not ledger.fill(fill(1, other))
            await booked(ledger)
        assert rows("SELECT count(*) FROM orders") == [(0,)]


async def test_a_fill_that_was_forgotten_and_is_found_again_counts_once(login, folder, rows, monkeypatch):
    monkeypatch.setattr("bots.ledger_seen._LIMIT", 10)
    async with opened(login, folder) as ledger:
        for number in range(30):
            assert ledger.fill(fill(number))
        await booked(ledger)
        assert ledger.fill(fill(3))  # not known any more
        await booked(ledger)
        async with asyncio.timeout(5):
            while ledger.book.fills != 30:  # noqa: ASYNC110 - the ledger tells nobody
                await asyncio.sleep(0.02)
    assert rows("SELECT count(*) FROM fills") == [(30,)]
