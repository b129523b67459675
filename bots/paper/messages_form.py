"""The messages that the venue serves: who must sign one, and what is wrong with its form alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bots import addresses
from bots.paper import authz_limits
from bots.paper.errors import VenueError
from bots.paper.proto import authz_tx, bank_tx, exchange_tx

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check", "leaves", "signer_of", "type_url", "unpack"]

_MAX_CID = 36
_MAX_NESTING = 10
"""cosmos-sdk `codec/types`: Any in Any deeper than this is no transaction."""
_KINDS = (
    exchange_tx.MsgBatchUpdateOrders,
    exchange_tx.MsgCreateSpotLimitOrder,
    exchange_tx.MsgCreateSpotMarketOrder,
    exchange_tx.MsgCancelSpotOrder,
    exchange_tx.MsgBatchCreateSpotLimitOrders,
    exchange_tx.MsgBatchCancelSpotOrders,
    exchange_tx.MsgCreateDerivativeLimitOrder,
    exchange_tx.MsgCreateDerivativeMarketOrder,
    exchange_tx.MsgCancelDerivativeOrder,
    exchange_tx.MsgBatchCreateDerivativeLimitOrders,
    exchange_tx.MsgBatchCancelDerivativeOrders,
    exchange_tx.MsgDeposit,
    exchange_tx.MsgWithdraw,
    exchange_tx.MsgIncreasePositionMargin,
    exchange_tx.MsgDecreasePositionMargin,
    exchange_tx.MsgSubaccountTransfer,
    exchange_tx.MsgExternalTransfer,
    bank_tx.MsgSend,
    authz_tx.MsgGrant,
    authz_tx.MsgRevoke,
    authz_tx.MsgExec,
)
_SERVED = {f"/{kind.DESCRIPTOR.full_name}": kind for kind in _KINDS}
_SIGNER_FIELDS = {
    bank_tx.MsgSend: "from_address",
    authz_tx.MsgGrant: "granter",
    authz_tx.MsgRevoke: "granter",
    authz_tx.MsgExec: "grantee",
}
_GRANTABLE = re.compile(r"/(?:cosmos|cosmwasm|ibc|injective)\.[a-z0-9_.]+\.Msg[A-Za-z0-9]+", re.ASCII)
"""What the chain may route; it refuses a grant for anything else."""


def type_url(message: Any) -> str:
    """Return `/pkg.Msg`."""
    return f"/{message.DESCRIPTOR.full_name}"


def signer_of(message: Any) -> str:
    """Return the address that must sign a message."""
    return str(getattr(message, _SIGNER_FIELDS.get(type(message), "sender")))


def unpack(wrapped: Any, depth: int = 0) -> Any:
    """Return the message in an Any; what it wraps in turn is looked at too.

    Raises:
        VenueError: sdk code 2: a message that the venue does not serve, or too deep a nest.
        google.protobuf.message.DecodeError: not such a message.
    """
    kind = _SERVED.get(wrapped.type_url)
    if kind is None or depth > _MAX_NESTING:
        raise VenueError(2, f"unable to resolve type URL {wrapped.type_url[:100]}: tx parse error", "sdk")
    message = kind.FromString(wrapped.value)
    for inner in _wrapped(message):
        unpack(inner, depth + 1)
    return message


def _wrapped(message: Any) -> Any:
    return message.msgs if isinstance(message, authz_tx.MsgExec) else ()


def leaves(message: Any) -> Iterator[Any]:
    """Yield the messages that a message runs in the end: itself, or what a `MsgExec` wraps."""
    if not isinstance(message, authz_tx.MsgExec):
        yield message
    for inner in _wrapped(message):
        yield from leaves(unpack(inner))


def check(message: Any) -> None:
    """Check what needs no state (ValidateBasic on the chain).

    Raises:
        VenueError: with the chain's code.
    """
    for cid in _cids(message):
        if len(cid) > _MAX_CID:
            raise VenueError(98, f"client order id is longer than {_MAX_CID}: invalid client order id")
    if isinstance(message, exchange_tx.MsgDeposit | exchange_tx.MsgWithdraw) and _is_default(
        message.subaccount_id
    ):
        raise VenueError(10, "the default subaccount is the bank account itself: invalid subaccount id")
    if isinstance(message, exchange_tx.MsgSubaccountTransfer | exchange_tx.MsgExternalTransfer) and (
        _is_default(message.source_subaccount_id) or _is_default(message.destination_subaccount_id)
    ):
        raise VenueError(10, "the default subaccount takes no part in transfers: invalid subaccount id")
    if isinstance(message, exchange_tx.MsgBatchUpdateOrders):
        _check_batch(message)
    if isinstance(message, authz_tx.MsgGrant | authz_tx.MsgRevoke):
        _check_pair(message)
    if isinstance(message, authz_tx.MsgGrant):
        _check_grant(message)
    if isinstance(message, authz_tx.MsgRevoke) and not message.msg_type_url:
        raise VenueError(18, "missing msg method name: invalid request", "sdk")
    if isinstance(message, authz_tx.MsgExec) and not message.msgs:
        raise VenueError(18, "messages cannot be empty: invalid request", "sdk")


def _cids(message: Any) -> list[str]:
    if isinstance(message, exchange_tx.MsgBatchUpdateOrders):
        orders = [
            *message.spot_orders_to_create,
            *message.derivative_orders_to_create,
            *message.spot_market_orders_to_create,
            *message.derivative_market_orders_to_create,
        ]
    else:
        orders = list(getattr(message, "orders", ())) or [
            getattr(message, name) for name in ("order",) if hasattr(message, name)
        ]
    return [order.order_info.cid for order in orders]


def _check_batch(message: Any) -> None:
    cancels_all = bool(message.spot_market_ids_to_cancel_all or message.derivative_market_ids_to_cancel_all)
    if bool(message.subaccount_id) != cancels_all:
        raise VenueError(
            58,
            "msg contains cancel all marketIDs without subaccountID or the other way round: "
            "invalid batch msg update",
        )


def _check_pair(message: Any) -> None:
    if message.grantee.lower() == message.granter.lower():
        raise VenueError(7, "grantee and granter should be different", "authz")
    try:
        addresses.to_bytes(message.grantee)
    except ValueError as error:
        raise VenueError(7, f"invalid grantee address: {error}: invalid address", "sdk") from error


def _check_grant(message: Any) -> None:
    limit = authz_limits.unpack(message.grant.authorization)
    authz_limits.check(limit)
    allowed = authz_limits.message_type(limit)
    if not _GRANTABLE.fullmatch(allowed):
        raise VenueError(29, f"{allowed[:100]} doesn't exist.: invalid type", "sdk")


def _is_default(subaccount: str) -> bool:
    return subaccount.endswith("0" * 24)
