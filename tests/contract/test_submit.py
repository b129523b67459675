"""One batch at the real venue: permission before each signature, the sequence, and how long it may live."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from bots import cid, injective
from bots.lease import LeaseError
from bots.model import Batch, ExchangeError, NewOrder, Quote, Side
from bots.secret import Secret
from bots.settings import PaperEndpoints
from bots.signing import WalletTurn
from bots.state import State
from tests.paper import make_wallet

BOT = "wallet-1.inj-usdt.spot"
MARKET = "0x0611780ba69656949525013d947713300f56c37b6175e02f26bffa495c3208fe"


def order(number):
    return NewOrder(cid.make(7, number, BOT), Quote(Side.BUY, Decimal(1), Decimal(5)))


def with_exchange(venue, server, folder, number, scenario):
    """Play a scenario with exchange, state and the stored sequence's key; returns the cids in the book."""
    key = f"{number:064x}"
    address = make_wallet(folder, key)
    venue.faucet(address)

    async def play():
        state = State(server.login())
        network = injective.network_for("paper", PaperEndpoints(venue.grpc, venue.http))
        turn = WalletTurn(state, "wallet-1", address)
        exchange = injective.Injective(network, MARKET, Secret(key), address, derivative=False, turn=turn)
        try:
            await exchange.connect()
            await exchange.sync_height()
            await scenario(exchange, state, f"wallet-1.:sequence:{address}")
            await asyncio.sleep(0.5)
        finally:
            await exchange.close()
            state.close()

    asyncio.run(play())
    return {entry["cid"] for entry in venue.orders(address)}


class Permit:
    """Says yes so many times."""

    def __init__(self, times):
        self.times, self.asked = times, []

    async def __call__(self, timeout_height):
        self.asked.append(timeout_height)
        if len(self.asked) > self.times:
            raise LeaseError("No new orders: lost.")


def test_a_wrong_sequence_is_put_right_with_the_same_order_and_another_permission(
    venue, redis_server, tmp_path
):
    async def scenario(exchange, state, key):
        await state.call("SET", key, "4321")
        permit = Permit(2)
        _, timeout_height = await exchange.submit(Batch((order(1),)), permit)
        assert permit.asked == [timeout_height, timeout_height]
        assert await state.call("GET", key) == "1"
        await exchange.submit(Batch((order(2),)), again := Permit(1))
        assert len(again.asked) == 1
        assert await state.call("GET", key) == "2"

    cids = with_exchange(venue, redis_server, tmp_path, 561, scenario)
    assert cids == {order(1).cid, order(2).cid}


def test_permission_that_is_gone_at_the_retry_ends_it(venue, redis_server, tmp_path):
    async def scenario(exchange, state, key):
        await state.call("SET", key, "4321")
        with pytest.raises(LeaseError):
            await exchange.submit(Batch((order(1),)), Permit(1))
        assert await state.call("GET", key) is None, "what became of the sequence is not known"
        with pytest.raises(LeaseError):
            await exchange.submit(Batch((order(2),)), Permit(0))

    assert with_exchange(venue, redis_server, tmp_path, 562, scenario) == set()


def test_a_transaction_does_not_outlive_what_it_may(venue, redis_server, tmp_path):
    async def scenario(exchange, state, key):
        height = await exchange.sync_height()
        _, timeout_height = await exchange.submit(Batch((order(1),)), None, height + 15)
        assert timeout_height == height + 15
        _, timeout_height = await exchange.submit(Batch((order(2),)), None, height + 1000)
        assert timeout_height == height + 20
        with pytest.raises(ExchangeError, match="no block is left"):
            await exchange.submit(Batch((order(3),)), None, height)

    cids = with_exchange(venue, redis_server, tmp_path, 563, scenario)
    assert cids == {order(1).cid, order(2).cid}


def test_a_transaction_of_the_past_is_refused_by_the_chain(venue, redis_server, tmp_path):
    async def scenario(exchange, state, key):
        height = await exchange.sync_height()
        await asyncio.sleep(0.6)
        with pytest.raises(ExchangeError, match="code 30"):
            await exchange.submit(Batch((order(1),)), None, height + 1)

    assert with_exchange(venue, redis_server, tmp_path, 564, scenario) == set()


def test_without_redis_a_cancellation_goes_out_and_a_new_order_does_not(venue, redis_server, tmp_path):
    async def scenario(exchange, state, key):
        await exchange.submit(Batch((order(1),)))
        redis_server.kill()
        with pytest.raises(ExchangeError, match="cannot be reached"):
            await exchange.submit(Batch((order(2),)))
        await exchange.submit(Batch(cancel_all=True))

    assert with_exchange(venue, redis_server, tmp_path, 565, scenario) == set()


def test_nothing_raises_the_timeout_height_behind_our_back(venue, redis_server, tmp_path):
    async def scenario(exchange, state, key):
        exchange._client.timeout_height = 17
        await exchange._client.sync_timeout_height()
        assert exchange._client.timeout_height == 17

    with_exchange(venue, redis_server, tmp_path, 566, scenario)
