"""The ledger beside the venue: its fills are the venue's own trades, one by one, whatever the bot missed."""

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
from types import SimpleNamespace

import pytest
from pyinjective.wallet import PrivateKey

from api.credentials import Credentials
from api.migrate import migrate
from bots import cid as cids
from bots.config import load_markets
from bots.ledger import Identity, Ledger
from bots.ledger_catchup import catch_up
from bots.logins import LedgerLogin
from bots.logs import EventLog
from bots.model import ExchangeError
from bots.secret import Secret
from bots.settings import PaperEndpoints
from tests.paper import free_port, until
from tests.sdk import PERP, SPOT, with_sdk

pytestmark = pytest.mark.engines
ROOT = Path(__file__).resolve().parents[2]
LOG = EventLog(logging.getLogger("test"))
KINDS = ["spot", "derivative"]
MARKETS = {"spot": "inj-usdt", "derivative": "inj-usdt-perp"}


@pytest.fixture(scope="module")
def login(postgres_login):
    credentials = Credentials(postgres_login)
    migrate(*(credentials.database(who) for who in ("owner", "api", "bots")), patience=20)
    bots = credentials.database("bots")
    return LedgerLogin(bots.host, bots.port, bots.username, Secret(bots.password.reveal()), bots.database)


def account_of(venue, address, kind):
    """Return the bot's view of an account; without a key."""
    from bots.injective.account import Account  # noqa: PLC0415 - needs a running loop
    from bots.injective.network import network_for  # noqa: PLC0415 - see above

    network = network_for("paper", PaperEndpoints(venue.grpc, venue.http))
    market_id = load_markets({})[MARKETS[kind]].market_ids["paper"]
    return Account(network, market_id, address, derivative=kind == "derivative")


def crossing(sdk, kind, number, side=None):
    """Return an order that trades with the venue's own makers at once, at several prices."""
    side = side or ("BUY" if number % 2 else "SELL")
    common = {
        "sender": sdk.address,
        "subaccount_id": sdk.subaccount,
        "fee_recipient": sdk.address,
        "price": Decimal(15 if side == "BUY" else 10),
        "quantity": Decimal("1.001"),
        "order_type": side,
        "cid": cids.make(1000 + number, 1, f"w.{MARKETS[kind]}.{kind}"),
    }
    if kind == "spot":
        return sdk.composer.msg_create_spot_limit_order(market_id=SPOT, **common)
    margin = Decimal(15)
    return sdk.composer.msg_create_derivative_limit_order(market_id=PERP, margin=margin, **common)


@contextlib.asynccontextmanager
async def connected(venue, address, kind):
    account = account_of(venue, address, kind)
    await account.load_market()
    try:
        yield account
    finally:
        await account.close()


def as_told(venue, address, market_id):
    """The venue's own list, as rows of the ledger."""
    return sorted(
        (t["trade_id"], t["cid"], t["side"], Decimal(t["price"]), Decimal(t["quantity"]), Decimal(t["fee"]))
        for t in venue.trades(address)
        if t["market_id"] == market_id
    )


def as_recorded(server, account):
    with server.owner() as connection:
        columns = "trade_id, order_id, side, fill_price, qty_filled, commission"
        rows = connection.execute(f"SELECT {columns} FROM fills WHERE account = %s", (account,))
        return sorted(rows.fetchall())


@pytest.mark.parametrize(("kind", "number"), [("spot", 811), ("derivative", 812)])
def test_stream_and_history_tell_the_same_of_a_fill(venue, kind, number):
    async def scenario(sdk):
        async with connected(venue, sdk.address, kind) as account:
            streamed, updates = [], account.updates()
            await anext(updates)
            for turn in range(4):
                assert (await sdk.send(crossing(sdk, kind, turn)))["code"] == 0
            looked_up = []
            async with asyncio.timeout(10):
                while len(streamed) < len(venue.trades(sdk.address)):
                    streamed += (await anext(updates)).fills
            async for page in account.history().fills_since(None):
                looked_up += page
            await updates.aclose()
            assert len(streamed) >= 4
            assert sorted(looked_up, key=lambda f: f.trade_id) == sorted(streamed, key=lambda f: f.trade_id)
            newest = max(fill.at for fill in streamed)
            later = [f async for page in account.history().fills_since(newest) for f in page]
            assert {f.trade_id for f in later} == {f.trade_id for f in streamed if f.at == newest}
            assert (await account.history().indexed_until()) >= newest

    with_sdk(venue, number, scenario)


def test_all_pages_are_read(venue, monkeypatch):
    monkeypatch.setattr("bots.injective.history._PAGE", 3)

    async def scenario(sdk):
        for turn in range(8):
            assert (await sdk.send(crossing(sdk, "spot", turn)))["code"] == 0
        async with connected(venue, sdk.address, "spot") as account:
            pages = [page async for page in account.history().fills_since(None)]
            assert len(pages) >= 3
            found = [fill.trade_id for page in pages for fill in page]
            assert sorted(found) == sorted(t["trade_id"] for t in venue.trades(sdk.address))
            assert all(page == sorted(page, key=lambda fill: fill.at) for page in pages)

    with_sdk(venue, 813, scenario)


def test_a_venue_that_is_away_is_an_exchange_error(venue):
    async def scenario(sdk):
        nowhere = SimpleNamespace(grpc=f"127.0.0.1:{free_port()}", http=venue.http)
        async with connected(venue, sdk.address, "spot") as account:
            lost = account_of(nowhere, sdk.address, "spot")
            lost._market = account.market
            with pytest.raises(ExchangeError, match="newest trade"):
                await lost.history().indexed_until()
            with pytest.raises(ExchangeError, match="own trades"):
                await anext(lost.history().fills_since(None))
            await lost.close()

    with_sdk(venue, 814, scenario)


