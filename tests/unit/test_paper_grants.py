"""Grants in the venue's chain: all of a transaction or nothing, who pays, how deep messages may nest."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from bots.paper.authz import Grants

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.paper import Trader

    Make = Callable[[int], Trader]

SPOT = "0x0611780ba69656949525013d947713300f56c37b6175e02f26bffa495c3208fe"
SEND = "/cosmos.bank.v1beta1.MsgSend"
STRANGER = "inj1cml96vmptgw99syqrrz8az79xer2pcgp0a885r"
TOO_MUCH = 10**30


def granted(chain: Any) -> dict[str, Any]:
    return dict(chain.grants.plain())


def generic(owner: Trader, grantee: str, message: str = SEND, seconds: int = 600) -> Any:
    return owner.composer.msg_grant_generic(owner.address, grantee, message, seconds)


def batch(owner: Trader, grantee: str, market: str = SPOT) -> Any:
    return owner.composer.msg_grant_typed(
        owner.address, grantee, "BatchUpdateOrdersAuthz", 600, owner.subaccount, spot_markets=[market]
    )


def refused(owner: Trader, *messages: Any) -> int:
    """Send messages, of which the last cannot be done."""
    impossible = owner.composer.msg_send(owner.address, STRANGER, TOO_MUCH, "inj")
    return int(owner.send(*messages, impossible).code)


def test_a_failed_transaction_grants_revokes_and_opens_nothing(chain: Any, trader: Make) -> None:
    owner, bot = trader(1), trader(2)
    accounts = dict(chain.accounts)
    assert refused(owner, generic(owner, STRANGER)) == 5
    assert granted(chain) == {}
    assert chain.accounts.keys() == accounts.keys()
    owner.send(generic(owner, bot.address), batch(owner, bot.address))
    before = granted(chain)
    assert len(before) == 2
    revoke = owner.composer.msg_revoke(owner.address, bot.address, SEND)
    assert refused(owner, revoke, batch(owner, bot.address, f"0x{7:064x}")) == 5
    assert granted(chain) == before


def test_a_later_grant_takes_the_place_of_the_earlier(chain: Any, trader: Make) -> None:
    owner, bot = trader(1), trader(2)
    owner.send(batch(owner, bot.address))
    first = granted(chain)
    owner.send(batch(owner, bot.address, f"0x{7:064x}"))
    assert granted(chain).keys() == first.keys()
    assert granted(chain) != first


def test_a_grant_opens_the_grantees_account(chain: Any, trader: Make) -> None:
    owner = trader(1)
    assert chain.account(STRANGER) is None
    owner.send(generic(owner, STRANGER))
    assert chain.account(STRANGER).number > chain.account(owner.address).number


def test_one_message_inside_of_another_is_run_and_too_deep_a_nest_is_none(chain: Any, trader: Make) -> None:
    one, two = trader(1), trader(2)

    def nest(depth: int) -> Any:
        message = one.composer.msg_send(one.address, two.address, 1, "inj")
        for _ in range(depth):
            message = one.composer.msg_exec(one.address, [message])
        return message

    assert one.send(nest(3)).code == 0
    assert chain.broadcast(one.sign(nest(12))).code == 2


def test_a_form_error_inside_of_a_message_is_refused_in_the_block(chain: Any, trader: Make) -> None:
    one = trader(1)
    default = one.composer.msg_withdraw(one.address, one.subaccount, 1, "inj")
    assert chain.broadcast(one.sign(default)).code == 10
    assert one.send(one.composer.msg_exec(one.address, [default])).code == 10


@pytest.mark.parametrize(("field", "code"), [("granter", 38), ("payer", 4)])
def test_nobody_else_pays_the_fee(chain: Any, trader: Make, field: str, code: int) -> None:
    from pyinjective.transaction import Transaction  # noqa: PLC0415 - for this test alone

    one, two = trader(1), trader(2)
    account = chain.account(one.address)
    message = one.composer.msg_send(one.address, two.address, 1, "inj")
    tx = Transaction().with_messages(message).with_sequence(account.pending).with_account_num(account.number)
    tx = tx.with_chain_id("injective-paper-1").with_gas(300_000)
    tx = tx.with_fee([one.composer.coin(300_000 * 160_000_000, "inj")]).with_timeout_height(chain.height + 10)
    setattr(tx.fee, field, two.address)
    raw = tx.get_tx_data(one.key.sign(tx.get_sign_doc(one.public).SerializeToString()), one.public)
    assert chain.broadcast(raw).code == code


def test_what_is_over_is_forgotten_and_the_rest_survives_as_it_was(trader: Make) -> None:
    owner, now = trader(1), int(time.time() * 1000)
    grants = Grants([])
    grants.save(generic(owner, STRANGER, seconds=10), now)
    grants.save(batch(owner, STRANGER), now)
    again = Grants([])
    again.load(grants.plain())
    assert again.of() == grants.of()
    again.prune(now + 60_000)
    assert [grant.message for grant in again.of()] == ["/injective.exchange.v2.MsgBatchUpdateOrders"]
    again.prune(now + 700_000)
    assert again.of() == []
