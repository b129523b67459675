"""Real traders on a real venue, Redis and Postgres: one of them at a time, and only while all is well."""

from __future__ import annotations

import json
import signal
import time
import urllib.request
from typing import TYPE_CHECKING, Any

import pytest

from bots import cid
from tests.paper import ROOT, BotProcess, VenueProcess, get_json, make_wallet, until
from tests.redis import PASSWORDS

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.hub import Hub

    Start = Callable[..., BotProcess]

MARKET, KIND = "inj-usdt", "spot"
PERP = ("inj-usdt-perp", "derivative")


def wallet(venue: VenueProcess, folder: Path, number: int) -> str:
    address = make_wallet(folder, f"{number:064x}")
    venue.faucet(address)
    return address


def config(folder: Path, **changes: Any) -> str:
    """Write the shipped configuration with changes: `risk` entries, and `on_stop`."""
    document = json.loads((ROOT / "config" / "trader_config.json").read_text())
    for defaults in document["defaults"].values():
        defaults["on_stop"] = changes.get("on_stop", "cancel")
        defaults["risk"] |= changes.get("risk", {})
    path = folder / "trader_config.json"
    path.write_text(json.dumps(document))
    return str(path)


def record(hub: Hub, bot: BotProcess, name: str) -> Any:
    """Read one of the bot's records in Redis."""
    lines = hub.redis.admin("GET", f"{bot.bot_id}:{name}").splitlines()
    texts = [line for line in lines if line.startswith("{")]
    return json.loads(texts[0]) if texts else None


def fences(venue: VenueProcess, address: str) -> set[int]:
    parsed = [cid.parse(order["cid"]) for order in venue.orders(address)]
    return {one.fence for one in parsed if one}


def state(bot: BotProcess) -> str:
    changes = bot.events("state")
    return changes[-1]["state"] if changes else "starting"


def trading(bot: BotProcess) -> None:
    until(lambda: bot.events("order_placed") and state(bot) == "trading", "the bot trades", 25)


def test_a_second_copy_waits_and_takes_over_only_from_one_that_stands_still(
    venue: VenueProcess, bots: Start, tmp_path: Path
) -> None:
    address = wallet(venue, tmp_path, 521)
    first = bots(venue, tmp_path, MARKET, KIND)
    trading(first)
    second = bots(venue, tmp_path, MARKET, KIND)
    until(lambda: state(second) == "waiting_for_lease", "the copy waits")
    time.sleep(2)
    assert not second.events("order_placed")
    first.process.send_signal(signal.SIGSTOP)
    trading(second)
    taken_over = until(lambda: fences(venue, address), "its orders stand in the book")
    assert len(taken_over) == 1
    placed = len(first.events("order_placed"))
    first.process.send_signal(signal.SIGCONT)
    until(lambda: state(first) == "waiting_for_lease", "the first one sees that it is no longer the bot", 20)
    time.sleep(1)
    assert len(first.events("order_placed")) == placed, "what woke up placed nothing"
    assert fences(venue, address) == taken_over, "and took none of its successor's orders out"
    # Stopped, it leaves the other's orders alone as well.
    assert first.end() == 0
    assert fences(venue, address) == taken_over
    assert second.end() == 0
    assert venue.orders(address) == []


def test_without_redis_the_orders_leave_the_book_before_the_lease_lapses(
    venue: VenueProcess, hub: Hub, bots: Start, tmp_path: Path
) -> None:
    address = wallet(venue, tmp_path, 522)
    bot = bots(venue, tmp_path, MARKET, KIND)
    trading(bot)
    (fence,) = until(lambda: fences(venue, address), "its orders stand in the book")
    hub.redis.signal(signal.SIGSTOP)
    try:
        began = time.monotonic()
        until(lambda: not venue.orders(address), "the book is empty of its orders", 7.5)
        assert time.monotonic() - began < 7.5, "half the lease is left for that"
        placed = len(bot.events("order_placed"))
        # Until the lease has lapsed in Redis as well.
        time.sleep(began + 9 - time.monotonic())
        assert len(bot.events("order_placed")) == placed
    finally:
        hub.redis.signal(signal.SIGCONT)
    again = until(lambda: fences(venue, address), "it trades again", 25)
    assert min(again) > fence
    assert bot.end() == 0
    assert venue.orders(address) == []


