"""What a backtest is run on: a price file, and a market's ticks and fees as the paper venue lists them."""

from __future__ import annotations

import csv
import math
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from bots.backtest_exchange import Fees
from bots.model import MarketInfo, PricePoint
from bots.paper.errors import StartupError
from bots.paper.markets import list_markets

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from bots.config_model import MarketEntry

__all__ = ["BacktestError", "market_of", "read_prices"]


class BacktestError(Exception):
    """What was given cannot be replayed; the message says why and what to do."""


def read_prices(path: Path) -> tuple[PricePoint, ...]:
    """Read a CSV of `seconds,price`: Unix seconds that only grow; lines with # and a header are passed over.

    Raises:
        BacktestError: with file and line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return _points(path, file)
    except OSError as error:
        raise BacktestError(
            f"{path} cannot be read ({error.strerror}); name a CSV of seconds,price."
        ) from None
    except (UnicodeDecodeError, csv.Error):
        raise BacktestError(f"{path} is no text; name a CSV of seconds,price.") from None


def _points(path: Path, lines: Iterable[str]) -> tuple[PricePoint, ...]:
    points: list[PricePoint] = []
    for number, line in enumerate(lines, 1):
        if line.startswith("#") or not line.strip() or line.strip() == "seconds,price":
            continue
        point = _point(next(csv.reader([line])))
        if point is None:
            raise BacktestError(f"{path}: line {number} is not seconds,price with a price above zero.")
        if points and point.at <= points[-1].at:
            raise BacktestError(
                f"{path}: line {number} is no later than the one before; sort the file by time."
            )
        points.append(point)
    if not points:
        raise BacktestError(f"{path} holds no prices; write one line of seconds,price for each second.")
    return tuple(points)


def _point(row: list[str]) -> PricePoint | None:
    try:
        at, price = float(row[0]), Decimal(row[1])
    except (ValueError, IndexError, InvalidOperation):
        return None
    latest = 253_402_300_799  # the end of the year 9999, the last that a date can say
    good = len(row) == 2 and math.isfinite(at) and 0 <= at <= latest and price.is_finite() and price > 0  # noqa: PLR2004 - two columns
    return PricePoint(at, price) if good else None


def market_of(entry: MarketEntry) -> tuple[MarketInfo, Fees]:
    """Return a market's ticks and fees.

    Raises:
        BacktestError: the paper venue does not list it.
    """
    try:
        market = list_markets([entry]).get(entry.market_ids.get("paper", ""))
    except StartupError as error:
        raise BacktestError(str(error)) from None
    if market is None:
        raise BacktestError(
            f"{entry.name} has no paper id in the markets file, so its ticks are not known; add one."
        )
    info = MarketInfo(
        market.id,
        market.ticker,
        market.derivative,
        market.base.denom,
        market.quote.denom,
        market.base.decimals,
        market.quote.decimals,
        market.price_tick,
        market.quantity_tick,
        market.min_notional,
    )
    return info, Fees(market.maker_fee, market.taker_fee)
