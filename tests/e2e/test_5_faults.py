"""The short form of `make chaos`: one fault of each of six kinds while three bots trade, checked alike."""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.chaos import suite
from tests.chaos.arena import Arena
from tests.chaos.faults import KINDS

pytestmark = pytest.mark.engines

BOTS = (
    ("wallet-1", "inj-usdt", "spot"),
    ("wallet-1", "inj-usdt-perp", "derivative"),
    ("wallet-2", "inj-usdt", "spot"),
)


@pytest.fixture(scope="module")
def arena(live: Any) -> Arena:
    arena = Arena(live)
    for wallet, market, kind in BOTS:
        arena.start(wallet, market, kind)
    _, ill = arena.wait_well(datetime.now(UTC))
    assert ill == {}
    return arena


@pytest.mark.parametrize(
    "kind", ["kill bot", "kill venue", "kill redis", "freeze redis", "kill postgres", "copy by hand"]
)
def test_what_must_hold_after_a_fault_holds(arena: Arena, kind: str) -> None:
    assert suite.play(arena, kind, KINDS[kind], random.Random(kind)).violations == []


def test_stop_leaves_no_order_and_the_ledger_equals_the_venue(arena: Arena) -> None:
    assert arena.stop_all() == []
