"""No fill is lost, and none counts twice: the ledger holds what the venue traded for a bot, fill by fill."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots import addresses, wiring
from bots.config import load_markets
from bots.logs import EventLog
from bots.paper.__main__ import Venue
from bots.paper.flow import TAKER, Flow
from bots.paper.web import top_up
from bots.runner import Bot
from bots.settings import PaperEndpoints, load_settings
from bots.state import State
from tests.paper import free_port, make_wallet, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import pytest

    from tests.hub import Hub

MARKETS = ("inj-usdt", "inj-usdt-perp")
STOPS_PER_BOT = 5


class Greedy(Flow):
    """Takes from both sides of every market in every block, so that no block of a stop is without a fill."""

    def trade(self, exchange: Any) -> None:
        super().trade(exchange)
        for market, buy in itertools.product(self._markets, (True, False)):
            price = self.fair_price(market) * Decimal("1.002" if buy else "0.998")
            self._place(exchange, market, TAKER, buy=buy, price=price, notional=Decimal(12), at_market=True)


class Lines(logging.Handler):
    """The bot's log as a list."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[tuple[str, dict[str, Any]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append((record.getMessage(), record.fields))

    def named(self, name: str) -> list[dict[str, Any]]:
        return [fields for event, fields in self.events if event == name]


class Hall:
    """A venue in this process: its own gRPC and HTTP servers, its trades at hand."""

    def __init__(self) -> None:
        self.endpoints = PaperEndpoints(f"127.0.0.1:{free_port()}", f"http://127.0.0.1:{free_port()}")
        self.venue = Venue(
            {
                "PAPER_LISTEN_GRPC": self.endpoints.grpc,
                "PAPER_LISTEN_HTTP": self.endpoints.http.removeprefix("http://"),
                "BLOCK_TIME": "0.1",
            }
        )
        self.chain = self.venue.chain
        self.chain.flow = self.venue._flow = Greedy(self.chain.exchange.markets, 1)

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Hall]:
        over = asyncio.Event()
        served = asyncio.create_task(self.venue.serve(over))
        while self.chain.height < 3:  # noqa: ASYNC110 - a few blocks; there is no event for one
            await asyncio.sleep(0.01)
        try:
            yield self
        finally:
            over.set()
            await served


class Life:
    """One wallet's bot in one market, started and stopped again and again; its log and its ledger go on."""

    def __init__(self, hall: Hall, hub: Hub, folder: Path, number: int, market: str, **env: str) -> None:
        self.hall, self.hub = hall, hub
        self.lines = Lines()
        logger = logging.Logger(f"life {number}")  # noqa: LOG001 - one that no other test configures
        logger.addHandler(self.lines)
        self.log = EventLog(logger)
        self.secrets = folder / str(number)
        self.address = make_wallet(self.secrets, f"{number:064x}")
        name, kind = (self.secrets / "name").read_text(), load_markets({})[market].type
        self.bot_id = f"{name}.{market}.{kind}"
        self.settings = load_settings(
            {
                "BOT_ID": self.bot_id,
                "WALLET_ID": name,
                "MARKET": market,
                "NETWORK": "paper",
                "PAPER_GRPC": hall.endpoints.grpc,
                "PAPER_HTTP": hall.endpoints.http,
                "NOMAD_SECRETS_DIR": str(self.secrets),
                "METRICS_LISTEN": "127.0.0.1:9",
                **hub.admit(name, self.secrets),
                **env,
            }
        )
        self.subaccount = addresses.default_subaccount(self.address)
        top_up(hall.chain, self.address)

    async def once(self, stop: asyncio.Event) -> int:
        """Run the bot as `python -m bots` wires it."""
        state = State(self.settings.redis)
        exchange, reference = (
            wiring._exchange(self.settings, state),
            wiring._reference(self.settings, self.log),
        )
        try:
            return await Bot(wiring.assemble(self.settings, state, exchange, reference, self.log)).run(stop)
        finally:
            await reference.close()
            await exchange.close()
            state.close()

    def written(self) -> list[tuple[Any, ...]]:
        """What stands in the ledger."""
        return sorted(
            self.hub.ledger(
                "SELECT trade_id, order_id, side, fill_price, qty_filled, commission FROM fills"
                " WHERE bot_id = %s",
                self.bot_id,
            )
        )

    def traded(self) -> list[tuple[Any, ...]]:
        """What the venue traded for its subaccount."""
        return sorted(
            (t.trade_id, t.cid, "buy" if t.buy else "sell", t.price, t.quantity, t.fee)
            for t in self.hall.chain.store.trades()
            if t.subaccount == self.subaccount
        )

    def open_orders(self) -> list[Any]:
        books = self.hall.chain.exchange.books.values()
        return [order for book in books for order in book.of(self.subaccount)]


