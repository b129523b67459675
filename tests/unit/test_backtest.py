"""The backtest: what fills, what it costs, when it halts, and that its sums agree; the command around it."""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from bots.backtest import replay
from bots.backtest_exchange import Exchange, Fees
from bots.backtest_inputs import BacktestError, market_of, read_prices
from bots.backtest_report import CAVEAT
from bots.config import load_markets, load_traders
from bots.model import Batch, Decision, Inventory, NewOrder, PricePoint, Quote, Side
from ops.backtest_cli import backtest
from ops.errors import OpsError

D = Decimal
ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "config/examples/trader_config.json"
SERIES = ROOT / "tests/data/prices-inj.csv"
MARKETS = load_markets({})
TRADERS = load_traders({"TRADER_CONFIG": str(EXAMPLES)}, MARKETS)
SPOT, PERP = (market_of(MARKETS[name])[0] for name in ("inj-usdt", "inj-usdt-perp"))
FEES = Fees(D("-0.0001"), D("0.001"))


def order(cid, side, price, quantity, *, post_only=True):
    return NewOrder(cid, Quote(side, D(price), D(quantity), post_only))


def spot(base="10", quote="1000"):
    return Exchange(SPOT, Inventory(D(base), D(quote)), FEES, D(1))


def test_a_resting_order_fills_when_the_price_goes_through_it_not_when_it_touches():
    exchange = spot()
    exchange.apply(Batch(create=(order("a", Side.BUY, "11", "2"), order("b", Side.SELL, "13", "2"))), D(12))
    exchange.pass_through(D(11))
    exchange.pass_through(D(13))
    assert set(exchange.open) == {"a", "b"}
    exchange.pass_through(D("10.999"))
    assert set(exchange.open) == {"b"}
    assert exchange.result.inventory == Inventory(D(12), D(1000) - 22 + D("0.0022"))
    assert (exchange.result.maker_fills, exchange.result.taker_fills) == (1, 0)


def test_what_takes_fills_at_the_price_and_pays_and_post_only_never_takes():
    exchange = spot()
    exchange.apply(Batch(create=(order("a", Side.BUY, "12.1", "2", post_only=False),)), D(12))
    assert exchange.result.inventory == Inventory(D(12), D(1000) - 24 - D("0.024"))
    exchange.apply(Batch(create=(order("b", Side.SELL, "12", "2"),)), D(12))
    assert (exchange.result.rejected, exchange.result.taker_fills, exchange.open) == (1, 1, {})


def test_a_position_needs_margin_but_closing_never_does():
    exchange = Exchange(PERP, Inventory(quote=D(10)), FEES, D(2))
    exchange.apply(Batch(create=(order("a", Side.BUY, "10", "2.1", post_only=False),)), D(10))
    assert exchange.result.rejected == 1
    exchange.apply(Batch(create=(order("b", Side.BUY, "10", "2", post_only=False),)), D(10))
    exchange.apply(Batch(create=(order("c", Side.SELL, "6", "1", post_only=False),)), D(6))
    assert exchange.result.inventory.position == 1
    assert exchange.result.rejected == 1


@pytest.mark.parametrize("bot", ["spot", "wallet-2.inj-usdt.spot", "wallet-3.inj-usdt.spot"])
def test_profit_is_what_the_balances_gained(bot):
    start, prices = Inventory(D(20), D(700)), read_prices(SERIES)
    result = replay(prices, TRADERS[bot], SPOT, start, FEES, lambda *_: None)
    held = result.inventory
    gained = (held.base - start.base) * result.mark + held.quote - start.quote
    assert result.maker_fills + result.taker_fills > 10
    assert result.book.total(result.mark) == gained
    assert result.book.quantity == held.base - start.base


def always(quotes):
    trader = TRADERS["derivative"]
    risk = replace(trader.risk, daily_loss_limit=D(5))
    return replace(trader, decide=lambda view: Decision(quotes(view), "as told"), risk=risk)


def long_of(view):
    missing = 10 - view.inventory.position
    return (Quote(Side.BUY, view.reference, missing, post_only=False),) if missing > 0 else ()


MIDNIGHT = 1_795_219_200


def falling(first, steps=30):
    return [PricePoint(first + n, D(10) - D("0.04") * n) for n in range(steps)]


