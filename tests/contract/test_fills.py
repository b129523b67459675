"""No fill is lost: what the venue traded for a bot stands in its log, or the log says what may be missing."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots.config import load_markets, load_trader
from bots.logs import EventLog
from bots.paper.__main__ import Venue
from bots.paper.flow import TAKER, Flow
from bots.paper.web import top_up
from bots.quoter import Quoter
from bots.reference import PaperSource, Reference
from bots.runner import Bot
from bots.secret import Secret
from bots.settings import PaperEndpoints
from tests.paper import free_port, run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

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
        self.chain.flow.fund(self.chain.exchange)
        server, web = await self.venue._serve_grpc(), await self.venue._serve_http()
        over = asyncio.Event()
        blocks = asyncio.create_task(self.venue._make_blocks(over))
        try:
            yield self
        finally:
            over.set()
            await blocks
            await server.stop(grace=0)
            await web.cleanup()


class Life:
    """One wallet's bot in one market, started and stopped again and again; its log goes on."""

    def __init__(self, hall: Hall, number: int, market: str) -> None:
        from pyinjective.wallet import PrivateKey  # noqa: PLC0415 - most tests do not need the SDK

        self.hall = hall
        self.key = Secret(f"{number:064x}")
        address = PrivateKey.from_hex(self.key.reveal()).to_public_key().to_address()
        self.address, self.subaccount = address.to_acc_bech32(), address.get_subaccount_id(0)
        self.market = load_markets({})[market]
        self.lines = Lines()
        logger = logging.Logger(f"life {number}")  # noqa: LOG001 - one that no other test configures
        logger.addHandler(self.lines)
        self.log = EventLog(logger)
        top_up(hall.chain, self.address)

    async def once(self, stop: asyncio.Event) -> int:
        """Run the bot as `python -m bots` wires it."""
        from bots import injective  # noqa: PLC0415 - most tests do not need the SDK

        derivative, market_id = self.market.type == "derivative", self.market.market_ids["paper"]
        network = injective.network_for("paper", self.hall.endpoints)
        exchange = injective.Injective(network, market_id, self.key, self.address, derivative=derivative)
        trader = load_trader({}, f"wallet-1.{self.market.name}.{self.market.type}", self.market.type)
        reference = Reference(PaperSource(self.hall.endpoints.http, market_id), self.log, trader.history)
        try:
            quoter = Quoter(reference, trader, self.log)
            return await Bot(exchange, reference, quoter, self.log).run(stop)
        finally:
            await reference.close()
            await exchange.close()

    def told(self) -> list[tuple[Any, ...]]:
        """What the bot logged."""
        names = ("trade_id", "cid", "side", "price", "qty", "fee")
        return sorted(tuple(fill[name] for name in names) for fill in self.lines.named("fill"))

    def traded(self) -> list[tuple[Any, ...]]:
        """What the venue traded for its subaccount."""
        return sorted(
            (t.trade_id, t.cid, "buy" if t.buy else "sell", t.price, t.quantity, t.fee)
            for t in self.hall.chain.exchange.trades
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
        assert life.told() == life.traded()
        late += sum(1 for event, _ in life.lines.events[at:] if event == "fill")
    return late


def test_every_fill_is_logged_over_twenty_stops() -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            lives = [Life(hall, 700 + n, market) for n, market in enumerate(MARKETS * 2)]
            late = await asyncio.gather(*(stopped_at_any_time(life) for life in lives))
            # Else the stops all fell between two fills, and the test has shown nothing.
            assert sum(late) > 0

    run(scenario())


def test_a_stop_whose_last_fills_cannot_be_known_says_so(monkeypatch: Any) -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            life, stop = Life(hall, 710, "inj-usdt"), asyncio.Event()
            running = asyncio.create_task(life.once(stop))
            await fills(life, 2, running)
            hall.venue._streams.publish = lambda _message: None
            stop.set()
            assert await running == 1
            assert life.open_orders() == []
            (told,) = life.lines.named("fills_unconfirmed")
            assert "compare the exchange's trades" in told["error"]
            assert not life.lines.named("stopped")

    monkeypatch.setattr("bots.runner._LAST_FILLS_SECONDS", 0.5)
    run(scenario())


def test_a_cut_stream_is_taken_up_again_and_what_it_missed_is_named() -> None:
    async def scenario() -> None:
        async with Hall().serving() as hall:
            life, stop = Life(hall, 711, "inj-usdt-perp"), asyncio.Event()
            running = asyncio.create_task(life.once(stop))
            await fills(life, 2, running)
            hall.venue._streams._queues.clear()
            await fills(life, 3, running)
            stop.set()
            assert await running == 0
            (missed,) = life.lines.named("blocks_missed")
            lost = [fill for fill in life.traded() if fill not in life.told()]
            heights = range(missed["first"], missed["last"] + 1)
            assert all(int(fill[0].split("_")[0]) in heights for fill in lost)

    run(scenario())
