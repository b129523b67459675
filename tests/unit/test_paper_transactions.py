"""What the venue's ante checks refuse, and when a transaction counts."""

from __future__ import annotations

from typing import Any

import pytest

from bots.paper import state
from bots.paper.errors import VenueError

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
    assert chain.result(answer.txhash)[1].code == 11
    assert chain.exchange.ledger.available[one.subaccount, "inj"] < 100
    assert not chain.exchange.books[SPOT].orders


def test_what_is_late_when_its_block_comes_costs_nothing(chain: Any, trader: Any) -> None:
    one = trader(1)
    before = chain.exchange.ledger.available[one.subaccount, "inj"]
    answers = [
        chain.broadcast(one.sign(one.order(SPOT, "BUY", "11", "1", cid=cid), timeout=timeout))
        for cid, timeout in (("late", chain.height), ("next", chain.height + 5))
    ]
    assert [answer.code for answer in answers] == [0, 0]
    chain.end_block()
    # the first never happened, so the second has the wrong sequence
    assert [chain.result(answer.txhash)[1].code for answer in answers] == [30, 32]
    assert chain.account(one.address).sequence == 0
    assert chain.exchange.ledger.available[one.subaccount, "inj"] == before
    assert one.send(one.order(SPOT, "BUY", "11", "1", cid="next")).code == 0


def test_a_simulation_says_what_would_happen_and_changes_nothing(chain: Any, trader: Any) -> None:
    one = trader(1)
    good = one.order(SPOT, "BUY", "11", "1", cid="c")
    before = state.rows(chain)
    gas, data = chain.simulate(one.sign(good))
    assert (gas, len(data.msg_responses)) == (205_000, 1)
    with pytest.raises(VenueError, match="minimum price tick") as refused:
        chain.simulate(one.sign(good, one.order(SPOT, "BUY", "11.00001", "1")))
    assert refused.value.code == 16
    after = state.rows(chain)
    assert {k: v for k, v in after.items() if k[0] != "chain"} == {
        k: v for k, v in before.items() if k[0] != "chain"
    }
    assert not chain.end_block().spot_orders
    assert one.send(good).code == 0
