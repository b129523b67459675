"""What each strategy decides: golden decisions on recorded prices, and what holds whatever the prices do."""

from __future__ import annotations

import json
import math
import random
import re
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from bots import strategies
from bots.backtest import replay
from bots.backtest_inputs import market_of, read_prices
from bots.config import load_markets, load_traders
from bots.model import Decision, Inventory, MarketView, PricePoint, Quote, Side
from bots.strategies import mean_reversion, momentum
from bots.strategies._history import window

D = Decimal
ROOT = Path(__file__).resolve().parents[2]
MARKETS = load_markets({})
TRADERS = load_traders({"TRADER_CONFIG": str(ROOT / "config/examples/trader_config.json")}, MARKETS)
PRICES = read_prices(ROOT / "tests/data/prices-inj.csv")
SPOT, PERP = (market_of(MARKETS[name])[0] for name in ("inj-usdt", "inj-usdt-perp"))
BOTS = {
    "market_making.spot": ("inj-usdt", "spot"),
    "market_making.derivative": ("inj-usdt-perp", "derivative"),
    "mean_reversion.spot": ("inj-usdt", "wallet-2.inj-usdt.spot"),
    "mean_reversion.derivative": ("inj-usdt-perp", "wallet-2.inj-usdt-perp.derivative"),
    "momentum.spot": ("inj-usdt", "wallet-3.inj-usdt.spot"),
    "momentum.derivative": ("inj-usdt-perp", "wallet-3.inj-usdt-perp.derivative"),
}
EVERY = 50
"""A golden file holds every decision that wants other orders than the one before, and one in that many."""


def decisions(name):
    """Replay a bot; return each decision it came to, by the time it did."""
    market, bot = BOTS[name]
    trader, made = TRADERS[bot], []

    def deciding(view):
        decision = trader.decide(view)
        made.append((view, decision))
        return decision

    info, fees = market_of(MARKETS[market])
    funds = Inventory(quote=D(1000)) if info.derivative else Inventory(D(3), D(500))
    replay(PRICES, replace(trader, decide=deciding), info, funds, fees, lambda *_: None)
    return made


def shape(decision):
    return [(quote.side, quote.post_only) for quote in decision.quotes]


@pytest.mark.parametrize("name", BOTS)
def test_golden_decisions(name, golden):
    made = decisions(name)
    assert len(made) == len(PRICES)
    rows = [
        {
            "second": number,
            "reason": decision.reason,
            "quotes": [
                f"{q.side} {q.quantity:f} at {q.price:f}{'' if q.post_only else ', may take'}"
                for q in decision.quotes
            ],
        }
        for number, (_, decision) in enumerate(made)
        if number % EVERY == 0 or shape(decision) != shape(made[number - 1][1])
    ]
    lines = ",\n".join(json.dumps(row) for row in rows)
    golden(f"decisions.{name}.json", f"[\n{lines}\n]\n")


@pytest.mark.parametrize("name", BOTS)
def test_every_quote_of_a_replay_is_on_the_ticks_and_covered(name):
    for view, decision in decisions(name):
        for quote in decision.quotes:
            assert quote.price % view.market.price_tick == 0
            assert quote.quantity % view.market.quantity_tick == 0
            assert quote.price * quote.quantity >= view.market.min_notional
            # What the market maker cannot pay for, risk refuses: the rest of its levels stand.
            if not view.market.derivative and not name.startswith("market_making"):
                assert quote.side is Side.BUY or quote.quantity <= view.inventory.base
                assert quote.side is Side.SELL or quote.quantity * quote.price <= view.inventory.quote


def series(prices, end=1_795_000_000.0):
    count = len(prices)
    return tuple(
        PricePoint(end - count + n + 1, D(str(price)).quantize(D("0.000001")))
        for n, price in enumerate(prices)
    )


def see(prices, market=PERP, largest=10_000, **held):
    history = series(prices)
    inventory = Inventory(**{name: D(amount) for name, amount in held.items()})
    return MarketView(market, history[-1].price, inventory, D(largest), history)


