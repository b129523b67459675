"""The venue's rules: orders, matching, money."""

from __future__ import annotations

import dataclasses
import random
from decimal import Decimal
from typing import Any

import pytest

from bots.paper.flow import Flow
from bots.paper.funding import HOURLY_INTEREST, HOURLY_RATE_CAP, advanced, traded
from bots.paper.ledger import INSURANCE
from bots.paper.matching import auction
from bots.paper.orders import Order
from bots.paper.positions import Position, apply_fill
from bots.paper.trade_query import TradeQuery
from bots.paper.units import ZERO, from_wire

D = Decimal
SPOT = "0x0611780ba69656949525013d947713300f56c37b6175e02f26bffa495c3208fe"
PERP = "0x17ef48032cb24375ba7c2e39f384e56433bcab20cbee9a7357e4cba2eb00abe6"
INJ = "inj"
USDT = "peggy0x87aB3B4C8661e07D6372361211B96ed4Dc36B1B5"


def minted_minus_found(chain: Any, denom: str) -> D:
    """What has got lost or appeared: money in the ledger and in positions, against what was minted."""
    exchange = chain.exchange
    found = exchange.ledger.total(denom)
    if denom == USDT:
        found += sum(
            (p.margin - p.cost for p in (exchange.position(*key) for key in exchange.positions)), ZERO
        )
    return exchange.ledger.minted[denom] - found


def available(chain: Any, trader: Any, denom: str) -> D:
    return chain.exchange.ledger.available[trader.subaccount, denom]


def test_a_spot_trade_moves_both_balances_and_charges_the_taker(chain: Any, trader: Any) -> None:
    maker, taker = trader(1), trader(2)
    maker.send(maker.order(SPOT, "SELL", "12", "2"))
    before = available(chain, taker, INJ)
    result = taker.send(taker.order(SPOT, "BUY", "12", "2"))
    assert result.code == 0
    gas = D(600_000 * 160_000_000).scaleb(-18)
    assert available(chain, taker, INJ) == before + 2 - gas
    # taker fee 0.1 % of 24, 40 % of it back because the taker is the order's fee recipient
    assert available(chain, taker, USDT) == 10_000 - 24 - D("0.0144")
    # the maker's rebate of 0.01 %, all of it: 60 % as trader, 40 % as fee recipient
    assert available(chain, maker, USDT) == 10_000 + 24 + D("0.0024")
    assert {t.signer for t in chain.store.trades()} == {maker.address, taker.address}


def test_no_money_is_made_or_lost_in_a_storm_of_orders(chain: Any, trader: Any) -> None:
    rng = random.Random(7)
    flow = Flow(chain.exchange.markets, 3)
    flow.fund(chain.exchange)
    chain.flow = flow
    traders = [trader(number) for number in (1, 2, 3)]
    for _ in range(60):
        for one in traders:
            price = D(rng.randint(12_300, 12_700)).scaleb(-3)
            quantity = D(rng.randint(100, 4000)).scaleb(-3)
            side = rng.choice(["BUY", "SELL"])
            margin = {"margin": (price * quantity / 3).quantize(D("0.000001")) + 1}
            chain.broadcast(
                one.sign(
                    one.order(SPOT, side, str(price), str(quantity)),
                    one.order(PERP, side, str(price), str(quantity), **margin),
                )
            )
        chain.end_block()
    assert chain.store.count(TradeQuery()) > 100
    assert any(p.quantity for p in chain.exchange.positions.values())
    assert sum((p.quantity for p in chain.exchange.positions.values()), ZERO) == 0
    for denom in (INJ, USDT):
        assert minted_minus_found(chain, denom) == 0
    assert all(
        amount >= 0
        for (owner, _), amount in chain.exchange.ledger.available.items()
        if owner.startswith("0x")
    )
    assert all(amount >= 0 for amount in chain.exchange.ledger.held.values())


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"price": "12.0005"}, 16),
        ({"quantity": "1.00005"}, 17),
        ({"quantity": "0.001"}, 100),
        ({"market_id": "0x" + "ab" * 32}, 2),
        ({"quantity": "100000"}, 6),
        ({"cid": "taken"}, 97),
    ],
)
def test_what_is_wrong_with_an_order_has_the_chains_code(
    chain: Any, trader: Any, changes: dict[str, str], code: int
) -> None:
    one = trader(1)
    one.send(one.order(SPOT, "BUY", "11", "1", cid="taken"))
    before = dict(chain.exchange.ledger.held)
    order = {"market_id": SPOT, "price": "12", "quantity": "1", "cid": "free"} | changes
    result = one.send(
        one.order(order["market_id"], "BUY", order["price"], order["quantity"], cid=order["cid"])
    )
    assert result.code == code
    assert dict(chain.exchange.ledger.held) == before


