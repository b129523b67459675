"""What a grant allows: the limits of the chain's typed authorizations.

Source: the checks of `injective.exchange.v2` in sdk-go (types of v1.19 and later, which cover market orders;
those of 2025 did not), and cosmos-sdk `x/authz`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from bots.paper.errors import VenueError
from bots.paper.proto import authz_pb2, exchange_authz

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["accept", "check", "message_type", "unpack"]

_MAX_MARKETS = 200
_HASH = re.compile(r"0x[0-9a-fA-F]{64}", re.ASCII)
_TYPED = (
    exchange_authz.CreateSpotLimitOrderAuthz,
    exchange_authz.CreateSpotMarketOrderAuthz,
    exchange_authz.BatchCreateSpotLimitOrdersAuthz,
    exchange_authz.CancelSpotOrderAuthz,
    exchange_authz.BatchCancelSpotOrdersAuthz,
    exchange_authz.CreateDerivativeLimitOrderAuthz,
    exchange_authz.CreateDerivativeMarketOrderAuthz,
    exchange_authz.BatchCreateDerivativeLimitOrdersAuthz,
    exchange_authz.CancelDerivativeOrderAuthz,
    exchange_authz.BatchCancelDerivativeOrdersAuthz,
    exchange_authz.BatchUpdateOrdersAuthz,
)
_KINDS = {f"/{kind.DESCRIPTOR.full_name}": kind for kind in (*_TYPED, authz_pb2.GenericAuthorization)}


def unpack(wrapped: Any) -> Any:
    """Return the authorization in an Any.

    Raises:
        VenueError: authz code 4, a kind that the venue does not serve (spend limits, for one).
        google.protobuf.message.DecodeError: not such an authorization.
    """
    kind = _KINDS.get(wrapped.type_url)
    if kind is None:
        raise VenueError(4, f"{wrapped.type_url[:100]}: unknown authorization type", "authz")
    return kind.FromString(wrapped.value)


def message_type(limit: Any) -> str:
    """Return the type URL of the message that an authorization is about."""
    if isinstance(limit, authz_pb2.GenericAuthorization):
        return str(limit.msg)
    return f"/injective.exchange.v2.Msg{limit.DESCRIPTOR.name.removesuffix('Authz')}"


def check(limit: Any) -> None:
    """Check the form of an authorization.

    Raises:
        VenueError: sdk code 35.
    """
    if isinstance(limit, authz_pb2.GenericAuthorization):
        return
    if not _HASH.fullmatch(limit.subaccount_id):
        raise VenueError(35, "invalid subaccount id to authorize: internal logic error", "sdk")
    lists = _market_lists(limit)
    if not any(lists) or any(len(markets) > _MAX_MARKETS for markets in lists):
        raise VenueError(35, "invalid markets array length: internal logic error", "sdk")
    if any(len(markets) != len(set(markets)) for markets in lists):
        raise VenueError(35, "cannot have duplicate markets: internal logic error", "sdk")
    if not all(_HASH.fullmatch(market) for markets in lists for market in markets):
        raise VenueError(35, "invalid market id to authorize: internal logic error", "sdk")


def _market_lists(limit: Any) -> list[list[str]]:
    if isinstance(limit, exchange_authz.BatchUpdateOrdersAuthz):
        return [list(limit.spot_markets), list(limit.derivative_markets)]
    return [list(limit.market_ids)]


def accept(limit: Any, message: Any) -> None:
    """Refuse a message that is outside of the limits of its authorization.

    Raises:
        VenueError: sdk code 4, another subaccount or another market.
    """
    if isinstance(limit, authz_pb2.GenericAuthorization):
        return
    if isinstance(limit, exchange_authz.BatchUpdateOrdersAuthz):
        _accept_batch(limit, message)
        return
    for subaccount, market in _touched(message):
        _require_subaccount(limit, subaccount)
        _require_market(limit.market_ids, market, "requested market is unauthorized")


def _touched(message: Any) -> Iterator[tuple[str, str]]:
    """Yield subaccount and market of everything that a message of the exchange creates or cancels."""
    if hasattr(message, "data"):
        yield from ((item.subaccount_id, item.market_id) for item in message.data)
    elif hasattr(message, "orders"):
        yield from _of_orders(message.orders)
    elif hasattr(message, "order"):
        yield from _of_orders([message.order])
    else:
        yield message.subaccount_id, message.market_id


def _of_orders(orders: Iterable[Any]) -> Iterator[tuple[str, str]]:
    return ((order.order_info.subaccount_id, order.market_id) for order in orders)


def _accept_batch(limit: Any, message: Any) -> None:
    for kind, allowed in (("spot", limit.spot_markets), ("derivative", limit.derivative_markets)):
        creates = list(getattr(message, f"{kind}_orders_to_create"))
        creates += getattr(message, f"{kind}_market_orders_to_create")
        cancels = getattr(message, f"{kind}_orders_to_cancel")
        cancel_all = getattr(message, f"{kind}_market_ids_to_cancel_all")
        items = (
            ("create", _of_orders(creates)),
            ("cancel", ((item.subaccount_id, item.market_id) for item in cancels)),
            ("cancel all", ((message.subaccount_id, market) for market in cancel_all)),
        )
        for verb, touched in items:
            for subaccount, market in touched:
                _require_market(allowed, market, f"requested {kind} market to {verb} orders is unauthorized")
                _require_subaccount(limit, subaccount)


def _require_subaccount(limit: Any, subaccount: str) -> None:
    if subaccount != limit.subaccount_id:
        raise VenueError(4, "requested subaccount is unauthorized: unauthorized", "sdk")


def _require_market(allowed: Iterable[str], market: str, sentence: str) -> None:
    if market not in allowed:
        raise VenueError(4, f"{sentence}: unauthorized", "sdk")