REVERT = mean_reversion.Parameters(
    window_seconds=60, entry_z=D(2), exit_share=D("0.25"), stop_multiple=D(2), min_edge_bps=D(5),
    distance_bps=D(1), cross_bps=D(20),
    position_notional=D(120), order_notional=D(50), target_base_share=D(0),
)  # fmt: skip
FOLLOW = momentum.Parameters(
    fast_seconds=10, slow_multiple=D(6), threshold_bps=D(10), trail_bps=D(40), cross_bps=D(20),
    position_notional=D(120), order_notional=D(50), target_base_share=D(0),
)  # fmt: skip


def waves(last, size=0.01, count=80):
    """A price that swings around 10, and then is `last`."""
    return [10 + size * (-1) ** n for n in range(count - 1)] + [last]


def z_of(deviations):
    """The price that many deviations from the mean of `waves`, itself being one of the prices."""
    n = 60
    share = deviations / n
    return 10 + 0.01 * share * n / math.sqrt(1 - 1 / n) / math.sqrt(max(1e-9, 1 - deviations**2 / (n - 1)))


@pytest.mark.parametrize(
    ("deviations", "position", "side", "takes"),
    [
        (0.3, "0", None, None),
        (2.4, "0", Side.SELL, False),
        (-2.4, "0", Side.BUY, False),
        (1.5, "0", None, None),  # not far enough to enter
        (1.5, "-12", None, None),  # in, and it stays
        (0.3, "-12", Side.BUY, False),  # back near the mean: closes
        (3.5, "0", None, None),  # too near to giving up to enter
        (3.5, "-12", None, None),
        (4.5, "-12", Side.BUY, True),  # gives up, at once
        (-4.5, "12", Side.SELL, True),
        (-4.5, "0", None, None),
        (2.4, "12", Side.SELL, False),  # long on the wrong side: turns
    ],
)
def test_mean_reversion(deviations, position, side, takes):
    view = see(waves(z_of(deviations)), position=position)
    decision = mean_reversion.decide(view, REVERT)
    assert abs(float(re.search(r"z (-?[0-9.]+)", decision.reason)[1]) - deviations) < 0.05
    if side is None:
        assert decision.quotes == ()
        return
    (quote,) = decision.quotes
    assert (quote.side, not quote.post_only) == (side, takes)
    outward = quote.price < view.reference if quote.side is Side.BUY else quote.price > view.reference
    assert outward is not takes


def test_mean_reversion_waits_for_an_edge_and_for_a_price_that_moves():
    tiny = see(waves(10.003, size=0.001))
    assert mean_reversion.decide(tiny, REVERT).quotes == ()
    assert "has not moved" in mean_reversion.decide(see([10.0] * 80), REVERT).reason


UP = [10 + 0.002 * n for n in range(80)]
DOWN = [10 - 0.002 * n for n in range(80)]


@pytest.mark.parametrize(
    ("prices", "position", "side"),
    [
        (UP, "0", Side.BUY),
        (DOWN, "0", Side.SELL),
        ([10.0] * 80, "0", None),
        ([10.0] * 80, "12", Side.SELL),  # no trend left: out
        (UP, "11.8", None),  # in, nearly whole: good enough
        ([*UP, 10.125], "12", None),  # 33 bps back: bears it when in
        ([*UP, 10.125], "0", None),  # but does not enter on it
        ([*UP, 10.1], "12", Side.SELL),  # 57 bps back: trailed out
        (DOWN, "12", Side.SELL),  # turned
    ],
)
def test_momentum(prices, position, side):
    decision = momentum.decide(see(prices, position=position), FOLLOW)
    assert [quote.side for quote in decision.quotes] == ([side] if side else []), decision.reason
    assert not any(quote.post_only for quote in decision.quotes)


@pytest.mark.parametrize(("strategy", "parameters"), [(mean_reversion, REVERT), (momentum, FOLLOW)])
def test_without_prices_enough_nothing_is_decided(strategy, parameters):
    for prices in ([], UP[:30]):
        history = series(prices)
        view = MarketView(PERP, D(10), Inventory(position=D(5)), D(1000), history)
        decision = strategy.decide(view, parameters)
        assert decision.quotes == ()
        assert "yet" in decision.reason