def test_a_derivative_order_needs_its_margin(trader: Any) -> None:
    one = trader(1)
    assert one.send(one.order(PERP, "BUY", "12", "10", margin=D("5.9"))).code == 26
    assert one.send(one.order(PERP, "BUY", "12", "10", margin=D(6))).code == 0
    # backed by its price's margin, but the mark price of 12.5 would leave less
    assert one.send(one.order(PERP, "BUY", "14", "10", margin=D(7))).code == 26


def test_a_reduce_only_order_needs_what_it_reduces(trader: Any) -> None:
    one, other = trader(1), trader(2)
    assert one.send(one.order(PERP, "SELL", "13", "1", margin=D(0))).code == 28
    one.send(one.order(PERP, "BUY", "12.5", "2", margin=D(10)))
    other.send(other.order(PERP, "SELL", "12.5", "2", margin=D(10)))
    assert one.send(one.order(PERP, "BUY", "12", "1", margin=D(0))).code == 29
    assert one.send(one.order(PERP, "SELL", "13", "3", margin=D(0))).code == 8
    assert one.send(one.order(PERP, "SELL", "13", "2", margin=D(0))).code == 0


def test_what_has_nothing_left_to_reduce_is_cancelled(chain: Any, trader: Any) -> None:
    one, other = trader(1), trader(2)
    one.send(one.order(PERP, "BUY", "12.5", "2", margin=D(10)))
    other.send(other.order(PERP, "SELL", "12.5", "2", margin=D(10)))
    one.send(one.order(PERP, "SELL", "13", "1.5", margin=D(0), cid="near"))
    one.send(one.order(PERP, "SELL", "14", "0.5", margin=D(0), cid="far"))
    one.send(one.order(PERP, "SELL", "12.4", "0.5", margin=D(10), cid="plain"))
    other.send(other.order(PERP, "BUY", "12.4", "0.5", margin=D(10)))
    cancelled = [o.cid for o in chain.end_block().derivative_orders if o.status == 3]
    assert cancelled == ["far"]
    assert "near" in {o.cid for o in chain.exchange.books[PERP].orders.values()}


def test_post_only_never_takes(chain: Any, trader: Any) -> None:
    maker, taker = trader(1), trader(2)
    maker.send(maker.order(SPOT, "SELL", "12", "1"))
    assert taker.send(taker.order(SPOT, "BUY_PO", "12", "1")).code == 59
    assert taker.send(taker.order(SPOT, "BUY_PO", "11.999", "1")).code == 0
    assert not chain.store.trades()


def test_cancelling_gives_everything_back(chain: Any, trader: Any) -> None:
    one = trader(1)
    before = available(chain, one, USDT)
    one.send(one.order(SPOT, "BUY", "11", "5", cid="x"))
    assert available(chain, one, USDT) < before
    cancel = one.composer.msg_cancel_spot_order(SPOT, one.address, one.subaccount, cid="x")
    assert one.send(cancel).code == 0
    assert available(chain, one, USDT) == before
    assert one.send(cancel).code == 19


def test_nobody_cancels_or_trades_for_another(chain: Any, trader: Any) -> None:
    one, other = trader(1), trader(2)
    one.send(one.order(SPOT, "BUY", "11", "5", cid="x"))
    foreign = other.composer.msg_cancel_spot_order(SPOT, other.address, one.subaccount, cid="x")
    assert other.send(foreign).code == 10
    order = other.order(SPOT, "BUY", "11", "1", subaccount_id=one.subaccount)
    assert other.send(order).code == 10
    assert len(chain.exchange.books[SPOT].orders) == 1


def test_a_transaction_happens_as_a_whole_or_not_at_all(chain: Any, trader: Any) -> None:
    one = trader(1)
    one.send(one.order(SPOT, "BUY", "11", "1", cid="old"))
    cancel = one.composer.msg_cancel_spot_order(SPOT, one.address, one.subaccount, cid="old")
    held = dict(chain.exchange.ledger.held)
    answer = chain.broadcast(one.sign(cancel, one.order(SPOT, "BUY", "10", "1", cid="new"), cancel))
    message = chain.end_block()
    assert chain.result(answer.txhash)[1].code == 19
    assert [o.cid for o in chain.exchange.books[SPOT].orders.values()] == ["old"]
    assert dict(chain.exchange.ledger.held) == held
    assert not message.spot_orders