def test_a_stop_without_redis_takes_the_orders_out_all_the_same(
    venue: VenueProcess, hub: Hub, bots: Start, tmp_path: Path
) -> None:
    address = wallet(venue, tmp_path, 523)
    bot = bots(venue, tmp_path, MARKET, KIND)
    trading(bot)
    hub.redis.signal(signal.SIGSTOP)
    try:
        assert bot.end() == 0, bot.log.read_text()[-2000:]
        assert venue.orders(address) == []
    finally:
        hub.redis.signal(signal.SIGCONT)


def test_without_postgres_it_trades_on_for_the_set_time_and_then_not(
    venue: VenueProcess, hub: Hub, bots: Start, tmp_path: Path
) -> None:
    address = wallet(venue, tmp_path, 524)
    limits = config(tmp_path, risk={"ledger_outage_seconds": 6})
    bot = bots(venue, tmp_path, MARKET, KIND, TRADER_CONFIG=limits)
    trading(bot)
    with hub.postgres.frozen():
        began, placed = time.monotonic(), len(bot.events("order_placed"))
        until(lambda: len(bot.events("order_placed")) > placed, "it trades on")
        until(lambda: state(bot) == "paused" and not venue.orders(address), "then it stops", 25)
        assert time.monotonic() - began > 5
        assert "Postgres" in bot.events("state")[-1]["reason"]
    until(lambda: venue.orders(address), "it trades again", 25)
    assert bot.end() == 0
    written = hub.ledger("SELECT trade_id FROM fills WHERE bot_id = %s", bot.bot_id)
    assert sorted(row[0] for row in written) == sorted(t["trade_id"] for t in venue.trades(address))


def test_a_bot_that_starts_without_postgres_waits_for_it(
    venue: VenueProcess, hub: Hub, bots: Start, tmp_path: Path
) -> None:
    address = wallet(venue, tmp_path, 525)
    with hub.postgres.frozen():
        bot = bots(venue, tmp_path, MARKET, KIND)
        until(lambda: state(bot) == "waiting_for_ledger", "it says what it waits for")
        time.sleep(2)
        assert not venue.orders(address)
    trading(bot)
    assert bot.end() == 0


def test_the_daily_loss_limit_halts_over_restarts_until_an_operator_clears_it(
    venue: VenueProcess, hub: Hub, bots: Start, tmp_path: Path
) -> None:
    address = wallet(venue, tmp_path, 526)
    cautious = config(tmp_path, risk={"daily_loss_limit": 0.01})
    # What it lost today is in the ledger; the day began with more.
    bot = bots(venue, tmp_path, MARKET, KIND, TRADER_CONFIG=cautious)
    trading(bot)
    until(lambda: hub.ledger("SELECT 1 FROM trading_days WHERE bot_id = %s", bot.bot_id), "the day is open")
    assert bot.end() == 0
    with hub.postgres.owner() as owner:
        owner.execute("UPDATE trading_days SET opening_pnl = opening_pnl + 5 WHERE bot_id = %s", [bot.bot_id])
    bot = bots(venue, tmp_path, MARKET, KIND, TRADER_CONFIG=cautious)
    until(lambda: state(bot) == "halted", "it halts", 25)
    assert "daily_loss_limit" in bot.events("halted")[0]["reason"]
    until(lambda: record(hub, bot, "halt"), "the halt is written down")
    bot.end(signal.SIGKILL)
    bot = bots(venue, tmp_path, MARKET, KIND, TRADER_CONFIG=cautious)
    until(lambda: state(bot) == "halted", "it is still halted", 25)
    (left,) = bot.events("position_found")
    assert left["level"] == "INFO"
    assert 0 <= left["fills"] <= left["fills_in_ledger"]
    time.sleep(1)
    assert not venue.orders(address)
    now = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 1))
    cleared = json.dumps({"at": now, "by": "ops"}).replace(" ", "").replace('"', '\\"')
    assert "+OK" in hub.redis.admin("SET", f"{bot.bot_id}:cleared", f'"{cleared}"')
    hub.redis.admin("DEL", f"{bot.bot_id}:halt")
    until(lambda: bot.events("halt_cleared"), "it sees that it was cleared")
    until(lambda: venue.orders(address), "and trades, from a new beginning of the day", 25)
    assert bot.end() == 0