def test_a_window_with_holes_says_nothing():
    history = series(UP)
    view = MarketView(PERP, D(10), Inventory(), D(1000), history)
    assert len(window(view, 60)) == 60
    holes = (history[0], *history[-10:])
    assert window(replace(view, history=holes), 60) == ()


@pytest.mark.parametrize(("strategy", "parameters"), [(mean_reversion, REVERT), (momentum, FOLLOW)])
@pytest.mark.parametrize("market", [SPOT, PERP])
def test_orders_lead_to_the_target_and_never_beyond(strategy, parameters, market):
    """Filled at once each time, the position stays within its size and what is there."""
    rng = random.Random(f"{strategy.__name__} {market.ticker}")
    parameters = replace(parameters, target_base_share=D(0) if market.derivative else D("0.5"))
    held, prices, traded = Inventory(base=D(10), quote=D(100)), [10.0] * 70, 0
    for _ in range(600):
        prices = [*prices[1:], prices[-1] * math.exp(rng.gauss(0, 0.002))]
        history = series(prices)
        view = MarketView(market, history[-1].price, held, D(80), history)
        for quote in strategy.decide(view, parameters).quotes:
            traded += 1
            signed = quote.quantity if quote.side is Side.BUY else -quote.quantity
            notional = quote.price * quote.quantity
            assert notional <= parameters.order_notional
            held = Inventory(held.base + signed, held.quote - signed * quote.price, held.position + signed)
            if market.derivative:
                assert abs(held.position * view.reference) <= 81
            else:
                assert held.base >= 0
                assert held.quote >= 0
                held = replace(held, position=D(0))
        if market.derivative:
            held = Inventory(position=held.position)
    assert traded > 10


def test_a_spot_strategy_first_goes_to_neutral_and_stays_there():
    parameters = replace(REVERT, target_base_share=D("0.5"))
    calm = waves(10.001)
    (quote,) = mean_reversion.decide(see(calm, SPOT, base="0", quote="100"), parameters).quotes
    assert quote.side is Side.BUY
    assert mean_reversion.decide(see(calm, SPOT, base="5", quote="50"), parameters).quotes == ()


def test_a_spot_buy_leaves_the_exchange_its_fee():
    parameters = replace(FOLLOW, target_base_share=D(1))
    view = see([10.0] * 80, SPOT, base="0", quote="30")
    (quote,) = momentum.decide(view, parameters).quotes
    assert D(29) < quote.price * quote.quantity < D(30) / D("1.001")


HEAD = "import dataclasses\n\n@dataclasses.dataclass\n"
DECIDE = "def decide(view, parameters): ..."


def test_strategies_are_found_by_their_files():
    assert strategies.names() == ("market_making", "mean_reversion", "momentum")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("(", "cannot be loaded (SyntaxError"),
        ("raise RuntimeError('x')", "cannot be loaded (RuntimeError: x)"),
        ("", "has no function decide"),
        (DECIDE, "has no dataclass Parameters"),
        (f"{DECIDE}\nclass Parameters: ...", "has no dataclass Parameters"),
        (f"{HEAD}class Parameters:\n    a: int = 1\n\n{DECIDE}", "whose fields have rules"),
        (f"{HEAD}class Parameters: ...\n\n{DECIDE}\nTYPES = ('swap',)", "has no TYPES"),
    ],
)
def test_a_file_that_is_no_strategy_is_refused_in_one_sentence(tmp_path, monkeypatch, request, text, words):
    name = f"broken_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(strategies, "__path__", [*strategies.__path__, str(tmp_path)])
    with pytest.raises(strategies.StrategyError) as refused:
        strategies.find(name)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_unknown_strategy_is_refused_and_nothing_else_is_imported():
    for name in ("os", "_exposure", "../x", ""):
        with pytest.raises(strategies.StrategyError, match="must be one of market_making"):
            strategies.find(name)


def test_a_decision_is_the_same_for_the_same_view():
    view = see(UP)
    assert momentum.decide(view, FOLLOW) == momentum.decide(view, FOLLOW)
    assert isinstance(momentum.decide(view, FOLLOW), Decision)
    assert isinstance(momentum.decide(view, FOLLOW).quotes[0], Quote)
