"""docs/strategies.md is tried as written: its strategy and entry run, its tables are those of the code."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bots import strategies
from bots.config_model import Execution, RiskLimits
from bots.parameters import rules
from ops.backtest_cli import backtest
from ops.config_cli import config

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "strategies.md"
NAME = "both_sides"


def block(language):
    return re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)[1]


@pytest.fixture
def plugged(tmp_path, monkeypatch):
    """The page's strategy in its file, the page's entry in a trader file."""
    (tmp_path / f"{NAME}.py").write_text(block("python"))
    monkeypatch.setattr(strategies, "__path__", [*strategies.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"bots.strategies.{NAME}", raising=False)
    document = json.loads((ROOT / "config/trader_config.json").read_text())
    file = tmp_path / "trader.json"
    file.write_text(json.dumps({**document, "bots": json.loads(block("json"))}))
    yield file
    sys.modules.pop(f"bots.strategies.{NAME}", None)


def test_the_pages_bot_is_checked(plugged):
    shown = CliRunner().invoke(config, ["check", "--trader", str(plugged)])
    assert shown.exit_code == 0, shown.output
    assert (
        f"wallet-1.inj-usdt.spot: {NAME}, on_stop cancel\n  parameters distance_bps 10, order_notional 25\n"
        in shown.stdout
    )
    assert "daily_loss_limit 10" in shown.stdout


def test_the_pages_bot_is_replayed_by_the_pages_command(plugged, monkeypatch):
    monkeypatch.chdir(ROOT)
    command = re.search(r"^drover backtest (.*)$", PAGE.read_text(), re.MULTILINE)[1].split()
    shown = CliRunner().invoke(backtest, [*command, "--trader", str(plugged)])
    assert shown.exit_code == 0, shown.output
    fills = int(re.search(r"^fills +([0-9]+) resting", shown.stdout, re.MULTILINE)[1])
    assert fills > 0


def table(shape, kinds=("spot", "derivative")):
    lines = ["| name | range | what |", "|---|---|---|"]
    for name, rule in rules(shape).items():
        schema = rule.schema(kinds[0] if len(kinds) == 1 else "")
        scope = f"{schema['minimum']} to {schema['maximum']}"
        only = [(kind, rule.schema(kind)["const"]) for kind in kinds if "const" in rule.schema(kind)]
        scope += "".join(f"; {kind}: {value}" for kind, value in only)
        lines.append(f"| `{name}` | {scope} | {rule.text} |")
    return "\n".join(lines)


def strategy_tables():
    parts = []
    for name in strategies.names():
        found = strategies.find(name)
        parts.append(f"### {name}\n\n{table(found.parameters, found.types)}\n")
    return "\n".join(parts)


@pytest.mark.parametrize(
    ("place", "text"),
    [("tables", strategy_tables()), ("execution", table(Execution)), ("risk", table(RiskLimits))],
)
def test_the_pages_tables_are_those_of_the_code(place, text, request):
    page = PAGE.read_text()
    begin, end = f"<!-- {place}: begin -->\n", f"<!-- {place}: end -->"
    head, rest = page.split(begin)
    shown, tail = rest.split(end)
    if request.config.getoption("--update-golden"):
        PAGE.write_text(f"{head}{begin}{text.rstrip()}\n{end}{tail}")
        return
    assert shown.strip() == text.strip(), "run pytest --update-golden"
