"""What the trader file may say: reader and schema agree, all that is wrong is told, the command shows it."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from pathlib import Path

import pytest
from click.testing import CliRunner

from bots.config import ConfigError, load_markets, load_traders
from bots.config_schema import trader_schema
from ops.config_cli import config
from tests.schema import accepts

FOLDER = Path(__file__).resolve().parents[2] / "config"
DOCUMENTS = {
    name: json.loads((FOLDER / name).read_text())
    for name in ("trader_config.json", "examples/trader_config.json")
}
MARKETS = load_markets({})
SCHEMA = trader_schema(MARKETS)
STRANGE = (None, True, "x", "momentum", "mean_reversion", "cancel", -1, 0, 1, 1.5, 2.0, 7, 10**9, [], {})


def problems(path, document):
    path.write_text(json.dumps(document))
    try:
        load_traders({"TRADER_CONFIG": str(path)}, MARKETS)
    except ConfigError as error:
        return error.problems
    return ()


def places(value, place=()):
    if isinstance(value, dict):
        for name, inner in value.items():
            yield (*place, name)
            yield from places(inner, (*place, name))


def changed(document, place, change):
    new = copy.deepcopy(document)
    inner = new
    for name in place[:-1]:
        inner = inner[name]
    change(inner, place[-1])
    return new


def variants(document):
    yield document
    # The defaults of a document with bots are those of the other one: once is enough.
    for place in places(document["bots"], ("bots",)) if document["bots"] else places(document):
        yield changed(document, place, lambda inner, name: inner.pop(name))
        yield changed(document, place, lambda inner, name: inner.update({name + "x": inner[name]}))
        yield changed(document, place, lambda inner, name: inner.update({name.upper(): inner.pop(name)}))
        for value in STRANGE:
            yield changed(document, place, lambda inner, name, value=value: inner.update({name: value}))
    for bot in (
        "wallet-1.inj-usdt.derivative",
        "wallet-1.inj-usdt.spot",
        "w.inj-usdt-perp.derivative",
        "w.no.spot",
        "x",
    ):
        for value in ({}, [], {"strategy": "momentum"}, {"on_stop": "leave"}, {"execution": {"leverage": 2}}):
            yield {**document, "bots": {bot: value}}


@pytest.mark.parametrize("name", DOCUMENTS)
def test_schema_and_reader_agree_on_every_variant(tmp_path, name):
    verdicts = set()
    for document in variants(DOCUMENTS[name]):
        wrong = problems(tmp_path / "trader.json", document)
        read = json.loads(json.dumps(document), parse_float=Decimal)
        assert accepts(SCHEMA, read) == (not wrong), (wrong, document)
        verdicts.add(not wrong)
    assert verdicts == {True, False}


def test_everything_wrong_is_told_at_once_with_its_place(tmp_path):
    document = copy.deepcopy(DOCUMENTS["examples/trader_config.json"])
    document["defaults"]["spot"]["risk"]["daily_loss_limit"] = 0
    document["defaults"]["derivative"]["on_stop"] = "run"
    document["bots"]["wallet-2.inj-usdt.spot"]["parameters"]["speed"] = 1
    document["bots"]["wallet-1.tia-usdt.spot"]["execution"] = {"leverage": 2}
    document["bots"]["wallet-1.moon-usdt.spot"] = {}
    told = "\n".join(problems(tmp_path / "trader.json", document))
    for words in (
        "defaults.derivative.on_stop must be one of cancel, flatten, leave.",
        "defaults.spot.risk.daily_loss_limit is 0, outside of 0.01 to 10000000.",
        "bots.wallet-1.moon-usdt.spot names no spot market of the markets file.",
    ):
        assert f"{tmp_path}/trader.json: {words}" in told
    document["defaults"] = copy.deepcopy(DOCUMENTS["examples/trader_config.json"]["defaults"])
    told = "\n".join(problems(tmp_path / "trader.json", document))
    assert "bots.wallet-2.inj-usdt.spot.parameters.speed is unknown; known are" in told
    assert "bots.wallet-1.tia-usdt.spot.execution.leverage is 2; in a spot market it must be 1." in told


def test_what_a_file_holds_never_breaks_the_sentence(tmp_path):
    document = {**DOCUMENTS["trader_config.json"], "a\nb\x1b[31m": 1, "bots": {"c\nd": {}, "e" * 500: {}}}
    told = problems(tmp_path / "trader.json", document)
    assert len(told) == 3
    assert all(one.isprintable() and len(one) < 300 for one in told)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"defaults": {"spot": {"risk": {}, "risk": {}}}}', "defaults.spot.risk stands there twice"),
        ('{"defaults": NaN}', "is no JSON"),
        ('{"defaults": 1e99999999999999999999}', "is no JSON"),
        ("[" * 100_000, "nested too deep"),
        ("\udcff", "is no JSON"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, text, words):
    (tmp_path / "t.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(ConfigError) as refused:
        load_traders({"TRADER_CONFIG": str(tmp_path / "t.json")}, MARKETS)
    assert any(words in problem for problem in refused.value.problems)


def test_a_bot_with_another_strategy_names_all_of_its_parameters(tmp_path):
    document = {**DOCUMENTS["trader_config.json"], "bots": {"w.inj-usdt.spot": {"strategy": "momentum"}}}
    told = problems(tmp_path / "trader.json", document)
    assert f"{tmp_path}/trader.json: bots.w.inj-usdt.spot.parameters.fast_seconds is missing." in told


def run(*arguments):
    return CliRunner().invoke(config, [str(argument) for argument in arguments])


def test_check_shows_what_every_bot_runs_with():
    shown = run("check", "--trader", FOLDER / "examples/trader_config.json")
    assert shown.exit_code == 0
    assert "wallet-3.inj-usdt-perp.derivative: momentum, on_stop flatten\n" in shown.stdout
    assert "levels 3, half_spread_bps 12, level_step_bps 7" in shown.stdout
    assert "every other spot bot: market_making, on_stop cancel\n" in shown.stdout


def test_check_tells_what_is_wrong_in_both_files_and_fails(tmp_path):
    (tmp_path / "m.json").write_text(
        '{"markets": {"inj-usdt": {"ticker": "", "type": "spot", "market_ids": {}}}}'
    )
    (tmp_path / "t.json").write_text('{"defaults": {}, "bots": {}, "more": 1}')
    shown = run("check", "--trader", tmp_path / "t.json", "--markets", tmp_path / "m.json")
    assert shown.exit_code == 1
    assert shown.stdout == ""
    assert [line.split(": ", 1)[1] for line in shown.stderr.splitlines()] == [
        "markets.inj-usdt.ticker must be a text such as INJ/USDT.",
        "more is unknown; known are bots, defaults.",
        "defaults.derivative is missing.",
        "defaults.spot is missing.",
    ]


def test_check_warns_of_orders_that_risk_would_refuse(tmp_path):
    document = copy.deepcopy(DOCUMENTS["trader_config.json"])
    document["defaults"]["spot"]["parameters"]["order_notional"] = 500
    (tmp_path / "t.json").write_text(json.dumps(document))
    assert (
        "note: order_notional 500 is above max_order_notional"
        in run("check", "--trader", tmp_path / "t.json").stdout
    )


def test_schema_is_printed():
    assert json.loads(run("schema").stdout) == SCHEMA
