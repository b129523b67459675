"""config/trader_config.json: what each bot runs with, read strictly."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bots import strategies
from bots.config_markets import FOLDER, SLUG, load_markets
from bots.config_model import ON_STOP, TYPES, Execution, MarketEntry, RiskLimits, TraderConfig
from bots.config_reader import ConfigError, Reader, within

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "ConfigError",
    "Execution",
    "MarketEntry",
    "RiskLimits",
    "TraderConfig",
    "load_markets",
    "load_trader",
    "load_traders",
]

_SECTIONS = ("parameters", "execution", "risk")
_KEYS = ("strategy", *_SECTIONS, "on_stop")


def load_trader(env: Mapping[str, str], bot_id: str, bot_type: str) -> TraderConfig:
    """Return what one bot runs with; the whole file is checked, so that another bot's mistake shows early.

    Raises:
        ConfigError: with file and place of everything that is wrong.
    """
    traders = load_traders(env, load_markets(env))
    return traders.get(bot_id, traders[bot_type])


def load_traders(
    env: Mapping[str, str], markets: Mapping[str, MarketEntry] | None
) -> dict[str, TraderConfig]:
    """Read TRADER_CONFIG or config/trader_config.json: the defaults by type, bots with an entry by id.

    A bot's entry changes what it names; one that chooses another strategy names all of that one's parameters.
    Without `markets` (their file is wrong) nothing is said about unknown ones.

    Raises:
        ConfigError: with file and place of everything that is wrong.
    """
    reader = Reader(Path(env.get("TRADER_CONFIG") or FOLDER / "trader_config.json"))
    top = reader.exact(reader.document, "$", {"defaults", "bots"})
    defaults = reader.exact(top.get("defaults", {}), "defaults", TYPES) if "defaults" in top else {}
    traders = {kind: _trader(reader, value, f"defaults.{kind}", kind) for kind, value in defaults.items()}
    for name, value in reader.table(top.get("bots", {}), "bots").items():
        place = within("bots", name)
        problem = _bot_problem(name, markets)
        if problem:
            reader.wrong(place, problem)
            continue
        kind = name.rpartition(".")[2]
        own = reader.table(value, place)
        # A wrong default is told once, where it stands.
        if traders.get(kind) is not None:
            traders[name] = _trader(reader, _merged(own, defaults[kind]), place, kind)
    reader.finish()
    return {name: trader for name, trader in traders.items() if trader is not None}


def _bot_problem(name: str, markets: Mapping[str, MarketEntry] | None) -> str:
    wallet, _, rest = name.partition(".")
    market, _, kind = rest.partition(".")
    if kind not in TYPES or not re.fullmatch(SLUG, wallet):
        return "is no bot id; write <wallet>.<market>.<type>"
    if markets is not None and (market not in markets or markets[market].type != kind):
        return f"names no {kind} market of the markets file"
    return ""


def _merged(own: dict[str, Any], base: dict[str, Any]) -> dict[str, Any]:
    """Return a bot's entry filled up from the defaults; what is no object stays, to be refused there."""
    same = own.get("strategy", base["strategy"]) == base["strategy"]
    merged = {**base, **own}
    for section in _SECTIONS:
        mine = own.get(section, {})
        if isinstance(mine, dict):
            merged[section] = {**base[section], **mine} if same or section != "parameters" else mine
    return merged


def _trader(reader: Reader, value: Any, place: str, kind: str) -> TraderConfig | None:
    entry = reader.exact(value, place, _KEYS)
    execution = reader.settings(Execution, entry.get("execution", {}), f"{place}.execution", kind)
    risk = reader.settings(RiskLimits, entry.get("risk", {}), f"{place}.risk", kind)
    on_stop = reader.value(ON_STOP, entry.get("on_stop", "cancel"), f"{place}.on_stop", kind)
    strategy = _strategy(reader, entry.get("strategy"), f"{place}.strategy", kind)
    if strategy is None:
        return None
    parameters = reader.settings(
        strategy.parameters, entry.get("parameters", {}), f"{place}.parameters", kind
    )
    if set(entry) != set(_KEYS) or None in (parameters, execution, risk, on_stop):
        return None
    decide = functools.partial(strategy.decide, parameters=parameters)
    history = strategy.history(parameters)
    return TraderConfig(strategy.name, decide, parameters, execution, risk, on_stop, history)


def _strategy(reader: Reader, name: Any, place: str, kind: str) -> strategies.Strategy | None:
    try:
        strategy = strategies.find(name) if isinstance(name, str) else None
    except strategies.StrategyError as error:
        reader.wrong(place, str(error))
        return None
    if strategy is None:
        reader.wrong(place, f"must be one of {', '.join(strategies.names())}")
    elif kind not in strategy.types:
        reader.wrong(place, f"is {name}, which trades {' and '.join(strategy.types)} markets only")
        return None
    return strategy