def test_in_a_batch_one_bad_order_does_not_fail_the_others(chain: Any, trader: Any) -> None:
    one = trader(1)
    orders = [
        one.composer.spot_order(SPOT, one.subaccount, one.address, D(price), D(1), "BUY", cid=cid)
        for price, cid in (("11", "good"), ("11.00001", "bad"))
    ]
    batch = one.composer.msg_batch_update_orders(sender=one.address, spot_orders_to_create=orders)
    answer = chain.broadcast(one.sign(batch))
    message = chain.end_block()
    assert chain.result(answer.txhash)[1].code == 0
    assert [(f.cid, f.error_code) for f in message.order_failures] == [("bad", 16)]
    assert [(o.cid, o.status) for o in message.spot_orders] == [("good", 1)]


def test_a_market_order_fills_what_it_can_and_returns_the_rest(chain: Any, trader: Any) -> None:
    maker, taker = trader(1), trader(2)
    maker.send(maker.order(SPOT, "SELL", "12", "1"), maker.order(SPOT, "SELL", "14", "1"))
    order = taker.composer.msg_create_spot_market_order(
        SPOT, taker.address, taker.subaccount, taker.address, D(13), D(5), "BUY"
    )
    assert taker.send(order).code == 0
    assert [t.quantity for t in chain.store.trades() if t.buy] == [1]
    assert chain.exchange.ledger.held[taker.subaccount, USDT] == 0


def market_order(one: Any, price: str, quantity: str, side: str) -> Any:
    return one.composer.msg_create_spot_market_order(
        SPOT, one.address, one.subaccount, one.address, D(price), D(quantity), side
    )


def test_all_market_orders_of_a_block_pay_the_average_of_what_they_sweep(chain: Any, trader: Any) -> None:
    maker, first, second = trader(1), trader(2), trader(3)
    maker.send(
        maker.order(SPOT, "SELL", "12", "1"),
        maker.order(SPOT, "SELL", "13", "1"),
        maker.order(SPOT, "SELL", "14", "1"),
    )
    chain.broadcast(first.sign(market_order(first, "14", "1.5", "BUY")))
    chain.broadcast(second.sign(market_order(second, "13", "5", "BUY")))
    chain.end_block()
    bought = {t.signer: (t.price, t.quantity, t.execution) for t in chain.exchange.trades if t.buy}
    # the better worst price goes first; the second finds 0.5 at 13 and nothing more within its limit
    assert bought == {
        first.address: (D("12.5"), D("1.5"), "Market"),
        second.address: (D("12.5"), D("0.5"), "Market"),
    }
    sold = [(t.price, t.quantity, t.execution) for t in chain.exchange.trades if not t.buy]
    assert sold == [(12, 1, "LimitFill"), (13, 1, "LimitFill")]
    assert minted_minus_found(chain, USDT) == 0


def test_an_average_that_has_no_end_loses_no_money(chain: Any, trader: Any) -> None:
    maker, taker = trader(1), trader(2)
    maker.send(maker.order(SPOT, "BUY", "12", "1"), maker.order(SPOT, "BUY", "11", "2"))
    assert taker.send(market_order(taker, "11", "3", "SELL")).code == 0
    (sold,) = [t for t in chain.exchange.trades if not t.buy]
    assert sold.price == D("11.333333333333333333")
    assert minted_minus_found(chain, USDT) == 0


def test_a_market_order_that_cannot_be_filled_has_the_chains_code(chain: Any, trader: Any) -> None:
    maker, taker = trader(1), trader(2)
    assert taker.send(market_order(taker, "13", "1", "BUY")).code == 24
    maker.send(maker.order(SPOT, "SELL", "13", "1"), maker.order(PERP, "SELL", "13", "1", margin=D(9)))
    assert taker.send(market_order(taker, "12.9", "1", "BUY")).code == 25
    perp = [
        taker.composer.msg_create_derivative_market_order(
            PERP, taker.address, taker.subaccount, taker.address, D(13), D("0.3"), D(3), "BUY"
        )
        for _ in range(2)
    ]
    assert taker.send(*perp).code == 38
    assert taker.send(perp[0]).code == 0


def open_perp(one: Any, other: Any, quantity: str = "10", margin: str = "8") -> None:
    """`one` is long at 12.5 with little margin, `other` short with a lot."""
    one.send(one.order(PERP, "BUY", "12.5", quantity, margin=D(margin)))
    other.send(other.order(PERP, "SELL", "12.5", quantity, margin=D(150)))


