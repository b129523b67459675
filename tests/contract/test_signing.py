"""Several processes sign with one wallet's key at once: turns in a real Redis, orders at the real venue."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import signal
import subprocess
import sys
import time

import pytest

from bots import cid
from bots.model import ExchangeError
from bots.signing import NoTurn, TurnError, WalletTurn
from bots.state import State
from tests.paper import ROOT, make_wallet, until
from tests.redis import FREEZE, THAW

BATCHES = 90
MARKETS = {
    "inj-usdt.spot": "0x0611780ba69656949525013d947713300f56c37b6175e02f26bffa495c3208fe",
    "tia-usdt.spot": "0xa283fc94a9055a01a58bb6229b1e56a8bb54069a0debfce7fbd1e6c25a95330c",
    "inj-usdt-perp.derivative": "0x17ef48032cb24375ba7c2e39f384e56433bcab20cbee9a7357e4cba2eb00abe6",
}
SIGNER = """
import asyncio, json, sys, time
from decimal import Decimal
from bots import cid, injective
from bots.model import Batch, NewOrder, Quote, Side
from bots.secret import Secret
from bots.settings import PaperEndpoints
from bots.signing import TurnError, WalletTurn
from bots.logins import Login
from bots.state import State

async def main(bot, market, key, address, grpc, http, port, username, password, batches):
    network = injective.network_for("paper", PaperEndpoints(grpc, http))
    state = State(Login("127.0.0.1", int(port), username, Secret(password)))
    turn = WalletTurn(state, "wallet-1", address)
    derivative = bot.endswith("derivative")
    exchange = injective.Injective(network, market, Secret(key), address, derivative=derivative, turn=turn)
    permits, mismatches, refused, placed, waits = 0, 0, 0, [], []

    async def permit(timeout_height):
        nonlocal permits
        permits += 1

    put_right = exchange._put_right
    async def count(*answer):
        nonlocal mismatches
        mismatches += 1
        await put_right(*answer)
    exchange._put_right = count

    listed = await exchange.connect()
    tick, step = listed.price_tick, listed.quantity_tick
    price = (await exchange.mid_price() / 2 // tick) * tick
    quantity = (2 * listed.min_notional / price // step + 1) * step
    for number in range(int(batches)):
        quote = Quote(Side.BUY, price, quantity)
        order = NewOrder(cid.make(7, number, bot), quote, price * quantity if derivative else Decimal(0))
        await exchange.sync_height()
        began, sent = time.monotonic(), False
        while not sent:
            try:
                await exchange.submit(Batch((order,)), permit)
                sent = True
            except TurnError:
                refused += 1
                await asyncio.sleep(0.05)
        placed.append(order.cid)
        waits.append(time.monotonic() - began)
    await exchange.close()
    print(json.dumps({"placed": placed, "mismatches": mismatches, "refused": refused, "permits": permits,
                      "slowest": max(waits), "mean": sum(waits) / len(waits)}))

asyncio.run(main(*sys.argv[1:]))
"""


def start_signers(venue, server, folder, number):
    """Start three processes that place orders with one key; returns them and the key's address."""
    key, login = f"{number:064x}", server.login()
    address = make_wallet(folder, key)
    venue.faucet(address)
    common = [key, address, venue.grpc, venue.http, str(login.port), login.username, login.password.reveal()]
    return address, [
        subprocess.Popen(
            [sys.executable, "-c", SIGNER, f"wallet-1.{bot}", market, *common, str(BATCHES)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for bot, market in MARKETS.items()
    ]


def reports_of(signers, venue, address):
    """Wait for the signers, and hold what they were acknowledged against the venue's own list."""
    reports = [json.loads(signer.communicate(timeout=120)[0]) for signer in signers]
    placed = [name for report in reports for name in report["placed"]]
    assert len(placed) == len(MARKETS) * BATCHES, "every batch was taken in the end"
    time.sleep(0.5)  # a few blocks: what was acknowledged last is in the book
    standing = [order["cid"] for order in venue.orders(address)]
    assert sorted(standing) == sorted(placed), "the venue's list is what was acknowledged"
    assert {cid.parse(name).tag for name in standing} == {cid.tag(f"wallet-1.{bot}") for bot in MARKETS}
    return reports


def test_three_processes_on_one_key_lose_and_double_nothing(venue, redis_server, tmp_path):
    address, signers = start_signers(venue, redis_server, tmp_path / "wallet", 551)
    reports = reports_of(signers, venue, address)
    assert sum(report["mismatches"] for report in reports) <= len(MARKETS)
    assert sum(report["refused"] for report in reports) == 0
    assert all(report["permits"] == BATCHES + report["mismatches"] for report in reports)


def test_nor_do_they_when_redis_dies_and_freezes_under_them(venue, redis_server, tmp_path):
    address, signers = start_signers(venue, redis_server, tmp_path / "wallet", 552)
    until(lambda: len(venue.orders(address)) > 30, "they place orders")
    redis_server.kill()
    time.sleep(0.3)
    redis_server.start()
    until(lambda: len(venue.orders(address)) > 90, "they go on", 20)
    redis_server.signal(FREEZE)
    time.sleep(1.2)
    redis_server.signal(THAW)
    reports = reports_of(signers, venue, address)
    assert sum(report["refused"] for report in reports) > 0, "nobody signed without a turn"


ADDRESS = "inj1hkhdaj2a2clmq5jq6mspsggqs32vynpk228q3r"


def turns(server, count):
    states = [State(server.login()) for _ in range(count)]
    return states, [WalletTurn(state, "wallet-1", ADDRESS) for state in states]


def test_one_at_a_time_and_nobody_starves(redis_server):
    order, inside = [], 0

    async def sign(name, turn):
        nonlocal inside
        for _ in range(20):
            async with turn.take() as slot:
                assert slot.valid()
                inside += 1
                assert inside == 1
                await asyncio.sleep(0.002)
                order.append((name, slot.sequence))
                inside -= 1
                slot.done((slot.sequence or 0) + 1)

    async def play():
        states, members = turns(redis_server, 4)
        await asyncio.gather(*(sign(name, turn) for name, turn in enumerate(members)))
        for state in states:
            state.close()

    asyncio.run(play())
    assert [sequence or 0 for _, sequence in order] == list(range(80))
    for name in range(4):
        turns_taken = [at for at, (who, _) in enumerate(order) if who == name]
        gaps = [after - before for before, after in itertools.pairwise(turns_taken)]
        assert max(gaps) <= 30, "a busy signer lets the others in between"


async def lost(turn):
    """Send without an answer; returns the sequence that was used."""
    with contextlib.suppress(ExchangeError):
        async with turn.take() as slot:
            raise ExchangeError("no answer")
    return slot.sequence


def test_an_unknown_outcome_leaves_no_sequence(redis_server):
    async def play():
        (state,), (turn,) = turns(redis_server, 1)
        async with turn.take() as slot:
            slot.done(5)
        assert await lost(turn) == 5
        async with turn.take() as slot:
            assert slot.sequence is None
        state.close()

    asyncio.run(play())


def test_new_orders_wait_in_vain_and_a_cancellation_goes_out_all_the_same(redis_server):
    async def play():
        states, (hog, other) = turns(redis_server, 2)
        async with hog.take() as held:
            held.done(9)
            began = time.monotonic()
            with pytest.raises(TurnError, match="did not finish"):
                async with other.take():
                    raise AssertionError("two at once")
            assert 4.5 < time.monotonic() - began < 7
            async with other.take(patient=False) as slot:
                assert (slot.sequence, slot.valid()) == (None, True)
                slot.done(77)
        async with other.take() as slot:
            assert slot.sequence == 9, "who did not hold the turn leaves no sequence"
        redis_server.signal(FREEZE)
        with pytest.raises(TurnError, match="did not answer in time"):
            async with other.take():
                raise AssertionError("unguarded")
        began = time.monotonic()
        async with other.take(patient=False) as slot:
            assert slot.valid()
        assert time.monotonic() - began < 2.5
        redis_server.signal(THAW)
        for state in states:
            state.close()

    asyncio.run(play())


def test_a_lock_that_a_frozen_redis_gave_too_late_stands_in_nobody_s_way(redis_server):
    async def play():
        states, (late, other) = turns(redis_server, 2)
        async with late.take():
            pass
        redis_server.signal(FREEZE)
        with pytest.raises(TurnError):
            async with late.take():
                raise AssertionError("unguarded")
        redis_server.signal(THAW)
        began = time.monotonic()
        async with late.take():
            pass
        async with other.take():
            pass
        assert time.monotonic() - began < 1
        for state in states:
            state.close()

    asyncio.run(play())


def test_who_froze_in_the_turn_does_not_send_after(redis_server, tmp_path):
    """The process stops inside its turn; another takes over; thawed, it sees that its turn is over."""
    program = f"""
import asyncio, sys, time
from bots.secret import Secret
from bots.signing import WalletTurn
from bots.logins import Login
from bots.state import State

async def main():
    state = State(Login("127.0.0.1", int(sys.argv[1]), sys.argv[2], Secret(sys.argv[3])))
    async with WalletTurn(state, "wallet-1", {ADDRESS!r}).take() as slot:
        print(slot.valid(), flush=True)
        sys.stdin.readline()
        print(slot.valid(), flush=True)
        slot.done(1)

asyncio.run(main())
"""
    login = redis_server.login()
    frozen = subprocess.Popen(
        [sys.executable, "-c", program, str(login.port), login.username, login.password.reveal()],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert frozen.stdout.readline() == "True\n"
    frozen.send_signal(signal.SIGSTOP)

    async def take_over():
        (state,), (turn,) = turns(redis_server, 1)
        for _ in range(3):
            try:
                async with turn.take() as slot:
                    assert slot.sequence is None
                    slot.done(44)
                    break
            except TurnError:
                continue
        frozen.send_signal(signal.SIGCONT)
        assert frozen.communicate("go\n", timeout=10)[0] == "False\n"
        async with turn.take() as slot:
            assert slot.sequence == 44, "the late one's word does not count"
        state.close()

    asyncio.run(take_over())


def test_a_key_of_its_own_needs_no_redis():
    async def play():
        turn = NoTurn()
        async with turn.take() as slot:
            assert (slot.sequence, slot.valid()) == (None, True)
            slot.done(3)
        assert await lost(turn) == 3
        async with turn.take() as slot:
            assert slot.sequence is None

    asyncio.run(play())
