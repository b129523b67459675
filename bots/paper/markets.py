"""What the venue lists: tokens and markets with their ticks, fees and margin ratios."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from bots.paper.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from bots.config import MarketEntry

__all__ = ["INJ", "TOKENS", "Market", "Token", "list_markets"]


@dataclass(frozen=True)
class Token:
    """A bank denomination."""

    symbol: str
    name: str
    denom: str
    decimals: int

    def to_chain(self, amount: Decimal) -> int:
        """Return a human amount as whole chain units, cut towards zero."""
        return int(amount.scaleb(self.decimals))

    def to_human(self, amount: int) -> Decimal:
        """Return whole chain units as a human amount."""
        return Decimal(amount).scaleb(-self.decimals)


INJ = Token("INJ", "Injective Protocol", "inj", 18)
USDT = Token("USDT", "Tether", "peggy0x87aB3B4C8661e07D6372361211B96ed4Dc36B1B5", 6)
TIA = Token("TIA", "Celestia", "factory/inj17vytdwqczqz72j65saukplrktd4gyfme5agf6c/tia", 6)
TOKENS = {token.denom: token for token in (INJ, USDT, TIA)}
"""By denomination, those of the public testnet: so that published examples find them here."""


@dataclass(frozen=True)
class Market:
    """One market. Prices, ticks and notionals are human units; rates are fractions."""

    id: str
    ticker: str
    base: Token
    """For a derivative: the underlying, which is never delivered."""
    quote: Token
    derivative: bool
    price_tick: Decimal
    quantity_tick: Decimal
    start_price: Decimal
    min_notional: Decimal = Decimal(1)
    maker_fee: Decimal = Decimal("-0.0001")
    taker_fee: Decimal = Decimal("0.001")
    relayer_share: Decimal = Decimal("0.4")
    initial_margin: Decimal = Decimal("0.05")
    maintenance_margin: Decimal = Decimal("0.02")
    reduce_margin: Decimal = Decimal("0.1")
    max_orders_per_side: int = 100
    funding_interval: int = 3600
    """Seconds between two funding payments of a perpetual."""


def _market(market_id: str, ticker: str) -> Market:
    tick, inj = Decimal("0.001"), Decimal("12.5")
    match ticker:
        case "INJ/USDT":
            return Market(
                market_id,
                ticker,
                INJ,
                USDT,
                derivative=False,
                price_tick=tick,
                quantity_tick=tick,
                start_price=inj,
            )
        case "TIA/USDT":
            return Market(
                market_id,
                ticker,
                TIA,
                USDT,
                derivative=False,
                price_tick=tick,
                quantity_tick=Decimal("0.01"),
                start_price=Decimal("4.2"),
            )
        case "INJ/USDT PERP":
            return Market(
                market_id,
                ticker,
                INJ,
                USDT,
                derivative=True,
                price_tick=tick,
                quantity_tick=tick,
                start_price=inj,
            )
    raise StartupError(
        f"The paper venue does not know the market {ticker!r}; take its paper id out of the markets file."
    )


def list_markets(entries: Iterable[MarketEntry]) -> dict[str, Market]:
    """Return the markets that the configuration offers on paper, by id.

    Raises:
        StartupError: a ticker that the venue has no parameters for.
    """
    listed = (
        _market(entry.market_ids["paper"], entry.ticker) for entry in entries if "paper" in entry.market_ids
    )
    return {market.id: market for market in listed}