@pytest.mark.parametrize(("kind", "number"), [("spot", 815), ("derivative", 816)])
def test_what_nobody_listened_to_is_caught_up_once(  # noqa: PLR0917 - fixtures and two parameters
    venue, login, postgres_server, tmp_path, kind, number
):
    async def scenario(sdk):
        who = Identity(f"w.{MARKETS[kind]}.{kind}", MARKETS[kind], "paper", sdk.subaccount)
        market_id = SPOT if kind == "spot" else PERP
        async with connected(venue, sdk.address, kind) as account:
            before, known = None, 0
            for turn in range(3):
                ledger = Ledger(login, tmp_path, who, LOG)
                await ledger.start()
                await ledger.opening(10)
                assert ledger.complete_until == before
                for order in range(3):
                    assert (await sdk.send(crossing(sdk, kind, 10 * turn + order)))["code"] == 0
                count = len(venue.trades(sdk.address))
                assert await catch_up(account.history(), ledger, LOG) == count - known
                assert await catch_up(account.history(), ledger, LOG) == 0
                known, before = count, ledger.complete_until
                assert datetime.now(UTC) - timedelta(seconds=30) < before
                assert before < datetime.now(UTC) - timedelta(seconds=9)
                assert await ledger.close(10)
                assert as_recorded(postgres_server, sdk.subaccount) == as_told(venue, sdk.address, market_id)
            if kind == "derivative":
                position = (await account.inventory()).position
                assert ledger.book.quantity == position

    with_sdk(venue, number, scenario)


LISTENERS = """
# A bot that only listens: the stream from its start on, what was before from the history. Forked, one for
# each line that comes in, so that 25 of them do not load the SDK 25 times; this process opens no channel.
import asyncio, json, logging, os, signal, sys
from pathlib import Path
from bots.injective.account import Account
from bots.injective.network import network_for
from bots.ledger import Identity, Ledger
from bots.ledger_catchup import keep_caught_up
from bots.logins import LedgerLogin
from bots.logs import EventLog
from bots.secret import Secret
from bots.settings import PaperEndpoints

told = json.loads(sys.argv[1])
log = EventLog(logging.getLogger("x"))

async def listen():
    network = network_for("paper", PaperEndpoints(*told["venue"]))
    account = Account(network, told["market"], told["address"], derivative=False)
    await account.load_market()
    login = LedgerLogin("127.0.0.1", told["port"], told["user"], Secret(told["password"]), "postgres")
    ledger = Ledger(login, Path(told["folder"]), Identity(*told["who"]), log)
    await ledger.start()
    updates = account.updates()
    await anext(updates)
    await ledger.opening(30)
    looking = asyncio.create_task(keep_caught_up(account.history, ledger, log, asyncio.Event()))
    async for block in updates:
        for fill in block.fills:
            ledger.fill(fill)

for _ in sys.stdin:
    pid = os.fork()
    if not pid:
        try:
            asyncio.run(listen())
        finally:
            os._exit(1)
    print(pid, flush=True)
    os.waitpid(pid, 0)
    print("gone", flush=True)
"""
TRADER = """
import asyncio, json, sys
from types import SimpleNamespace
from tests.contract.test_ledger_venue import crossing
from tests.paper import free_port, until
from tests.sdk import Sdk

async def trade():
    sdk = Sdk(SimpleNamespace(grpc=sys.argv[1], http=sys.argv[2], faucet=lambda address: None), 817)
    number = 0
    while True:
        await sdk.client.sync_timeout_height()
        answer = await sdk.send(crossing(sdk, "spot", number))
        assert answer["code"] == 0, answer
        number += 1

asyncio.run(trade())
"""


@contextlib.contextmanager
def program(text, *arguments):
    """Run a program of this folder; it does not outlive the block."""
    with subprocess.Popen(
        [sys.executable, "-c", text, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextlib.contextmanager
def listening(listeners):
    """Start a listener; kill it at the end of the block."""
    listeners.stdin.write("\n")
    listeners.stdin.flush()
    pid = int(listeners.stdout.readline())
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)
        assert listeners.stdout.readline() == "gone\n"


def test_killed_while_it_trades_the_ledger_is_the_venues_list(venue, login, postgres_server, tmp_path):
    """25 times, at any moment, some of them with Postgres frozen; trading goes on all the while."""
    key = PrivateKey.from_hex(f"{817:064x}").to_public_key().to_address()
    address, subaccount, dice = key.to_acc_bech32(), key.get_subaccount_id(0), random.Random(9)
    venue.faucet(address)
    told = {
        "venue": [venue.grpc, venue.http],
        "market": SPOT,
        "address": address,
        "port": login.port,
        "user": login.username,
        "password": login.password.reveal(),
        "folder": str(tmp_path / "spool"),
        "who": ["w.inj-usdt.spot", "inj-usdt", "paper", subaccount],
    }
    with program(LISTENERS, json.dumps(told)) as listeners:
        with program(TRADER, venue.grpc, venue.http) as trader:
            until(lambda: venue.trades(address), "the first trade")
            for turn in range(25):
                with listening(listeners):
                    time.sleep(dice.uniform(0.05, 0.8))
                    with postgres_server.frozen() if turn % 6 == 5 else contextlib.nullcontext():
                        time.sleep(dice.uniform(0, 0.3))
            assert trader.poll() is None
        time.sleep(1)
        expected = as_told(venue, address, SPOT)
        with listening(listeners):
            until(lambda: as_recorded(postgres_server, subaccount) == expected, "the venue's own list", 20)
    assert len(expected) > 25
