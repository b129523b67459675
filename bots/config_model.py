"""What the two configuration files say, once it has been read. Frozen, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from bots.parameters import Choice, number, whole

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from bots.model import Decision, MarketView

__all__ = ["ON_STOP", "TYPES", "Execution", "MarketEntry", "RiskLimits", "TraderConfig"]

TYPES = ("spot", "derivative")
ON_STOP = Choice(
    "What Stop does: cancel the orders; flatten the position too; or leave the orders in the book.",
    ("cancel", "flatten", "leave"),
)


@dataclass(frozen=True)
class MarketEntry:
    """One market of config/markets_config.json."""

    name: str
    ticker: str
    type: str
    market_ids: dict[str, str]
    """By network; a network that is missing does not offer the market."""


@dataclass(frozen=True)
class Execution:
    """How what the strategy wants becomes orders; basis points are 1/10 000 of the price."""

    refresh_bps: Decimal = number(
        "0", "1000", "An order this near to where it should stand stays in its place."
    )
    leverage: Decimal = number("1", "20", "Derivatives: notional over margin of an order.", spot="1")


@dataclass(frozen=True)
class RiskLimits:
    """What no order may break; notionals and losses are in the quote token."""

    max_order_notional: Decimal = number("0.01", "10000000", "Largest order.")
    max_position_notional: Decimal = number(
        "0.01",
        "100000000",
        "Spot: value of the base token held. Derivatives: absolute value of the position. Open orders count.",
    )
    max_open_orders: int = whole(1, 100, "Most orders in the book at a time.")
    price_band_bps: Decimal = number("1", "5000", "No order further than this from the reference price.")
    max_reference_age_seconds: Decimal = number(
        "0.5", "300", "An older reference price is stale: nothing may stand in the book."
    )
    daily_loss_limit: Decimal = number(
        "0.01", "10000000", "Loss since 00:00 UTC at which the bot halts until an operator clears it."
    )
    max_orders_per_second: Decimal = number(
        "0.1", "100", "New orders a second, one second's worth at once; cancellations are never held back."
    )
    ledger_outage_seconds: Decimal = number(
        "0", "86400", "How long the bot trades on when the ledger is away; fills wait on its disk."
    )


@dataclass(frozen=True)
class TraderConfig:
    """What one bot runs with."""

    strategy: str
    decide: Callable[[MarketView], Decision]
    """The strategy with its parameters."""
    parameters: Any
    """The strategy's own dataclass."""
    execution: Execution
    risk: RiskLimits
    on_stop: str
    """cancel, flatten or leave."""
    history: int
    """How many reference prices of about a second the strategy looks back on."""
