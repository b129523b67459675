"""`drover bots` against a real Redis and a real Vault, as a person types it."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from click.testing import CliRunner

from bots.state import BotState, State
from ops.bots import clear_halt
from ops.bots_cli import bots as command
from ops.errors import OpsError
from ops.redis import Redis
from ops.settings import Cluster, Ports
from ops.vault import Vault
from tests.redis import PASSWORDS

BOT = "wallet-1.inj-usdt.spot"
OTHER = "wallet-1.inj-usdt-perp.derivative"


def as_bot(server, scenario, bot=BOT):
    async def play():
        state = State(server.login())
        try:
            return await scenario(BotState(state, bot))
        finally:
            state.close()

    return asyncio.run(play())


@pytest.fixture
def halted(redis_server):
    """A trading bot and a halted one, whose records the bots themselves have written."""
    now = datetime.now(UTC)
    trading = {"state": "trading", "reason": "", "heartbeat": now.isoformat(), "day_pnl": Decimal(3)}
    stale = {"state": "halted", "reason": "loss", "heartbeat": (now - timedelta(minutes=2)).isoformat()}
    halt = {"reason": "lost 31 of 30 USDT today", "at": now.isoformat(), "by": "daily_loss_limit"}
    as_bot(redis_server, lambda bot: bot.save_status(trading), OTHER)
    as_bot(redis_server, lambda bot: bot.save_status(stale))
    as_bot(redis_server, lambda bot: bot.save_halt(halt))
    return redis_server


@pytest.fixture
def drover(halted, vault_server, tmp_path):
    vault = Vault(vault_server.address, vault_server.token)
    if "hub/" not in (vault.read("sys/mounts") or {}):
        vault.write("sys/mounts/hub", {"type": "kv", "options": {"version": "2"}})
    vault.write("hub/data/redis/admin", {"data": {"username": "admin", "password": PASSWORDS["admin"]}})
    env = {
        "VAULT_ADDR": vault_server.address,
        "VAULT_TOKEN": vault_server.token.reveal(),
        "REDIS_ADDR": f"127.0.0.1:{halted.port}",
    }

    def run(*arguments, **changes):
        cluster = Cluster(tmp_path / "no-local-cluster", Ports())
        return CliRunner().invoke(command, arguments, env={**env, **changes}, obj=cluster)

    return run


@pytest.mark.engines
def test_a_halt_is_shown_cleared_and_shown_no_more(drover, halted):
    assert "silent for 12" in drover("list").output
    rows = {row["bot"]: row for row in json.loads(drover("list", "--json").output)}
    assert rows[OTHER]["state"] == "trading"
    assert rows[OTHER]["age"] < 60
    assert [halt["bot"] for halt in json.loads(drover("halts", "--json").output)] == [BOT]
    assert "lost 31 of 30 USDT today" in drover("halts").output
    done = drover("clear", BOT)
    assert done.exit_code == 0, done.exception
    assert "may trade again" in done.output
    assert drover("halts").output == "No bot is halted.\n"
    assert as_bot(halted, lambda bot: bot.halt()) is None
    cleared = json.loads(halted.admin("GET", f"{BOT}:cleared").split("\r\n")[2])
    assert cleared["halt"]["by"] == "daily_loss_limit"
    assert "@" in cleared["by"]
    again = drover("clear", BOT)
    assert str(again.exception).startswith(f"{BOT} is not halted;")


@pytest.mark.engines
def test_without_an_address_it_says_what_is_missing(drover):
    assert "REDIS_ADDR is not set" in str(drover("list", REDIS_ADDR="").exception)


@pytest.fixture
def admin(halted):
    return Redis(f"127.0.0.1:{halted.port}", PASSWORDS["admin"])


@pytest.mark.parametrize(
    ("bot", "words"),
    [
        ("wallet-9.inj-usdt.spot", "No bot wallet-9.inj-usdt.spot has ever run here"),
        (OTHER, f"{OTHER} is not halted"),
        ("*", r"<wallet>\.<market>\.<type>|is no bot|bot id"),
        (f"{BOT}\n", r"bot id|is no bot"),
    ],
)
def test_what_is_not_halted_is_not_cleared(admin, bot, words):
    with pytest.raises(OpsError, match=words):
        clear_halt(admin, bot, datetime.now(UTC))


def test_a_clearing_is_never_older_than_its_halt(admin, halted):
    """The bot goes by the later of the two, and the operator's clock may be behind."""
    at = json.loads(admin.get(f"{BOT}:halt"))["at"]
    clear_halt(admin, BOT, datetime.now(UTC) - timedelta(hours=3))
    assert json.loads(admin.get(f"{BOT}:cleared"))["at"] == at


@pytest.mark.engines
def test_a_key_that_only_looks_like_a_bot_s_is_not_shown(drover, halted):
    evil = "wallet-1.\x1b[31mtrading:status"

    async def write(bot):
        await bot._state.call("SET", evil, '{"state": "x"}')
        await bot.save_status({"state": "trad\x1b[2Jing", "reason": "a\nb"})

    as_bot(halted, write)
    shown = drover("list").output
    assert "\x1b" not in shown
    assert len(shown.splitlines()) == 2
