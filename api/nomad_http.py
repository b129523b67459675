"""Nomad over httpx: lists, logs, the login, and the event stream. Serves `nomad_client` alone."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx

from api.errors import NomadRefusedError, NomadUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from api.credentials import Credentials

__all__ = ["NAMESPACE", "TIMEOUT", "NomadHttp", "refusal"]

NAMESPACE = "bots"
TIMEOUT = 10
"""Seconds for any answer but a stream's."""
_HEARTBEATS_MISSED = 45
"""Seconds of silence after which an event stream is dead: Nomad sends `{}` every 10 to 30 s."""
_AWAY = re.compile(
    r"No cluster leader|No path to region|Server error authenticating request|rpc error|no servers",
    re.IGNORECASE,
)
"""What an agent answers, by HTTP 500, while it reaches no server or the servers have no leader."""
_TOPICS = ["Job", "Allocation", "Evaluation"]


class NomadHttp:
    """Requests with the task's own identity, bound to the namespace `bots`."""

    def __init__(
        self, address: str, socket: str | None, credentials: Credentials, *, verify: str | bool
    ) -> None:
        self._credentials = credentials
        self._http = httpx.AsyncClient(
            base_url="http://nomad" if socket else address,
            transport=httpx.AsyncHTTPTransport(uds=socket, verify=verify),
            timeout=httpx.Timeout(TIMEOUT),
        )

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    @asynccontextmanager
    async def events(self, index: int) -> AsyncIterator[AsyncIterator[list[dict[str, Any]]]]:
        """Subscribe to the namespace's events from `index` on; each item is one batch, `[]` a heartbeat.

        Nomad 1.11.2 answers `HTTP/0.0 200`, which httpx reads. The first `{}` comes at once and proves the
        subscription; an empty 200, or silence, means that Nomad refused it.
        """
        query: dict[str, str | int | list[str]] = {"namespace": NAMESPACE, "index": index, "topic": _TOPICS}
        timeout = httpx.Timeout(TIMEOUT, read=_HEARTBEATS_MISSED)
        request = self._http.stream(
            "GET", "/v1/event/stream", params=query, headers=self._headers(), timeout=timeout
        )
        try:
            async with AsyncExitStack() as stack:
                async with asyncio.timeout(TIMEOUT):
                    response = await stack.enter_async_context(request)
                    if not response.is_success:
                        raise refusal("stream events", response)
                    lines = response.aiter_lines()
                    first = await anext(lines, None)
                if first is None:
                    raise NomadRefusedError("stream events", "an empty answer", response.status_code)
                yield _batches(first, lines)
        except (httpx.HTTPError, TimeoutError) as error:
            raise NomadUnavailableError from error

    async def listing(self, path: str, **query: str) -> tuple[list[dict[str, Any]], int]:
        """Return what Nomad lists of the namespace, and at which Raft index."""
        answer = await self.send("GET", path, f"list {path}", params={"namespace": NAMESPACE, **query})
        return answer.json() or [], int(answer.headers["X-Nomad-Index"])

    async def send(self, method: str, path: str, what: str, **options: Any) -> httpx.Response:
        """Send one request; `what` says what it is for, should Nomad refuse."""
        try:
            response = await self._http.request(method, path, headers=self._headers(), **options)
        except httpx.HTTPError as error:
            raise NomadUnavailableError from error
        if not response.is_success:
            raise refusal(what, response)
        return response

    def _headers(self) -> dict[str, str]:
        return {"X-Nomad-Token": self._credentials.nomad_token().reveal()}


def refusal(what: str, answer: Any) -> NomadRefusedError | NomadUnavailableError:
    """Turn an answer of httpx or requests, or the lack of one, into the error to raise."""
    status = getattr(answer, "status_code", None)
    if status is None:
        return NomadUnavailableError()
    streamed = isinstance(answer, httpx.Response) and not answer.is_closed
    said = f"HTTP {status}" if streamed else answer.text
    if status == 429 or _AWAY.search(said):  # noqa: PLR2004 - Too Many Requests
        return NomadUnavailableError()
    return NomadRefusedError(what, said.strip(), status)


async def _batches(first: str, lines: AsyncIterator[str]) -> AsyncIterator[list[dict[str, Any]]]:
    yield json.loads(first).get("Events") or []
    async for line in lines:
        yield json.loads(line).get("Events") or []
