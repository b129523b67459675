"""The unmodified SDK against the running venue, as against the public chain."""

from __future__ import annotations

import asyncio
import itertools
import signal
import time
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from bots.paper.store import Store
from tests.paper import VenueProcess, free_port, get_json, make_wallet, run
from tests.sdk import PERP, SPOT, Sdk, with_sdk

if TYPE_CHECKING:
    from pathlib import Path


def spot_order(sdk: Sdk, price: str, quantity: str, side: str, cid: str) -> Any:
    return sdk.composer.spot_order(
        SPOT, sdk.subaccount, sdk.address, Decimal(price), Decimal(quantity), side, cid=cid
    )


def test_markets_tokens_balances_and_books_are_read(venue: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        spot, perp = await sdk.client.all_spot_markets(), await sdk.client.all_derivative_markets()
        assert spot[SPOT].ticker == "INJ/USDT"
        assert (spot[SPOT].base_token.symbol, spot[SPOT].quote_token.decimals) == ("INJ", 6)
        assert perp[PERP].initial_margin_ratio == Decimal("0.05")
        assert {market.ticker for market in spot.values()} == {"INJ/USDT", "TIA/USDT", "APE/USDT"}
        coins = (await sdk.client.fetch_bank_balances(sdk.address))["balances"]
        assert {"denom": "inj", "amount": str(100 * 10**18)} in coins
        assert int(await sdk.client.current_chain_gas_price()) == 160_000_000
        book = await sdk.client.fetch_chain_spot_orderbook(market_id=SPOT)
        best_buy, best_sell = book["buysPriceLevel"][0]["p"], book["sellsPriceLevel"][0]["p"]
        assert int(best_buy) < int(best_sell)
        top = await sdk.client.fetch_derivative_mid_price_and_tob(market_id=PERP)
        assert int(top["bestBuyPrice"]) < int(top["midPrice"]) < int(top["bestSellPrice"])
        assert (await sdk.client.fetch_latest_block())["block"]["header"]["chainId"] == "injective-paper-1"

    with_sdk(venue, 101, scenario)


@pytest.mark.parametrize("how", ["heuristics", "simulation"])
def test_a_batch_update_creates_and_cancels_and_says_so_on_the_stream(venue: VenueProcess, how: str) -> None:
    async def scenario(sdk: Sdk) -> None:
        events: list[dict[str, Any]] = []
        filters = {
            "spot_orders_filter": sdk.composer.chain_stream_orders_filter([sdk.subaccount], [SPOT]),
            "order_failures_filter": sdk.composer.chain_stream_order_failures_filter([sdk.address]),
        }
        listening = asyncio.create_task(
            sdk.client.listen_chain_stream_updates(callback=events.append, **filters)
        )
        await asyncio.sleep(0.3)
        good, bad = uuid.uuid4().hex, uuid.uuid4().hex
        orders = [spot_order(sdk, "6", "1", "BUY", good), spot_order(sdk, "6.00001", "1", "BUY", bad)]
        batch = sdk.composer.msg_batch_update_orders(sender=sdk.address, spot_orders_to_create=orders)
        assert (await sdk.send(batch, how=how))["code"] == 0
        listed = await sdk.client.fetch_chain_trader_spot_orders(market_id=SPOT, subaccount_id=sdk.subaccount)
        assert [o["cid"] for o in listed["orders"]] == [good]
        locked = await sdk.client.fetch_subaccount_deposits(subaccount_id=sdk.subaccount)
        assert [d["totalBalance"] for d in locked["deposits"].values()] == [str(6_006_000 * 10**18)]
        cancel = sdk.composer.order_data_without_mask(market_id=SPOT, subaccount_id=sdk.subaccount, cid=good)
        batch = sdk.composer.msg_batch_update_orders(sender=sdk.address, spot_orders_to_cancel=[cancel])
        assert (await sdk.send(batch, how=how))["code"] == 0
        await asyncio.sleep(0.3)
        listening.cancel()
        assert [(o["cid"], o["status"]) for e in events for o in e["spotOrders"]] == [
            (good, "Booked"),
            (good, "Cancelled"),
        ]
        assert [(f["cid"], f["errorCode"]) for e in events for f in e["orderFailures"]] == [(bad, 16)]
        heights = [int(e["blockHeight"]) for e in events]
        assert heights == list(range(heights[0], heights[0] + len(heights)))

    with_sdk(venue, 102 if how == "heuristics" else 103, scenario)


def test_crossing_orders_trade_and_open_a_position(venue: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        order = sdk.composer.msg_create_derivative_limit_order(
            market_id=PERP,
            sender=sdk.address,
            subaccount_id=sdk.subaccount,
            fee_recipient=sdk.address,
            price=Decimal(14),
            quantity=Decimal(2),
            margin=Decimal(14),
            order_type="BUY",
            cid=uuid.uuid4().hex,
        )
        assert (await sdk.send(order))["code"] == 0
        state = (await sdk.client.fetch_chain_subaccount_positions(subaccount_id=sdk.subaccount))["state"]
        assert [(p["marketId"], p["position"]["isLong"]) for p in state] == [(PERP, True)]
        assert int(state[0]["position"]["quantity"]) == 2 * 10**18
        close = sdk.composer.msg_create_derivative_market_order(
            market_id=PERP,
            sender=sdk.address,
            subaccount_id=sdk.subaccount,
            fee_recipient=sdk.address,
            price=Decimal(10),
            quantity=Decimal(2),
            margin=Decimal(0),
            order_type="SELL",
            cid=uuid.uuid4().hex,
        )
        assert (await sdk.send(close))["code"] == 0
        assert not (await sdk.client.fetch_chain_subaccount_positions(subaccount_id=sdk.subaccount))["state"]
        signers = {trade["signer"] for trade in venue.trades(sdk.address)}
        assert signers == {sdk.address}

    with_sdk(venue, 104, scenario)


def test_the_stream_tells_of_money_positions_prices_and_books(venue: VenueProcess) -> None:
    usdt = "peggy0x87aB3B4C8661e07D6372361211B96ed4Dc36B1B5"

    async def scenario(sdk: Sdk) -> None:
        events: list[dict[str, Any]] = []
        composer = sdk.composer
        listening = asyncio.create_task(
            sdk.client.listen_chain_stream_updates(
                callback=events.append,
                bank_balances_filter=composer.chain_stream_bank_balances_filter([sdk.address]),
                subaccount_deposits_filter=composer.chain_stream_subaccount_deposits_filter([sdk.funded]),
                positions_filter=composer.chain_stream_positions_filter([sdk.funded], [PERP]),
                derivative_orderbooks_filter=composer.chain_stream_orderbooks_filter([PERP]),
                oracle_price_filter=composer.chain_stream_oracle_price_filter(["INJ"]),
            )
        )
        await asyncio.sleep(0.3)
        deposit = composer.msg_deposit(sdk.address, sdk.funded, 20_000_000, usdt)
        order = composer.msg_create_derivative_limit_order(
            PERP, sdk.address, sdk.funded, sdk.address, Decimal(14), Decimal(1), Decimal(14), "BUY"
        )
        assert (await sdk.send(deposit))["code"] == 0
        assert (await sdk.send(order))["code"] == 0
        await asyncio.sleep(0.3)
        listening.cancel()
        coins = [c for e in events for b in e["bankBalances"] for c in b["balances"] if c["denom"] == usdt]
        assert str(9_980_000_000) in {c["amount"] for c in coins}
        told = [d for e in events for s in e["subaccountDeposits"] for d in s["deposits"]]
        assert told[0] == {
            "denom": usdt,
            "deposit": {k: str(20_000_000 * 10**18) for k in ("availableBalance", "totalBalance")},
        }
        now = (await sdk.client.fetch_subaccount_deposit(sdk.funded, usdt))["deposits"]
        assert told[-1]["deposit"] == now
        (position,) = [p for e in events for p in e["positions"]]
        assert (position["isLong"], position["quantity"]) == (True, str(10**18))
        assert all(p["symbol"] == "INJ" and int(p["price"]) > 0 for e in events for p in e["oraclePrices"])
        assert len([p for e in events for p in e["oraclePrices"]]) == len(events)
        assert any(e["derivativeOrderbookUpdates"] for e in events)

    with_sdk(venue, 108, scenario)


def test_funding_and_the_rest_of_the_exchanges_queries_are_answered(venue: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        client = sdk.client
        info = (await client.fetch_chain_perpetual_market_info(market_id=PERP))["info"]
        assert (info["fundingInterval"], info["hourlyFundingRateCap"]) == ("3600", str(625 * 10**12))
        assert 0 < int(info["nextFundingTimestamp"]) - time.time() <= 3600
        assert (
            "cumulativeFunding"
            in (await client.fetch_chain_perpetual_market_funding(market_id=PERP))["state"]
        )
        order = spot_order(sdk, "6", "2", "BUY", uuid.uuid4().hex)
        batch = sdk.composer.msg_batch_update_orders(sender=sdk.address, spot_orders_to_create=[order])
        assert (await sdk.send(batch))["code"] == 0
        mine = {"market_id": SPOT, "subaccount_id": sdk.subaccount}
        (row,) = (await client.fetch_chain_trader_spot_orders(**mine))["orders"]
        hashes = {"order_hashes": [row["orderHash"], "0x" + "ab" * 32]}
        assert (await client.fetch_chain_spot_orders_by_hashes(**mine, **hashes))["orders"] == [row]
        by_account = {"market_id": SPOT, "account_address": sdk.address}
        assert (await client.fetch_chain_account_address_spot_orders(**by_account))["orders"] == [row]
        (metadata,) = (await client.fetch_subaccount_order_metadata(sdk.subaccount))["metadata"]
        assert metadata["metadata"]["vanillaLimitOrderCount"] == 1
        book = await client.fetch_l3_spot_orderbook(market_id=SPOT)
        assert row["orderHash"] in {o["orderHash"] for o in book["Bids"]}
        assert (await client.fetch_chain_subaccount_positions(subaccount_id=""))["state"] == []

    with_sdk(venue, 109, scenario)


def test_a_simulation_that_fails_says_why(venue: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        message = sdk.composer.msg_create_spot_limit_order(
            SPOT, sdk.address, sdk.subaccount, sdk.address, Decimal("6.00001"), Decimal(1), "BUY"
        )
        with pytest.raises(RuntimeError, match=r"(?s)Transaction simulation error.*minimum price tick"):
            await sdk.broadcasters["simulation"].broadcast([message])

    with_sdk(venue, 110, scenario)


def test_deposits_withdrawals_and_sends(venue: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        coin = {"amount": 3_000_000, "denom": "peggy0x87aB3B4C8661e07D6372361211B96ed4Dc36B1B5"}
        other = Sdk(venue, 106)
        assert (await sdk.send(sdk.composer.msg_deposit(sdk.address, sdk.funded, **coin)))["code"] == 0
        deposits = (await sdk.client.fetch_subaccount_deposits(subaccount_id=sdk.funded))["deposits"]
        assert deposits[coin["denom"]]["availableBalance"] == str(3_000_000 * 10**18)
        assert (await sdk.send(sdk.composer.msg_withdraw(sdk.address, sdk.funded, **coin)))["code"] == 0
        assert (await sdk.send(sdk.composer.msg_send(sdk.address, other.address, **coin)))["code"] == 0
        balance = await sdk.client.fetch_bank_balance(other.address, coin["denom"])
        assert balance["balance"]["amount"] == str(10_003_000_000)
        await other.close()

    with_sdk(venue, 105, scenario)


def test_refusals_have_the_chains_codes(venue: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        message = sdk.composer.msg_batch_update_orders(
            sender=sdk.address, spot_orders_to_create=[spot_order(sdk, "6", "1", "BUY", "c")]
        )
        await sdk.client.fetch_account(sdk.address)
        sdk.client.sequence += 5
        answer = await sdk.send(message)
        assert (answer["code"], "expected 0, got 5" in answer["rawLog"]) == (32, True)
        sdk.broadcasters["heuristics"].update_gas_price(1)
        assert (await sdk.send(message))["code"] == 13
        sdk.broadcasters["heuristics"].update_gas_price(176_000_000)
        sdk.network.chain_id = "injective-1"
        assert (await sdk.send(message))["code"] == 4
        sdk.network.chain_id = "injective-paper-1"
        unknown = sdk.composer.msg_batch_update_orders(
            sender=sdk.address, subaccount_id=sdk.subaccount, spot_market_ids_to_cancel_all=["0x" + "ab" * 32]
        )
        assert (await sdk.send(unknown))["code"] == 2
        assert await sdk.client.fetch_account("inj1hkhdaj2a2clmq5jq6mspsggqs32vynpk228q3r") is None
        # and the venue goes on
        assert (await sdk.send(message))["code"] == 0

    with_sdk(venue, 107, scenario)


def test_the_http_side_answers_and_refuses(venue: VenueProcess) -> None:
    address = "inj1hkhdaj2a2clmq5jq6mspsggqs32vynpk228q3r"
    assert venue.faucet(address) == venue.faucet(address)
    for bad in ({}, [], {"address": "inj1nonsense"}, {"address": 5}):
        assert get_json(f"{venue.http}/faucet", bad)["status"] == 400
    assert get_json(f"{venue.http}/trades?address=x")["status"] == 400
    for bad in ("after=x", "after=99999999999999999999", "limit=1e3", "limit=-"):
        assert get_json(f"{venue.http}/trades?address={address}&{bad}")["status"] == 400
    assert set(get_json(f"{venue.http}/reference.json")["prices"]) >= {SPOT, PERP}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_state_survives_the_end_of_the_process(tmp_path: Path, number: int) -> None:
    running = VenueProcess(tmp_path).start()

    async def place(sdk: Sdk) -> None:
        batch = sdk.composer.msg_batch_update_orders(
            sender=sdk.address, spot_orders_to_create=[spot_order(sdk, "6", "1", "BUY", "kept")]
        )
        assert (await sdk.send(batch))["code"] == 0
        running.end(number)
        running.start()
        assert [o["cid"] for o in running.orders(sdk.address)] == ["kept"]

    try:
        with_sdk(running, 1, place)
    finally:
        running.end(signal.SIGKILL)


def test_a_kill_loses_no_block_that_anybody_saw(tmp_path: Path) -> None:
    running = VenueProcess(tmp_path, block_time="0.05").start()
    seen: list[dict[str, Any]] = []
    heights: list[tuple[int, int]] = []

    async def trade_until_it_dies(sdk: Sdk) -> None:
        listening = asyncio.create_task(
            sdk.client.listen_chain_stream_updates(
                callback=seen.append,
                spot_trades_filter=sdk.composer.chain_stream_trades_filter([sdk.subaccount], [SPOT]),
            )
        )
        await sdk.client.fetch_account(sdk.address)
        for _ in range(15):
            order = spot_order(sdk, "14", "0.1", "BUY", uuid.uuid4().hex)
            batch = sdk.composer.msg_batch_update_orders(sender=sdk.address, spot_orders_to_create=[order])
            await sdk.broadcasters["heuristics"].broadcast([batch])
            await asyncio.sleep(0.03)
        running.end(signal.SIGKILL)
        await asyncio.wait_for(listening, 5)

    try:
        for number in range(3):
            seen.clear()
            with_sdk(running, 171, trade_until_it_dies)
            running.start()
            told = {trade["tradeId"]: event for event in seen for trade in event["spotTrades"]}
            kept = {t["trade_id"]: t for t in running.trades(make_wallet(tmp_path, f"{171:064x}"))}
            assert len(told) > 5, number
            assert told.keys() <= kept.keys()
            assert {k: int(e["blockTime"]) for k, e in told.items()} == {k: kept[k]["time_ms"] for k in told}
            heights.append((int(seen[0]["blockHeight"]), int(seen[-1]["blockHeight"])))
        assert all(before[1] < after[0] for before, after in itertools.pairwise(heights))
    finally:
        running.end(signal.SIGKILL)


@pytest.mark.parametrize(
    ("env", "words"),
    [
        ({"PAPER_LISTEN_GRPC": "nonsense"}, "write host:port"),
        ({"BLOCK_TIME": "-1"}, "number above 0"),
        ({"STATE_DIR": "/nonexistent"}, "not a folder"),
        ({"MARKETS_CONFIG": "/nonexistent"}, "cannot be read"),
    ],
)
def test_a_bad_start_is_refused_in_one_sentence(env: dict[str, str], words: str) -> None:
    code, text = run(_start(env))
    assert code == 2
    assert words in text
    assert text.count("\n") == 1


async def _start(env: dict[str, str]) -> tuple[int | None, str]:
    import os  # noqa: PLC0415 - one use
    import sys  # noqa: PLC0415 - one use

    listen = {
        "PAPER_LISTEN_GRPC": f"127.0.0.1:{free_port()}",
        "PAPER_LISTEN_HTTP": f"127.0.0.1:{free_port()}",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bots.paper",
        env={**os.environ, **listen, **env},
        stderr=asyncio.subprocess.PIPE,
    )
    _, text = await asyncio.wait_for(process.communicate(), 20)
    return process.returncode, text.decode()


def test_money_of_the_faucet_outlives_a_kill_in_the_same_instant(tmp_path: Path) -> None:
    running = VenueProcess(tmp_path).start()
    addresses = [make_wallet(tmp_path, f"{number:064x}") for number in range(901, 906)]
    try:
        for address in addresses:
            running.faucet(address)
        running.end(signal.SIGKILL)
        kept = Store(tmp_path / "venue.sqlite").load()["account"]
        assert set(addresses) <= {address for address, _ in kept}
    finally:
        running.end(signal.SIGKILL)
