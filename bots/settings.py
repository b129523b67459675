"""What a bot is told by its environment and by the files in its secrets folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from bots.config import ConfigError, MarketEntry, TraderConfig, load_markets, load_trader
from bots.errors import SettingsError
from bots.logins import LedgerLogin, Login, read_ledger_login, read_login
from bots.wallet_files import WalletFiles, read_wallet

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PaperEndpoints", "Settings", "SettingsError", "load_settings"]

_NETWORKS = ("paper", "testnet", "mainnet")
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
_LAST_PORT = 65535
_ENDPOINT = re.compile(r"[A-Za-z0-9.\-]+:[0-9]{1,5}|\[[0-9a-fA-F:]+\]:[0-9]{1,5}", re.ASCII)


@dataclass(frozen=True)
class PaperEndpoints:
    """Where the paper venue answers."""

    grpc: str
    """`host:port`."""
    http: str
    """`http://host:port`."""


@dataclass(frozen=True)
class Settings:
    """All that one bot starts with."""

    bot_id: str
    wallet: str
    market: MarketEntry
    network: str
    paper: PaperEndpoints | None
    log_level: str
    trader: TraderConfig
    keys: WalletFiles
    redis: Login
    ledger: LedgerLogin
    spool: Path
    """Folder of the ledger's queue; it outlives the process, not the allocation."""
    log_folder: Path | None
    """The wallet's log volume; without it there is only stdout."""
    metrics_host: str
    metrics_port: int

    @property
    def market_id(self) -> str:
        """The market's id on the bot's network."""
        return self.market.market_ids[self.network]

    @property
    def derivative(self) -> bool:
        """Whether the bot trades a derivative."""
        return self.market.type == "derivative"


def load_settings(env: Mapping[str, str]) -> Settings:
    """Read and check everything before anything is done.

    Raises:
        SettingsError: something is missing or disagrees.
    """
    bot_id, wallet, market_name = (_required(env, name) for name in ("BOT_ID", "WALLET_ID", "MARKET"))
    try:
        markets = load_markets(env)
        market = _market(bot_id, wallet, market_name, markets, env.get("BOT_TYPE"))
        trader = load_trader(env, bot_id, market.type)
    except ConfigError as error:
        raise SettingsError(str(error)) from error
    network = env.get("NETWORK", "paper")
    if network not in _NETWORKS:
        raise SettingsError(f"NETWORK is {network!r}; set it to {', '.join(_NETWORKS)}.")
    if network not in market.market_ids:
        raise SettingsError(
            f"The market {market_name} is not offered on {network}; choose another market or network."
        )
    if "mainnet" not in market.market_ids and network != "paper":
        raise SettingsError(
            f"The market {market_name} has no mainnet id, so no reference price; add one to the markets file."
        )
    level = env.get("LOG_LEVEL", "INFO").upper()
    if level not in _LEVELS:
        raise SettingsError(f"LOG_LEVEL is {level!r}; set it to {', '.join(_LEVELS)}.")
    paper = _paper(env) if network == "paper" else None
    folder = Path(_required(env, "NOMAD_SECRETS_DIR"))
    host, port = _listen(env)
    return Settings(
        bot_id,
        wallet,
        market,
        network,
        paper,
        level,
        trader,
        read_wallet(folder),
        read_login("REDIS_ADDR", _required(env, "REDIS_ADDR"), folder / "redis.json"),
        read_ledger_login(env),
        Path(_required(env, "SPOOL_DIR")),
        Path(env["LOG_DIR"]) if env.get("LOG_DIR") else None,
        host,
        port,
    )


def _listen(env: Mapping[str, str]) -> tuple[str, int]:
    value = _required(env, "METRICS_LISTEN")
    host, _, port = value.rpartition(":")
    if not _ENDPOINT.fullmatch(value) or int(port) > _LAST_PORT:
        raise SettingsError(f"METRICS_LISTEN is {value[:80]!r}; write host:port, as in 0.0.0.0:9100.")
    return host.strip("[]"), int(port)


def _required(env: Mapping[str, str], name: str) -> str:
    value = env.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set; a bot is started by Drover, which sets it.")
    return value


def _market(
    bot_id: str, wallet: str, name: str, markets: dict[str, MarketEntry], bot_type: str | None
) -> MarketEntry:
    market = markets.get(name)
    if market is None:
        raise SettingsError(
            f"MARKET {name[:60]!r} is not in the markets file; known are {', '.join(sorted(markets))}."
        )
    if bot_type not in (None, "", market.type):
        raise SettingsError(
            f"BOT_TYPE is {bot_type!r} but the market {name} is {market.type}; make them agree."
        )
    expected = f"{wallet}.{name}.{market.type}"
    if bot_id != expected:
        raise SettingsError(
            f"BOT_ID is {bot_id[:80]!r} but wallet, market and type say {expected!r}; make them agree."
        )
    return market


def _paper(env: Mapping[str, str]) -> PaperEndpoints:
    grpc, http = _required(env, "PAPER_GRPC"), _required(env, "PAPER_HTTP").rstrip("/")
    if not _ENDPOINT.fullmatch(grpc):
        raise SettingsError(f"PAPER_GRPC is {grpc[:80]!r}; write host:port.")
    if not http.startswith("http://") or not _ENDPOINT.fullmatch(http.removeprefix("http://")):
        raise SettingsError(f"PAPER_HTTP is {http[:80]!r}; write http://host:port.")
    return PaperEndpoints(grpc, http)
