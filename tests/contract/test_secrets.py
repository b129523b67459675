"""Nothing that a real bot writes shows its key or a password, whatever goes wrong."""

from __future__ import annotations

import base64
import json
import re
import urllib.request
from typing import TYPE_CHECKING

import pytest

from tests.paper import ROOT, make_wallet, until

if TYPE_CHECKING:
    from pathlib import Path

KEY = "c0ffee11" * 8
BROKEN = """
import sys
sys.path.insert(0, {root!r})
from bots import quoter
def changes(*_):
    raise ValueError("cannot sign with {key} 0X{upper} {base64}, redis://:{password}@r")
quoter.Quoter.changes = changes
"""


def writings(key):
    raw = bytes.fromhex(key)
    return [
        key,
        key.upper(),
        base64.b64encode(raw).decode(),
        base64.b64encode(key.encode()).decode(),
        str(raw),
    ]


def passwords(secrets):
    return [json.loads((secrets / f"{name}.json").read_text())["password"] for name in ("redis", "ledger")]


def start(venue, bots, folder, level="DEBUG", **env):
    secrets = folder / "secrets"
    venue.faucet(make_wallet(secrets, KEY))
    (secrets / "name").write_text("wallet-9")
    logs, spool = folder / "logs", folder / "spool"
    bot = bots(
        venue,
        secrets,
        "inj-usdt",
        "spot",
        LOG_LEVEL=level,
        LOG_DIR=str(logs),
        SPOOL_DIR=str(spool),
        **env,
    )
    return bot, secrets, [logs, spool]


def written(bot, folders):
    """Return all that a bot wrote, by file."""
    files = [bot.log, *(path for folder in folders for path in folder.rglob("*") if path.is_file())]
    return {path.name: path.read_bytes().decode(errors="replace") for path in files}


def record(hub, key):
    """Return what Redis answers to GET, empty when there is nothing."""
    answer = hub.redis.admin("GET", key)
    return "" if "$-1" in answer else answer


def assert_nothing_shows(texts, secrets):
    for name, text in texts.items():
        for secret in [*writings(KEY), *passwords(secrets)]:
            assert secret not in text, name


def test_no_file_no_metric_and_no_record_of_a_trading_bot_shows_a_secret(venue, bots, hub, tmp_path: Path):
    bot, secrets, folders = start(venue, bots, tmp_path)
    until(lambda: bot.events("fill"), "the bot trades", 30)
    with urllib.request.urlopen(f"http://{bot.metrics}/metrics", timeout=5) as answer:
        page = answer.read().decode()
    keys = [f"{bot.bot_id}:{name}" for name in ("status", "position:inj-usdt", "lease")]
    records = {key: until(lambda k=key: record(hub, k), f"{key} in Redis") for key in keys}
    assert bot.end() == 0
    texts = written(bot, folders)
    assert {"spot_trader.log", "enhanced_trading.log"} <= set(texts)
    assert texts["spot_trader.log"] == texts[bot.log.name]
    decisions = [json.loads(row) for row in texts["enhanced_trading.log"].splitlines()]
    assert {row["event"] for row in decisions} >= {"decision", "order_placed", "fill"}
    assert all(row["reason"] for row in decisions if row["event"] == "decision")
    assert_nothing_shows({**texts, "metrics": page, **records}, secrets)
    assert float(re.search(r"^drover_bot_orders_acked_total (\S+)$", page, re.MULTILINE)[1]) > 0
    assert float(re.search(r"^drover_bot_decision_to_booked_seconds_count (\S+)$", page, re.MULTILINE)[1]) > 0


@pytest.mark.parametrize("level", ["DEBUG", "ERROR"])
def test_an_error_that_quotes_the_key_and_a_password_is_told_without_them(venue, bots, tmp_path: Path, level):
    site = tmp_path / "site"
    site.mkdir()
    raw = base64.b64encode(bytes.fromhex(KEY)).decode().rstrip("=")
    text = BROKEN.format(
        root=str(ROOT), key=KEY, upper=KEY.upper(), base64=raw, password="the-wallet's-redis-password"
    )
    (site / "sitecustomize.py").write_text(text)
    bot, secrets, folders = start(venue, bots, tmp_path, level, PYTHONPATH=str(site))
    assert bot.process.wait(40) == 1
    texts = written(bot, folders)
    assert_nothing_shows(texts, secrets)
    (told,) = [row for row in bot.events() if "cannot sign" in row.get("error", "")]
    assert told["error"] == "ValueError: cannot sign with *** 0X*** ***, redis://:***@r"
    assert told["level"] == "ERROR"
