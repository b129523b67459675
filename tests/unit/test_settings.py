"""Settings, secrets and the markets file: everything wrong is named."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api.credentials import Credentials, Secret
from api.errors import MarketsFileError, SettingsError
from api.markets import load_markets
from api.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
GOOD = {
    "DROVER_BOT_IMAGE": "drover-bot:1",
    "DROVER_VAULT_ADDR": "http://172.17.0.1:8200",
    "DROVER_REDIS_ADDR": "172.17.0.1:6379",
    "DROVER_LEDGER_ADDR": "172.17.0.1:5432",
    "DROVER_PAPER_GRPC": "172.17.0.1:9900",
    "DROVER_PAPER_HTTP": "http://172.17.0.1:9901",
}


def test_good_settings():
    settings = Settings.from_environment(GOOD | {"DROVER_ALLOW_MAINNET": "true", "HOME": "/root"})
    assert settings.allow_mainnet is True
    assert settings.nomad_addr == "unix:///secrets/api.sock"
    assert settings.job().bot_image == "drover-bot:1"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DROVER_ALLOW_MAINET", "true"),
        ("DROVER_ALLOW_MAINNET", "yes"),
        ("DROVER_PORT", "80000"),
        ("DROVER_PORT", "x"),
        ("DROVER_VAULT_ADDR", "172.17.0.1"),
        ("DROVER_PAPER_GRPC", "http://a:1"),
        ("DROVER_LOG_LEVEL", "loud"),
        ("DROVER_BOT_IMAGE", ""),
        ("DROVER_TRUSTED_PROXY", "everybody *"),
    ],
)
def test_a_wrong_setting_is_named(name, value):
    with pytest.raises(SettingsError, match=name):
        Settings.from_environment(GOOD | {name: value})


def test_all_that_is_missing_is_named_at_once():
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({})
    assert all(name in str(refused.value) for name in GOOD)


def test_a_secret_does_not_print():
    secret = Secret("hunter2")
    assert "hunter2" not in f"{secret} {secret!r} {secret:>30} {[secret]} %s" % secret
    assert secret.reveal() == "hunter2"


def test_database_files(tmp_path):
    login = {"host": "h", "port": 5432, "database": "d", "username": "u", "password": "hunter2"}
    (tmp_path / "db-api.json").write_text(json.dumps(login))
    found = Credentials(tmp_path).database("api")
    assert (found.host, found.port, found.password.reveal()) == ("h", 5432, "hunter2")
    assert "hunter2" not in repr(found)
    for wrong in ("", "[]", '{"host": "hunter2"', json.dumps(login | {"port": "x"})):
        (tmp_path / "db-api.json").write_text(wrong)
        with pytest.raises(SettingsError) as refused:
            Credentials(tmp_path).database("api")
        assert "hunter2" not in str(refused.value)
        assert refused.value.__cause__ is None


def test_tokens_are_read_anew(tmp_path, monkeypatch):
    monkeypatch.delenv("NOMAD_TOKEN", raising=False)
    credentials = Credentials(tmp_path)
    with pytest.raises(SettingsError, match="nomad_token"):
        credentials.nomad_token()
    for value in ("one", "two"):
        (tmp_path / "nomad_token").write_text(value + "\n")
        assert credentials.nomad_token().reveal() == value
    (tmp_path / "session_key").write_text("short")
    with pytest.raises(SettingsError, match="32"):
        credentials.session_key()


def test_the_repositorys_markets():
    markets = load_markets(ROOT / "config" / "markets_config.json")
    assert {"inj-usdt", "tia-usdt", "inj-usdt-perp"} <= markets.keys()


def entry(**change):
    good = {"ticker": "A/B", "type": "spot", "market_ids": {"paper": "0x" + "a" * 64}}
    return {"markets": {"a-b": good | change}}


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"markets": {}},
        {"markets": []},
        {"markets": {"A": {}}},
        {"markets": {"a": 1}},
        entry(type="x"),
        entry(ticker=""),
        entry(market_ids={"moon": "0x" + "a" * 64}),
        entry(market_ids={"paper": "0xabc"}),
        entry(market_ids=None),
        entry(ticker=None),
    ],
)
def test_a_wrong_markets_file_is_refused(tmp_path, document):
    path = tmp_path / "markets.json"
    path.write_text(json.dumps(document))
    with pytest.raises(MarketsFileError, match=r"markets\.json"):
        load_markets(path)
    path.write_text("{")
    with pytest.raises(MarketsFileError, match="not JSON"):
        load_markets(path)
    path.unlink()
    with pytest.raises(MarketsFileError, match="cannot be read"):
        load_markets(path)
