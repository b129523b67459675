"""`python -m bots.paper`: the paper Injective venue.

Environment: PAPER_LISTEN_GRPC (127.0.0.1:9900), PAPER_LISTEN_HTTP (127.0.0.1:9901), PAPER_LISTEN_ADMIN
(faults on demand, host:port; off without it), BLOCK_TIME (seconds, 0.65), PAPER_SEED (a number), PAPER_PRICES
(a recorded CSV file; a seeded process without it), STATE_DIR (keeps the state over restarts; memory only
without it), MARKETS_CONFIG, LOG_LEVEL.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import grpc
from aiohttp import web

from bots.config import ConfigError, load_markets
from bots.paper import admin
from bots.paper.chain import Chain
from bots.paper.errors import StartupError, StateError
from bots.paper.flow import Flow
from bots.paper.markets import list_markets
from bots.paper.prices import read_recordings
from bots.paper.queries import Queries
from bots.paper.rpc import handlers
from bots.paper.store import Store
from bots.paper.stream import Streams
from bots.paper.web import application

if TYPE_CHECKING:
    from collections.abc import Mapping

_LOG = logging.getLogger("bots.paper")


class Venue:
    """Everything that runs: chain, gRPC, HTTP, blocks."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._grpc_listen = _listen(env, "PAPER_LISTEN_GRPC", "127.0.0.1:9900")
        self._http_listen = _listen(env, "PAPER_LISTEN_HTTP", "127.0.0.1:9901")
        self._admin_listen = _listen(env, "PAPER_LISTEN_ADMIN", "") if env.get("PAPER_LISTEN_ADMIN") else ""
        self._block_time = _number(env, "BLOCK_TIME", "0.65")
        markets = list_markets(load_markets(env).values())
        recordings = read_recordings(Path(env["PAPER_PRICES"])) if env.get("PAPER_PRICES") else {}
        self._flow = Flow(markets, int(_number(env, "PAPER_SEED", "1")), recordings)
        self.chain = Chain(markets, self._flow, Store(_state_file(env)))
        self._streams = Streams(self.chain.faults)
        self._tables = Queries(self.chain).tables()

    async def run(self) -> None:
        """Serve until SIGTERM or SIGINT."""
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        await self.serve(stopping)

    async def serve(self, stopping: asyncio.Event) -> None:
        """Serve until `stopping`.

        Raises:
            StartupError: an address cannot be used.
        """
        self._flow.fund(self.chain.exchange)
        server = await self._serve_grpc()
        runners = [await _serve_http(application(self.chain), self._http_listen)]
        if self._admin_listen:
            runners.append(await _serve_http(self._admin(), self._admin_listen))
        _LOG.info(
            "paper venue up at height %d, gRPC %s, HTTP %s",
            self.chain.height,
            self._grpc_listen,
            self._http_listen,
        )
        try:
            await self._make_blocks(stopping)
        finally:
            await server.stop(grace=0.5)
            for runner in runners:
                await runner.cleanup()
            self.chain.store.close()

    async def _serve_grpc(self) -> grpc.aio.Server:
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers(
            [*handlers(self.chain, self.chain.faults, self._tables), self._streams.handler()]
        )
        try:
            server.add_insecure_port(self._grpc_listen)
        except RuntimeError as error:
            raise StartupError(
                f"The gRPC address {self._grpc_listen} cannot be used; is it taken?"
            ) from error
        await server.start()
        return server

    def _admin(self) -> web.Application:
        methods = frozenset(name for _, _, table in self._tables for name in table)
        return admin.application(self.chain.faults, methods, self._streams.drop)

    async def _make_blocks(self, stopping: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        while not stopping.is_set():
            # A machine that stood still makes one block, not a burst of those it missed.
            due = max(due + self._block_time, loop.time())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stopping.wait(), max(0, due - loop.time()))
            if not self.chain.faults.on("halt_blocks"):
                self._streams.publish(self.chain.end_block())


async def _serve_http(app: web.Application, listen: str) -> web.AppRunner:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    host, _, port = listen.rpartition(":")
    try:
        await web.TCPSite(runner, host, int(port)).start()
    except OSError as error:
        raise StartupError(f"The HTTP address {listen} cannot be used; is it taken?") from error
    return runner


def _listen(env: Mapping[str, str], name: str, default: str) -> str:
    value = env.get(name, default)
    host, _, port = value.rpartition(":")
    if not host or not port.isdecimal():
        raise StartupError(f"{name} is {value!r}; write host:port.")
    return value


def _number(env: Mapping[str, str], name: str, default: str) -> float:
    try:
        value = float(env.get(name, default))
    except ValueError:
        value = 0
    if value <= 0:
        raise StartupError(f"{name} is {env.get(name)!r}; write a number above 0.")
    return value


def _state_file(env: Mapping[str, str]) -> Path | None:
    folder = env.get("STATE_DIR")
    if not folder:
        return None
    path = Path(folder)
    if not path.is_dir() or not os.access(path, os.W_OK):
        raise StartupError(
            f"STATE_DIR {folder!r} is not a folder that can be written; make it or leave it unset."
        )
    return path / "venue.sqlite"


def main() -> int:
    """Run the venue; returns the exit code."""
    logging.basicConfig(
        level=os.environ.get("LOG_LEVEL", "INFO").upper(),
        format="%(asctime)s %(levelname)s %(name)s %(message)s",
    )
    try:
        asyncio.run(Venue(os.environ).run())
    except (StartupError, StateError, ConfigError) as error:
        sys.stderr.write(f"paper venue: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
