"""config/markets_config.json: the markets that bots may trade. Read once, strictly."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from api.errors import MarketsFileError, quoted
from api.models import SLUG, BotType, Market, Network

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["load_markets"]

_MARKET_ID = re.compile(r"0x[0-9a-f]{64}", re.ASCII)


def load_markets(path: Path) -> dict[str, Market]:
    """Return the markets by slug, in the file's order.

    Raises:
        MarketsFileError: the file is missing, is no JSON, or an entry is wrong; the sentence says which.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise MarketsFileError(
            f"{path} cannot be read ({error.strerror}); the repository holds one."
        ) from error
    except ValueError as error:
        raise MarketsFileError(f"{path} is not JSON ({error}); put that right.") from error
    entries = document.get("markets") if isinstance(document, dict) else None
    if not isinstance(entries, dict) or not entries:
        raise MarketsFileError(f'{path} has no "markets" object with at least one market; write one.')
    return {name: _market(name, entry, path) for name, entry in entries.items()}


def _market(name: str, entry: Any, path: Path) -> Market:
    """Check one entry. Keys beside ticker, type and market_ids (ticks, decimals) belong to the bots."""

    def refuse(why: str) -> MarketsFileError:
        return MarketsFileError(f"{path}: market {quoted(name)} {why}.")

    if not SLUG.fullmatch(name):
        raise refuse("needs a name of a-z, 0-9 and -, starting with a letter, of at most 31 characters")
    if not isinstance(entry, dict):
        raise refuse("is not an object; write ticker, type and market_ids")
    ticker, kind, ids = entry.get("ticker"), entry.get("type"), entry.get("market_ids")
    if not isinstance(ticker, str) or not ticker or not ticker.isprintable():
        raise refuse("has no ticker; write one, such as INJ/USDT")
    if kind not in set(BotType):
        raise refuse("has no type; write spot or derivative")
    if not isinstance(ids, dict) or not ids.keys() <= set(Network):
        raise refuse("has no market_ids by network; write paper, testnet, mainnet with an id each")
    for market_id in ids.values():
        if not isinstance(market_id, str) or not _MARKET_ID.fullmatch(market_id):
            raise refuse(f"has the id {quoted(market_id)}; an id is 0x and 64 lower-case hex digits")
    return Market(name, ticker, BotType(kind), {Network(network): text for network, text in ids.items()})
