"""What a bot would have done on recorded prices: the real quoter and risk, a simple exchange. No I/O."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots import risk
from bots.backtest_exchange import Exchange, Fees, Result
from bots.quoter import Quoter

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from bots.config_model import TraderConfig
    from bots.model import Inventory, MarketInfo, PricePoint

__all__ = ["Fees", "Result", "replay"]

_ZERO = Decimal(0)


class _Tape:
    """The series as the quoter's reference: always as old as the step."""

    age = 0.0

    def __init__(self, first: PricePoint, history: int) -> None:
        self._keep = history
        self.history: list[PricePoint] = []
        self.now = first.at
        self.price = first.price

    def start(self) -> None:
        """Nothing to follow."""

    def move(self, point: PricePoint) -> None:
        """Go on to a point."""
        self.now, self.price = point
        self.history = [*self.history, point][-self._keep :] if self._keep else []


class _Log:
    """The quoter's log, with the times of the series."""

    def __init__(self, tape: _Tape, tell: Callable[[float, str, dict[str, Any]], None]) -> None:
        self._tape = tape
        self._tell = tell

    def info(self, event: str, **fields: Any) -> None:
        self._tell(self._tape.now, event, fields)

    debug = warning = info


class _Watch:
    """Follows the profit: the deepest fall, the worst day, and whether the day's loss halts the bot."""

    def __init__(self) -> None:
        self._peak = self._opening = self._last = _ZERO
        self._day: date | None = None

    def look(self, at: float, total: Decimal, result: Result) -> Decimal:
        """Take the profit at a time; returns that of the day so far."""
        day = datetime.fromtimestamp(at, UTC).date()
        if day != self._day:
            self._day, self._opening = day, self._last
        self._last = total
        self._peak = max(self._peak, total)
        result.max_drawdown = max(result.max_drawdown, self._peak - total)
        so_far = total - self._opening
        if so_far < result.worst_day_pnl or result.worst_day is None:
            result.worst_day, result.worst_day_pnl = day, so_far
        return so_far


def replay(  # noqa: PLR0913, PLR0917 - a bot, its market and its money are that many things
    prices: Sequence[PricePoint],
    trader: TraderConfig,
    market: MarketInfo,
    funds: Inventory,
    fees: Fees,
    tell: Callable[[float, str, dict[str, Any]], None],
) -> Result:
    """Run a bot over at least one price; `tell` gets what it logs: when, the event, its fields.

    A day's loss above the limit halts the bot to the end, as only an operator would clear it.
    """
    tape = _Tape(prices[0], trader.history)
    numbers = itertools.count(1)
    quoter = Quoter(tape, trader, _Log(tape, tell), lambda: str(next(numbers)), lambda: tape.now)
    exchange = Exchange(market, funds, fees, trader.execution.leverage)
    result, watch = exchange.result, _Watch()
    for point in prices:
        if point.at - tape.now > trader.risk.max_reference_age_seconds:
            result.holes += 1
            exchange.clear()
        tape.move(point)
        exchange.pass_through(point.price)
        day_pnl = watch.look(point.at, result.book.total(point.price), result)
        if not result.halted and (reason := risk.loss_halt(day_pnl, trader.risk)):
            result.halted, result.halted_at = reason, point.at
            exchange.clear()
        if not result.halted:
            batch = quoter.changes(market, result.inventory, exchange.open.values())
            exchange.apply(batch, point.price)
    result.steps, result.seconds, result.mark = len(prices), prices[-1].at - prices[0].at, prices[-1].price
    return result
