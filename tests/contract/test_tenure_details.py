"""What a trader knows when it decides: its inventory, its day, its halt, and what it may close."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import json
import logging
import signal
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from bots import cid, wiring
from bots.dealer import Dealer
from bots.desk import Desk, Parts
from bots.halts import Halts
from bots.ledger import Identity, Ledger
from bots.logs import EventLog
from bots.model import (
    Batch,
    BlockUpdate,
    ExchangeError,
    Fill,
    Inventory,
    NewOrder,
    OrderUpdate,
    Quote,
    Side,
)
from bots.session import Session
from bots.state import BotState, State
from bots.ticks import price_on_tick
from bots.working import InFlight, WorkingOrders
from tests.contract.test_fills import Hall, Life, fills
from tests.paper import ROOT, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from tests.hub import Hub

NOW = datetime.now(UTC)
LOG = EventLog(logging.getLogger("tenure"))


def bought(number: int, quantity: str, price: str = "10") -> Fill:
    return Fill(
        f"{number}_1", "", f"0x{number:x}", Side.BUY, Decimal(price), Decimal(quantity), Decimal(0), NOW
    )


@contextlib.asynccontextmanager
async def books(life: Life, name: str) -> AsyncIterator[Ledger]:
    """One process's view of a bot's ledger."""
    settings = life.settings
    who = Identity(life.bot_id, settings.market.name, "paper", life.subaccount)
    ledger = Ledger(settings.ledger, life.secrets / name, who, LOG)
    await ledger.start()
    try:
        await ledger.opening(10)
        yield ledger
    finally:
        await ledger.close(5)


@contextlib.asynccontextmanager
async def parts_of(life: Life) -> AsyncIterator[Parts]:
    """A bot's parts, holding the lease and the stream, without a bot that runs them."""
    state = State(life.settings.redis)
    exchange = wiring._exchange(life.settings, state)
    reference = wiring._reference(life.settings, life.log)
    parts = wiring.assemble(life.settings, state, exchange, reference, life.log)
    kept = asyncio.create_task(parts.lease.keep())
    try:
        await exchange.connect()
        await parts.feed.open()
        async with asyncio.timeout(5):
            await parts.lease.changed.wait()
        yield parts
    finally:
        kept.cancel()
        await parts.feed.close()
        await parts.lease.release()
        await reference.close()
        await exchange.close()
        state.close()


async def on_block(session: Session, block: BlockUpdate, fence: int) -> None:
    session._apply(block)
    await session._act(block, fence)


