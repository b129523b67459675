"""The whole app in-process, on stateful fakes."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import pytest

from api.main import create_app
from api.settings import Settings
from tests.fakes import FakeNomad, FakeStore, FakeVault

if TYPE_CHECKING:
    from pathlib import Path

    from fastapi import FastAPI

BASE = "http://drover.test"
ENVIRONMENT = {
    "DROVER_BOT_IMAGE": "sha256:" + "b" * 64,
    "DROVER_VAULT_ADDR": "http://127.0.0.1:1",
    "DROVER_REDIS_ADDR": "172.17.0.1:6379",
    "DROVER_LEDGER_ADDR": "172.17.0.1:5432",
    "DROVER_PAPER_GRPC": "172.17.0.1:9900",
    "DROVER_PAPER_HTTP": "http://172.17.0.1:9901",
}
PASSWORD = "correct horse"


@dataclass
class Drover:
    """The app and the fakes under it."""

    app: FastAPI
    nomad: FakeNomad
    vault: FakeVault
    store: FakeStore

    @asynccontextmanager
    async def running(self):
        """Start the app as uvicorn does."""
        async with self.app.router.lifespan_context(self.app):
            yield self

    def client(self, **options):
        transport = httpx.ASGITransport(self.app, client=("203.0.113.7", 50000))
        return httpx.AsyncClient(transport=transport, base_url=BASE, **options)

    def signed_in(self):
        """A script's client: HTTP Basic."""
        return self.client(auth=("ada", PASSWORD))

    @asynccontextmanager
    async def browser(self):
        """A browser that has signed in on the page."""
        async with self.client(headers={"Accept": "text/html"}) as client:
            form = await client.get("/signin")
            answer = await client.post(
                "/signin", data={"csrf": csrf_of(form.text), "username": "ada", "password": PASSWORD}
            )
            assert answer.status_code == 303, answer.text
            yield client


def csrf_of(html):
    return re.search(r'name="csrf" value="([^"]+)"', html)[1]


@pytest.fixture
def make_drover(tmp_path: Path):
    (tmp_path / "session_key").write_text("s" * 64)

    def make(**environment):
        given = ENVIRONMENT | {"DROVER_SECRETS_DIR": str(tmp_path)} | environment
        nomad, vault, store = FakeNomad(), FakeVault(), FakeStore()
        vault.users["ada"] = PASSWORD
        for name in ("wallet-1", "wallet-2"):
            vault.add_wallet_for_test(name)
        vault.add_wallet_for_test("main-1", network="mainnet")
        settings = Settings.from_environment(given)
        return Drover(create_app(settings, nomad=nomad, vault=vault, store=store), nomad, vault, store)

    return make


@pytest.fixture
def drover(make_drover):
    return make_drover()


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture
def get_csrf():
    return csrf_of
