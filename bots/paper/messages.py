"""Runs the messages of a delivered transaction against the exchange."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots import addresses
from bots.paper.errors import VenueError
from bots.paper.markets import TOKENS
from bots.paper.order_rules import NewOrder, own_subaccount
from bots.paper.proto import bank_tx, exchange_tx
from bots.paper.units import from_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from bots.paper.exchange import Exchange

__all__ = ["run"]


def run(exchange: Exchange, message: Any, signer: str) -> Any:
    """Run one message and return its response.

    Raises:
        VenueError: the message is refused; the caller takes back what the transaction did before.
    """
    return _HANDLERS[type(message)](exchange, message, signer)


def _new_order(order: Any, *, derivative: bool) -> NewOrder:
    info = order.order_info
    try:
        return NewOrder(
            order.market_id,
            info.subaccount_id,
            from_wire(info.price),
            from_wire(info.quantity),
            order.order_type,
            info.cid,
            info.fee_recipient,
            from_wire(order.margin) if derivative else from_wire(""),
            order.expiration_block,
        )
    except ValueError as error:
        raise VenueError(2, "a price, quantity or margin is no LegacyDec: tx parse error", "sdk") from error


def _limit(response: Any, *, derivative: bool) -> Callable[[Exchange, Any, str], Any]:
    def handle(exchange: Exchange, message: Any, signer: str) -> Any:
        new = _new_order(message.order, derivative=derivative)
        order = exchange.place(new, message.sender, signer, derivative=derivative)
        return response(order_hash=order.hash, cid=order.cid)

    return handle


def _market(response: Any, *, derivative: bool) -> Callable[[Exchange, Any, str], Any]:
    def handle(exchange: Exchange, message: Any, signer: str) -> Any:
        new = _new_order(message.order, derivative=derivative)
        order = exchange.place(new, message.sender, signer, derivative=derivative, at_market=True)
        return response(order_hash=order.hash, cid=order.cid)

    return handle


def _cancel(response: Any, *, derivative: bool) -> Callable[[Exchange, Any, str], Any]:
    def handle(exchange: Exchange, message: Any, _signer: str) -> Any:
        exchange.market(message.market_id, derivative=derivative)
        subaccount = own_subaccount(message.subaccount_id, message.sender)
        exchange.cancel(message.market_id, subaccount, message.order_hash, message.cid)
        return response()

    return handle


def _deposit(exchange: Exchange, message: Any, _signer: str) -> Any:
    bank, subaccount, denom, amount = _transfer(message)
    exchange.ledger.move(bank, subaccount, denom, amount)
    return exchange_tx.MsgDepositResponse()


def _withdraw(exchange: Exchange, message: Any, _signer: str) -> Any:
    bank, subaccount, denom, amount = _transfer(message)
    exchange.ledger.move(subaccount, bank, denom, amount)
    return exchange_tx.MsgWithdrawResponse()


def _transfer(message: Any) -> tuple[str, str, str, Any]:
    subaccount = own_subaccount(message.subaccount_id, message.sender)
    return addresses.default_subaccount(message.sender), subaccount, *_coin(message.amount)


def _coin(coin: Any) -> tuple[str, Any]:
    token = TOKENS.get(coin.denom)
    if token is None or not coin.amount.isdecimal() or int(coin.amount) == 0:
        raise VenueError(10, f"{coin.amount[:40]}{coin.denom[:80]}: invalid coins", "sdk")
    return token.denom, token.to_human(int(coin.amount))


def _send(exchange: Exchange, message: Any, _signer: str) -> Any:
    try:
        target = addresses.default_subaccount(message.to_address)
    except ValueError as error:
        raise VenueError(7, f"{error}: invalid address", "sdk") from error
    for coin in message.amount:
        exchange.ledger.move(addresses.default_subaccount(message.from_address), target, *_coin(coin))
    return bank_tx.MsgSendResponse()


def _batch(exchange: Exchange, message: Any, signer: str) -> Any:
    """Cancel first, then create; one order that fails does not fail the others."""
    response = exchange_tx.MsgBatchUpdateOrdersResponse()
    for derivative in (False, True):
        kind = "derivative" if derivative else "spot"
        _cancel_all(
            exchange, message, getattr(message, f"{kind}_market_ids_to_cancel_all"), derivative=derivative
        )
    for derivative in (False, True):
        kind = "derivative" if derivative else "spot"
        cancels = getattr(message, f"{kind}_orders_to_cancel")
        success = getattr(response, f"{kind}_cancel_success")
        success.extend(_cancelled(exchange, message.sender, item, derivative=derivative) for item in cancels)
        for at_market, infix in ((True, f"{kind}_market"), (False, kind)):
            orders = getattr(message, f"{infix}_orders_to_create")
            hashes = getattr(response, f"{infix}_order_hashes")
            created = getattr(response, f"created_{infix}_orders_cids")
            failed = getattr(response, f"failed_{infix}_orders_cids")
            for order in orders:
                answer, good = _created(
                    exchange, message.sender, signer, order, derivative=derivative, at_market=at_market
                )
                hashes.append(answer)
                (created if good else failed).append(order.order_info.cid)
    return response


def _cancel_all(exchange: Exchange, message: Any, market_ids: Iterable[str], *, derivative: bool) -> None:
    for market_id in market_ids:
        exchange.market(market_id, derivative=derivative)
        exchange.cancel_all(market_id, own_subaccount(message.subaccount_id, message.sender))


def _cancelled(exchange: Exchange, sender: str, item: Any, *, derivative: bool) -> bool:
    try:
        exchange.market(item.market_id, derivative=derivative)
        exchange.cancel(item.market_id, own_subaccount(item.subaccount_id, sender), item.order_hash, item.cid)
    except VenueError:
        return False
    return True


def _created(  # noqa: PLR0913 - who, what and how of one order
    exchange: Exchange, sender: str, signer: str, order: Any, *, derivative: bool, at_market: bool
) -> tuple[str, bool]:
    """Return the order's hash, or its error code where a hash would be."""
    try:
        new = _new_order(order, derivative=derivative)
        return exchange.place(new, sender, signer, derivative=derivative, at_market=at_market).hash, True
    except VenueError as error:
        exchange.events.failure(sender, order.order_info.cid, error.code)
        return str(error.code), False


_HANDLERS: dict[Any, Callable[[Exchange, Any, str], Any]] = {
    exchange_tx.MsgCreateSpotLimitOrder: _limit(
        exchange_tx.MsgCreateSpotLimitOrderResponse, derivative=False
    ),
    exchange_tx.MsgCreateDerivativeLimitOrder: _limit(
        exchange_tx.MsgCreateDerivativeLimitOrderResponse, derivative=True
    ),
    exchange_tx.MsgCreateSpotMarketOrder: _market(
        exchange_tx.MsgCreateSpotMarketOrderResponse, derivative=False
    ),
    exchange_tx.MsgCreateDerivativeMarketOrder: _market(
        exchange_tx.MsgCreateDerivativeMarketOrderResponse, derivative=True
    ),
    exchange_tx.MsgCancelSpotOrder: _cancel(exchange_tx.MsgCancelSpotOrderResponse, derivative=False),
    exchange_tx.MsgCancelDerivativeOrder: _cancel(
        exchange_tx.MsgCancelDerivativeOrderResponse, derivative=True
    ),
    exchange_tx.MsgBatchUpdateOrders: _batch,
    exchange_tx.MsgDeposit: _deposit,
    exchange_tx.MsgWithdraw: _withdraw,
    bank_tx.MsgSend: _send,
}
