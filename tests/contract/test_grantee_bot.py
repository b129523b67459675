"""The bot's own exchange trades as grantee on subaccount 1 of an account whose key it never sees."""

from __future__ import annotations

import asyncio
import itertools
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from bots.injective import Injective
from bots.injective.permission import NotGrantedError
from bots.model import Batch, NewOrder, Quote, RejectedError, Side
from bots.secret import Secret
from tests.paper import BotProcess, VenueProcess, make_wallet, run, until
from tests.parties import BATCH, PERP, SPOT, USDT, Party, parties

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

D = Decimal
_cids = (f"1-{n}-abcdef01" for n in itertools.count(1))


def exchange(owner: Party, bot: Party, market: str = SPOT, *, subaccount: int = 1) -> Injective:
    return Injective(
        bot.client.network,
        market,
        Secret(bot.key.to_hex()),
        bot.address,
        derivative=market == PERP,
        granter=owner.address,
        subaccount=subaccount,
    )


def buy(price: str, margin: str = "0") -> NewOrder:
    return NewOrder(next(_cids), Quote(Side.BUY, D(price), D(1)), D(margin))


async def settled(trader: Injective, batch: Batch) -> int:
    """Send a batch; returns the code that it was delivered with."""
    await trader.sync_height()
    tx_hash, _ = await trader.submit(batch)
    for _ in range(250):
        result = await trader.tx_result(tx_hash)
        if result is not None:
            return result.code
        await asyncio.sleep(0.02)
    raise AssertionError("the transaction is in no block")


@pytest.mark.parametrize(("market", "margin"), [(SPOT, "0"), (PERP, "5")])
def test_a_bot_trades_for_its_granter(venue: VenueProcess, market: str, margin: str) -> None:
    async def check() -> None:
        async with parties(venue) as (owner, bot):
            limits = {"spot_markets": [SPOT], "derivative_markets": [PERP]}
            await owner.do(owner.grant(bot, **limits))
            trader = exchange(owner, bot, market)
            await trader.connect()
            blocks = trader.updates()
            await anext(blocks)
            good, bad = buy("5", margin), buy("5.0000001", margin)
            assert await settled(trader, Batch((good, bad))) == 0
            seen, failures = await told(blocks, good.cid)
            assert (seen, failures) == ("Booked", {bad.cid: 16})
            (shown,) = await trader.open_orders()
            (order,) = venue.orders(owner.address)
            assert (order["cid"], order["signer"]) == (good.cid, bot.address)
            assert order["subaccount_id"] == owner.sub(1)
            assert await settled(trader, Batch(cancel=(shown,))) == 0
            assert await settled(trader, Batch((buy("4", margin), buy("4.5", margin)))) == 0
            assert len(await trader.open_orders()) == 2
            assert await settled(trader, Batch(cancel_all=True)) == 0
            assert await trader.open_orders() == []
            assert venue.orders(owner.address) == []
            await blocks.aclose()
            await trader.close()

    run(check())


MARKETS = [("inj-usdt", "spot"), ("inj-usdt-perp", "derivative")]


def test_two_real_bots_trade_with_a_key_that_can_do_nothing_else(
    venue: VenueProcess, bots: Callable[..., BotProcess], tmp_path: Path
) -> None:
    key = f"{9990:064x}"
    address = make_wallet(tmp_path, key)
    venue.faucet(address)

    async def prepare() -> tuple[str, str]:
        async with parties(venue, 1) as (owner,):
            grantee = Party(venue, 9990)
            inj = owner.composer.msg_deposit(owner.address, owner.sub(1), 20 * 10**18, "inj")
            grant = owner.grant(grantee, spot_markets=[SPOT], derivative_markets=[PERP])
            assert (await owner.do(inj, grant))["code"] == 0
            await grantee.client.close_chain_channel()
            await grantee.client.close_chain_stream_channel()
            return owner.address, owner.sub(1)

    account, subaccount = run(prepare())
    content = {"account": account, "key_version": 1, "granter": account, "subaccount": "1"}
    (tmp_path / "wallet.json").write_text(json.dumps(content))
    running = [bots(venue, tmp_path, market, kind, LOG_LEVEL="DEBUG") for market, kind in MARKETS]
    for bot in running:
        until(lambda b=bot: b.events("fill"), f"{bot.bot_id} is filled: {bot.log}", 40)
    assert {(o["subaccount_id"], o["signer"]) for o in venue.orders(account)} == {(subaccount, address)}
    assert [bot.end() for bot in running] == [0, 0]
    assert venue.orders(account) == []
    trades = venue.trades(account)
    assert {(trade["subaccount_id"], trade["signer"]) for trade in trades} == {(subaccount, address)}
    logged = [event["trade_id"] for bot in running for event in bot.events("fill")]
    assert sorted(logged) == sorted(trade["trade_id"] for trade in trades)


