"""The admin port: faults on demand over HTTP. It has no credentials, so it is off unless it is asked for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiohttp import web

from bots.paper.errors import FaultError
from bots.paper.faults import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from bots.paper.faults import Faults

__all__ = ["application"]


def application(
    faults: Faults, methods: frozenset[str], drop_connections: Callable[[], None]
) -> web.Application:
    """Return the aiohttp application.

    Args:
        faults: where they are begun and ended.
        methods: names of the RPCs that can be delayed.
        drop_connections: ends every stream.
    """
    pages = _Pages(faults, methods, drop_connections)
    app = web.Application(client_max_size=64 * 1024)
    app.router.add_get("/faults", pages.show)
    app.router.add_post("/faults", pages.begin)
    app.router.add_delete("/faults", pages.end)
    return app


class _Pages:
    def __init__(self, faults: Faults, methods: frozenset[str], drop: Callable[[], None]) -> None:
        self._faults = faults
        self._methods = methods
        self._drop = drop

    async def show(self, _request: web.Request) -> web.Response:
        return web.json_response({"faults": self._faults.plain()})

    async def begin(self, request: web.Request) -> web.Response:
        try:
            asked = parse(json.loads(await request.text()), self._methods)
        except FaultError as error:
            return web.json_response({"error": str(error)}, status=400)
        except ValueError:
            return web.json_response({"error": "The body is no JSON."}, status=400)
        if asked["kind"] == "drop_connections":
            self._drop()
            # Without a time the connections are dropped once, and may come back at once.
            asked = {"seconds": 0, **asked}
        self._faults.add(asked)
        return await self.show(request)

    async def end(self, request: web.Request) -> web.Response:
        self._faults.clear()
        return await self.show(request)
