"""The bot's view of its orders, and certainty about what happened to them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from bots.canceller import cancel_everything, settle, snapshot
from bots.logs import configure
from bots.model import (
    Batch,
    BlockUpdate,
    ExchangeError,
    Fill,
    NewOrder,
    OpenOrder,
    OrderUpdate,
    Quote,
    Side,
    TxResult,
    UnknownOutcomeError,
)
from bots.working import InFlight, WorkingOrders, plan
from tests.paper import run

NOW = datetime(2026, 1, 1, tzinfo=UTC)

D = Decimal


def new(quote: Quote) -> NewOrder:
    return NewOrder(f"new-{quote.side}-{quote.price}", quote)


def open_order(cid: str, side: Side, price: str, left: str = "1") -> OpenOrder:
    return OpenOrder(cid, f"0x{cid}", side, D(price), D(1), D(left))


def test_a_plan_keeps_what_is_near_enough_and_changes_the_rest() -> None:
    wanted = [Quote(Side.BUY, D("10"), D(1)), Quote(Side.SELL, D("11"), D(1))]
    near, far = open_order("near", Side.BUY, "10.002"), open_order("far", Side.SELL, "11.2")
    batch = plan(wanted, [near, far], D(3), new)
    assert [o.quote for o in batch.create] == [wanted[1]]
    assert batch.cancel == (far,)


@pytest.mark.parametrize(("left", "kept"), [("1", True), ("0.6", True), ("0.4", False), ("1.1", False)])
def test_a_worn_or_too_large_order_is_replaced(left: str, kept: bool) -> None:  # noqa: FBT001 - a table
    batch = plan([Quote(Side.BUY, D(10), D(1))], [open_order("a", Side.BUY, "10", left)], D(3), new)
    assert (not batch.create and not batch.cancel) is kept


def test_two_quotes_do_not_share_one_order() -> None:
    wanted = [Quote(Side.BUY, D(10), D(1))] * 2
    assert len(plan(wanted, [open_order("a", Side.BUY, "10")], D(3), new).create) == 1


def sent(orders: WorkingOrders, *cids: str) -> None:
    create = tuple(NewOrder(cid, Quote(Side.BUY, D(10), D(2))) for cid in cids)
    orders.sent(Batch(create=create), "HASH", 30, 10)


def booked(cid: str, left: str = "2") -> OrderUpdate:
    return OrderUpdate(cid, "0x", "Booked", D(left))


def fill(cid: str, quantity: str) -> Fill:
    return Fill("t", cid, "0x", Side.BUY, D(10), D(quantity), D(0), NOW)


def test_a_batch_is_in_flight_until_every_order_is_answered_for() -> None:
    orders = WorkingOrders()
    sent(orders, "a", "b", "c")
    orders.apply(BlockUpdate(11, 0, NOW, (booked("a"),)))
    assert orders.in_flight is not None
    orders.apply(BlockUpdate(12, 0, NOW, (), (fill("b", "2"),), {"c": 59}))
    assert orders.in_flight is None
    assert set(orders.open) == {"a"}


def test_fills_reduce_an_order_until_it_is_gone() -> None:
    orders = WorkingOrders()
    sent(orders, "a")
    orders.apply(BlockUpdate(11, 0, NOW, (booked("a", "1.5"),), (fill("a", "0.5"),)))
    assert orders.open["a"].fillable == D("1.5")
    orders.apply(BlockUpdate(12, 0, NOW, (), (fill("a", "1"),)))
    assert orders.open["a"].fillable == D("0.5")
    orders.apply(BlockUpdate(13, 0, NOW, (), (fill("a", "0.5"),)))
    assert not orders.open


def matched(cid: str, left: str) -> OrderUpdate:
    return OrderUpdate(cid, "0x", "Matched", D(left))


def test_a_match_that_leaves_something_keeps_the_order_with_that() -> None:
    orders = WorkingOrders()
    sent(orders, "a", "b")
    # b takes a part from the book at once, and rests with what is left.
    orders.apply(BlockUpdate(11, 0, NOW, (booked("a"), matched("b", "1.5")), (fill("b", "0.5"),)))
    assert {cid: order.fillable for cid, order in orders.open.items()} == {"a": D(2), "b": D("1.5")}
    assert orders.in_flight is None
    orders.apply(BlockUpdate(12, 0, NOW, (matched("a", "1.2"),), (fill("a", "0.8"),)))
    assert orders.open["a"].fillable == D("1.2")
    orders.apply(BlockUpdate(13, 0, NOW, (matched("a", "0"),), (fill("a", "1.2"),)))
    assert set(orders.open) == {"b"}


def test_a_match_of_an_order_that_only_a_snapshot_told_keeps_it_with_what_is_left() -> None:
    orders = WorkingOrders()
    orders.replace([open_order("z", Side.SELL, "11")], 20)
    orders.apply(BlockUpdate(21, 0, NOW, (matched("z", "0.3"),), (fill("z", "0.7"),)))
    assert orders.open["z"] == open_order("z", Side.SELL, "11", "0.3")
    # A person's order on the same account is not ours to keep.
    orders.apply(BlockUpdate(22, 0, NOW, (matched("by hand", "3"),)))
    assert set(orders.open) == {"z"}


def test_a_snapshot_is_the_truth() -> None:
    orders = WorkingOrders()
    sent(orders, "a")
    orders.replace([open_order("z", Side.SELL, "11")], 20)
    assert (set(orders.open), orders.in_flight) == ({"z"}, None)


def test_what_a_snapshot_already_holds_does_not_count_twice() -> None:
    orders = WorkingOrders()
    orders.replace([open_order("z", Side.BUY, "10", "0.6")], 20)
    orders.apply(BlockUpdate(20, 0, NOW, (), (fill("z", "0.4"),)))
    assert orders.open["z"].fillable == D("0.6")
    orders.apply(BlockUpdate(21, 0, NOW, (), (fill("z", "0.4"),)))
    assert orders.open["z"].fillable == D("0.2")


def test_a_snapshot_belongs_to_one_block() -> None:
    class Ticking(SlowExchange):
        """Two blocks pass while the first list is read."""

        reads = 0

        async def sync_height(self) -> int:
            return self.height

        async def open_orders(self) -> list[OpenOrder]:
            self.reads += 1
            self.height += 2 if self.reads == 1 else 0
            return [open_order(str(self.reads), Side.BUY, "10")]

    height, orders = run(snapshot(Ticking(0)))
    assert (height, [order.cid for order in orders]) == (102, ["2"])


class SlowExchange:
    """A chain that takes transactions in order, a few calls later, and sometimes forgets to answer."""

    def __init__(self, open_orders: int, *, lose_answers: int = 0, drop: int = 0) -> None:
        self.height = 100
        self.orders = open_orders
        self._lose, self._drop = lose_answers, drop
        self._waiting: dict[str, int] = {}
        self._done: dict[str, TxResult] = {}
        self.sent = 0

    async def sync_height(self) -> int:
        self.height += 1
        for tx_hash, due in list(self._waiting.items()):
            if due <= self.height:
                del self._waiting[tx_hash]
                self._done[tx_hash] = TxResult(tx_hash, 0, "")
                self.orders = 0
        return self.height

    async def submit(
        self, batch: Batch, permit: Any = None, max_timeout_height: int | None = None
    ) -> tuple[str, int]:
        assert batch.cancel_all
        self.sent += 1
        tx_hash, timeout = f"TX{self.sent}", self.height + 5
        if self._drop:
            self._drop -= 1
            raise UnknownOutcomeError(tx_hash, timeout)
        self._waiting[tx_hash] = self.height + 2
        if self._lose:
            self._lose -= 1
            raise UnknownOutcomeError(tx_hash, timeout)
        return tx_hash, timeout

    async def tx_result(self, tx_hash: str) -> TxResult | None:
        return self._done.get(tx_hash)

    async def open_orders(self) -> list[OpenOrder]:
        return [open_order(str(n), Side.BUY, "10") for n in range(self.orders)]


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bots.canceller._POLL_SECONDS", 0)


def test_cancelling_everything_sends_once_when_all_is_well() -> None:
    exchange = SlowExchange(3)
    run(cancel_everything(exchange, configure("b", "INFO")))
    assert (exchange.orders, exchange.sent) == (0, 1)


def test_a_lost_answer_is_looked_up_not_sent_again() -> None:
    exchange = SlowExchange(3, lose_answers=1)
    run(cancel_everything(exchange, configure("b", "INFO")))
    assert (exchange.orders, exchange.sent) == (0, 1)


def test_a_lost_transaction_is_sent_again_only_after_its_timeout_height() -> None:
    exchange = SlowExchange(3, drop=1)
    run(cancel_everything(exchange, configure("b", "INFO")))
    assert (exchange.orders, exchange.sent) == (0, 2)
    assert exchange.height > 101 + 5 + 2


def test_a_transaction_that_never_came_is_certain_two_blocks_after_its_timeout_height() -> None:
    exchange: Any = SlowExchange(0)
    assert run(settle(exchange, InFlight("NEVER", 103, 101, set()), configure("b", "INFO"))) is None
    assert exchange.height == 103 + 2 + 1


def test_a_transaction_that_a_node_indexes_late_is_found() -> None:
    class Late(SlowExchange):
        async def tx_result(self, tx_hash: str) -> TxResult | None:
            return TxResult(tx_hash, 0, "") if self.height > 103 + 2 else None

    exchange: Any = Late(0)
    assert run(settle(exchange, InFlight("LATE", 103, 101, set()), configure("b", "INFO")))


def test_an_unreachable_exchange_is_not_taken_for_an_empty_one() -> None:
    class Gone(SlowExchange):
        async def open_orders(self) -> list[OpenOrder]:
            raise ExchangeError("gone")

    with pytest.raises(ExchangeError):
        run(cancel_everything(Gone(1), configure("b", "INFO")))