def test_a_real_bot_waits_for_its_grant_and_says_so(
    venue: VenueProcess, bots: Callable[..., BotProcess], tmp_path: Path
) -> None:
    address = make_wallet(tmp_path, f"{9991:064x}")
    venue.faucet(address)

    async def act(*, grant: bool) -> str:
        owner = Party(venue, 9992)
        venue.faucet(owner.address)
        if grant:
            grantee = Party(venue, 9991)
            deposit = owner.composer.msg_deposit(owner.address, owner.sub(1), 1_000_000_000, USDT)
            assert (await owner.do(deposit, owner.grant(grantee)))["code"] == 0
            await grantee.client.close_chain_channel()
            await grantee.client.close_chain_stream_channel()
        await owner.client.close_chain_channel()
        await owner.client.close_chain_stream_channel()
        return owner.address

    account = run(act(grant=False))
    content = {"account": account, "key_version": 1, "granter": account, "subaccount": 1}
    (tmp_path / "wallet.json").write_text(json.dumps(content))
    bot = bots(venue, tmp_path, "inj-usdt", "spot", LOG_LEVEL="DEBUG")
    until(lambda: "nothing is granted" in bot.log.read_text(), f"the bot says what is missing: {bot.log}")
    assert bot.process.poll() is None
    assert venue.orders(account) == []
    run(act(grant=True))
    until(lambda: venue.orders(account), f"the bot trades once it may: {bot.log}", 40)
    assert bot.end() == 0
    assert venue.orders(account) == []


async def told(blocks: AsyncIterator[Any], cid: str) -> tuple[str, dict[str, int]]:
    failures: dict[str, int] = {}
    async for block in blocks:
        failures |= block.failures
        for order in block.orders:
            if order.cid == cid:
                return order.status, failures
    raise AssertionError("the stream ended")


def test_only_what_was_deposited_in_the_subaccount_is_the_bots(venue: VenueProcess) -> None:
    async def check() -> None:
        async with parties(venue) as (owner, bot):
            await owner.do(owner.grant(bot))
            trader, main = exchange(owner, bot), exchange(owner, owner, subaccount=0)
            await trader.connect()
            await main.load_market()
            assert (await trader.inventory()).quote == 1000
            assert (await main.inventory()).quote == 9000
            assert (await main.inventory()).base > 90
            assert (await trader.inventory()).base == 0
            # Only the bank's INJ pays for gas.
            assert ((await main.inventory()).gas, (await trader.inventory()).gas) == (D("0.05"), 0)
            assert await settled(trader, Batch((buy("5"),))) == 0
            assert (await trader.inventory()).quote == 1000
            too_much = NewOrder(next(_cids), Quote(Side.BUY, D(5), D(300)))
            assert await settled(trader, Batch((too_much,))) == 0
            assert len(await trader.open_orders()) == 1
            for one in (trader, main):
                await one.close()

    run(check())


def test_a_bot_without_the_grant_that_it_needs_says_what_is_missing(venue: VenueProcess) -> None:
    async def refusal(owner: Party, bot: Party, market: str = SPOT, subaccount: int = 1) -> str:
        trader = exchange(owner, bot, market, subaccount=subaccount)
        with pytest.raises(NotGrantedError) as error:
            await trader.connect()
        await trader.close()
        text = str(error.value)
        assert owner.address in text
        assert bot.address in text
        assert "drover wallets grant" in text
        return text

    async def check() -> None:
        async with parties(venue) as (owner, bot):
            assert "nothing is granted" in await refusal(owner, bot)
            await owner.do(owner.grant(bot, "CreateSpotLimitOrderAuthz", market_ids=[SPOT]))
            assert "nothing is granted" in await refusal(owner, bot)
            await owner.do(owner.grant(bot))
            assert "does not name the market" in await refusal(owner, bot, PERP)
            assert "subaccount 1, not 2" in await refusal(owner, bot, subaccount=2)

    run(check())


def test_a_grant_that_ends_is_told_before_and_stops_the_bot_after(venue: VenueProcess) -> None:
    async def check() -> None:
        async with parties(venue) as (owner, bot):
            trader = exchange(owner, bot)
            await owner.do(owner.grant(bot, seconds=30 * 86400))
            await trader.connect()
            assert await trader.check_grant() == ""
            await owner.do(owner.grant(bot, seconds=2 * 86400))
            assert "ends at" in await trader.check_grant()
            await owner.do(owner.composer.msg_revoke(owner.address, bot.address, BATCH))
            # CheckTx asks for no grant, the block does.
            assert await settled(trader, Batch((buy("5"),))) == 2
            with pytest.raises(NotGrantedError):
                await trader.check_grant()
            await trader.close()

    run(check())


async def pay_until_refused(trader: Injective) -> None:
    for _ in range(20):
        await settled(trader, Batch((buy("5"),)))


def test_a_grantee_without_gas_is_refused(venue: VenueProcess) -> None:
    async def check() -> None:
        async with parties(venue) as (owner, bot):
            await owner.do(owner.grant(bot))
            inj = int((await bot.client.fetch_bank_balance(bot.address, "inj"))["balance"]["amount"])
            rest = 10**14
            away = bot.composer.msg_send(bot.address, owner.address, inj - rest, "inj")
            assert (await bot.do(away))["code"] == 0
            trader = exchange(owner, bot)
            await trader.connect()
            with pytest.raises(RejectedError, match="insufficient funds"):
                await pay_until_refused(trader)
            await trader.close()

    run(check())