def test_a_position_below_its_maintenance_margin_is_liquidated(chain: Any, trader: Any) -> None:
    one, other, maker = trader(1), trader(2), trader(3)
    mark = [D("12.5")]
    chain.exchange.mark_price = lambda _market: mark[0]
    open_perp(one, other)
    one.send(one.order(PERP, "SELL", "14", "1", margin=D(0), cid="mine"))
    maker.send(maker.order(PERP, "BUY", "11.9", "4", margin=D(40)))
    maker.send(maker.order(PERP, "BUY", "11.8", "5", margin=D(40)))
    before = available(chain, one, USDT)
    # equity 8 + 10 x (price - 12.5) is the maintenance margin, 2 % of the notional, at 11.9388
    mark[0] = D("11.95")
    chain.end_block()
    assert chain.exchange.position(one.subaccount, PERP).quantity == 10
    mark[0] = D("11.93")
    message = chain.end_block()
    assert chain.exchange.position(one.subaccount, PERP).quantity == 1
    assert chain.exchange.position(maker.subaccount, PERP).quantity == 9
    (forced,) = [t for t in message.derivative_trades if t.executionType == "MarketLiquidation"]
    assert from_wire(forced.position_delta.execution_quantity) == 9
    assert [o.cid for o in message.derivative_orders if o.status == 3] == ["mine"]
    # nothing comes back; the rest goes when somebody buys it
    assert available(chain, one, USDT) == before
    maker.send(maker.order(PERP, "BUY", "11.5", "4", margin=D(40)))
    chain.end_block()
    assert (one.subaccount, PERP) not in chain.exchange.positions
    # sold 4 at 11.9, 5 at 11.8 and 1 at 11.5 what was bought for 12.5: 6.9 of the margin of 8
    assert chain.exchange.ledger.available[INSURANCE, USDT] == D("1.1")
    assert sum((p.quantity for p in chain.exchange.positions.values()), ZERO) == 0
    assert minted_minus_found(chain, USDT) == 0


def test_margin_moves_into_a_position_and_back(chain: Any, trader: Any) -> None:
    one, other = trader(1), trader(2)
    open_perp(one, other, margin="20")
    common = {
        "sender": one.address,
        "source_subaccount_id": one.subaccount,
        "destination_subaccount_id": one.subaccount,
        "market_id": PERP,
    }
    before = available(chain, one, USDT)
    assert one.send(one.composer.msg_increase_position_margin(amount=D(5), **common)).code == 0
    assert chain.exchange.position(one.subaccount, PERP).margin == 25
    assert available(chain, one, USDT) == before - 5
    # 10 % of the notional of 125 must stay
    assert one.send(one.composer.msg_decrease_position_margin(amount=D("12.6"), **common)).code == 26
    assert one.send(one.composer.msg_decrease_position_margin(amount=D("12.5"), **common)).code == 0
    assert available(chain, one, USDT) == before + D("7.5")
    third = {**common, "destination_subaccount_id": other.subaccount}
    assert one.send(one.composer.msg_increase_position_margin(amount=D(1), **third)).code == 10
    assert one.send(one.composer.msg_increase_position_margin(amount=D(10**6), **common)).code == 6
    assert minted_minus_found(chain, USDT) == 0


def test_a_market_order_in_a_batch_costs_gas_that_heuristics_do_not_give(chain: Any, trader: Any) -> None:
    one = trader(1)
    one.send(one.order(SPOT, "SELL", "12", "1"))
    order = one.composer.spot_order(SPOT, one.subaccount, one.address, D(12), D(1), "BUY", cid="c")
    batch = one.composer.msg_batch_update_orders(sender=one.address, spot_market_orders_to_create=[order])
    codes = []
    for gas in (154_999, 155_000):
        answer = chain.broadcast(one.sign(batch, gas=gas))
        chain.end_block()
        codes.append(chain.result(answer.txhash)[1].code)
    assert codes == [11, 0]


