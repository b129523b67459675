"""`drover backtest`: what a bot would have done on recorded prices."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bots.backtest import replay
from bots.backtest_inputs import BacktestError, market_of, read_prices
from bots.backtest_report import report
from bots.config import ConfigError, load_markets, load_traders
from bots.model import Inventory
from ops.config_cli import environment, files
from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bots.config_model import MarketEntry, TraderConfig

__all__ = ["backtest"]


class _Amount(click.ParamType[Decimal]):
    """A decimal number of at least zero."""

    name = "amount"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            amount = Decimal(value)
        except InvalidOperation:
            amount = Decimal(-1)
        if not amount.is_finite() or amount < 0:
            self.fail(f"{value!r} is no amount; write a number such as 1000", param, ctx)
        return amount


@click.command()
@click.argument("bot", required=False)
@click.option("--strategy", help="With --market, instead of BOT: the first entry that tunes this strategy.")
@click.option("--market", help="Its name in the markets file.")
@click.option(
    "--prices", required=True, type=click.Path(path_type=Path), help="CSV of seconds,price, one a second."
)
@click.option("--base", type=_Amount(), default="0", help="Base tokens to begin with (spot).")
@click.option(
    "--quote", type=_Amount(), default="1000", show_default=True, help="Quote tokens to begin with."
)
@click.option("--decisions", is_flag=True, help="Print each decision and its reason, one JSON line each.")
@files
def backtest(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    bot: str | None,
    strategy: str | None,
    market: str | None,
    prices: Path,
    base: Decimal,
    quote: Decimal,
    decisions: bool,  # noqa: FBT001 - click passes it by name
    trader: Path | None,
    markets: Path | None,
) -> None:
    """Replay recorded prices through BOT (<wallet>.<market>.<type>), its strategy, quoter and risk limits.

    Nothing is sent anywhere.
    """
    try:
        env = environment(trader, markets)
        known = load_markets(env)
        traders = load_traders(env, known)
        entry, chosen = _by_id(bot, known, traders) if bot else _by_strategy(strategy, market, known, traders)
        info, fees = market_of(entry)
        funds = Inventory(quote=quote) if info.derivative else Inventory(base, quote)
        result = replay(read_prices(prices), chosen, info, funds, fees, _tell if decisions else _nothing)
    except (ConfigError, BacktestError) as error:
        raise OpsError(str(error)) from error
    click.echo("\n".join(report(result, chosen, info)))


def _by_id(
    bot: str, known: Mapping[str, MarketEntry], traders: Mapping[str, TraderConfig]
) -> tuple[MarketEntry, TraderConfig]:
    name = bot.split(".")[1] if bot.count(".") > 1 else ""
    if name not in known or not bot.endswith(f".{name}.{known[name].type}"):
        raise OpsError(f"{bot[:80]!r} is no bot of the markets file; write <wallet>.<market>.<type>.")
    return known[name], traders.get(bot, traders[known[name].type])


def _by_strategy(
    strategy: str | None,
    market: str | None,
    known: Mapping[str, MarketEntry],
    traders: Mapping[str, TraderConfig],
) -> tuple[MarketEntry, TraderConfig]:
    if not strategy or not market:
        raise OpsError("Name a bot (<wallet>.<market>.<type>), or --strategy and --market.")
    if market not in known:
        raise OpsError(f"{market[:80]!r} is not in the markets file; known are {', '.join(sorted(known))}.")
    kind = known[market].type
    for name, trader in traders.items():
        if trader.strategy == strategy and name.rpartition(".")[2] == kind:
            return known[market], trader
    raise OpsError(
        f"No {kind} entry of the trader file uses {strategy[:80]!r}, so it has no parameters; write one, "
        "or name another file with --trader."
    )


def _tell(at: float, event: str, told: dict[str, Any]) -> None:
    when = datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
    click.echo(json.dumps({"ts": when, "event": event, **told}, default=str))


def _nothing(_at: float, _event: str, _told: dict[str, Any]) -> None:
    pass
