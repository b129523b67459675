"""What the venue lists: tokens and markets with their ticks, fees and margin ratios."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from bots.paper.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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
APE = Token("APE", "ApeCoin", "peggy0x44C21afAaF20c270EBbF5914Cfc3b5022173FEB7", 18)
ETH = Token("ETH", "Ether", "", 18)
"""Only the underlying of a perpetual: nobody holds it."""
TOKENS = {token.denom: token for token in (INJ, USDT, TIA, APE)}
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
    start_price: Decimal
    price_tick: Decimal = Decimal("0.001")
    quantity_tick: Decimal = Decimal("0.001")
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


_LISTED: dict[str, Callable[[str], Market]] = {
    "INJ/USDT": lambda i: Market(i, "INJ/USDT", INJ, USDT, derivative=False, start_price=Decimal("12.5")),
    "TIA/USDT": lambda i: Market(
        i,
        "TIA/USDT",
        TIA,
        USDT,
        derivative=False,
        quantity_tick=Decimal("0.01"),
        start_price=Decimal("4.2"),
    ),
    "INJ/USDT PERP": lambda i: Market(
        i, "INJ/USDT PERP", INJ, USDT, derivative=True, start_price=Decimal("12.5")
    ),
}
"""By ticker, made with the id that the configuration gives."""
_ALWAYS = (
    Market(
        "0x7a57e705bb4e09c88aecfc295569481dbf2fe1d5efe364651fbe72385938e9b0",
        "APE/USDT",
        APE,
        USDT,
        derivative=False,
        start_price=Decimal("1.4"),
    ),
    Market(
        "0xd5e4b12b19ecf176e4e14b42944731c27677819d2ed93be4104ad7025529c7ff",
        "ETH/USDT PERP",
        ETH,
        USDT,
        derivative=True,
        price_tick=Decimal("0.01"),
        start_price=Decimal(2600),
    ),
)
"""Markets of the public testnet that published examples name; no configuration of bots needs them."""


def list_markets(entries: Iterable[MarketEntry]) -> dict[str, Market]:
    """Return the markets that the configuration offers on paper and those of the examples, by id.

    Raises:
        StartupError: a ticker that the venue has no parameters for.
    """
    listed = [
        _market(entry.market_ids["paper"], entry.ticker) for entry in entries if "paper" in entry.market_ids
    ]
    return {market.id: market for market in (*_ALWAYS, *listed)}


def _market(market_id: str, ticker: str) -> Market:
    if ticker not in _LISTED:
        raise StartupError(
            f"The paper venue does not know the market {ticker!r}; take its paper id out of the markets file."
        )
    return _LISTED[ticker](market_id)
