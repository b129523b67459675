"""The port on which Prometheus and Nomad's check ask: `/metrics` and `/healthz`, nothing else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from bots.errors import SettingsError
from bots.metrics import CONTENT_TYPE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bots.health import Health
    from bots.metrics import Metrics

__all__ = ["serve"]

_PATIENCE_SECONDS = 1.0
"""A scraper that hangs must not hold up a stop."""


async def serve(
    host: str, port: int, metrics: Metrics, health: Callable[[], Health]
) -> Callable[[], Awaitable[None]]:
    """Listen until the returned function is called and awaited.

    `/healthz` is 200 or 503, with `{"healthy": bool, "reason": str}`.

    Raises:
        SettingsError: nothing can listen there.
    """

    async def page(_: web.Request) -> web.Response:
        return web.Response(body=metrics.page(), headers={"Content-Type": CONTENT_TYPE})

    async def healthz(_: web.Request) -> web.Response:
        verdict = health()
        return web.json_response(verdict._asdict(), status=200 if verdict.healthy else 503)

    app = web.Application()
    app.add_routes([web.get("/metrics", page), web.get("/healthz", healthz)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=_PATIENCE_SECONDS)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except (OSError, OverflowError) as error:
        await runner.cleanup()
        raise SettingsError(
            f"METRICS_LISTEN is {host}:{port}, where nothing can listen ({type(error).__name__}: {error}); "
            "choose an address of this machine and a free port."
        ) from error
    return runner.cleanup
