"""A backtest's result in lines for a person. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from bots.backtest_exchange import Result
    from bots.config_model import TraderConfig
    from bots.model import MarketInfo

__all__ = ["CAVEAT", "report"]

CAVEAT = (
    "A backtest is no promise: real orders wait in a queue, pay a spread and come late, "
    "and tomorrow's prices are not yesterday's."
)


def report(result: Result, trader: TraderConfig, market: MarketInfo) -> Iterator[str]:
    """Yield what the bot would have done, line by line."""
    book, limit = result.book, trader.risk.daily_loss_limit
    yield f"{trader.strategy} on {market.ticker}: {result.steps} prices over {result.seconds:.0f} s"
    yield f"orders        {result.orders} placed, {result.cancelled} cancelled, {result.rejected} rejected"
    yield f"fills         {result.maker_fills} resting, {result.taker_fills} taking"
    yield f"volume        {_money(result.volume)}"
    yield f"position      {_position(result, market)} at {result.mark:f}"
    yield f"profit        {_money(book.total(result.mark))} after fees of {_money(book.fees)}"
    yield f"              realised {_money(book.realised)}, unrealised {_money(book.unrealised(result.mark))}"
    yield f"deepest fall  {_money(result.max_drawdown)}"
    yield f"worst day     {_money(result.worst_day_pnl)} on {result.worst_day}; daily_loss_limit {limit:f}"
    if result.halted:
        yield f"HALTED        {result.halted_at:.0f}: {result.halted}"
    if result.holes:
        yield (
            f"note: {result.holes} steps are longer than max_reference_age_seconds "
            f"{trader.risk.max_reference_age_seconds}: the orders were out of the book there"
        )
    if not result.orders:
        yield "note: it placed no order; --decisions shows why"
    yield CAVEAT


def _position(result: Result, market: MarketInfo) -> str:
    held = result.inventory
    if market.derivative:
        return f"{held.position.normalize():f}"
    return f"{held.base.normalize():f} base, {_money(held.quote)} quote"


def _money(amount: Decimal) -> str:
    return f"{amount:.4f}"
