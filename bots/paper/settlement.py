"""What one fill does to balances and positions."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from bots import addresses
from bots.paper.ledger import FEES
from bots.paper.positions import apply_fill
from bots.paper.units import ZERO

if TYPE_CHECKING:
    from bots.paper.exchange import Exchange
    from bots.paper.markets import Market
    from bots.paper.orders import Order

__all__ = ["MAKERS", "Trade", "settle"]

MAKERS = frozenset({"LimitFill", "LimitMatchRestingOrder"})
"""Executions of orders that rested: against market orders, and against new limit orders."""

_GRAIN = Decimal(1).scaleb(-18)


@dataclass(frozen=True)
class Trade:
    """One side of one fill; amounts are human units."""

    trade_id: str
    market_id: str
    subaccount: str
    signer: str
    buy: bool
    price: Decimal
    quantity: Decimal
    fee: Decimal
    """In the quote token; negative is a rebate."""
    order_hash: str
    cid: str
    fee_recipient: str
    maker: bool
    execution: str
    """`injective.exchange.v2.ExecutionType`, as the stream writes it."""
    height: int
    time_ms: int
    """The block's time, Unix milliseconds."""
    margin: Decimal = ZERO
    payout: Decimal = ZERO


def settle(  # noqa: PLR0913, PLR0917 - who, what and how of one fill
    exchange: Exchange, market: Market, order: Order, quantity: Decimal, price: Decimal, execution: str
) -> Trade:
    """Move the money of one side of a fill; the caller reduces the order afterwards."""
    maker = execution in MAKERS
    share = quantity / order.fillable
    held = order.held if share == 1 else (order.held * share).quantize(_GRAIN)
    order.held -= held
    exchange.ledger.release(order.subaccount, order.held_denom, held)
    margin = payout = ZERO
    if market.derivative:
        margin, payout = _settle_derivative(exchange, market, order, quantity, price)
    else:
        _settle_spot(exchange, market, order, quantity, price)
    fee = _settle_fee(exchange, market, order, price * quantity, maker=maker)
    exchange.nonce += 1
    return Trade(
        f"{exchange.height}_{exchange.nonce}",
        market.id,
        order.subaccount,
        order.signer,
        order.buy,
        price,
        quantity,
        fee,
        order.hash,
        order.cid,
        order.fee_recipient,
        maker,
        execution,
        exchange.height,
        exchange.time_ms,
        margin,
        payout,
    )


def _settle_spot(exchange: Exchange, market: Market, order: Order, quantity: Decimal, price: Decimal) -> None:
    ledger, owner, notional = exchange.ledger, order.subaccount, price * quantity
    if order.buy:
        ledger.debit(owner, market.quote.denom, notional)
        ledger.credit(owner, market.base.denom, quantity)
    else:
        ledger.debit(owner, market.base.denom, quantity)
        ledger.credit(owner, market.quote.denom, notional)


def _settle_derivative(
    exchange: Exchange, market: Market, order: Order, quantity: Decimal, price: Decimal
) -> tuple[Decimal, Decimal]:
    margin = (
        order.margin
        if quantity == order.fillable
        else (order.margin * quantity / order.fillable).quantize(_GRAIN)
    )
    order.margin -= margin
    signed = quantity if order.buy else -quantity
    fill = apply_fill(exchange.position(order.subaccount, market.id), signed, price, margin)
    exchange.set_position(order.subaccount, market.id, fill.position)
    exchange.ledger.credit(order.subaccount, market.quote.denom, max(fill.payout, ZERO))
    exchange.ledger.debit(order.subaccount, market.quote.denom, fill.margin_used + max(-fill.payout, ZERO))
    return fill.margin_used, fill.payout


def _settle_fee(
    exchange: Exchange, market: Market, order: Order, notional: Decimal, *, maker: bool
) -> Decimal:
    """Charge the fee, share it with the order's fee recipient, return what the trader sees of it.

    A rebate is cut by the relayer's share, and a taker who is his own relayer gets that share back
    (injective-core, modules/exchange/keeper, fee handling).
    """
    ledger, denom = exchange.ledger, market.quote.denom
    recipient = _recipient(order)
    rate = market.maker_fee if maker else market.taker_fee
    gross = (notional * rate).quantize(_GRAIN)
    relayed = (abs(gross) * market.relayer_share).quantize(_GRAIN)
    if gross < 0:
        fee = gross + relayed
        ledger.credit(order.subaccount, denom, -fee)
        ledger.credit(FEES, denom, gross)
    else:
        fee = gross - relayed if recipient == order.subaccount else gross
        ledger.debit(order.subaccount, denom, gross)
        ledger.credit(FEES, denom, gross - relayed)
    ledger.credit(recipient, denom, relayed)
    return fee


def _recipient(order: Order) -> str:
    try:
        return addresses.default_subaccount(order.fee_recipient)
    except ValueError:
        return FEES
