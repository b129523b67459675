"""What the chain refuses a new order for, with its codes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bots import addresses
from bots.paper.errors import VenueError
from bots.paper.units import POST_ONLY_TYPES, ZERO

if TYPE_CHECKING:
    from decimal import Decimal

    from bots.paper.exchange import Exchange
    from bots.paper.markets import Market

__all__ = ["BUY_TYPES", "NewOrder", "any_subaccount", "check", "own_subaccount"]

BUY_TYPES = frozenset({1, 7})
_SUPPORTED_TYPES = frozenset({1, 2, 7, 8})
_SUBACCOUNT = re.compile(r"0x[0-9a-f]{64}")


@dataclass(frozen=True)
class NewOrder:
    """An order as its sender wrote it; amounts are human units."""

    market_id: str
    subaccount: str
    price: Decimal
    quantity: Decimal
    order_type: int
    cid: str = ""
    fee_recipient: str = ""
    margin: Decimal = ZERO
    expiration_block: int = 0


def check(exchange: Exchange, new: NewOrder, market: Market, subaccount: str, *, at_market: bool) -> None:
    """Refuse what the chain would refuse.

    Raises:
        VenueError: with the chain's code.
    """
    if new.order_type not in _SUPPORTED_TYPES:
        raise VenueError(
            36, "only BUY, SELL, BUY_PO and SELL_PO are supported here: order type not supported"
        )
    if new.price <= 0 or new.price % market.price_tick:
        raise VenueError(
            16,
            f"price {new.price} must be a multiple of the minimum price tick size "
            f"{market.price_tick}: invalid price",
        )
    if new.quantity <= 0 or new.quantity % market.quantity_tick:
        raise VenueError(
            17,
            f"quantity {new.quantity} must be a multiple of the minimum quantity tick size "
            f"{market.quantity_tick}: invalid quantity",
        )
    if new.price * new.quantity < market.min_notional:
        raise VenueError(
            100,
            f"order notional ({new.price * new.quantity}) is less than the minimum notional "
            f"for the market ({market.min_notional}): invalid notional",
        )
    if new.cid and (subaccount, new.cid) in exchange.by_cid:
        raise VenueError(97, f"client order id already exists: {new.cid}")
    _check_book(exchange, new, market, subaccount, at_market=at_market)
    if market.derivative:
        _check_margin(exchange, new, market, subaccount)


def _check_book(
    exchange: Exchange, new: NewOrder, market: Market, subaccount: str, *, at_market: bool
) -> None:
    book, buy = exchange.books[market.id], new.order_type in BUY_TYPES
    touch = book.best(buy=not buy)
    crosses = touch is not None and (new.price >= touch if buy else new.price <= touch)
    if new.order_type in POST_ONLY_TYPES and (crosses or at_market):
        raise VenueError(
            59, f"post-only order exceeds the top of the book {touch}: exceeds top of book price"
        )
    if at_market:
        _check_taking(exchange, new, market, subaccount, touch)
    if 0 < new.expiration_block <= exchange.height:
        raise VenueError(
            112, f"expiration block {new.expiration_block} is in the past: invalid expiration block"
        )
    if sum(1 for o in book.of(subaccount) if o.buy == buy) >= market.max_orders_per_side:
        raise VenueError(37, "too many orders per side for subaccount: exceeded order side count")


def _check_taking(
    exchange: Exchange, new: NewOrder, market: Market, subaccount: str, touch: Decimal | None
) -> None:
    if touch is None:
        raise VenueError(24, "no liquidity on the orderbook!")
    if new.price < touch if new.order_type in BUY_TYPES else new.price > touch:
        raise VenueError(25, "orderbook liquidity cannot satisfy current worst price")
    placed = ((o.subaccount, o.market_id) for o in exchange.market_orders)
    if market.derivative and (subaccount, market.id) in placed:
        raise VenueError(
            38,
            "cannot place a market order when a market order in the same market was already placed in same "
            "block: market order already exists",
        )


def _check_margin(exchange: Exchange, new: NewOrder, market: Market, subaccount: str) -> None:
    if new.margin < 0:
        raise VenueError(26, "margin must not be negative: insufficient order margin")
    if new.margin and new.margin < new.price * new.quantity * market.initial_margin:
        raise VenueError(
            26,
            f"InsufficientOrderMargin: {new.margin} is less than the initial margin of "
            f"{new.price * new.quantity * market.initial_margin}: insufficient order margin",
        )
    if new.margin:
        _check_mark(new, market, exchange.mark_price(market))
    else:
        _check_reduce_only(exchange, new, market, subaccount)


def _check_mark(new: NewOrder, market: Market, mark: Decimal) -> None:
    """Refuse a position that would begin below its initial margin at the mark price."""
    room, rate = new.margin / new.quantity, market.initial_margin
    if new.order_type in BUY_TYPES:
        threshold = (new.price - room) / (1 - rate)
        good = mark >= threshold
    else:
        threshold = (new.price + room) / (1 + rate)
        good = mark <= threshold
    if not good:
        raise VenueError(
            26,
            f"InsufficientOrderMargin: mark price {mark}, threshold {threshold}: insufficient order margin",
        )


def _check_reduce_only(exchange: Exchange, new: NewOrder, market: Market, subaccount: str) -> None:
    buy = new.order_type in BUY_TYPES
    position = exchange.positions.get((subaccount, market.id))
    if position is None:
        raise VenueError(28, "a reduce-only order has nothing to reduce: position not found")
    if buy == (position.quantity > 0):
        raise VenueError(29, "position direction does not oppose the reduce-only order")
    promised = sum(
        (o.fillable for o in exchange.books[market.id].of(subaccount) if o.buy == buy and o.reduce_only), ZERO
    )
    closable = -position.quantity if buy else position.quantity
    if new.quantity + promised > closable:
        raise VenueError(
            8,
            f"reduce-only orders exceed the position of {position.quantity}: insufficient position quantity",
        )


def own_subaccount(subaccount: str, sender: str) -> str:
    """Return the full id of a subaccount of `sender`.

    Raises:
        VenueError: exchange code 10, not an id, or somebody else's.
    """
    text = any_subaccount(subaccount)
    if text[2:42] != addresses.to_bytes(sender).hex():
        raise VenueError(10, f"subaccount {subaccount[:70]!r} is not one of {sender}: invalid subaccount id")
    return text


def any_subaccount(subaccount: str) -> str:
    """Return the full id of anybody's subaccount.

    Raises:
        VenueError: exchange code 10, not an id.
    """
    text = subaccount.lower()
    if not _SUBACCOUNT.fullmatch(text):
        raise VenueError(10, f"{subaccount[:70]!r} is no subaccount: invalid subaccount id")
    return text
