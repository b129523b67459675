"""The reference price goes on being asked for, whatever comes back."""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal

from aiohttp import web

from bots.logs import EventLog
from bots.reference import PaperSource, Reference
from tests.paper import free_port, run


def test_no_answer_whatever_ends_the_asking(monkeypatch):
    answers = [{"prices": {"m": "NaN"}}, {"prices": {"m": "-1"}}, ["?"], {"prices": {"m": "12.5"}}]

    async def price(_request):
        return web.json_response(answers.pop(0) if len(answers) > 1 else answers[0])

    async def scenario():
        app, port = web.Application(), free_port()
        app.add_routes([web.get("/reference.json", price)])
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        reference = Reference(
            PaperSource(f"http://127.0.0.1:{port}", "m"), EventLog(logging.getLogger("reference")), 5
        )
        reference.start()
        try:
            async with asyncio.timeout(5):
                while reference.age is None:  # noqa: ASYNC110 - the reference has no event for a price
                    await asyncio.sleep(0.01)
            assert reference.price == Decimal("12.5")
        finally:
            await reference.close()
            await runner.cleanup()

    monkeypatch.setattr("bots.reference._POLL_SECONDS", 0.02)
    run(scenario())
