"""`drover config`: is the bots' configuration right, and what does it mean for each bot?"""

from __future__ import annotations

import json
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bots.config import ConfigError, load_markets, load_traders
from bots.config_schema import trader_schema
from bots.strategies import StrategyError
from ops.errors import OpsError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bots.config_model import MarketEntry, TraderConfig

__all__ = ["config", "environment", "files"]

_FILE = click.Path(path_type=Path)


def files(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name the two configuration files."""
    trader = click.option("--trader", type=_FILE, help="Instead of config/trader_config.json.")
    markets = click.option("--markets", type=_FILE, help="Instead of config/markets_config.json.")
    return trader(markets(command))


def environment(trader: Path | None, markets: Path | None) -> dict[str, str]:
    """Return the files as a bot's environment names them."""
    named = {"TRADER_CONFIG": trader, "MARKETS_CONFIG": markets}
    return {name: str(file) for name, file in named.items() if file is not None}


@click.group()
def config() -> None:
    """Check the bots' configuration; see what it means for each bot."""


@config.command()
@files
def check(trader: Path | None, markets: Path | None) -> None:
    """Print what every bot will run with; exits 1 with everything that is wrong."""
    env = environment(trader, markets)
    problems: list[str] = []
    known: Mapping[str, MarketEntry] | None = None
    traders: Mapping[str, TraderConfig] = {}
    try:
        known = load_markets(env)
    except ConfigError as error:
        problems += error.problems
    try:
        traders = load_traders(env, known)
    except ConfigError as error:
        problems += error.problems
    for problem in problems:
        click.echo(click.style("no  ", fg="red") + problem, err=True)
    if problems:
        sys.exit(1)
    for name, one in traders.items():
        click.echo("\n".join(_described(name, one)))


@config.command()
@click.option("--markets", type=_FILE, help="Instead of config/markets_config.json.")
def schema(markets: Path | None) -> None:
    """Print the JSON Schema of trader_config.json, for editors and other programs."""
    try:
        click.echo(json.dumps(trader_schema(load_markets(environment(None, markets))), indent=2))
    except (ConfigError, StrategyError) as error:
        raise OpsError(str(error)) from error


def _described(name: str, trader: TraderConfig) -> Iterator[str]:
    who = name if "." in name else f"every other {name} bot"
    yield f"{who}: {trader.strategy}, on_stop {trader.on_stop}"
    for section in ("parameters", "execution", "risk"):
        values = getattr(trader, section)
        yield f"  {section:<11}" + ", ".join(f"{f.name} {getattr(values, f.name)}" for f in fields(values))
    largest = getattr(trader.parameters, "order_notional", 0)
    if largest > trader.risk.max_order_notional:
        yield f"  note: order_notional {largest} is above max_order_notional: such orders are refused"
