"""Around every request: size limit, cross-site refusal, security headers, log line, metrics, last resort."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from prometheus_client import Counter, Histogram
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException

from api.access import came_from_elsewhere
from api.errors import CsrfError, DroverError
from api.problems import of_http_status, problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["CSP", "Perimeter"]

log = logging.getLogger("api.request")

CSP = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}
_BODY_LIMIT = 64 * 1024

REQUESTS = Counter("drover_requests_total", "HTTP requests.", ["method", "route", "status"])
SECONDS = Histogram("drover_request_seconds", "Time to answer an HTTP request.", ["route"])


class Perimeter:
    """The outermost ASGI layer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, receive, send)
        try:
            exchange.refuse_early()
            await self._app(scope, exchange.receive, exchange.send)
        except DroverError as error:
            await exchange.answer(error)
        except HTTPException as error:
            await exchange.answer(of_http_status(error.status_code, str(error.detail)))
        except Exception:
            log.exception("request broke", extra={"path": scope["path"]})
            await exchange.answer(DroverError("This is a fault of Drover; its log says more."))
        finally:
            exchange.note()


class _Exchange:
    """One request and its response."""

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._scope, self._receive, self._send = scope, receive, send
        self._headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        self._began = time.perf_counter()
        self._status = 0
        self._received = 0

    def refuse_early(self) -> None:
        """Refuse what no handler should see."""
        if came_from_elsewhere(self._scope["method"], self._headers):
            raise CsrfError
        length = self._headers.get("content-length", "0")
        self._limit(int(length) if length.isdecimal() else 0)

    def _limit(self, size: int) -> None:
        if size > _BODY_LIMIT:
            raise HTTPException(413)  # of this class FastAPI lets through what is raised while it reads

    async def receive(self) -> Message:
        message = await self._receive()
        self._received += len(message.get("body", b""))
        self._limit(self._received)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            if not self._scope["path"].startswith("/static/"):
                headers.setdefault("Cache-Control", "no-store")
        await self._send(message)

    async def answer(self, error: DroverError) -> None:
        """Tell the error, unless the response has begun."""
        if not self._status:
            await problem(error, self._scope["path"])(self._scope, self._receive, self.send)

    def note(self) -> None:
        """Count the request and log it. The route, not the path, labels the metric: paths are without end."""
        seconds = time.perf_counter() - self._began
        route = getattr(self._scope.get("route"), "path", "none")
        REQUESTS.labels(self._scope["method"][:10], route, str(self._status)).inc()
        SECONDS.labels(route).observe(seconds)
        fields = {
            "method": self._scope["method"],
            "path": self._scope["path"][:200],
            "status": self._status,
            "ms": round(seconds * 1000, 1),
            "who": self._scope.get("drover.user"),
            "from_addr": (self._scope.get("client") or ["unknown"])[0],
        }
        quiet = route in {"/healthz", "/readyz", "/metrics", "/cards"} or route.startswith("/static")
        log.log(logging.DEBUG if quiet else logging.INFO, "request", extra=fields)
