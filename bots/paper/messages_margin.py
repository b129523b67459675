"""Runs the messages that move margin between a subaccount and its position."""

from __future__ import annotations

import dataclasses
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots.paper.errors import VenueError
from bots.paper.order_rules import own_subaccount
from bots.paper.proto import exchange_tx
from bots.paper.units import from_wire

if TYPE_CHECKING:
    from bots.paper.exchange import Exchange
    from bots.paper.markets import Market
    from bots.paper.positions import Position

__all__ = ["decrease", "increase"]


def increase(exchange: Exchange, message: Any, _signer: str) -> Any:
    """Move money of a subaccount into the margin of a position of the same owner."""
    market, amount = exchange.market(message.market_id, derivative=True), _amount(message)
    source = own_subaccount(message.source_subaccount_id, message.sender)
    target = own_subaccount(message.destination_subaccount_id, message.sender)
    position = _position(exchange, market, target)
    exchange.ledger.require(source, market.quote.denom, amount, 6, "exchange")
    exchange.ledger.debit(source, market.quote.denom, amount)
    _set_margin(exchange, market, target, position, position.margin + amount)
    return exchange_tx.MsgIncreasePositionMarginResponse()


def decrease(exchange: Exchange, message: Any, _signer: str) -> Any:
    """Move margin of a position back, down to what the market asks for when margin is reduced."""
    market, amount = exchange.market(message.market_id, derivative=True), _amount(message)
    source = own_subaccount(message.source_subaccount_id, message.sender)
    target = own_subaccount(message.destination_subaccount_id, message.sender)
    position, mark = _position(exchange, market, source), exchange.mark_price(market)
    equity = position.margin - amount + min(position.quantity * mark - position.cost, Decimal(0))
    needed = abs(position.quantity) * mark * market.reduce_margin
    if equity < needed:
        raise VenueError(
            26, f"{equity} would be left of the margin, {needed} is needed: insufficient order margin"
        )
    _set_margin(exchange, market, source, position, position.margin - amount)
    exchange.ledger.credit(target, market.quote.denom, amount)
    return exchange_tx.MsgDecreasePositionMarginResponse()


def _amount(message: Any) -> Decimal:
    try:
        amount = from_wire(message.amount)
    except ValueError as error:
        raise VenueError(2, "the amount is no LegacyDec: tx parse error", "sdk") from error
    if amount <= 0:
        raise VenueError(10, f"{amount}: invalid coins", "sdk")
    return amount


def _position(exchange: Exchange, market: Market, subaccount: str) -> Position:
    if (subaccount, market.id) not in exchange.positions:
        raise VenueError(28, f"{subaccount} has no position in {market.ticker}: position not found")
    return exchange.position(subaccount, market.id)


def _set_margin(
    exchange: Exchange, market: Market, subaccount: str, position: Position, margin: Decimal
) -> None:
    exchange.set_position(subaccount, market.id, dataclasses.replace(position, margin=margin))
    exchange.events.position(market, subaccount, exchange.positions[subaccount, market.id])
