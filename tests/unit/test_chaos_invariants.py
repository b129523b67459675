"""The fault suite's own eyes: each thing that it looks for is seen when it is there."""

from __future__ import annotations

from decimal import Decimal

from bots import cid
from bots.paper.proto import abci_pb2, authz_tx, exchange_tx, pack
from tests.chaos.invariants import (
    Filled,
    backward_steps,
    differences,
    mixed_tenures,
    position_gaps,
    shared_tenures,
    unknown_orders,
)
from tests.chaos.records import created_cids

D = Decimal
ONE, TWO = "wallet-1.inj-usdt.spot", "wallet-2.inj-usdt.spot"
NAMES = {cid.tag(bot): bot for bot in (ONE, TWO)}
FILL = Filled("buy", D("12.5"), D(3), D("-0.01"))


def orders(bot, *steps):
    return [cid.make(fence, number, bot) for fence, number in steps]


def test_fences_and_numbers_that_grow_are_well():
    mine, others = orders(ONE, (7, 1), (7, 3), (9, 1)), orders(TWO, (3, 1), (4, 1))
    mixed = [mine[0], others[0], mine[1], others[1], mine[2], "somebody-else's"]
    assert backward_steps(mixed, NAMES) == []


def test_an_old_holder_that_still_trades_is_seen():
    (step,) = backward_steps(orders(ONE, (7, 1), (9, 1), (7, 2)), NAMES)
    assert step.startswith(f"{ONE}: 7-2-")


def test_two_processes_in_one_tenure_are_seen():
    assert len(backward_steps(orders(ONE, (7, 1), (7, 2), (7, 1), (7, 3)), NAMES)) == 1
    one, next_one, anothers = ("x", 7), ("x", 8), ("y", 7)
    assert shared_tenures({"a": {one, next_one}, "b": {next_one}}) == ["fence 8 of x was held by a, b"]
    assert shared_tenures({"a": {one}, "b": {next_one}, "c": {anothers}}) == []


def test_orders_of_two_tenures_in_the_book_are_seen():
    assert mixed_tenures([*orders(ONE, (7, 1), (7, 2)), *orders(TWO, (8, 1)), "a-stranger"], NAMES) == []
    assert len(mixed_tenures(orders(ONE, (7, 1), (8, 1)), NAMES)) == 1


def test_lost_invented_and_different_fills_are_seen():
    fills = {("t1", "c1"): FILL, ("t2", "c1"): FILL}
    assert differences(fills, dict(fills)) == []
    assert "1 fills are not in the ledger" in differences(fills, {("t1", "c1"): FILL})[0]
    assert "1 fills are in the ledger alone" in differences({}, {("t1", "c1"): FILL})[0]
    for name, value in {"side": "sell", "price": D("12.6"), "quantity": D(2), "fee": D(0)}.items():
        changed = {**fills, ("t2", "c1"): FILL._replace(**{name: value})}
        assert "1 fills differ" in differences(fills, changed)[0]


def test_an_accepted_order_that_the_ledger_lacks_is_seen():
    accepted = [*orders(ONE, (7, 1), (7, 2)), "a-stranger"]
    assert unknown_orders(accepted, NAMES, set(accepted[:2])) == []
    assert "1 accepted orders" in unknown_orders(accepted, NAMES, set(accepted[:1]))[0]


def test_positions_that_differ_are_seen():
    assert position_gaps({ONE: D("1.50")}, {ONE: D("1.5")}) == []
    assert len(position_gaps({ONE: D(1)}, {TWO: D(1)})) == 2


def result(*messages, code=0):
    data = abci_pb2.TxMsgData(msg_responses=[pack(message) for message in messages])
    return abci_pb2.TxResponse(code=code, data=data.SerializeToString().hex().upper()).SerializeToString()


def test_created_orders_are_read_from_the_chain_also_inside_an_exec():
    batch = exchange_tx.MsgBatchUpdateOrdersResponse(
        created_spot_orders_cids=["a", "b"],
        created_derivative_orders_cids=["c"],
        failed_spot_orders_cids=["x"],
    )
    granted = authz_tx.MsgExecResponse(results=[batch.SerializeToString()])
    assert created_cids(result(batch, authz_tx.MsgGrantResponse())) == ["a", "b", "c"]
    assert created_cids(result(granted)) == ["a", "b", "c"]
    assert created_cids(result(batch, code=5)) == []
