"""Trading-only keys on the venue, with the unmodified SDK: what a grantee may do, and what it may not."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from tests.paper import VenueProcess, run
from tests.parties import BATCH, PERP, SPOT, USDT, Party, code, parties

if TYPE_CHECKING:
    from pathlib import Path

D = Decimal


def test_a_grantee_trades_and_nothing_else(venue: VenueProcess) -> None:
    async def check() -> None:
        async with parties(venue) as (owner, bot):
            assert code(await owner.do(owner.grant(bot))) == ("", 0)
            first, bad, second = bot.order(owner), bot.order(owner, price=D("5.0000001")), bot.order(owner)
            placed = await bot.act(bot.batch(owner, spot_orders_to_create=[first, bad, second]))
            assert code(placed) == ("", 0), placed
            response = unpacked(bot, placed)
            assert response["createdSpotOrdersCids"] == [first.order_info.cid, second.order_info.cid]
            assert response["failedSpotOrdersCids"] == [bad.order_info.cid]
            assert response["spotOrderHashes"][1] == "16"
            orders = venue.orders(owner.address)
            assert {(o["subaccount_id"], o["signer"]) for o in orders} == {(owner.sub(1), bot.address)}

            cancel = bot.composer.order_data_without_mask(SPOT, owner.sub(1), orders[0]["order_hash"])
            assert code(await bot.act(bot.batch(owner, spot_orders_to_cancel=[cancel]))) == ("", 0)
            assert len(venue.orders(owner.address)) == 1
            everything = {"subaccount_id": owner.sub(1), "spot_market_ids_to_cancel_all": [SPOT]}
            assert code(await bot.act(bot.batch(owner, **everything))) == ("", 0)
            assert venue.orders(owner.address) == []
            for name, message, refusal in forbidden(owner, bot):
                before = venue.faucet(bot.address)[USDT]
                answer = await bot.act(message)
                assert code(answer) == refusal, (name, answer)
                assert venue.faucet(bot.address)[USDT] == before, name
            deposits = await owner.client.fetch_subaccount_deposits(subaccount_id=owner.sub(1))
            assert D(deposits["deposits"][USDT]["totalBalance"]).scaleb(-24) == 1000
            assert venue.orders(owner.address) == []

    run(check())


def unpacked(party: Party, answer: Any) -> Any:
    """The response of the one message that a `MsgExec` ran, read as the SDK does."""
    from google.protobuf.json_format import MessageToDict  # noqa: PLC0415 - for this reading alone
    from pyinjective.proto.cosmos.authz.v1beta1.tx_pb2 import MsgExecResponse  # noqa: PLC0415 - see above
    from pyinjective.proto.cosmos.base.abci.v1beta1.abci_pb2 import TxMsgData  # noqa: PLC0415 - see above

    data = TxMsgData.FromString(bytes.fromhex(answer["data"]))
    executed = MsgExecResponse.FromString(data.msg_responses[0].value)
    return party.composer.unpack_msg_exec_response("MsgBatchUpdateOrders", MessageToDict(executed))[0]


def forbidden(owner: Party, bot: Party) -> list[tuple[str, Any, tuple[str, int]]]:
    """What a thief with the grantee's key would try, and the chain's code for it."""
    composer, none, outside = bot.composer, ("authz", 2), ("sdk", 4)
    main = owner.sub(0)
    common = {
        "market_id": PERP,
        "subaccount_id": owner.sub(1),
        "fee_recipient": owner.address,
        "price": D(5),
        "quantity": D(1),
        "margin": D(5),
        "order_type": "BUY",
    }
    perp = composer.derivative_order(**common)
    at_market = bot.order(owner, subaccount_id=main)
    # The SDK reckons no gas for the market orders of a batch, and far too much for a cancel-all.
    gas = {"subaccount_id": owner.sub(1), "spot_market_ids_to_cancel_all": [SPOT]}
    all_of_main = {"subaccount_id": main, "spot_market_ids_to_cancel_all": [SPOT]}
    all_perp = {"subaccount_id": owner.sub(1), "derivative_market_ids_to_cancel_all": [PERP]}
    transfer = (owner.address, owner.sub(1), bot.sub(1), 1, USDT)
    steal = composer.msg_send(owner.address, bot.address, 1, USDT)
    return [
        ("withdraw", composer.msg_withdraw(owner.address, owner.sub(1), 1, USDT), none),
        ("bank send", steal, none),
        ("deposit for another", composer.msg_deposit(owner.address, bot.sub(1), 1, USDT), none),
        ("transfer out", composer.msg_external_transfer(*transfer), none),
        ("transfer in", composer.msg_subaccount_transfer(*transfer[:2], owner.sub(2), 1, USDT), none),
        ("more rights", owner.grant(bot, "CreateSpotLimitOrderAuthz", market_ids=[SPOT]), none),
        ("revoke", composer.msg_revoke(owner.address, bot.address, BATCH), none),
        ("nested", composer.msg_exec(bot.address, [steal]), none),
        ("nested for the owner", composer.msg_exec(owner.address, [steal]), none),
        ("single message", composer.msg_create_spot_limit_order(
            sender=owner.address, market_id=SPOT, subaccount_id=owner.sub(1), fee_recipient=owner.address,
            price=D(5), quantity=D(1), order_type="BUY"), none),
        ("the main subaccount", bot.batch(owner, spot_orders_to_create=[at_market]), outside),
        ("market order there", bot.batch(owner, spot_market_orders_to_create=[at_market], **gas), outside),
        ("another market", bot.batch(owner, derivative_orders_to_create=[perp]), outside),
        ("market order there", bot.batch(owner, derivative_market_orders_to_create=[perp], **gas), outside),
        ("cancel all of the main", bot.batch(owner, **all_of_main), outside),
        ("cancel all there", bot.batch(owner, **all_perp), outside),
    ]  # fmt: skip


def test_what_comes_with_a_forbidden_message_does_not_happen(venue: VenueProcess) -> None:
    async def check() -> None:
        async with parties(venue) as (owner, bot):
            await owner.do(owner.grant(bot))
            good = bot.batch(owner, spot_orders_to_create=[bot.order(owner)])
            steal = bot.composer.msg_send(owner.address, bot.address, 1, USDT)
            assert code(await bot.act(good, steal)) == ("authz", 2)
            assert venue.orders(owner.address) == []

    run(check())


def test_a_grant_ends_when_it_is_over_or_revoked(venue: VenueProcess) -> None:
    async def check() -> None:
        async with parties(venue, 3) as (owner, short, long):
            await owner.do(owner.grant(short, seconds=3), owner.grant(long))
            for bot in (short, long):
                assert code(await bot.act(bot.batch(owner, spot_orders_to_create=[bot.order(owner)]))) == (
                    "",
                    0,
                )
            await asyncio.sleep(3)
            assert code(await short.act(short.batch(owner, spot_orders_to_create=[short.order(owner)]))) == (
                "authz",
                2,
            )
            revoke = owner.composer.msg_revoke(owner.address, long.address, BATCH)
            assert code(await owner.do(revoke)) == ("", 0)
            assert code(await owner.do(revoke)) == ("authz", 2)
            assert code(await long.act(long.batch(owner, spot_orders_to_create=[long.order(owner)]))) == (
                "authz",
                2,
            )
            # What the grantees placed is the owner's, and stays.
            assert len(venue.orders(owner.address)) == 2

    run(check())


def test_grants_that_make_no_sense_are_refused(venue: VenueProcess) -> None:
    async def check() -> None:
        async with parties(venue) as (owner, bot):
            generic = owner.composer.msg_grant_generic
            refusals = [
                (owner.grant(owner), ("authz", 7)),
                (owner.grant(bot, seconds=-5), ("authz", 3)),
                (owner.grant(bot, "CreateSpotLimitOrderAuthz", market_ids=[]), ("sdk", 35)),
                (owner.grant(bot, "CreateSpotLimitOrderAuthz", market_ids=[SPOT, SPOT]), ("sdk", 35)),
                (owner.grant(bot, "CreateSpotLimitOrderAuthz", market_ids=["inj-usdt"]), ("sdk", 35)),
                (generic(owner.address, bot.address, "MsgSend", 60), ("sdk", 29)),
                (owner.composer.msg_exec(owner.address, []), ("sdk", 18)),
                (bot.composer.msg_grant_generic(bot.address, owner.address, BATCH, 60), ("sdk", 8)),
            ]
            for message, refusal in refusals:
                answer = await owner.do(message)
                assert code(answer) == refusal, answer

    run(check())


@pytest.mark.parametrize(
    ("create", "cancel"),
    [
        ("CreateSpotLimitOrderAuthz", "CancelSpotOrderAuthz"),
        ("BatchCreateSpotLimitOrdersAuthz", "BatchCancelSpotOrdersAuthz"),
    ],
)
def test_the_other_typed_grants_hold_their_limits(venue: VenueProcess, create: str, cancel: str) -> None:
    async def check() -> None:
        async with parties(venue) as (owner, bot):
            limits = {"market_ids": [SPOT]}
            await owner.do(owner.grant(bot, create, **limits), owner.grant(bot, cancel, **limits))
            for index, expected in ((1, ("", 0)), (0, ("sdk", 4))):
                assert code(await bot.act(_created(owner, bot, create, index))) == expected
            (order,) = venue.orders(owner.address)
            for index, expected in ((0, ("sdk", 4)), (1, ("", 0))):
                assert (
                    code(await bot.act(_cancelled(owner, bot, cancel, index, order["order_hash"])))
                    == expected
                )
            assert venue.orders(owner.address) == []

    run(check())


def _created(owner: Party, bot: Party, kind: str, index: int) -> Any:
    order = bot.order(owner, subaccount_id=owner.sub(index))
    if kind.startswith("Batch"):
        return bot.composer.msg_batch_create_spot_limit_orders(owner.address, [order])
    info = order.order_info
    return bot.composer.msg_create_spot_limit_order(
        sender=owner.address,
        market_id=SPOT,
        subaccount_id=info.subaccount_id,
        fee_recipient=owner.address,
        price=D(5),
        quantity=D(1),
        order_type="BUY",
    )


def _cancelled(owner: Party, bot: Party, kind: str, index: int, order_hash: str) -> Any:
    data = bot.composer.order_data_without_mask(SPOT, owner.sub(index), order_hash)
    if kind.startswith("Batch"):
        return bot.composer.msg_batch_cancel_spot_orders(owner.address, [data])
    return bot.composer.msg_cancel_spot_order(
        sender=owner.address, market_id=SPOT, subaccount_id=owner.sub(index), order_hash=order_hash
    )


def test_fees_are_the_grantees_and_its_own_messages_need_no_grant(venue: VenueProcess) -> None:
    async def check() -> None:
        async with parties(venue) as (owner, bot):
            own = bot.composer.msg_exec(bot.address, [bot.batch(bot, spot_orders_to_create=[
                bot.order(bot, subaccount_id=bot.sub(0))])])  # fmt: skip
            assert code(await bot.do(own)) == ("", 0)
            assert len(venue.orders(bot.address)) == 1
            balances = [await _inj(party, owner) for party in (owner, bot)]
            assert code(await bot.act(bot.batch(owner, spot_orders_to_create=[]))) == ("authz", 2)
            after = [await _inj(party, owner) for party in (owner, bot)]
            assert after[0] == balances[0]
            assert after[1] < balances[1]

    run(check())


async def _inj(party: Party, reader: Party) -> int:
    return int((await reader.client.fetch_bank_balance(party.address, "inj"))["balance"]["amount"])


def test_grants_can_be_read_by_pages(venue: VenueProcess) -> None:
    from pyinjective.client.model.pagination import PaginationOption  # noqa: PLC0415 - for this test alone

    async def check() -> None:
        async with parties(venue, 3) as (owner, bot, other):
            limits = {"market_ids": [SPOT]}
            await owner.do(
                owner.grant(bot), owner.grant(bot, "CancelSpotOrderAuthz", **limits), owner.grant(other)
            )
            pair = await owner.client.fetch_grants(owner.address, bot.address)
            kinds = [grant["authorization"]["@type"].rpartition(".")[2] for grant in pair["grants"]]
            assert kinds == ["BatchUpdateOrdersAuthz", "CancelSpotOrderAuthz"]
            assert pair["grants"][0]["authorization"]["spotMarkets"] == [SPOT]
            first = await owner.client.authz_api.fetch_granter_grants(
                owner.address, PaginationOption(limit=2)
            )
            key = first["pagination"]["nextKey"]
            rest = await owner.client.authz_api.fetch_granter_grants(
                owner.address, PaginationOption(encoded_page_key=key, limit=2)
            )
            shown = [grant["grantee"] for grant in first["grants"] + rest["grants"]]
            assert sorted(shown) == sorted([bot.address, bot.address, other.address])
            assert not rest["pagination"].get("nextKey")
            only = await owner.client.authz_api.fetch_grantee_grants(other.address)
            assert [grant["granter"] for grant in only["grants"]] == [owner.address]

    run(check())


def test_grants_outlive_the_venues_restart(tmp_path: Path) -> None:
    venue = VenueProcess(tmp_path).start()

    async def prepare() -> tuple[str, str]:
        async with parties(venue) as (owner, bot):
            await owner.do(owner.grant(bot))
            return owner.address, bot.address

    async def read(owner: str, bot: str) -> int:
        async with parties(venue, 1) as (reader,):
            return len((await reader.client.fetch_grants(owner, bot))["grants"])

    try:
        owner, bot = run(prepare())
        assert run(read(owner, bot)) == 1
        venue.end(9)
        venue.start()
        assert run(read(owner, bot)) == 1
    finally:
        venue.end()