def test_longs_pay_shorts_when_the_perpetual_trades_above_the_mark(chain: Any, trader: Any) -> None:
    one, other = trader(1), trader(2)
    chain.exchange.mark_price = lambda _market: D(12)
    market = dataclasses.replace(chain.exchange.markets[PERP], funding_interval=3600)
    chain.exchange.markets[PERP] = market
    open_perp(one, other, margin="100")
    now = chain.exchange.funding[PERP].next - 600
    trades = ((D("12.6"), now), (D("12.6"), now + 300))
    kept = chain.exchange.funding[PERP]
    kept = dataclasses.replace(kept, cumulative_price=ZERO, last=now)
    for price, moment in trades:
        kept = traded(kept, price, D(12), moment)
    # 5 % above the mark for 300 s
    assert kept.cumulative_price == D(15)
    paid = advanced(kept, market, D(12), kept.next)
    assert paid.rate == D(15) / 86400 // D("1E-18") * D("1E-18") + HOURLY_INTEREST
    assert (paid.cumulative_price, paid.next) == (0, kept.next + 3600)
    chain.exchange.funding[PERP] = paid
    owed = paid.cumulative * 10
    assert chain.exchange.position(one.subaccount, PERP).margin == 100 - owed
    assert chain.exchange.position(other.subaccount, PERP).margin == 150 + owed
    one.send(one.order(PERP, "SELL", "12.5", "10", margin=D(0)))
    other.send(other.order(PERP, "BUY", "12.5", "10", margin=D(0)))
    assert not chain.exchange.positions
    assert minted_minus_found(chain, USDT) == 0
    assert advanced(traded(kept, D(100), D(12), kept.next), market, D(12), kept.next).rate == HOURLY_RATE_CAP


def test_there_is_always_something_to_take_and_the_book_stays_small(chain: Any) -> None:
    chain.flow = Flow(chain.exchange.markets, 5)
    chain.flow.fund(chain.exchange)
    for _ in range(3):
        chain.end_block()
    for _ in range(100):
        chain.end_block()
        for book in chain.exchange.books.values():
            assert book.side(buy=True, resting=True)
            assert book.side(buy=False, resting=True)
            assert len(book.orders) <= 24


def test_the_book_says_only_what_changed_in_absolute_quantities(chain: Any, trader: Any) -> None:
    one = trader(1)
    one.send(one.order(SPOT, "BUY", "11", "1"), one.order(SPOT, "BUY", "10", "1"))
    chain.broadcast(one.sign(one.order(SPOT, "BUY", "11", "2")))
    message = chain.end_block()
    (update,) = message.spot_orderbook_updates
    assert update.seq == 2
    assert [(from_wire(x.p), from_wire(x.q)) for x in update.orderbook.buy_levels] == [(11, 3)]
    assert not chain.end_block().spot_orderbook_updates


def resting(number: int, side: str, price: str, quantity: str = "1") -> Order:
    return Order(
        f"{number:064x}", SPOT, "s", "", side == "buy", D(price), D(quantity), D(quantity), 1, resting=True
    )


@pytest.mark.parametrize(
    ("buy", "sell", "mid", "price"),
    [("10", "9", "11", "10"), ("10", "9", "8", "9"), ("10", "9", "9.5", "9.5"), ("10", "9", None, "9.5")],
)
def test_the_clearing_price_is_the_one_nearest_to_the_mid(
    buy: str, sell: str, mid: str | None, price: str
) -> None:
    result = auction([resting(1, "buy", buy)], [resting(2, "sell", sell)], D(mid) if mid else None)
    assert result is not None
    assert result.price == D(price)


def test_an_auction_fills_the_best_prices_first_and_both_sides_alike() -> None:
    buys = [resting(1, "buy", "11", "1"), resting(2, "buy", "10", "2")]
    sells = [resting(3, "sell", "9", "1.5"), resting(4, "sell", "10", "0.5"), resting(5, "sell", "12", "9")]
    result = auction(buys, sells, None)
    assert result is not None
    assert {int(o.hash, 16): q for o, q in result.fills} == {1: D(1), 2: D(1), 3: D("1.5"), 4: D("0.5")}
    assert auction(buys[1:], sells[2:], None) is None


def test_positions_net_close_and_turn_with_the_right_profit() -> None:
    opened = apply_fill(Position(), D(10), D(12), D(60))
    assert (opened.position.entry_price, opened.margin_used, opened.payout) == (12, 60, 0)
    closed = apply_fill(opened.position, D(-4), D(13), D(99))
    assert closed.margin_used == 0
    assert closed.payout == 24 + 4
    turned = apply_fill(closed.position, D(-10), D(11), D(50))
    assert turned.position == Position(D(-4), D(-44), D(20))
    assert turned.margin_used == 20
    assert turned.payout == 36 - 6


def test_deposits_reach_other_subaccounts_only(chain: Any, trader: Any) -> None:
    one = trader(1)
    second = one.public.to_address().get_subaccount_id(1)
    assert one.send(one.composer.msg_deposit(one.address, second, 5_000_000, USDT)).code == 0
    assert chain.exchange.ledger.available[second, USDT] == 5
    assert one.send(one.composer.msg_withdraw(one.address, second, 6_000_000, USDT)).code == 5
    refused = chain.broadcast(one.sign(one.composer.msg_deposit(one.address, one.subaccount, 1, USDT)))
    assert refused.code == 10
