"""Runs the messages of a delivered transaction."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from bots import addresses
from bots.paper import messages_exchange, messages_form
from bots.paper.errors import VenueError
from bots.paper.proto import authz_tx, bank_tx

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from bots.paper.chain import Chain

__all__ = ["run"]


def run(chain: Chain, message: Any, signer: str) -> Any:
    """Run one message and return its response.

    Raises:
        VenueError: the message is refused; the caller takes back what the transaction did before.
    """
    if type(message) in _OF_THE_CHAIN:
        return _OF_THE_CHAIN[type(message)](chain, message, signer)
    return messages_exchange.HANDLERS[type(message)](chain.exchange, message, signer)


def _grant(chain: Chain, message: Any, _signer: str) -> Any:
    chain.grants.save(message, chain.time_ms)
    chain.open_account(message.grantee)
    return authz_tx.MsgGrantResponse()


def _revoke(chain: Chain, message: Any, _signer: str) -> Any:
    chain.grants.revoke(message)
    return authz_tx.MsgRevokeResponse()


def _exec(chain: Chain, message: Any, signer: str) -> Any:
    """Run what others allowed the grantee to send for them, all of it or nothing."""
    response = authz_tx.MsgExecResponse()
    inner = [messages_form.unpack(wrapped) for wrapped in message.msgs]
    for index, each in enumerate(inner):
        with _told(f"msg {index}"):
            messages_form.check(each)
    for each in inner:
        chain.grants.require(message.grantee, each, chain.time_ms)
        with _told(f"failed to execute message; message {messages_form.type_url(each)}"):
            response.results.append(run(chain, each, signer).SerializeToString())
    return response


@contextlib.contextmanager
def _told(where: str) -> Iterator[None]:
    try:
        yield
    except VenueError as error:
        raise VenueError(error.code, f"{where}: {error}", error.codespace) from error


def _send(chain: Chain, message: Any, _signer: str) -> Any:
    try:
        target = addresses.default_subaccount(message.to_address)
    except ValueError as error:
        raise VenueError(7, f"{error}: invalid address", "sdk") from error
    for coin in message.amount:
        chain.exchange.ledger.move(
            addresses.default_subaccount(message.from_address), target, *messages_exchange.coin(coin)
        )
    chain.open_account(message.to_address)
    return bank_tx.MsgSendResponse()


_OF_THE_CHAIN: dict[Any, Callable[[Chain, Any, str], Any]] = {
    bank_tx.MsgSend: _send,
    authz_tx.MsgGrant: _grant,
    authz_tx.MsgRevoke: _revoke,
    authz_tx.MsgExec: _exec,
}
