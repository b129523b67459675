"""Runs the exchange's messages of a delivered transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots import addresses
from bots.paper import messages_margin
from bots.paper.errors import VenueError
from bots.paper.markets import TOKENS
from bots.paper.order_rules import NewOrder, any_subaccount, own_subaccount
from bots.paper.proto import exchange_tx
from bots.paper.units import from_wire

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal

    from bots.paper.exchange import Exchange

__all__ = ["HANDLERS", "coin"]


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
    """Move coins into a subaccount; as on the chain (v2), it may be another's."""
    bank = addresses.default_subaccount(message.sender)
    exchange.ledger.move(bank, any_subaccount(message.subaccount_id), *coin(message.amount))
    return exchange_tx.MsgDepositResponse()


def _withdraw(exchange: Exchange, message: Any, _signer: str) -> Any:
    subaccount = own_subaccount(message.subaccount_id, message.sender)
    exchange.ledger.move(subaccount, addresses.default_subaccount(message.sender), *coin(message.amount))
    return exchange_tx.MsgWithdrawResponse()


def _subaccount_transfer(exchange: Exchange, message: Any, _signer: str) -> Any:
    source = own_subaccount(message.source_subaccount_id, message.sender)
    target = own_subaccount(message.destination_subaccount_id, message.sender)
    exchange.ledger.move(source, target, *coin(message.amount))
    return exchange_tx.MsgSubaccountTransferResponse()


def _external_transfer(exchange: Exchange, message: Any, _signer: str) -> Any:
    source = own_subaccount(message.source_subaccount_id, message.sender)
    exchange.ledger.move(source, any_subaccount(message.destination_subaccount_id), *coin(message.amount))
    return exchange_tx.MsgExternalTransferResponse()


def coin(wire: Any) -> tuple[str, Decimal]:
    """Return denomination and human amount of a coin.

    Raises:
        VenueError: sdk code 10.
    """
    token = TOKENS.get(wire.denom)
    if token is None or not wire.amount.isdecimal() or int(wire.amount) == 0:
        raise VenueError(10, f"{wire.amount[:40]}{wire.denom[:80]}: invalid coins", "sdk")
    return token.denom, token.to_human(int(wire.amount))


def _batch_create(response: Any, *, derivative: bool) -> Callable[[Exchange, Any, str], Any]:
    def handle(exchange: Exchange, message: Any, signer: str) -> Any:
        answer = response()
        for order in message.orders:
            text, good = _created(
                exchange, message.sender, signer, order, derivative=derivative, at_market=False
            )
            answer.order_hashes.append(text)
            (answer.created_orders_cids if good else answer.failed_orders_cids).append(order.order_info.cid)
        return answer

    return handle


def _batch_cancel(response: Any, *, derivative: bool) -> Callable[[Exchange, Any, str], Any]:
    def handle(exchange: Exchange, message: Any, _signer: str) -> Any:
        return response(
            success=[
                _cancelled(exchange, message.sender, item, derivative=derivative) for item in message.data
            ]
        )

    return handle


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


HANDLERS: dict[Any, Callable[[Exchange, Any, str], Any]] = {
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
    exchange_tx.MsgBatchCreateSpotLimitOrders: _batch_create(
        exchange_tx.MsgBatchCreateSpotLimitOrdersResponse, derivative=False
    ),
    exchange_tx.MsgBatchCreateDerivativeLimitOrders: _batch_create(
        exchange_tx.MsgBatchCreateDerivativeLimitOrdersResponse, derivative=True
    ),
    exchange_tx.MsgBatchCancelSpotOrders: _batch_cancel(
        exchange_tx.MsgBatchCancelSpotOrdersResponse, derivative=False
    ),
    exchange_tx.MsgBatchCancelDerivativeOrders: _batch_cancel(
        exchange_tx.MsgBatchCancelDerivativeOrdersResponse, derivative=True
    ),
    exchange_tx.MsgIncreasePositionMargin: messages_margin.increase,
    exchange_tx.MsgDecreasePositionMargin: messages_margin.decrease,
    exchange_tx.MsgSubaccountTransfer: _subaccount_transfer,
    exchange_tx.MsgExternalTransfer: _external_transfer,
}
