"""What the venue's ante checks refuse, and when a transaction counts."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from bots.paper import snapshot
from bots.paper.chain import Chain
from bots.paper.errors import StartupError

if TYPE_CHECKING:
    from pathlib import Path

D = Decimal
SPOT = "0x0611780ba69656949525013d947713300f56c37b6175e02f26bffa495c3208fe"


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"chain_id": "injective-1"}, 4),
        ({"number": 77}, 4),
        ({"sequence": 5}, 32),
        ({"price": 1}, 13),
        ({"timeout": 1}, 30),
    ],
)
def test_a_wrongly_signed_transaction_has_the_chains_code(
    chain: Any, trader: Any, changes: dict[str, Any], code: int
) -> None:
    one = trader(1)
    chain.end_block()
    answer = chain.broadcast(one.sign(one.order(SPOT, "BUY", "11", "1"), **changes))
    assert answer.code == code
    chain.end_block()
    assert chain.account(one.address).sequence == 0
    assert not chain.exchange.books[SPOT].orders


def test_a_changed_transaction_has_no_good_signature(chain: Any, trader: Any) -> None:
    one = trader(1)
    raw = one.sign(one.order(SPOT, "BUY", "11", "1", cid="AAAAAAAA"))
    assert chain.broadcast(raw.replace(b"AAAAAAAA", b"BBBBBBBB")).code == 4
    assert chain.broadcast(raw).code == 0


def test_nobody_sends_for_another(chain: Any, trader: Any) -> None:
    one, other = trader(1), trader(2)
    assert chain.broadcast(one.sign(other.order(SPOT, "BUY", "11", "1"))).code == 8


def test_a_signature_counts_once(chain: Any, trader: Any) -> None:
    one = trader(1)
    raw = one.sign(one.order(SPOT, "BUY", "11", "1"))
    assert [chain.broadcast(raw).code for _ in range(2)] == [0, 32]
    chain.end_block()
    assert chain.broadcast(raw).code == 32
    assert len(chain.exchange.books[SPOT].orders) == 1


def test_the_sequence_shows_after_the_block_and_the_refusal_names_it_before(chain: Any, trader: Any) -> None:
    one = trader(1)
    chain.broadcast(one.sign(one.order(SPOT, "BUY", "11", "1")))
    assert chain.account(one.address).sequence == 0
    answer = chain.broadcast(one.sign(one.order(SPOT, "BUY", "11", "1"), sequence=0))
    assert "expected 1, got 0" in answer.raw_log
    chain.end_block()
    assert chain.account(one.address).sequence == 1


def test_garbage_and_unknown_messages_are_codes(chain: Any, trader: Any) -> None:
    one = trader(1)
    vote = one.composer.msg_vote(1, one.address, 1)
    codes = [chain.broadcast(raw).code for raw in (b"", b"\xff\x00garbage", one.sign(vote))]
    assert codes == [2, 2, 2]
    chain.end_block()


def test_form_errors_are_refused_before_the_block(chain: Any, trader: Any) -> None:
    one = trader(1)
    long_cid = one.order(SPOT, "BUY", "11", "1", cid="x" * 37)
    lonely = one.composer.msg_batch_update_orders(sender=one.address, subaccount_id=one.subaccount)
    assert [chain.broadcast(one.sign(message)).code for message in (long_cid, lonely)] == [98, 58]


def test_too_little_gas_costs_the_fee_and_does_nothing(chain: Any, trader: Any) -> None:
    one = trader(1)
    answer = chain.broadcast(one.sign(one.order(SPOT, "BUY", "11", "1"), gas=50_000))
    chain.end_block()
    assert chain.results[answer.txhash][1].code == 11
    assert chain.exchange.ledger.available[one.subaccount, "inj"] < 100
    assert not chain.exchange.books[SPOT].orders


def test_state_survives_a_restart(chain: Any, trader: Any, tmp_path: Path) -> None:
    one, other = trader(1), trader(2)
    one.send(one.order(SPOT, "SELL", "12", "3", cid="mine"))
    other.send(other.order(SPOT, "BUY", "12", "1"))
    snapshot.save(chain, tmp_path / "venue.json")
    again = Chain(chain.exchange.markets)
    assert snapshot.restore(again, tmp_path / "venue.json")
    assert again.height > chain.height
    assert again.account(one.address).sequence == 1
    assert {k: v for k, v in again.exchange.ledger.available.items() if v} == {
        k: v for k, v in chain.exchange.ledger.available.items() if v
    }
    assert [(o.cid, o.fillable) for o in again.exchange.books[SPOT].orders.values()] == [("mine", D(2))]
    assert again.exchange.books[SPOT].levels[False] == {D(12): D(2)}
    assert list(again.exchange.trades) == list(chain.exchange.trades)


def test_a_broken_state_file_is_refused(chain: Any, tmp_path: Path) -> None:
    (tmp_path / "venue.json").write_text('{"version": 1}')
    with pytest.raises(StartupError, match="move it away"):
        snapshot.restore(chain, tmp_path / "venue.json")
