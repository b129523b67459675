"""docs/metrics.md names every series of a bot, and no other."""

from __future__ import annotations

import re
from dataclasses import fields
from decimal import Decimal
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from bots.metrics import Metrics, Readings
from bots.permission import TradingState

DOC = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


def offered():
    metrics = Metrics()
    every = {field.name: Decimal(1) for field in fields(Readings)} | {"state": TradingState.TRADING}
    metrics.watch(lambda: Readings(**every))
    for family in text_string_to_metric_families(metrics.page().decode()):
        if family.name.startswith("drover_bot_"):
            yield family.name + ("_total" if family.type == "counter" else ""), family.documentation


def test_every_series_is_documented_and_every_documented_one_exists():
    described = set(re.findall(r"^\| `(drover_bot_[a-z_]+)`", DOC.read_text(), re.MULTILINE))
    assert described == {name for name, _ in offered()}


def test_an_alarm_uses_only_series_that_exist():
    used = set(re.findall(r"drover_bot_[a-z_]+", DOC.read_text()))
    assert used <= {name for name, _ in offered()}


def test_every_series_says_what_it_is():
    assert all(text.endswith(".") for _, text in offered())


def test_every_reading_is_a_series():
    assert len([name for name, _ in offered()]) == 9 + len(fields(Readings))


def test_the_states_are_those_of_the_page():
    (row,) = re.findall(
        r"^\| `drover_bot_state` .*each `state`: ([a-z_, ]+) \|$", DOC.read_text(), re.MULTILINE
    )
    assert row.split(", ") == [state.value for state in TradingState]
