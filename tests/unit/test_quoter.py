"""From a strategy's wish to a batch: limits per second, what is told, and the halt."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bots.config import load_trader
from bots.model import Decision, Inventory, MarketInfo, OpenOrder, PricePoint, Quote, Side
from bots.quoter import Quoter
from bots.risk import RateLimit, loss_halt, permit

D = Decimal
MARKET = MarketInfo("0x1", "INJ/USDT PERP", True, "inj", "usdt", 18, 6, D("0.001"), D("0.001"), D(1))  # noqa: FBT003 - the market is a derivative
TRADER = load_trader({}, "w.inj-usdt-perp.derivative", "derivative")


class Tape:
    """A reference whose price, age and time the test sets."""

    def __init__(self):
        self.price, self.age, self.now = D(10), 0.0, 100.0
        self.history = [PricePoint(1.0, D(9)), PricePoint(2.0, D(10))]

    def start(self):
        pass


class Told:
    """What was logged."""

    def __init__(self):
        self.events = []

    def info(self, event, **fields):
        self.events.append((event, fields))

    debug = warning = info


@pytest.fixture
def desk():
    tape, told, views = Tape(), Told(), []
    wanted = [Quote(Side.BUY, D(10) - D("0.01") * n, D(1)) for n in range(1, 9)]

    def decide(view):
        views.append(view)
        return Decision(tuple(wanted), "as told")

    trader = replace(TRADER, decide=decide, risk=replace(TRADER.risk, max_orders_per_second=D(3)))
    cids = iter(f"7-{n}-abc" for n in range(100))
    quoter = Quoter(tape, trader, told, lambda: next(cids), lambda: tape.now)
    return quoter, tape, told, views, wanted


def booked(batch):
    return [
        OpenOrder(o.cid, "0x", o.quote.side, o.quote.price, o.quote.quantity, o.quote.quantity)
        for o in batch.create
    ]


def test_orders_above_the_rate_wait_and_come_later_and_cancellations_never_wait(desk):
    quoter, tape, told, _, wanted = desk
    first = quoter.changes(MARKET, Inventory(), [])
    assert [order.quote.price for order in first.create] == [q.price for q in wanted[:3]]
    assert "5 must wait: max_orders_per_second 3" in told.events[-1][1]["reason"]
    have = booked(first)
    assert not quoter.changes(MARKET, Inventory(), have).create
    tape.now += 0.7
    second = quoter.changes(MARKET, Inventory(), have)
    assert len(second.create) == 2
    wanted.clear()
    last = quoter.changes(MARKET, Inventory(), have + booked(second))
    assert (len(last.create), len(last.cancel)) == (0, 5)


def test_orders_carry_the_given_cids_and_the_margin_of_the_leverage(desk):
    quoter, _, _, views, _ = desk
    batch = quoter.changes(MARKET, Inventory(), [])
    assert [order.cid.split("-")[0] for order in batch.create] == ["7"] * 3
    assert [order.margin for order in batch.create] == [o.quote.price / 2 for o in batch.create]
    assert views[0].history == (PricePoint(1.0, D(9)), PricePoint(2.0, D(10)))


def test_a_decision_that_changes_nothing_is_told_every_ten_seconds(desk):
    quoter, tape, told, _, wanted = desk
    del wanted[1:]
    have = booked(quoter.changes(MARKET, Inventory(), []))
    for _ in range(40):
        tape.now += 0.65
        quoter.changes(MARKET, Inventory(), have)
    assert [event for event, _ in told.events] == ["decision"] * 3
    assert all(fields["reason"] == "as told" for _, fields in told.events)


def test_a_stale_reference_takes_everything_out(desk):
    quoter, tape, _, views, _ = desk
    have = booked(quoter.changes(MARKET, Inventory(), []))
    tape.age = 5.1
    batch = quoter.changes(MARKET, Inventory(), have)
    assert (batch.create, len(batch.cancel)) == ((), 3)
    assert len(views) == 1


@pytest.mark.parametrize("rate", ["0.5", "1", "7.5", "100"])
def test_over_a_long_time_the_rate_is_kept(rate):
    limit, sent = RateLimit(D(rate)), 0
    for step in range(10_000):
        sent += limit.take(3, 5.0 + step * 0.01)
    assert sent <= 100 * float(rate) + max(1, float(rate))
    assert sent >= min(30_000, 100 * float(rate)) - 1


def test_a_loss_halts_at_the_limit_and_not_before():
    limits = replace(TRADER.risk, daily_loss_limit=D(50))
    assert [loss_halt(D(pnl), limits) for pnl in ("0", "49", "-49.99")] == ["", "", ""]
    assert loss_halt(D("-50"), limits) == "lost 50.00 since 00:00 UTC; daily_loss_limit is 50"


def test_an_order_below_the_markets_least_is_refused(desk):
    quoter, _, _, views, _ = desk
    quoter.changes(MARKET, Inventory(), [])
    (refused,) = permit([Quote(Side.BUY, D("9.99"), D("0.1"))], views[0], TRADER.risk).refused
    assert refused.reason == "notional 0.999 is below the market's least, 1"


@pytest.mark.parametrize(("gas", "sold"), [("0", ["2"]), ("0.05", []), ("5", [])])
def test_what_is_kept_for_gas_is_not_offered(desk, gas, sold):
    quoter, _, _, views, wanted = desk
    wanted[:] = [Quote(Side.SELL, D("10.01"), D(2))]
    quoter._config = replace(
        quoter._config, decide=lambda view: views.append(view) or Decision(tuple(wanted), "")
    )
    spot = replace(MARKET, derivative=False)
    batch = quoter.changes(spot, Inventory(base=D(2), gas=D(gas)), [])
    assert [str(order.quote.quantity) for order in batch.create] == sold
    assert views[-1].inventory.base == max(D(2) - D(gas), 0)
