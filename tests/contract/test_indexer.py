"""The indexer's side of the venue, read by the SDK's own IndexerClient: chain units, filters, pages."""

from __future__ import annotations

import time
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from tests.sdk import PERP, SPOT, Sdk, with_sdk

if TYPE_CHECKING:
    from tests.paper import VenueProcess

USDT, INJ = Decimal("1E6"), Decimal("1E18")
"""One token in chain units."""
WAD = Decimal("1E18")
"""The chain's own queries write human numbers times this."""


def levels(side: list[dict[str, Any]]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(row["price"]), Decimal(row["quantity"])) for row in side]


async def buy_spot(sdk: Sdk, cid: str) -> None:
    order = sdk.composer.msg_create_spot_limit_order(
        market_id=SPOT,
        sender=sdk.address,
        subaccount_id=sdk.subaccount,
        fee_recipient=sdk.address,
        price=Decimal(14),
        quantity=Decimal(1),
        order_type="BUY",
        cid=cid,
    )
    assert (await sdk.send(order))["code"] == 0


async def trade_perp(sdk: Sdk, side: str, quantity: str) -> None:
    order = sdk.composer.msg_create_derivative_limit_order(
        market_id=PERP,
        sender=sdk.address,
        subaccount_id=sdk.subaccount,
        fee_recipient=sdk.address,
        price=Decimal(14 if side == "BUY" else 11),
        quantity=Decimal(quantity),
        margin=Decimal(14) * Decimal(quantity) / 2,
        order_type=side,
        cid=uuid.uuid4().hex,
    )
    assert (await sdk.send(order))["code"] == 0


