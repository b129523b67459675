"""The trader's words: sides, quotes, orders, fills, and what the exchange tells. Frozen, no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "Batch",
    "BlockUpdate",
    "Decision",
    "ExchangeError",
    "Fill",
    "Inventory",
    "MarketInfo",
    "MarketView",
    "NewOrder",
    "OpenOrder",
    "OrderUpdate",
    "PricePoint",
    "Quote",
    "RejectedError",
    "Side",
    "TxResult",
    "UnknownOutcomeError",
]


class Side(StrEnum):
    """Of an order."""

    BUY = "buy"
    SELL = "sell"


class Quote(NamedTuple):
    """A price and quantity that the strategy wants to stand in the book; human units, on the ticks."""

    side: Side
    price: Decimal
    quantity: Decimal
    post_only: bool = True
    """Refused rather than taking from the book; False may take, and rests with what is left."""


class PricePoint(NamedTuple):
    """A reference price and when it was read (Unix seconds)."""

    at: float
    price: Decimal


@dataclass(frozen=True)
class MarketInfo:
    """The market as the chain lists it; human units."""

    id: str
    ticker: str
    derivative: bool
    base_denom: str
    quote_denom: str
    base_decimals: int
    quote_decimals: int
    price_tick: Decimal
    quantity_tick: Decimal
    min_notional: Decimal


@dataclass(frozen=True)
class Inventory:
    """What the subaccount holds, open orders included; human units."""

    base: Decimal = Decimal(0)
    """Spot: base tokens."""
    quote: Decimal = Decimal(0)
    position: Decimal = Decimal(0)
    """Derivatives: signed quantity."""
    gas: Decimal = Decimal(0)
    """Of `base`, what pays for transactions, cancellations above all, and must not be sold."""

    def tradable(self) -> Inventory:
        """Return what strategy and risk may reckon with."""
        return replace(self, base=max(self.base - self.gas, Decimal(0)), gas=Decimal(0))


@dataclass(frozen=True)
class MarketView:
    """All that a strategy may look at."""

    market: MarketInfo
    reference: Decimal
    inventory: Inventory
    max_position_notional: Decimal
    history: tuple[PricePoint, ...] = ()
    """Reference prices, oldest first, about one a second, the last one is `reference`."""


@dataclass(frozen=True)
class Decision:
    """What should stand in the book now, and why."""

    quotes: tuple[Quote, ...]
    reason: str


@dataclass(frozen=True)
class NewOrder:
    """A quote on its way to the exchange; a retry keeps the cid."""

    cid: str
    quote: Quote
    margin: Decimal = Decimal(0)


@dataclass(frozen=True)
class OpenOrder:
    """An order that the exchange has in its book."""

    cid: str
    order_hash: str
    side: Side
    price: Decimal
    quantity: Decimal
    fillable: Decimal


@dataclass(frozen=True)
class Batch:
    """One decision's changes: sent as one message."""

    create: tuple[NewOrder, ...] = ()
    cancel: tuple[OpenOrder, ...] = ()
    cancel_all: bool = False
    """Of this bot's market only."""


@dataclass(frozen=True)
class OrderUpdate:
    """The exchange's word on one order."""

    cid: str
    order_hash: str
    status: str
    """Booked, Matched or Cancelled."""
    fillable: Decimal


@dataclass(frozen=True)
class Fill:
    """One trade of this bot."""

    trade_id: str
    cid: str
    order_hash: str
    side: Side
    price: Decimal
    quantity: Decimal
    fee: Decimal
    """In the quote token; negative is a rebate."""
    at: datetime
    """Aware UTC: the time of its block."""


@dataclass(frozen=True)
class BlockUpdate:
    """What one block says about this bot; comes every block, mostly empty."""

    height: int
    gas_price: int
    time: datetime
    """Aware UTC, of the block."""
    orders: tuple[OrderUpdate, ...] = ()
    fills: tuple[Fill, ...] = ()
    failures: dict[str, int] = field(default_factory=dict)
    """Exchange error code by cid."""


@dataclass(frozen=True)
class TxResult:
    """A transaction that is in a block."""

    tx_hash: str
    code: int
    log: str


class ExchangeError(Exception):
    """The exchange could not be reached, or answered what cannot be used."""


class RejectedError(ExchangeError):
    """The exchange refused a transaction before it reached a block: nothing of it happened."""

    def __init__(self, code: int, log: str) -> None:
        super().__init__(f"refused with code {code}: {log}")
        self.code = code


class UnknownOutcomeError(ExchangeError):
    """A transaction was sent and no answer came: it may still happen until its timeout height."""

    def __init__(self, tx_hash: str, timeout_height: int) -> None:
        super().__init__(f"no answer to transaction {tx_hash}")
        self.tx_hash = tx_hash
        self.timeout_height = timeout_height
