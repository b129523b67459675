"""What the venue keeps: its state over restarts, and every trade for ever."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from bots.paper import state
from bots.paper.chain import Chain
from bots.paper.errors import StartupError
from bots.paper.flow import Flow
from bots.paper.store import Store
from bots.paper.trade_query import TradeQuery

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

D = Decimal
SPOT = "0x0611780ba69656949525013d947713300f56c37b6175e02f26bffa495c3208fe"
PERP = "0x17ef48032cb24375ba7c2e39f384e56433bcab20cbee9a7357e4cba2eb00abe6"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "venue.sqlite"


@pytest.fixture
def opened(chain: Any, file: Path) -> Callable[[], Chain]:
    """Open a chain on the file, as a venue that was killed and starts again does."""
    chains: list[Chain] = []

    def start() -> Chain:
        for running in chains:
            running.store.close()
        chains.append(Chain(chain.exchange.markets, Flow(chain.exchange.markets, 1), Store(file)))
        return chains[-1]

    return start


def test_all_of_the_state_survives_a_restart(opened: Any, trader_of: Any) -> None:
    first = opened()
    first.flow.fund(first.exchange)
    one = trader_of(first, 1)
    one.send(
        one.order(SPOT, "SELL", "20", "3", cid="mine"),
        one.order(PERP, "BUY", "14", "2", margin=D(14), cid="open"),
    )
    for _ in range(20):
        first.end_block()
    before = state.rows(first)
    again = opened()
    assert state.rows(again) == before
    assert {kind for kind, _ in before} == {
        "account", "available", "book", "chain", "funding", "held", "minted", "order", "position", "price",
    }  # fmt: skip
    book = again.exchange.books[SPOT]
    assert [o.fillable for o in book.orders.values() if o.cid == "mine"] == [3]
    assert book.levels[False][D(20)] == 3
    assert again.end_block().block_height == first.height + 1
    cancel = one.composer.msg_cancel_spot_order(SPOT, one.address, one.subaccount, cid="mine")
    one.chain = again
    assert one.send(cancel).code == 0
    third = opened()
    assert "mine" not in {o.cid for o in third.exchange.books[SPOT].orders.values()}
    assert state.rows(third) == state.rows(again)


def test_what_waits_for_a_block_is_lost_and_costs_nothing(opened: Any, trader_of: Any) -> None:
    first = opened()
    one = trader_of(first, 1)
    assert first.broadcast(one.sign(one.order(SPOT, "SELL", "20", "1"))).code == 0
    first.keep()
    again = opened()
    assert again.account(one.address).pending == 0
    assert again.exchange.ledger.available[one.subaccount, "inj"] == 100


def test_every_trade_is_kept_and_found(opened: Any, trader_of: Any) -> None:
    first = opened()
    one, other = trader_of(first, 1), trader_of(first, 2)
    for number in range(30):
        first.broadcast(one.sign(one.order(SPOT, "SELL", "12", "0.5", cid=f"s{number}")))
        other.send(other.order(SPOT, "BUY", "12", "0.5", cid=f"b{number}"))
    told = first.store.trades()
    again = opened()
    kept = again.store.trades()
    assert kept == told
    mine = TradeQuery(owner=one.subaccount[:42])
    assert sum(t.quantity for t in again.store.trades(mine) if not t.buy) == 15
    assert again.store.count(mine) == len(again.store.trades(mine)) >= 30
    page = TradeQuery(owner=one.subaccount[:42], skip=5, limit=3)
    assert again.store.trades(page) == again.store.trades(mine)[5:8]
    middle = kept[len(kept) // 2].time_ms
    assert all(t.time_ms >= middle for t in again.store.trades(TradeQuery(start=middle)))
    assert all(t.time_ms <= middle for t in again.store.trades(TradeQuery(end=middle)))
    assert [t.cid for t in again.store.trades(TradeQuery(cid="s7"))] == ["s7"]
    assert len({t.trade_id for t in kept}) == len(kept)
    assert again.store.trades(TradeQuery(after=10, limit=2, oldest_first=True)) == kept[::-1][10:12]
    assert not again.store.trades(TradeQuery(market_ids=[]))


def test_a_delivered_transaction_is_found_after_a_restart(opened: Any, trader_of: Any) -> None:
    first = opened()
    one = trader_of(first, 1)
    result = one.send(one.order(SPOT, "SELL", "20", "1"))
    transaction, again = opened().result(result.txhash)
    assert again == result
    assert transaction.signer == one.address


def test_a_block_costs_little_to_keep(opened: Any, trader_of: Any) -> None:
    import time  # noqa: PLC0415 - one use

    first = opened()
    first.flow.fund(first.exchange)
    traders = [trader_of(first, number) for number in range(1, 7)]
    for one in traders:
        one.send(*[one.order(SPOT, "BUY", f"{10 + n / 100}", "0.2", cid=f"{n}") for n in range(4)])
    spent = []
    for _ in range(30):
        first.end_block()
        begun = time.process_time()
        first.keep()
        spent.append(time.process_time() - begun)
    assert sorted(spent)[15] < 0.015


def test_a_broken_or_foreign_state_is_refused_in_a_sentence(file: Path) -> None:
    file.write_bytes(b"no database" * 100)
    with pytest.raises(StartupError, match="move it away"):
        Store(file)
    file.unlink()
    with sqlite3.connect(file) as other:
        other.execute("PRAGMA user_version = 9")
    with pytest.raises(StartupError, match="version 9, not 2; move it away"):
        Store(file)
    other.close()
    file.unlink()
    file.with_suffix(".json").write_text('{"version": 1}')
    with pytest.raises(StartupError, match="older version; move it away"):
        Store(file)


def test_a_state_of_a_market_that_is_gone_is_refused(chain: Any, trader: Any) -> None:
    one = trader(1)
    one.send(one.order(SPOT, "BUY", "11", "1"))
    fewer = {m.id: m for m in chain.exchange.markets.values() if m.id != SPOT}
    with pytest.raises(StartupError, match="does not list"):
        Chain(fewer, store=chain.store)
