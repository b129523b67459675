"""config/markets_config.json: the markets that bots may trade, read strictly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bots.config_model import TYPES, MarketEntry
from bots.config_reader import Reader, within

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["FOLDER", "MARKET_ID", "NETWORKS", "SLUG", "load_markets"]

FOLDER = Path(__file__).resolve().parent.parent / "config"
SLUG = "[a-z][a-z0-9-]{0,30}"
MARKET_ID = "0x[0-9a-f]{64}"
NETWORKS = ("paper", "testnet", "mainnet")


def load_markets(env: Mapping[str, str]) -> dict[str, MarketEntry]:
    """Read the markets by name, from MARKETS_CONFIG or config/markets_config.json.

    Raises:
        ConfigError: with file and place of everything that is wrong.
    """
    reader = Reader(Path(env.get("MARKETS_CONFIG") or FOLDER / "markets_config.json"))
    top = reader.exact(reader.document, "$", {"markets"})
    listed = reader.table(top.get("markets", {}), "markets")
    markets = {name: _market(reader, name, entry) for name, entry in listed.items()}
    reader.finish()
    return markets


def _market(reader: Reader, name: str, value: Any) -> MarketEntry:
    place = within("markets", name)
    if not re.fullmatch(SLUG, name):
        reader.wrong(place, "is no market name; use small letters, digits and dashes")
    entry = reader.exact(value, place, {"ticker", "type", "market_ids"})
    ticker, kind = entry.get("ticker", "?"), entry.get("type", TYPES[0])
    if not isinstance(ticker, str) or not ticker.strip() or not ticker.isprintable():
        reader.wrong(f"{place}.ticker", "must be a text such as INJ/USDT")
    if kind not in TYPES:
        reader.wrong(f"{place}.type", f"must be one of {', '.join(TYPES)}")
    ids = reader.table(entry.get("market_ids", {}), f"{place}.market_ids")
    for network, market_id in ids.items():
        if network not in NETWORKS:
            reader.wrong(within(f"{place}.market_ids", network), f"is no network; use {', '.join(NETWORKS)}")
        elif not isinstance(market_id, str) or not re.fullmatch(MARKET_ID, market_id):
            reader.wrong(f"{place}.market_ids.{network}", "must be 0x and 64 small hex digits")
    return MarketEntry(name, ticker, kind, dict(ids))