def test_on_stop_leave_leaves_the_orders_and_the_next_start_takes_them_out(
    venue: VenueProcess, bots: Start, tmp_path: Path
) -> None:
    address = wallet(venue, tmp_path, 527)
    bot = bots(venue, tmp_path, MARKET, KIND, TRADER_CONFIG=config(tmp_path, on_stop="leave"))
    trading(bot)
    assert bot.end() == 0
    left = fences(venue, address)
    assert len(left) == 1
    again = bots(venue, tmp_path, MARKET, KIND, TRADER_CONFIG=config(tmp_path, on_stop="cancel"))
    trading(again)
    assert min(until(lambda: fences(venue, address), "its orders")) > max(left)
    assert again.end() == 0
    assert venue.orders(address) == []


def position(hub: Hub, bot: BotProcess) -> Any:
    rows = hub.ledger(
        "SELECT coalesce(sum(CASE side WHEN 'buy' THEN qty_filled ELSE -qty_filled END), 0) "
        "FROM fills WHERE bot_id = %s",
        bot.bot_id,
    )
    return rows[0][0]


@pytest.mark.parametrize("what", [(MARKET, KIND), PERP])
def test_on_stop_flatten_closes_what_the_bot_opened(
    venue: VenueProcess, hub: Hub, bots: Start, tmp_path: Path, what: tuple[str, str]
) -> None:
    market, kind = what
    address = wallet(venue, tmp_path, 528 if kind == "spot" else 529)
    bot = bots(venue, tmp_path, market, kind, TRADER_CONFIG=config(tmp_path, on_stop="flatten"))
    trading(bot)
    until(lambda: position(hub, bot), "it holds something", 25)
    assert bot.end() == 0, bot.log.read_text()[-3000:]
    assert venue.orders(address) == []
    (told,) = bot.events("flattened")
    # What is worth less than the market's least order cannot be closed.
    assert abs(position(hub, bot)) < 1
    assert abs(float(told["position"])) < 1


def test_what_a_bot_says_of_itself(venue: VenueProcess, hub: Hub, bots: Start, tmp_path: Path) -> None:
    address = wallet(venue, tmp_path, 530)
    bot = bots(venue, tmp_path, MARKET, KIND, LOG_DIR=str(tmp_path / "logs"))
    trading(bot)
    until(lambda: bot.events("fill"), "it is filled", 25)
    status = until(
        lambda: (
            (found := record(hub, bot, "status")) and found["open_orders"] and found["venue_price"] and found
        ),
        "its status is complete",
    )
    assert status["state"] == "trading"
    assert float(status["lease_remaining"]) > 4
    assert {"base_balance", "quote_balance", "reference_price", "day_pnl", "heartbeat"} <= status.keys()
    before = status["heartbeat"]
    until(lambda: record(hub, bot, "status")["heartbeat"] > before, "a heartbeat a second", 2.5)
    held = until(lambda: record(hub, bot, f"position:{MARKET}"), "its position")
    assert held["symbol"] == MARKET
    assert held["fills"] >= 1
    assert get_json(f"http://{bot.metrics}/healthz") == {"healthy": True, "reason": ""}
    with urllib.request.urlopen(f"http://{bot.metrics}/metrics", timeout=5) as answer:
        series = answer.read().decode()
    assert 'drover_bot_state{state="trading"} 1.0' in series
    assert "drover_bot_decision_to_booked_seconds_count" in series
    folder = tmp_path / "logs" / MARKET
    assert {file.name for file in folder.iterdir()} >= {"spot_trader.log", "enhanced_trading.log"}
    told = [json.loads(line)["event"] for line in (folder / "enhanced_trading.log").read_text().splitlines()]
    assert {"decision", "order_placed", "fill"} <= set(told)
    assert bot.end() == 0
    assert record(hub, bot, "status")["state"] == "stopped"
    text = bot.log.read_text() + "".join(file.read_text() for file in folder.iterdir())
    for secret in (f"{530:064x}", *PASSWORDS.values(), "the-wallet's-redis-password"):
        assert len(secret) < 3 or secret not in text
    assert venue.orders(address) == []
