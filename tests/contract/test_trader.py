"""Real traders against the real venue: they trade, survive, and leave nothing behind."""

from __future__ import annotations

import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.paper import BotProcess, VenueProcess, make_wallet, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Start = Callable[..., BotProcess]

MARKETS = [("inj-usdt", "spot"), ("inj-usdt-perp", "derivative")]


def wallet(venue: VenueProcess, folder: Path, number: int) -> str:
    address = make_wallet(folder, f"{number:064x}")
    venue.faucet(address)
    return address


@pytest.mark.parametrize(("market", "kind"), MARKETS)
def test_a_bot_trades_with_its_key_and_leaves_no_order(
    venue: VenueProcess, bots: Start, tmp_path: Path, market: str, kind: str
) -> None:
    key = 501 if kind == "spot" else 502
    address = wallet(venue, tmp_path, key)
    bot = bots(venue, tmp_path, market, kind, LOG_LEVEL="DEBUG")
    until(lambda: bot.events("fill"), "the bot is filled", 20)
    open_orders = until(lambda: venue.orders(address), "orders stand in the book")
    assert {order["signer"] for order in open_orders} == {address}
    began = time.monotonic()
    assert bot.end() == 0
    assert time.monotonic() - began < 20
    assert venue.orders(address) == []
    trades = {trade["trade_id"]: trade for trade in venue.trades(address)}
    assert {trade["signer"] for trade in trades.values()} == {address}
    told = {event["trade_id"] for event in bot.events("fill")}
    assert told == set(trades)
    assert bot.events("stopped")
    text = bot.log.read_text()
    assert f"{key:064x}" not in text
    assert all(line.startswith("{") for line in text.splitlines()), text


def test_a_killed_bot_comes_back_without_doubling_its_orders(
    venue: VenueProcess, bots: Start, tmp_path: Path
) -> None:
    address = wallet(venue, tmp_path, 503)
    first = bots(venue, tmp_path, "inj-usdt", "spot")
    until(lambda: len(venue.orders(address)) == 4, "the first bot's orders")
    before = {order["cid"] for order in venue.orders(address)}
    first.end(signal.SIGKILL)
    assert venue.orders(address)
    second = bots(venue, tmp_path, "inj-usdt", "spot")
    until(lambda: second.events("order_placed"), "the second bot's orders")
    most = 0
    for _ in range(20):
        orders = venue.orders(address)
        most = max(most, Counter(order["side"] for order in orders).most_common(1)[0][1] if orders else 0)
        assert not before & {order["cid"] for order in orders}
        time.sleep(0.05)
    assert most <= 2
    assert second.end() == 0
    assert venue.orders(address) == []


def test_two_bots_on_one_key_share_its_sequence_and_not_their_orders(
    venue: VenueProcess, bots: Start, tmp_path: Path
) -> None:
    address = wallet(venue, tmp_path, 504)
    spot, perp = (bots(venue, tmp_path, market, kind, LOG_LEVEL="DEBUG") for market, kind in MARKETS)
    for bot in (spot, perp):
        until(lambda b=bot: len(b.events("order_booked")) >= 12, "both bots place orders", 25)
    assert spot.end() == 0
    until(lambda: len({o["market_id"] for o in venue.orders(address)}) == 1, "the other bot's orders stand")
    assert perp.end() == 0
    assert venue.orders(address) == []
    for bot in (spot, perp):
        assert not [e for e in bot.events() if e["level"] == "ERROR"]
        cids = [e["cid"] for e in bot.events("order_placed")]
        assert len(cids) == len(set(cids))


def test_a_bot_waits_for_a_venue_that_is_away_and_goes_on(bots: Start, tmp_path: Path) -> None:
    running = VenueProcess(tmp_path).start()
    try:
        address = wallet(running, tmp_path / "w", 505)
        bot = bots(running, tmp_path / "w", "inj-usdt", "spot", LOG_LEVEL="DEBUG")
        until(lambda: bot.events("order_booked"), "orders in the book")
        running.end(signal.SIGKILL)
        until(lambda: bot.events("connection_lost"), "the bot notices")
        placed = len(bot.events("order_placed"))
        running.start()
        until(lambda: len(bot.events("order_placed")) > placed, "the bot goes on", 25)
        back = until(lambda: running.orders(address), "orders stand in the book again")
        assert max(Counter(o["side"] for o in back).values()) <= 2
        assert bot.end() == 0
        assert running.orders(address) == []
    finally:
        running.end(signal.SIGKILL)


def test_a_frozen_venue_is_noticed_and_a_stop_that_cannot_be_confirmed_says_so(
    bots: Start, tmp_path: Path
) -> None:
    running = VenueProcess().start()
    assert running.process is not None
    try:
        wallet(running, tmp_path, 506)
        bot = bots(running, tmp_path, "inj-usdt", "spot", LOG_LEVEL="DEBUG")
        until(lambda: bot.events("order_booked"), "orders in the book")
        running.process.send_signal(signal.SIGSTOP)
        lost: list[Any] = until(lambda: bot.events("connection_lost"), "the bot notices", 12)
        assert lost
        began = time.monotonic()
        assert bot.end() == 1
        assert time.monotonic() - began < 25
        assert "may still be open" in bot.events("stop_unconfirmed")[0]["error"]
    finally:
        running.end(signal.SIGKILL)


def test_a_bot_without_good_settings_says_one_sentence(
    venue: VenueProcess, bots: Start, tmp_path: Path
) -> None:
    wallet(venue, tmp_path, 507)
    cases = {"BOT_ID": "", "WALLET_ID": "wallet-2", "MARKET": "x", "NOMAD_SECRETS_DIR": "/nonexistent"}
    started = [bots(venue, tmp_path, "inj-usdt", "spot", **{name: value}) for name, value in cases.items()]
    for bot in started:
        assert bot.process.wait(20) == 2
        text = bot.log.read_text()
        assert text.startswith("bot: ")
        assert text.count("\n") == 1
    assert not venue.orders(make_wallet(tmp_path, f"{507:064x}"))


def test_a_wallet_without_money_is_named_as_the_reason(
    venue: VenueProcess, bots: Start, tmp_path: Path
) -> None:
    make_wallet(tmp_path, f"{508:064x}")
    bot = bots(venue, tmp_path, "inj-usdt", "spot")
    lost = until(lambda: bot.events("connection_lost"), "the bot says what is wrong")
    assert "has it been funded?" in lost[0]["error"]
    assert "NOT_FOUND" in lost[0]["error"]
