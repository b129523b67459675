"""The paper venue and traders for tests: in process for rules, as real processes for contracts."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.hub import Hub

ROOT = Path(__file__).resolve().parent.parent


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def get_json(url: str, body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url, data=data), timeout=5) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return {"status": error.code, **json.load(error)}


def until(check: Callable[[], Any], what: str, seconds: float = 15) -> Any:
    """Poll until `check` gives something true, and return it."""
    end = time.monotonic() + seconds
    while not (found := check()):
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return found


class VenueProcess:
    """A real `python -m bots.paper` on free ports."""

    def __init__(self, state: Path | None = None, block_time: str = "0.1", **env: str) -> None:
        self.grpc = f"127.0.0.1:{free_port()}"
        self.http = f"http://127.0.0.1:{free_port()}"
        self.admin = f"http://127.0.0.1:{free_port()}"
        self._env = {
            **os.environ,
            "PAPER_LISTEN_GRPC": self.grpc,
            "PAPER_LISTEN_HTTP": self.http.removeprefix("http://"),
            "PAPER_LISTEN_ADMIN": self.admin.removeprefix("http://"),
            "BLOCK_TIME": block_time,
            "STATE_DIR": str(state or ""),
            **env,
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> VenueProcess:
        self.process = subprocess.Popen([sys.executable, "-m", "bots.paper"], cwd=ROOT, env=self._env)
        until(self._healthy, "the venue answers")
        return self

    def _healthy(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, "the venue ended"
        try:
            return get_json(f"{self.http}/healthz")["height"] > 3
        except OSError:
            return False

    def end(self, number: int = signal.SIGTERM) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(number)
            self.process.wait(10)

    def fault(self, kind: str, **parameters: Any) -> Any:
        """Begin a fault on demand."""
        return get_json(f"{self.admin}/faults", {"kind": kind, **parameters})

    def no_faults(self) -> None:
        """End all faults."""
        request = urllib.request.Request(f"{self.admin}/faults", method="DELETE")
        urllib.request.urlopen(request, timeout=5).close()

    def faucet(self, address: str) -> dict[str, str]:
        return get_json(f"{self.http}/faucet", {"address": address})["balances"]

    def trades(self, address: str) -> list[dict[str, Any]]:
        return get_json(f"{self.http}/trades?address={address}")["trades"]

    def orders(self, address: str) -> list[dict[str, Any]]:
        return get_json(f"{self.http}/orders?address={address}")["orders"]


class BotProcess:
    """A real `python -m bots`; its log is a file of JSON lines."""

    def __init__(
        self, venue: VenueProcess, hub: Hub, wallet: Path, market: str, kind: str, **env: str
    ) -> None:
        self.log = wallet / f"{market}-{time.monotonic_ns()}.log"
        name = (wallet / "name").read_text()
        self.bot_id = f"{name}.{market}.{kind}"
        self.metrics = f"127.0.0.1:{free_port()}"
        settings = {
            "BOT_ID": self.bot_id,
            "WALLET_ID": name,
            "MARKET": market,
            "BOT_TYPE": kind,
            "NETWORK": "paper",
            "PAPER_GRPC": venue.grpc,
            "PAPER_HTTP": venue.http,
            "NOMAD_SECRETS_DIR": str(wallet),
            "METRICS_LISTEN": self.metrics,
            "PATH": os.environ["PATH"],
            **hub.admit(name, wallet),
        }
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "bots"],
                cwd=ROOT,
                env={**settings, **env},
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]
        return [line for line in lines if name in (None, line["event"])]

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(26)


def make_wallet(folder: Path, key: str) -> str:
    """Write the two secret files as the job template does; returns the address."""
    from pyinjective.wallet import PrivateKey  # noqa: PLC0415 - most tests do not need the SDK

    address = str(PrivateKey.from_hex(key).to_public_key().to_address().to_acc_bech32())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "name").write_text(f"w{int(key, 16)}")
    (folder / "wallet.key").write_text(f"0x{key}")
    (folder / "wallet.json").write_text(json.dumps({"account": address, "key_version": 1}))
    return address


@pytest.fixture(scope="session")
def venue() -> Iterator[VenueProcess]:
    """A running venue with blocks of 0.1 s."""
    running = VenueProcess().start()
    yield running
    running.end()


@pytest.fixture
def bots(hub: Hub) -> Iterator[Callable[..., BotProcess]]:
    """Start bots that do not outlive the test."""
    started: list[BotProcess] = []

    def start(venue: VenueProcess, *args: Any, **kwargs: Any) -> BotProcess:
        started.append(BotProcess(venue, hub, *args, **kwargs))
        return started[-1]

    yield start
    for bot in started:
        with contextlib.suppress(OSError):
            bot.end(signal.SIGKILL)


class Trader:
    """A key holder who signs for a chain in this process, with the SDK's own composer and signer."""

    def __init__(self, chain: Any, number: int) -> None:
        from pyinjective.composer_v2 import Composer  # noqa: PLC0415 - most tests do not need the SDK
        from pyinjective.wallet import PrivateKey  # noqa: PLC0415 - most tests do not need the SDK

        from bots.paper.web import top_up  # noqa: PLC0415 - most tests do not need the venue

        self.chain = chain
        self.key = PrivateKey.from_hex(f"{number:064x}")
        self.public = self.key.to_public_key()
        self.address = self.public.to_address().to_acc_bech32()
        self.subaccount = self.public.to_address().get_subaccount_id(0)
        self.composer = Composer(network="paper")
        top_up(chain, self.address)

    def sign(self, *messages: Any, **changes: Any) -> bytes:
        """Return a transaction; `changes` are sequence, number, chain_id, gas, price, timeout."""
        from pyinjective.transaction import Transaction  # noqa: PLC0415 - most tests do not need the SDK

        account = self.chain.account(self.address)
        gas = changes.get("gas", 600_000)
        tx = (
            Transaction()
            .with_messages(*messages)
            .with_sequence(changes.get("sequence", account.pending))
            .with_account_num(changes.get("number", account.number))
            .with_chain_id(changes.get("chain_id", "injective-paper-1"))
            .with_gas(gas)
            .with_fee([self.composer.coin(gas * changes.get("price", 160_000_000), "inj")])
            .with_timeout_height(changes.get("timeout", self.chain.height + 10))
        )
        signature = self.key.sign(tx.get_sign_doc(self.public).SerializeToString())
        return bytes(tx.get_tx_data(signature, self.public))

    def order(self, market_id: str, side: str, price: str, quantity: str, **extra: Any) -> Any:
        """Return a limit order message, with a margin for a derivative."""
        common = {
            "market_id": market_id,
            "sender": self.address,
            "subaccount_id": self.subaccount,
            "fee_recipient": self.address,
            "price": Decimal(price),
            "quantity": Decimal(quantity),
            "order_type": side,
            **extra,
        }
        if "margin" in extra:
            return self.composer.msg_create_derivative_limit_order(**common)
        return self.composer.msg_create_spot_limit_order(**common)

    def send(self, *messages: Any) -> Any:
        """Broadcast, make a block, return the delivered result."""
        answer = self.chain.broadcast(self.sign(*messages))
        assert answer.code == 0, answer.raw_log
        self.chain.end_block()
        return self.chain.result(answer.txhash)[1]


@pytest.fixture
def chain() -> Any:
    """A chain in this process, without background flow."""
    from bots.config import load_markets  # noqa: PLC0415 - most tests do not need the venue
    from bots.paper.chain import Chain  # noqa: PLC0415 - most tests do not need the venue
    from bots.paper.markets import list_markets  # noqa: PLC0415 - most tests do not need the venue

    return Chain(list_markets(load_markets({}).values()))


@pytest.fixture
def trader(chain: Any) -> Callable[[int], Trader]:
    """Make funded traders on the chain, by number."""
    return lambda number: Trader(chain, number)


@pytest.fixture
def trader_of() -> Callable[[Any, int], Trader]:
    """Make funded traders on any chain, by number."""
    return Trader


def run(coroutine: Any) -> Any:
    """Run a coroutine to its end."""
    return asyncio.run(coroutine)
