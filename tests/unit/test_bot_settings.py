"""What a bot refuses to start with, and what it never prints."""

from __future__ import annotations

import copy
import json
import logging
import pickle
from pathlib import Path
from typing import Any

import pytest

from bots.config import ConfigError, load_markets, load_trader
from bots.logs import configure
from bots.secret import Secret
from bots.settings import SettingsError, load_settings
from tests.paper import make_wallet

KEY = "3c" * 32
PASSWORD = "a password of the hub"
SHIPPED = Path(__file__).resolve().parents[2] / "config"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    make_wallet(tmp_path, KEY)
    for name in ("redis", "ledger"):
        (tmp_path / f"{name}.json").write_text(json.dumps({"username": "wallet-1", "password": PASSWORD}))
    return {
        "BOT_ID": "wallet-1.inj-usdt.spot", "WALLET_ID": "wallet-1", "MARKET": "inj-usdt", "BOT_TYPE": "spot",
        "NETWORK": "paper", "PAPER_GRPC": "127.0.0.1:9900", "PAPER_HTTP": "http://127.0.0.1:9901",
        "NOMAD_SECRETS_DIR": str(tmp_path), "REDIS_ADDR": "127.0.0.1:6379", "LEDGER_ADDR": "127.0.0.1:5432",
        "SPOOL_DIR": str(tmp_path / "spool"), "METRICS_LISTEN": "0.0.0.0:9100",
    }  # fmt: skip


def test_good_settings_are_read(env: dict[str, str]) -> None:
    settings = load_settings(env)
    assert settings.keys.address.startswith("inj1")
    assert settings.keys.key.reveal() == KEY
    assert settings.keys.key_version == 1
    assert settings.redis.password.reveal() == settings.ledger.password.reveal() == PASSWORD
    assert (settings.metrics_host, settings.metrics_port) == ("0.0.0.0", 9100)
    assert settings.log_folder is None


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"BOT_ID": ""}, "BOT_ID is not set"),
        ({"WALLET_ID": ""}, "WALLET_ID is not set"),
        ({"MARKET": ""}, "MARKET is not set"),
        ({"BOT_ID": "wallet-2.inj-usdt.spot"}, "make them agree"),
        ({"BOT_ID": "wallet-1.inj-usdt.derivative"}, "make them agree"),
        ({"BOT_TYPE": "derivative"}, "make them agree"),
        ({"MARKET": "btc-usdt"}, "not in the markets file"),
        ({"NETWORK": "moon"}, "NETWORK"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL"),
        ({"PAPER_GRPC": "nowhere"}, "host:port"),
        ({"PAPER_HTTP": "https://x:1/a"}, "http://host:port"),
        ({"NOMAD_SECRETS_DIR": "/nonexistent"}, "cannot be read"),
        ({"REDIS_ADDR": ""}, "REDIS_ADDR is not set"),
        ({"REDIS_ADDR": "nowhere"}, "host:port"),
        ({"LEDGER_ADDR": "nowhere"}, "host:port"),
        ({"LEDGER_DB": "a b"}, "LEDGER_DB"),
        ({"SPOOL_DIR": ""}, "SPOOL_DIR is not set"),
        ({"METRICS_LISTEN": ""}, "METRICS_LISTEN is not set"),
        ({"METRICS_LISTEN": "0.0.0.0:99999"}, "host:port"),
    ],
)
def test_bad_settings_are_refused_in_one_sentence(
    env: dict[str, str], changes: dict[str, str], words: str
) -> None:
    with pytest.raises(SettingsError, match=words) as refused:
        load_settings(env | changes)
    assert "\n" not in str(refused.value)


def test_a_secret_never_shows(capsys: pytest.CaptureFixture[str]) -> None:
    secret = Secret(KEY)
    log = configure("b", "DEBUG")
    log.info("event", key=secret, settings={"key": secret})
    logging.getLogger("bot").error("plain %s %r", secret, secret)
    texts = [str(secret), repr(secret), f"{secret}", f"{secret:>99}", f"{[secret]}", capsys.readouterr().out]
    assert not any(KEY in text for text in texts)
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError):
            leak(secret)