def test_a_fill_that_comes_while_a_batch_is_in_flight_is_in_the_next_decision(
    hub: Hub, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            life = Life(hall, hub, tmp_path, 721, "inj-usdt")
            async with parts_of(life) as parts:
                desk = Desk()
                session, height = Session(parts, desk), parts.feed.height
                session._reconciled_at = asyncio.get_running_loop().time()
                desk.orders.in_flight = InFlight("AA", height + 9, height, {"1-1-00000000"})
                fence = parts.lease.fence
                await on_block(session, BlockUpdate(height + 1, 0, NOW, fills=(bought(1, "2"),)), fence)
                assert desk.orders.in_flight is not None
                answer = OrderUpdate("1-1-00000000", "0x1", "Cancelled", Decimal(0))
                await on_block(session, BlockUpdate(height + 2, 0, NOW, orders=(answer,)), fence)
                assert desk.orders.in_flight is None
                assert desk.inventory != Inventory()
                assert desk.inventory == await parts.exchange.inventory()

    run(scenario())


def take_lease(life: Life, hub: Hub) -> None:
    hub.redis.admin("SET", f"{life.bot_id}:lease", "another", "PX", "20000")


def freeze_redis(_life: Life, hub: Hub) -> None:
    hub.redis.signal(signal.SIGSTOP)


@pytest.mark.parametrize(("number", "spoil"), [(728, take_lease), (729, freeze_redis)])
def test_cancellations_go_out_alone_when_new_orders_may_not(
    hub: Hub, tmp_path: Path, number: int, spoil: Callable[[Life, Hub], None]
) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            life = Life(hall, hub, tmp_path, number, "inj-usdt")
            async with parts_of(life) as parts:
                await parts.ledger.start()
                session, block, fence = Session(parts, Desk()), await parts.feed.next(), parts.lease.fence
                parts.exchange.follow(block)
                price = price_on_tick(parts.exchange.market, Side.BUY, await parts.exchange.mid_price() / 2)
                quote = Quote(Side.BUY, price, Decimal(2))
                first, second = (NewOrder(cid.make(fence, n, life.bot_id), quote) for n in (1, 2))
                await parts.exchange.submit(Batch(create=(first,)))
                await parts.feed.reach(parts.feed.height + 4)
                (stands,) = await parts.exchange.open_orders()
                spoil(life, hub)
                try:
                    block = BlockUpdate(parts.feed.height, 0, NOW)
                    parts.exchange.follow(block)
                    await session._dealer._send(Batch(create=(second,), cancel=(stands,)), block, fence)
                    await parts.feed.reach(parts.feed.height + 5)
                    assert await parts.exchange.open_orders() == []
                finally:
                    hub.redis.signal(signal.SIGCONT)
                    await parts.ledger.close(5)
                assert life.lines.named("not_sent")
                assert session._desk.orders.in_flight
                assert session._desk.orders.in_flight.waiting == {first.cid}

    run(scenario())


def test_a_horizon_farther_than_a_lease_reaches_is_not_waited_for(hub: Hub, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            life = Life(hall, hub, tmp_path, 730, "inj-usdt")
            async with parts_of(life) as parts, asyncio.timeout(5):
                session = Session(parts, Desk())
                parts.lease.horizon = horizon = parts.feed.height + 3
                await session._pass_horizon(parts.lease.fence)
                assert parts.feed.height > horizon
                # At 0.1 s a block these would take 21 s.
                parts.lease.horizon = parts.feed.height + 210
                await session._pass_horizon(parts.lease.fence)
                assert life.lines.named("horizon_of_another_chain")

    run(scenario())


def test_blocks_that_came_while_the_bot_was_busy_are_applied_and_only_the_newest_is_decided_on(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall, parts_of(Life(hall, hub, tmp_path, 731, "inj-usdt")) as parts:
            applied: list[int] = []
            decided: list[int] = []
            apply = WorkingOrders.apply

            def noted(orders: WorkingOrders, block: BlockUpdate) -> None:
                applied.append(block.height)
                apply(orders, block)

            async def busy(_dealer: Dealer, block: BlockUpdate, _fence: int) -> None:
                decided.append(block.height)
                # Five blocks or so.
                await asyncio.sleep(0.55)
                if len(decided) == 4:
                    raise ExchangeError("enough")

            monkeypatch.setattr(WorkingOrders, "apply", noted)
            monkeypatch.setattr(Dealer, "decide", busy)
            await parts.ledger.start()
            with pytest.raises(ExchangeError, match="enough"):
                await Session(parts, Desk()).follow(parts.lease.fence)
            await parts.ledger.close(5)
            assert applied == list(range(applied[0], applied[-1] + 1))
            assert all(after - before >= 4 for before, after in itertools.pairwise(decided)), decided

    run(scenario())


def test_blocks_that_nobody_asks_for_do_not_pile_up(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall, parts_of(Life(hall, hub, tmp_path, 722, "inj-usdt")) as parts:
            await asyncio.sleep(2.5)
            assert len(parts.feed._blocks) <= 10
            with pytest.raises(ExchangeError, match="nobody asked"):
                await parts.feed.next()
            await parts.feed.open()
            await parts.feed.next()

    monkeypatch.setattr("bots.feed._MOST_WAITING", 10, raising=False)
    run(scenario())


def test_a_copy_that_takes_over_goes_on_with_the_day_as_its_predecessor_began_it(
    hub: Hub, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            life = Life(hall, hub, tmp_path, 723, "inj-usdt")
            async with books(life, "first") as first, books(life, "second") as second:
                assert first.day_pnl(Decimal(10), NOW) == 0
                assert first.fill(bought(1, "100"))
                assert await first.drained(5)
                second.reopen()
                await second.opening(5)
                assert second.book.quantity == 100
                assert second.day_pnl(Decimal(9), NOW) == first.day_pnl(Decimal(9), NOW) == -100

    run(scenario())


def test_a_session_under_a_new_lease_reads_the_ledger_anew(hub: Hub, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            life = Life(hall, hub, tmp_path, 724, "inj-usdt")
            async with parts_of(life) as parts:
                await parts.ledger.start()
                await parts.ledger.opening(10)
                async with books(life, "first") as first:
                    assert first.fill(bought(1, "100"))
                await Session(parts, Desk())._begin(parts.lease.fence)
                await parts.ledger.opening(10)
                assert parts.ledger.book.quantity == 100
                await parts.ledger.close(5)

    run(scenario())


@contextlib.asynccontextmanager
async def halting(life: Life) -> AsyncIterator[tuple[BotState, Ledger, Halts]]:
    state = State(life.settings.redis)
    records = BotState(state, life.bot_id)
    try:
        async with books(life, "first") as ledger:
            yield records, ledger, Halts(records, ledger, life.settings.trader.risk, life.log)
    finally:
        state.close()


async def clear(records: BotState, at: datetime) -> None:
    """What `drover bots clear` leaves."""
    await records._save("cleared", {"at": at.isoformat(), "by": "ops"})
    await records._state.call("DEL", f"{records._id}:halt")


def test_a_halt_that_is_cleared_before_there_is_a_price_does_not_lift_the_limit(
    hub: Hub, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            life = Life(hall, hub, tmp_path, 725, "inj-usdt")
            async with halting(life) as (records, ledger, halts):
                ledger.fill(bought(1, "100"))
                await records.save_halt({"reason": "lost", "at": NOW.isoformat()})
                await halts.load()
                assert halts.reason
                await clear(records, datetime.now(UTC) + timedelta(seconds=1))
                await halts.sync()
                assert not halts.reason
                halts.check(Decimal(10))
                assert not halts.reason
                # daily_loss_limit is 50.
                halts.check(Decimal("9.4"))
                assert "daily_loss_limit" in halts.reason

    run(scenario())


def test_a_clearing_while_no_bot_runs_counts_once(hub: Hub, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            life = Life(hall, hub, tmp_path, 726, "inj-usdt")
            async with halting(life) as (records, ledger, halts):
                ledger.day_pnl(Decimal(10), datetime.now(UTC))
                ledger.fill(bought(1, "100"))
                halts.check(Decimal(9))
                assert halts.reason
                await halts.sync()
                assert await records.halt()
                await clear(records, datetime.now(UTC))
                limits = life.settings.trader.risk
                again = Halts(records, ledger, limits, life.log)
                await again.load()
                again.check(Decimal(9))
                assert not again.reason
                await again.sync()
                # The next loss is a new one, and the old clearing is used up.
                third = Halts(records, ledger, limits, life.log)
                await third.load()
                third.check(Decimal(8))
                assert third.reason
                await third.sync()
                assert await records.halt()

    run(scenario())


def flattening(folder: Path) -> dict[str, Any]:
    document = json.loads((ROOT / "config" / "trader_config.json").read_text())
    for defaults in document["defaults"].values():
        defaults["on_stop"] = "flatten"
    path = folder / "trader_config.json"
    path.write_text(json.dumps(document))
    return {"TRADER_CONFIG": str(path)}


def test_flatten_closes_nothing_twice_when_the_stream_does_not_tell_its_fills(
    hub: Hub, tmp_path: Path
) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            life, stop = Life(hall, hub, tmp_path, 727, "inj-usdt", **flattening(tmp_path)), asyncio.Event()
            async with books(life, "before") as before:
                before.fill(bought(1, "5"))
            running = asyncio.create_task(life.once(stop))
            await fills(life, 2, running)
            hall.venue._streams.publish = lambda _message: None
            placed = len(life.lines.named("order_placed"))
            stop.set()
            await running
            closing = life.lines.named("order_placed")[placed:]
            assert life.open_orders() == []
            assert len(closing) <= 1, closing
            assert life.lines.named("flatten_without_fills")

    run(scenario())
