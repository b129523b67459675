"""The market maker's decisions and what risk lets through."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from bots.config import load_trader
from bots.model import Inventory, MarketInfo, MarketView, Quote, Side
from bots.risk import permit, reference_is_fresh
from bots.strategies.market_making import decide, inventory_ratio

D = Decimal
SPOT = MarketInfo(
    id="0x1",
    ticker="INJ/USDT",
    derivative=False,
    base_denom="inj",
    quote_denom="usdt",
    base_decimals=18,
    quote_decimals=6,
    price_tick=D("0.001"),
    quantity_tick=D("0.001"),
    min_notional=D(1),
)
PERP = replace(SPOT, derivative=True)
CONFIG = load_trader({}, "wallet-1.inj-usdt.spot", "spot")
PARAMETERS = replace(CONFIG.parameters, target_base_share=D("0.5"), levels=3)
LIMITS = CONFIG.risk


def view(
    base: str = "100", quote: str = "1200", position: str = "0", market: MarketInfo = SPOT
) -> MarketView:
    return MarketView(market, D(12), Inventory(D(base), D(quote), D(position)), D(1000))


def prices(decision_view: MarketView, side: Side) -> list[D]:
    return [q.price for q in decide(decision_view, PARAMETERS).quotes if q.side is side]


def test_a_balanced_inventory_quotes_evenly_around_the_reference() -> None:
    buys, sells = prices(view(), Side.BUY), prices(view(), Side.SELL)
    assert buys == [D("11.990"), D("11.982"), D("11.973")]
    assert sells == [D("12.010"), D("12.018"), D("12.027")]


def test_a_long_inventory_lowers_all_quotes_and_thins_the_buys() -> None:
    long = decide(view(base="150", quote="600"), PARAMETERS).quotes
    even = decide(view(), PARAMETERS).quotes
    assert all(a.price < b.price for a, b in zip(long, even, strict=True))
    assert all((a.quantity < b.quantity) == (a.side is Side.BUY) for a, b in zip(long, even, strict=True))


def test_a_short_position_raises_all_quotes_and_thins_the_sells() -> None:
    short = decide(view(position="-40", market=PERP), PARAMETERS).quotes
    flat = decide(view(market=PERP), PARAMETERS).quotes
    assert all(a.price > b.price for a, b in zip(short, flat, strict=True))
    assert all(a.quantity < b.quantity for a, b in zip(short, flat, strict=True) if a.side is Side.SELL)


def test_a_full_inventory_quotes_one_side_only() -> None:
    assert not prices(view(base="100", quote="0"), Side.BUY)
    assert prices(view(base="100", quote="0"), Side.SELL)
    assert inventory_ratio(view(position="999", market=PERP), PARAMETERS) == 1


def test_every_quote_is_on_the_ticks_and_above_the_minimum() -> None:
    for reference in ("0.73519", "12.34567", "98765.4321"):
        seen = decide(replace(view(base="9", quote="9"), reference=D(reference)), PARAMETERS).quotes
        for quote in seen:
            assert quote.price % SPOT.price_tick == 0
            assert quote.quantity % SPOT.quantity_tick == 0
            assert quote.price * quote.quantity >= SPOT.min_notional


def judge(quote: Quote, of: MarketView | None = None) -> str:
    verdict = permit([quote], of or view(), LIMITS)
    return verdict.refused[0].reason if verdict.refused else ""


@pytest.mark.parametrize(
    ("price", "quantity", "words"),
    [
        ("12.3", "1", "bps from the reference"),
        ("12.0005", "1", "ticks"),
        ("12", "17", "max_order_notional"),
        ("0", "1", "above zero"),
    ],
)
def test_risk_refuses(price: str, quantity: str, words: str) -> None:
    assert words in judge(Quote(Side.BUY, D(price), D(quantity)))


def test_risk_counts_what_it_already_permitted() -> None:
    limits = replace(LIMITS, max_position_notional=D(1400))
    quotes = [Quote(Side.BUY, D(12), D(10))] * 3
    verdict = permit(quotes, view(base="95"), limits)
    assert (len(verdict.permitted), len(verdict.refused)) == (2, 1)
    assert "max_position_notional" in verdict.refused[0].reason


def test_an_order_that_reduces_a_position_above_the_limit_is_permitted() -> None:
    above = view(position="500", market=PERP)
    assert judge(Quote(Side.SELL, D(12), D(10)), above) == ""
    assert "max_position_notional" in judge(Quote(Side.BUY, D(12), D(10)), above)


def test_what_is_not_there_is_not_sold_or_spent() -> None:
    assert judge(Quote(Side.SELL, D(12), D(2)), view(base="1")) == "not enough base tokens"
    assert judge(Quote(Side.BUY, D(12), D(2)), view(quote="23")) == "not enough quote tokens"


def test_a_reference_is_fresh_for_a_while() -> None:
    assert [reference_is_fresh(age, LIMITS) for age in (None, 0, 5, 5.1)] == [False, True, True, False]