def test_the_log_is_one_json_object_per_line(capsys: pytest.CaptureFixture[str]) -> None:
    from decimal import Decimal  # noqa: PLC0415 - one use

    configure("wallet-1.inj-usdt.spot", "INFO").info("fill", price=Decimal("12.500"), text='a"b\nc')
    (line,) = capsys.readouterr().out.splitlines()
    event = json.loads(line)
    assert event["ts"].endswith("+00:00")
    assert {
        "bot": "wallet-1.inj-usdt.spot",
        "event": "fill",
        "price": "12.5",
        "text": 'a"b\nc',
    }.items() <= event.items()


def edited(tmp_path: Path, name: str, path: str, value: Any) -> dict[str, str]:
    document = json.loads((SHIPPED / f"{name}_config.json").read_text())
    *parents, last = path.split("/")
    place = document
    for part in parents:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    file = tmp_path / f"{name}.json"
    file.write_text(json.dumps(document))
    return {f"{name.upper() if name == 'trader' else 'MARKETS'}_CONFIG": str(file)}


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("extra", 1, "extra is unknown"),
        ("defaults/spot/parameters/levels", 0, "spot.parameters.levels is 0, outside of 1 to 10"),
        ("defaults/spot/parameters/levels", 1.5, "levels must be a whole number"),
        ("defaults/spot/parameters/speed", 1, "spot.parameters.speed is unknown"),
        ("defaults/spot/risk/price_band_bps", None, "spot.risk.price_band_bps is missing"),
        ("defaults/derivative/execution/leverage", "2", "leverage must be a number"),
        ("defaults/derivative/risk/max_order_notional", True, "max_order_notional must be a number"),
        ("defaults/spot/strategy", "guess", "defaults.spot.strategy must be one of"),
        ("bots/wallet-1.btc-usdt.spot", {}, "bots.wallet-1.btc-usdt.spot names no spot market"),
        ("bots/wallet-1.inj-usdt.spot", {"risk": {"max": 1}}, "risk.max is unknown"),
        ("bots/wallet-1.inj-usdt.spot", {"color": 1}, "color is unknown"),
    ],
)
def test_a_wrong_trader_config_is_refused_with_its_place(
    tmp_path: Path, path: str, value: Any, words: str
) -> None:
    with pytest.raises(ConfigError, match=r"trader\.json: ") as refused:
        load_trader(edited(tmp_path, "trader", path, value), "wallet-1.inj-usdt.spot", "spot")
    assert words in str(refused.value)


def test_a_bots_own_entry_overrides_the_defaults(tmp_path: Path) -> None:
    own = {"parameters": {"levels": 5}}
    env = edited(tmp_path, "trader", "bots/wallet-1.inj-usdt.spot", own)
    assert load_trader(env, "wallet-1.inj-usdt.spot", "spot").parameters.levels == 5
    assert load_trader(env, "wallet-2.inj-usdt.spot", "spot").parameters.levels == 2


@pytest.mark.parametrize(
    ("path", "value", "words"),
    [
        ("markets/inj-usdt/type", "swap", "markets.inj-usdt.type must be one of"),
        ("markets/inj-usdt/market_ids/paper", "0x12", "market_ids.paper must be 0x"),
        ("markets/inj-usdt/market_ids/moon", "0x" + "a" * 64, "is no network"),
        ("markets/INJ", {}, "markets.INJ is no market name"),
        ("markets/inj-usdt/ticker", None, "ticker is missing"),
    ],
)
def test_a_wrong_markets_file_is_refused_with_its_place(
    tmp_path: Path, path: str, value: Any, words: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        load_markets(edited(tmp_path, "markets", path, value))
    assert words in str(refused.value)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"markets": {}, "markets": {}}'])
def test_what_is_no_such_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(ConfigError):
        load_markets({"MARKETS_CONFIG": str(tmp_path / "m.json")})
