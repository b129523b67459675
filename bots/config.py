"""The two configuration files, read strictly: what is unknown or out of range is refused with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bots.config_reader import ConfigError, Reader

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal

__all__ = [
    "ConfigError",
    "MarketEntry",
    "MarketMakingParameters",
    "RiskLimits",
    "TraderConfig",
    "load_markets",
    "load_trader",
]

_FOLDER = Path(__file__).resolve().parent.parent / "config"
_SLUG = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)
_MARKET_ID = re.compile(r"0x[0-9a-f]{64}", re.ASCII)
_NETWORKS = ("paper", "testnet", "mainnet")
_TYPES = ("spot", "derivative")
_STRATEGIES = ("market_making",)


@dataclass(frozen=True)
class MarketEntry:
    """One market of config/markets_config.json."""

    name: str
    ticker: str
    type: str
    market_ids: dict[str, str]
    """By network; a network that is missing does not offer the market."""


@dataclass(frozen=True)
class MarketMakingParameters:
    """How the market maker quotes; basis points are 1/10 000 of the reference price."""

    levels: int
    half_spread_bps: Decimal
    level_step_bps: Decimal
    order_notional: Decimal
    """Of one level, in the quote token."""
    skew_bps: Decimal
    """How far a full inventory moves all quotes."""
    refresh_bps: Decimal
    """A quote this near to where it should be stays in its place."""
    target_base_share: Decimal
    """Spot: the share of the pair's value that should be held in the base token."""
    leverage: Decimal
    """Derivatives: notional over margin of an order."""


@dataclass(frozen=True)
class RiskLimits:
    """What no order may break; notionals are in the quote token."""

    max_order_notional: Decimal
    max_position_notional: Decimal
    """Spot: value of the base token held. Derivatives: absolute value of the position. Open orders count."""
    max_open_orders: int
    price_band_bps: Decimal
    max_reference_age_seconds: Decimal


@dataclass(frozen=True)
class TraderConfig:
    """What one bot runs with."""

    strategy: str
    parameters: MarketMakingParameters
    risk: RiskLimits


_RANGES = {
    "levels": ("1", "10"),
    "half_spread_bps": ("0.1", "1000"),
    "level_step_bps": ("0", "1000"),
    "order_notional": ("0.01", "10000000"),
    "skew_bps": ("0", "1000"),
    "refresh_bps": ("0", "1000"),
    "target_base_share": ("0", "1"),
    "leverage": ("1", "20"),
    "max_order_notional": ("0.01", "10000000"),
    "max_position_notional": ("0.01", "100000000"),
    "max_open_orders": ("1", "100"),
    "price_band_bps": ("1", "5000"),
    "max_reference_age_seconds": ("0.5", "300"),
}


def load_markets(env: Mapping[str, str]) -> dict[str, MarketEntry]:
    """Read the markets by name, from MARKETS_CONFIG or config/markets_config.json.

    Raises:
        ConfigError: with file and place.
    """
    reader = Reader(Path(env.get("MARKETS_CONFIG") or _FOLDER / "markets_config.json"))
    top = reader.table(reader.document, "$", {"markets"})
    markets = reader.table(top["markets"], "markets", None)
    return {name: _market(reader, name, entry) for name, entry in markets.items()}


def _market(reader: Reader, name: str, value: Any) -> MarketEntry:
    place = f"markets.{name}"
    if not _SLUG.fullmatch(name):
        raise reader.error(place, "is no market name; use small letters, digits and dashes")
    entry = reader.table(value, place, {"ticker", "type", "market_ids"})
    ticker, ids = entry["ticker"], reader.table(entry["market_ids"], f"{place}.market_ids", None)
    if not isinstance(ticker, str) or not ticker.strip():
        raise reader.error(f"{place}.ticker", "must be a text such as INJ/USDT")
    if entry["type"] not in _TYPES:
        raise reader.error(f"{place}.type", f"must be one of {', '.join(_TYPES)}")
    for network, market_id in ids.items():
        if network not in _NETWORKS:
            raise reader.error(f"{place}.market_ids.{network}", f"is no network; use {', '.join(_NETWORKS)}")
        if not isinstance(market_id, str) or not _MARKET_ID.fullmatch(market_id):
            raise reader.error(f"{place}.market_ids.{network}", "must be 0x and 64 small hex digits")
    return MarketEntry(name, ticker, entry["type"], dict(ids))


def load_trader(env: Mapping[str, str], bot_id: str, bot_type: str) -> TraderConfig:
    """Read what a bot runs with: the defaults of its type, then its own entry under `bots`.

    The whole file is checked, so that a mistake in another bot's entry shows early.

    Raises:
        ConfigError: with file and place.
    """
    reader = Reader(Path(env.get("TRADER_CONFIG") or _FOLDER / "trader_config.json"))
    markets = load_markets(env)
    top = reader.table(reader.document, "$", {"defaults", "bots"})
    defaults = reader.table(top["defaults"], "defaults", set(_TYPES))
    configs = {kind: _trader(reader, defaults[kind], f"defaults.{kind}") for kind in _TYPES}
    chosen = configs[bot_type]
    for name, value in reader.table(top["bots"], "bots", None).items():
        merged = _merged(reader, name, value, defaults, markets)
        config = _trader(reader, merged, f"bots.{name}")
        if name == bot_id:
            chosen = config
    return chosen


def _merged(
    reader: Reader, name: str, value: Any, defaults: dict[str, Any], markets: dict[str, MarketEntry]
) -> dict[str, Any]:
    place = f"bots.{name}"
    wallet, _, rest = name.partition(".")
    market, _, kind = rest.partition(".")
    if kind not in _TYPES or not _SLUG.fullmatch(wallet):
        raise reader.error(place, "is no bot id; write <wallet>.<market>.<type>")
    if market not in markets or markets[market].type != kind:
        raise reader.error(place, f"names no {kind} market of the markets file")
    own = reader.table(value, place, None)
    base = defaults[kind]
    unknown = set(own) - set(base)
    if unknown:
        raise reader.error(f"{place}.{min(unknown)}", "is unknown")
    nested = {
        key: {**base[key], **reader.table(own.get(key, {}), f"{place}.{key}", None)}
        for key in ("parameters", "risk")
    }
    return {**base, **own, **nested}


def _trader(reader: Reader, value: Any, place: str) -> TraderConfig:
    entry = reader.table(value, place, {"strategy", "parameters", "risk"})
    if entry["strategy"] not in _STRATEGIES:
        raise reader.error(f"{place}.strategy", f"must be one of {', '.join(_STRATEGIES)}")
    return TraderConfig(
        entry["strategy"],
        reader.numbers(MarketMakingParameters, entry["parameters"], f"{place}.parameters", _RANGES),
        reader.numbers(RiskLimits, entry["risk"], f"{place}.risk", _RANGES),
    )