def test_the_days_loss_halts_it_for_good():
    told = []
    result = replay(
        falling(MIDNIGHT),
        always(long_of),
        PERP,
        Inventory(quote=D(1000)),
        Fees(D(0), D(0)),
        lambda *a: told.append(a),
    )
    assert result.halted == "lost 5.20 since 00:00 UTC; daily_loss_limit is 5"
    assert result.halted_at == MIDNIGHT + 13
    assert max(at for at, *_ in told) < MIDNIGHT + 13
    assert result.inventory.position == 10
    assert (result.worst_day_pnl, result.max_drawdown) == (D("-11.60"), D("11.60"))


def test_a_day_begins_at_midnight_utc():
    result = replay(
        falling(MIDNIGHT - 12, 24),
        always(long_of),
        PERP,
        Inventory(quote=D(1000)),
        Fees(D(0), D(0)),
        lambda *_: None,
    )
    assert result.halted == ""
    assert result.worst_day_pnl == D("-4.80")
    assert result.max_drawdown == D("9.20")


def test_over_a_hole_no_order_stands():
    """What rests when the prices stop coming is taken out, so the price after the hole fills nothing."""
    near = always(lambda view: (Quote(Side.BUY, view.reference - D("0.01"), D(1)),))
    for gap, fills in ((1, 1), (60, 0)):
        prices = [PricePoint(MIDNIGHT, D(10)), PricePoint(MIDNIGHT + gap, D(9))]
        result = replay(prices, near, PERP, Inventory(quote=D(1000)), FEES, lambda *_: None)
        assert (result.maker_fills, result.holes) == (fills, 1 - fills)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "holds no prices"),
        ("# only words\nseconds,price\n", "holds no prices"),
        ("1,2\n3\n", "line 2 is not seconds,price"),
        ("1,2,3\n", "line 1 is not"),
        ("1,0\n", "line 1 is not"),
        ("1,NaN\n", "line 1 is not"),
        ("inf,1\n", "line 1 is not"),
        ("1e99,1\n", "line 1 is not"),
        ("2,1\n2,1\n", "line 2 is no later"),
        ("\udcff", "is no text"),
    ],
)
def test_a_wrong_price_file_is_refused(tmp_path, text, words):
    (tmp_path / "p.csv").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(BacktestError, match=words):
        read_prices(tmp_path / "p.csv")


def run(*arguments):
    given = [str(argument) for argument in arguments]
    return CliRunner().invoke(backtest, ["--trader", str(EXAMPLES), "--prices", str(SERIES), *given])


def test_the_command_prints_what_a_bot_would_have_done():
    shown = run("wallet-3.inj-usdt-perp.derivative")
    assert shown.exit_code == 0, shown.output
    lines = shown.stdout.splitlines()
    assert lines[0] == "momentum on INJ/USDT PERP: 1500 prices over 1499 s"
    assert {line.split("  ")[0] for line in lines[1:-1]} >= {
        "orders",
        "fills",
        "position",
        "profit",
        "deepest fall",
        "worst day",
    }
    assert lines[-1] == CAVEAT
    assert run("--strategy", "momentum", "--market", "inj-usdt-perp").stdout == shown.stdout


def test_every_decision_can_be_seen_with_its_reason():
    *decisions, _ = (
        line for line in run("wallet-3.inj-usdt.spot", "--decisions").stdout.splitlines() if line[0] == "{"
    )
    told = [json.loads(line) for line in decisions]
    assert all(one["reason"] for one in told if one["event"] == "decision")
    assert told[0]["ts"] == "2026-11-20T23:50:00+00:00"
    assert len(told) > 1499 / 10


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "Name a bot"),
        (("--strategy", "momentum"), "Name a bot"),
        (("wallet-1.moon-usdt.spot",), "is no bot of the markets file"),
        (("wallet-1.inj-usdt.derivative",), "is no bot of the markets file"),
        (("x",), "is no bot of the markets file"),
        (("--strategy", "momentum", "--market", "moon"), "is not in the markets file"),
        (("--strategy", "guess", "--market", "inj-usdt"), "No spot entry of the trader file uses 'guess'"),
        (("wallet-1.inj-usdt.spot", "--prices", "/nonexistent"), "cannot be read"),
    ],
)
def test_the_command_refuses_in_one_sentence(arguments, words):
    refused = run(*arguments).exception
    assert isinstance(refused, OpsError)
    assert words in str(refused)
    assert "\n" not in str(refused)


@pytest.mark.parametrize("amount", ["-1", "NaN", "much"])
def test_a_wrong_amount_is_refused(amount):
    assert "is no amount" in run("wallet-1.inj-usdt.spot", f"--quote={amount}").stderr