def test_a_book_has_the_chains_levels_in_chain_units(venue: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        for _ in range(50):
            before = await sdk.client.fetch_chain_spot_orderbook(market_id=SPOT)
            book = (await sdk.indexer.fetch_spot_orderbook_v2(market_id=SPOT, depth=0))["orderbook"]
            after = await sdk.client.fetch_chain_spot_orderbook(market_id=SPOT)
            if before["seq"] == book["sequence"] == after["seq"]:
                break
        assert before["seq"] == book["sequence"] == after["seq"]
        for mine, theirs in (("buys", "buysPriceLevel"), ("sells", "sellsPriceLevel")):
            human = [(Decimal(row["p"]) / WAD, Decimal(row["q"]) / WAD) for row in before[theirs]]
            assert levels(book[mine]) == [(price * USDT / INJ, size * INJ) for price, size in human]
            assert human
        top = (await sdk.indexer.fetch_spot_orderbook_v2(market_id=SPOT, depth=1))["orderbook"]
        assert (len(top["buys"]), len(top["sells"])) == (1, 1)
        perp = (await sdk.indexer.fetch_derivative_orderbook_v2(market_id=PERP, depth=1))["orderbook"]
        assert (
            Decimal(6) * USDT < levels(perp["buys"])[0][0] < levels(perp["sells"])[0][0] < Decimal(25) * USDT
        )
        assert abs(int(book["timestamp"]) / 1000 - time.time()) < 5

    with_sdk(venue, 131, scenario)


def test_markets_have_the_chains_ticks_in_chain_units(venue: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        listed = (await sdk.indexer.fetch_spot_markets(market_statuses=["active"]))["markets"]
        one = (await sdk.indexer.fetch_spot_market(market_id=SPOT))["market"]
        assert one in listed
        on_chain = (await sdk.client.all_spot_markets())[SPOT]
        assert Decimal(one["minPriceTickSize"]) == on_chain.min_price_tick_size * USDT / INJ
        assert Decimal(one["minQuantityTickSize"]) == on_chain.min_quantity_tick_size * INJ
        assert Decimal(one["minNotional"]) == on_chain.min_notional * USDT
        assert (one["baseTokenMeta"]["symbol"], one["takerFeeRate"]) == ("INJ", "0.001")
        assert (await sdk.indexer.fetch_spot_markets(market_statuses=["paused"]))["markets"] == []
        perp = (await sdk.indexer.fetch_derivative_market(market_id=PERP))["market"]
        assert perp in (await sdk.indexer.fetch_derivative_markets())["markets"]
        assert (perp["isPerpetual"], perp["perpetualMarketInfo"]["fundingInterval"]) == (True, "3600")
        books = (await sdk.indexer.fetch_spot_orderbooks_v2(market_ids=[SPOT], depth=1))["orderbooks"]
        assert [(b["marketId"], len(b["orderbook"]["buys"])) for b in books] == [(SPOT, 1)]
        books = (await sdk.indexer.fetch_derivative_orderbooks_v2(market_ids=[PERP], depth=2))["orderbooks"]
        assert [(b["marketId"], len(b["orderbook"]["sells"])) for b in books] == [(PERP, 2)]

    with_sdk(venue, 138, scenario)


@pytest.mark.parametrize("kind", ["spot", "derivative"])
def test_a_book_of_an_unknown_market_is_not_found(venue: VenueProcess, kind: str) -> None:
    async def scenario(sdk: Sdk) -> None:
        fetch = getattr(sdk.indexer, f"fetch_{kind}_orderbook_v2")
        with pytest.raises(grpc.RpcError) as refused:
            await fetch(market_id="0x" + "ab" * 32, depth=5)
        assert refused.value.code() is grpc.StatusCode.NOT_FOUND

    with_sdk(venue, 132, scenario)


@pytest.mark.parametrize(("side", "direction"), [("BUY", "long"), ("SELL", "short")])
def test_a_position_is_that_of_the_chain_in_chain_units(
    venue: VenueProcess, side: str, direction: str
) -> None:
    async def scenario(sdk: Sdk) -> None:
        await trade_perp(sdk, side, "2.5")
        chain = (await sdk.client.fetch_chain_subaccount_positions(subaccount_id=sdk.subaccount))["state"][0]
        held = chain["position"]
        answer = await sdk.indexer.fetch_derivative_positions_v2(subaccount_id=sdk.subaccount)
        (row,) = answer["positions"]
        assert (row["ticker"], row["marketId"], row["direction"]) == ("INJ/USDT PERP", PERP, direction)
        assert Decimal(row["quantity"]) == Decimal(held["quantity"]) / WAD == Decimal("2.5")
        assert abs(Decimal(row["entryPrice"]) - Decimal(held["entryPrice"]) / WAD * USDT) < 1
        assert abs(Decimal(row["margin"]) - Decimal(held["margin"]) / WAD * USDT) < 1
        entry, liquidation, mark = (
            Decimal(row[name]) for name in ("entryPrice", "liquidationPrice", "markPrice")
        )
        assert (liquidation < entry) is (direction == "long")
        sign = 1 if direction == "long" else -1
        assert abs(Decimal(row["upnl"]) - sign * Decimal("2.5") * (mark - entry)) < 10
        # at the liquidation price the equity is the maintenance margin, 2 % of the notional
        equity = Decimal(row["margin"]) + sign * Decimal("2.5") * (liquidation - entry)
        assert abs(equity - Decimal("0.02") * Decimal("2.5") * liquidation) < 10

    with_sdk(venue, 133 if side == "BUY" else 134, scenario)


def test_positions_are_filtered(venue: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        await trade_perp(sdk, "BUY", "1")
        mine = {"subaccount_id": sdk.subaccount}
        expected = {
            1: [{"direction": "long"}, {"market_ids": [PERP, SPOT]}],
            0: [{"direction": "short"}, {"market_ids": [SPOT]}],
        }
        for count, filters in expected.items():
            for extra in filters:
                answer = await sdk.indexer.fetch_derivative_positions_v2(**mine, **extra)
                assert (len(answer["positions"]), answer["paging"]["total"]) == (count, str(count))
        other = await sdk.indexer.fetch_derivative_positions_v2(subaccount_id="0x" + "ab" * 32)
        assert other["positions"] == []

    with_sdk(venue, 135, scenario)


def test_spot_trades_are_those_of_the_venue_in_chain_units(venue: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        first, second = uuid.uuid4().hex, uuid.uuid4().hex
        await buy_spot(sdk, first)
        await buy_spot(sdk, second)
        told = {trade["trade_id"]: trade for trade in venue.trades(sdk.address)}
        answer = await sdk.indexer.fetch_spot_trades(subaccount_ids=[sdk.subaccount])
        assert len(answer["trades"]) == len(told) >= 2
        assert int(answer["paging"]["total"]) == len(told)
        for row in answer["trades"]:
            trade = told[row["tradeId"]]
            assert Decimal(row["price"]["price"]) == Decimal(trade["price"]) * USDT / INJ
            assert Decimal(row["price"]["quantity"]) == Decimal(trade["quantity"]) * INJ
            assert Decimal(row["fee"]) == Decimal(trade["fee"]) * USDT
            assert (row["tradeDirection"], row["executionSide"]) == ("buy", "taker")
            assert (row["cid"], row["orderHash"]) == (trade["cid"], trade["order_hash"])
        times = [int(row["executedAt"]) for row in answer["trades"]]
        assert times == sorted(times, reverse=True)
        only = await sdk.indexer.fetch_spot_trades(cid=second)
        assert {row["cid"] for row in only["trades"]} == {second}

    with_sdk(venue, 136, scenario)


def test_trades_are_paged_and_cut_by_time(venue: VenueProcess) -> None:
    from pyinjective.client.model.pagination import PaginationOption  # noqa: PLC0415 - most tests do not need it

    async def scenario(sdk: Sdk) -> None:
        for _ in range(3):
            await trade_perp(sdk, "BUY", "1")
        mine = {"subaccount_ids": [sdk.subaccount], "market_ids": [PERP]}
        rows = (await sdk.indexer.fetch_derivative_trades(**mine))["trades"]
        assert sum(Decimal(row["positionDelta"]["executionQuantity"]) for row in rows) == 3
        page = await sdk.indexer.fetch_derivative_trades(**mine, pagination=PaginationOption(skip=1, limit=1))
        assert [row["tradeId"] for row in page["trades"]] == [rows[1]["tradeId"]]
        newest = int(rows[0]["executedAt"])
        late = PaginationOption(start_time=newest)
        assert (await sdk.indexer.fetch_derivative_trades(**mine, pagination=late))["trades"][0] == rows[0]
        none = PaginationOption(start_time=newest + 1)
        assert (await sdk.indexer.fetch_derivative_trades(**mine, pagination=none))["trades"] == []
        assert (await sdk.indexer.fetch_spot_trades(subaccount_ids=[sdk.subaccount]))["trades"] == []

    with_sdk(venue, 137, scenario)
