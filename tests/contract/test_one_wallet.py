"""Three bots trade with one wallet's key at the same time: no order is lost or doubled.

As long as DROVER_SOAK_SECONDS says (20; `make soak` runs it for five minutes).
"""

from __future__ import annotations

import os
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from bots import cid
from tests.paper import BotProcess, VenueProcess, make_wallet, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.hub import Hub

MARKETS = (("inj-usdt", "spot"), ("tia-usdt", "spot"), ("inj-usdt-perp", "derivative"))
SECONDS = float(os.environ.get("DROVER_SOAK_SECONDS", "20"))


def written(hub: Hub, bot: BotProcess, what: str) -> list[tuple[Any, ...]]:
    return hub.ledger(f"SELECT {what} WHERE bot_id = %s", bot.bot_id)


def test_three_bots_on_one_key_lose_and_double_nothing(
    venue: VenueProcess, hub: Hub, bots: Callable[..., BotProcess], tmp_path: Path
) -> None:
    address = make_wallet(tmp_path, f"{541:064x}")
    venue.faucet(address)
    running = [bots(venue, tmp_path, *what, SPOOL_DIR=str(tmp_path / what[0])) for what in MARKETS]
    for bot in running:
        until(lambda bot=bot: bot.events("order_placed"), "each trades", 25)
    time.sleep(SECONDS)
    assert [bot.end() for bot in running] == [0, 0, 0]
    assert venue.orders(address) == []

    placed = [event["cid"] for bot in running for event in bot.events("order_placed")]
    assert len(placed) == len(set(placed)), "no cid is used twice"
    assert {cid.parse(one).tag for one in placed} == {cid.tag(bot.bot_id) for bot in running}
    # Every order that was sent is known to the ledger, once, and has come to its end.
    orders = [row for bot in running for row in written(hub, bot, "order_id, status FROM orders")]
    assert sorted(order for order, _ in orders) == sorted(placed)
    ends = Counter(status for _, status in orders)
    assert set(ends) <= {"filled", "cancelled", "rejected"}, ends
    assert ends["rejected"] <= len(orders) // 20, "post-only orders that would have crossed"
    # Serialised by the wallet's turn, not by refusals of the chain.
    assert sum(len(bot.events("batch_rejected")) for bot in running) == 0
    assert sum(len(bot.events("outcome_unknown")) for bot in running) == 0

    fills = [
        row
        for bot in running
        for row in written(
            hub, bot, "trade_id, order_id, side, fill_price, qty_filled, commission FROM fills"
        )
    ]
    key = ("trade_id", "cid", "side", "price", "quantity", "fee")
    assert sorted((*row[:3], *map(float, row[3:])) for row in fills) == sorted(
        (*(trade[name] for name in key[:3]), *(float(trade[name]) for name in key[3:]))
        for trade in venue.trades(address)
    )
    assert len(fills) > SECONDS / 10