async def fills(life: Life, count: int, running: asyncio.Task[int]) -> None:
    """Wait until the bot has logged that many fills more."""
    goal = len(life.lines.named("fill")) + count
    async with asyncio.timeout(15):
        while len(life.lines.named("fill")) < goal:
            assert not running.done(), life.lines.events[-3:]
            await asyncio.sleep(0.01)


async def stopped_at_any_time(life: Life) -> int:
    """Start and stop the bot a few times, each at another moment of its trading; returns the late fills."""
    late, moment = 0, random.Random(life.address)
    for _ in range(STOPS_PER_BOT):
        stop = asyncio.Event()
        running = asyncio.create_task(life.once(stop))
        await fills(life, 3, running)
        await asyncio.sleep(moment.uniform(0, 0.2))
        stop.set()
        at = len(life.lines.events)
        assert await running == 0
        assert life.open_orders() == []
        assert life.written() == life.traded()
        late += sum(1 for event, _ in life.lines.events[at:] if event == "fill")
    return late


def test_every_fill_is_in_the_ledger_over_twenty_stops(hub: Hub, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            lives = [Life(hall, hub, tmp_path, 700 + n, market) for n, market in enumerate(MARKETS * 2)]
            late = await asyncio.gather(*(stopped_at_any_time(life) for life in lives))
            # Else the stops all fell between two fills, and the test has shown nothing.
            assert sum(late) > 0

    run(scenario())


def test_a_stop_whose_last_fills_are_not_told_looks_them_up_and_says_so(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            life, stop = Life(hall, hub, tmp_path, 710, "inj-usdt"), asyncio.Event()
            running = asyncio.create_task(life.once(stop))
            await fills(life, 2, running)
            hall.venue._streams.publish = lambda _message: None
            stop.set()
            assert await running == 1
            assert life.open_orders() == []
            assert life.written() == life.traded()
            (told,) = life.lines.named("fills_unconfirmed")
            assert "the next start asks again" in told["error"]
            assert not life.lines.named("stopped")

    monkeypatch.setattr("bots.stopping._LAST_FILLS_SECONDS", 0.5)
    run(scenario())


def test_what_a_cut_stream_did_not_tell_is_found_in_the_history(hub: Hub, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            life, stop = Life(hall, hub, tmp_path, 711, "inj-usdt-perp"), asyncio.Event()
            running = asyncio.create_task(life.once(stop))
            await fills(life, 2, running)
            hall.venue._streams._queues.clear()
            await fills(life, 3, running)
            stop.set()
            assert await running == 0
            assert life.lines.named("blocks_missed")
            assert life.lines.named("fill_caught_up")
            assert life.written() == life.traded()

    run(scenario())


def test_a_bot_whose_ledger_was_away_writes_all_of_it_when_it_is_back(hub: Hub, tmp_path: Path) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            life, stop = Life(hall, hub, tmp_path, 712, "inj-usdt"), asyncio.Event()
            running = asyncio.create_task(life.once(stop))
            await fills(life, 2, running)
            with hub.postgres.frozen():
                # It trades on: the limit of an outage is minutes.
                await fills(life, 3, running)
            stop.set()
            assert await running == 0
            assert life.written() == life.traded()

    run(scenario())
