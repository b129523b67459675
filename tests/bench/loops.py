"""One side of the benchmark in a process of its own: `python -m tests.bench.loops drover|bare`.

The first line on stdin says, in JSON, where everything is; each further one asks for a round and is answered
by one. `drover` sends as a bot does: `Injective.submit`, with permits of the lease and turns at the wallet's
key from a real Redis. `bare` sends as the SDK's examples do, and knows neither. Both hear the same stream.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import sys
import time
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bots import cid, injective
from bots.lease import Lease
from bots.logins import Login
from bots.model import Batch, NewOrder, OpenOrder, Quote, Side
from bots.secret import Secret
from bots.settings import PaperEndpoints
from bots.signing import WalletTurn
from bots.state import State
from tests.sdk import SPOT, Sdk

_BOT = "wallet-1.inj-usdt.spot"
_PATIENCE = 15.0


def quotes(orders: int) -> list[Quote]:
    """Half on each side, so far from the price that none trades."""
    prices = [Decimal("0.5") + Decimal("0.001") * n for n in range(orders // 2)]
    low = [Quote(Side.BUY, price, Decimal(2)) for price in prices]
    return low + [Quote(Side.SELL, 1000 * price, Decimal("0.1")) for price in prices]


class Loop:
    """Sends batches and hears what became of them; a side fills in `connect` and `send`."""

    def __init__(self) -> None:
        self.booked: dict[str, str] = {}
        self.refused: dict[str, int] = {}
        self.news = asyncio.Event()
        self.height = 0
        self.number = itertools.count(1)

    def heard(self, height: int, booked: dict[str, str]) -> None:
        self.height = height
        self.booked |= booked
        self.news.set()

    async def until(self, condition: Any) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                while not condition():
                    self.news.clear()
                    await self.news.wait()
        except TimeoutError:
            told = f"height {self.height}, {len(self.booked)} orders booked, refused: {self.refused}"
            sys.exit(f"{type(self).__name__}: no answer from the stream within {_PATIENCE:.0f} s; {told}")

    async def connect(self) -> None:
        raise NotImplementedError

    async def send(self, create: list[tuple[str, Quote]], cancel: list[str] | None) -> None:
        """Return once the chain has taken a batch; `cancel` names hashes, None is all orders."""
        raise NotImplementedError

    def next_cids(self, orders: int) -> list[str]:
        return [f"{os.getpid()}-{next(self.number)}" for _ in range(orders)]

    async def paced(self, decisions: int, orders: int) -> dict[str, Any]:
        """One batch at a time, as the bot does: the next one replaces the last one once that is booked."""
        acks, bookings, standing = [], [], []
        for _ in range(decisions):
            began = time.perf_counter()
            cids = self.next_cids(orders)
            await self.send(list(zip(cids, quotes(orders), strict=True)), standing)
            acks.append(time.perf_counter() - began)
            await self.until(lambda c=cids: all(one in self.booked for one in c))
            bookings.append(time.perf_counter() - began)
            standing = [self.booked[one] for one in cids]
        await self.send([], standing)
        return {"ack": acks, "booked": bookings}

    async def flood(self, seconds: float, orders: int) -> dict[str, Any]:
        """The next batch as soon as the chain has taken the last one, each cancelling all before it."""
        began, cpu = time.perf_counter(), time.process_time()
        batches, cids = 0, []
        while time.perf_counter() - began < seconds:
            cids = self.next_cids(orders)
            await self.send(list(zip(cids, quotes(orders), strict=True)), None)
            batches += 1
        took, cpu = time.perf_counter() - began, time.process_time() - cpu
        await self.until(lambda: all(one in self.booked for one in cids))
        await self.send([], None)
        return {"orders": batches * orders, "seconds": took, "cpu": cpu}


class Drover(Loop):
    """The path of a bot."""

    def __init__(self, where: dict[str, Any]) -> None:
        super().__init__()
        paper = PaperEndpoints(where["grpc"], where["http"])
        host, port, username, password = where["redis"]
        self.state = State(Login(host, port, username, Secret(password)))
        self.lease = Lease(self.state, _BOT, "paper")
        self.exchange = injective.Injective(
            injective.network_for("paper", paper),
            SPOT,
            Secret(where["key"]),
            where["address"],
            derivative=False,
            turn=WalletTurn(self.state, "wallet-1", where["address"]),
        )

    async def connect(self) -> None:
        self.holding = asyncio.create_task(self.lease.keep())
        self.listening = asyncio.create_task(self.listen())
        await self.exchange.connect()
        await self.until(lambda: self.height)
        async with asyncio.timeout(_PATIENCE):
            while not self.lease.held:
                await self.lease.changed.wait()

    async def listen(self) -> None:
        async for block in self.exchange.updates():
            self.exchange.follow(block)
            self.refused |= block.failures
            self.heard(block.height, {o.cid: o.order_hash for o in block.orders if o.status == "Booked"})

    def next_cids(self, orders: int) -> list[str]:
        return [cid.make(self.lease.fence, next(self.number), _BOT) for _ in range(orders)]

    async def send(self, create: list[tuple[str, Quote]], cancel: list[str] | None) -> None:
        batch = Batch(
            tuple(NewOrder(name, quote) for name, quote in create),
            tuple(OpenOrder("", one, Side.BUY, Decimal(0), Decimal(0), Decimal(0)) for one in cancel or ()),
            cancel_all=cancel is None,
        )
        fence = self.lease.fence
        await self.exchange.submit(batch, lambda height: self.lease.permit(height, fence=fence))


class Bare(Loop):
    """The SDK alone."""

    def __init__(self, where: dict[str, Any]) -> None:
        super().__init__()
        venue = SimpleNamespace(**where, faucet=lambda _: None)
        self.sdk = Sdk(venue, int(where["key"], 16))

    async def connect(self) -> None:
        composer = self.sdk.composer
        self.listening = asyncio.create_task(
            self.sdk.client.listen_chain_stream_updates(
                callback=self.take,
                spot_orders_filter=composer.chain_stream_orders_filter([self.sdk.subaccount], [SPOT]),
                spot_trades_filter=composer.chain_stream_trades_filter([self.sdk.subaccount], [SPOT]),
                order_failures_filter=composer.chain_stream_order_failures_filter([self.sdk.address]),
            )
        )
        await self.until(lambda: self.height)

    async def take(self, update: dict[str, Any]) -> None:
        orders = [one for one in update["spotOrders"] if one["status"] == "Booked"]
        booked = {one["order"]["order"]["orderInfo"]["cid"]: one["orderHash"] for one in orders}
        # Left alone, the SDK sets a height 30 blocks on each 20 s: with blocks of 0.65 s, too late each time.
        self.sdk.client.timeout_height = int(update["blockHeight"]) + 20
        self.refused |= {one["cid"]: one["errorCode"] for one in update["orderFailures"]}
        self.heard(int(update["blockHeight"]), booked)

    async def send(self, create: list[tuple[str, Quote]], cancel: list[str] | None) -> None:
        sdk = self.sdk
        message = sdk.composer.msg_batch_update_orders(
            sender=sdk.address,
            spot_orders_to_create=[
                sdk.composer.spot_order(
                    market_id=SPOT,
                    subaccount_id=sdk.subaccount,
                    fee_recipient=sdk.address,
                    price=quote.price,
                    quantity=quote.quantity,
                    order_type=f"{quote.side.value.upper()}_PO",
                    cid=name,
                )
                for name, quote in create
            ],
            spot_orders_to_cancel=[
                sdk.composer.order_data_without_mask(
                    market_id=SPOT, subaccount_id=sdk.subaccount, order_hash=one
                )
                for one in cancel or ()
            ],
            **(
                {"subaccount_id": sdk.subaccount, "spot_market_ids_to_cancel_all": [SPOT]}
                if cancel is None
                else {}
            ),
        )
        answer = (await sdk.broadcasters["heuristics"].broadcast([message]))["txResponse"]
        if answer["code"]:
            raise SystemExit(f"refused: {answer['rawLog']}")


def resident() -> float:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


async def main(side: str) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), sys.stdin
    )
    loop: Loop = {"drover": Drover, "bare": Bare}[side](json.loads(await reader.readline()))
    await loop.connect()
    tell({"ready": True})
    while line := await reader.readline():
        asked = json.loads(line)
        answer = await getattr(loop, asked.pop("kind"))(**asked)
        tell({**answer, "resident": resident()})
    os._exit(0)  # the SDK's tasks and channels have no end of their own


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
