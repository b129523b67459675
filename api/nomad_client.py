"""The one way to Nomad: python-nomad here for plain calls, `nomad_http` for lists, events and logs.

Every call is bound to the namespace `bots`. Ids are `BotId`s or checked UUIDs, so no path can be reached
but those written here. The task's workload identity is read anew for each call: Nomad renews it.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import nomad
import requests
import requests_unixsocket
from nomad.api.exceptions import BaseNomadException, URLNotFoundNomadException

from api.credentials import Secret
from api.errors import NomadRefusedError
from api.nomad_http import NAMESPACE, TIMEOUT, NomadHttp, refusal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from api.credentials import Credentials
    from api.models import BotId

__all__ = ["NAMESPACE", "NomadClient", "Snapshot"]

LOGIN_METHOD = "drover-workloads"
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_THREADS = 8
_LOGIN_LASTS = 10 * 60
"""Seconds for which an exchanged token is used; Nomad's lasts 15 minutes."""


@dataclass(frozen=True)
class Snapshot:
    """All that the board needs of the namespace, as Nomad's list stubs."""

    jobs: list[dict[str, Any]]
    allocations: list[dict[str, Any]]
    evaluations: list[dict[str, Any]]
    index: int
    """The oldest of the three lists' Raft indexes: streaming from it misses nothing."""


class NomadClient:
    """Nomad, as far as the control plane needs it.

    Every method may raise NomadUnavailableError or NomadRefusedError.
    """

    def __init__(self, address: str, credentials: Credentials, ca: Path | None = None) -> None:
        self._credentials = credentials
        self._verify: str | bool = str(ca) if ca else True
        socket = address.removeprefix("unix://") if address.startswith("unix://") else None
        self._address = f"http+unix://{quote(socket, safe='')}" if socket else address
        self._session = requests_unixsocket.Session() if socket else requests.Session()
        self._session.trust_env = False
        self._http = NomadHttp(address, socket, credentials, verify=self._verify)
        self._login: tuple[float, Secret] | None = None
        # Threads of its own: a Vault that hangs must not keep a Stop waiting for one.
        self._threads = ThreadPoolExecutor(_THREADS, "nomad")

    async def aclose(self) -> None:
        """Close all connections."""
        await self._http.aclose()
        self._session.close()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # -- plain calls: python-nomad in a worker thread

    async def read_job(self, bot: BotId) -> dict[str, Any] | None:
        """Return the job, or None when Nomad has none."""
        job: dict[str, Any] | None = await self._plain(
            "read a job", lambda api: api.job.get_job(_path(bot)), missing=None
        )
        return job

    async def allocations_of(self, bot: BotId) -> list[dict[str, Any]]:
        """Return stubs of the job's allocations; empty when there is no such job."""
        stubs: list[dict[str, Any]] = await self._plain(
            "list allocations", lambda api: api.job.get_allocations(_path(bot)), missing=[]
        )
        return stubs

    async def parse(self, hcl: str) -> dict[str, Any]:
        """Return the job that the HCL says, as Nomad's own parser reads it."""
        job: dict[str, Any] = await self._plain(
            "parse the job", lambda api: api.jobs.parse(hcl, canonicalize=True)
        )
        return job

    async def register(self, job: dict[str, Any], hcl: str) -> int:
        """Register the job with its source, so that Nomad's UI shows it; return its JobModifyIndex."""
        body = {"Job": job, "Submission": {"Source": hcl, "Format": "hcl2"}}
        answer = await self._plain("register the job", lambda api: api.jobs.register_job(body))
        return int(answer["JobModifyIndex"])

    async def deregister(self, bot: BotId) -> int:
        """Stop the job, keeping its history; return its JobModifyIndex."""
        answer = await self._plain(
            "stop the job", lambda api: api.job.deregister_job(_path(bot), purge=False)
        )
        return int(answer["JobModifyIndex"])

    async def stop_allocation(self, allocation: str) -> None:
        """Stop one allocation; Nomad places its replacement when the old process has gone."""
        await self._plain("stop an allocation", lambda api: api.allocation.stop_allocation(_uuid(allocation)))

    async def evaluate(self, bot: BotId) -> None:
        """Let the scheduler look at the job again; it places what is missing and touches nothing else."""
        await self._plain("evaluate the job", lambda api: api.job.evaluate_job(_path(bot)))

    async def plan(self, bot: BotId, job: dict[str, Any]) -> dict[str, Any]:
        """Ask the scheduler what registering would do, with a diff. Nothing is submitted.

        Nomad answers a plan with a workload identity by HTTP 500 (1.11.2), so this one call uses a
        short token that the login identity is exchanged for.
        """
        token = await self._plan_token()
        answer: dict[str, Any] = await self._plain(
            "plan the job", lambda api: api.job.plan_job(_path(bot), {"Job": job}, diff=True), token=token
        )
        return answer

    async def _plan_token(self) -> Secret:
        identity = self._credentials.nomad_login()
        if identity is None:
            return self._credentials.nomad_token()
        if self._login and self._login[0] > time.monotonic():
            return self._login[1]
        body = {"AuthMethodName": LOGIN_METHOD, "LoginToken": identity.reveal()}
        answer = await self._http.send(
            "POST", "/v1/acl/login", "exchange the login identity", content=json.dumps(body)
        )
        token = Secret(answer.json()["SecretID"])
        self._login = (time.monotonic() + _LOGIN_LASTS, token)
        return token

    async def _plain(
        self, what: str, call: Callable[[Any], Any], *, missing: Any = ..., token: Secret | None = None
    ) -> Any:
        """Run one python-nomad call in a thread; its exceptions end here."""
        secret = token or self._credentials.nomad_token()
        client = nomad.Nomad(
            address=self._address,
            namespace=NAMESPACE,
            token=secret.reveal(),
            timeout=TIMEOUT,
            verify=self._verify,
            session=self._session,
        )
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call, client)
        except URLNotFoundNomadException as error:
            if missing is ...:
                raise refusal(what, error.nomad_resp) from None
            return missing
        except BaseNomadException as error:
            raise refusal(what, error.nomad_resp) from None

    # -- what python-nomad lacks

    async def ping(self) -> None:
        """Ask for a sign of life of the servers: an agent that lost them keeps its streams open."""
        await self._http.listing("/v1/jobs", per_page="1")

    async def snapshot(self) -> Snapshot:
        """List jobs, allocations and evaluations of the namespace."""
        lists = await asyncio.gather(
            self._http.listing("/v1/jobs", meta="true"),
            self._http.listing("/v1/allocations", task_states="true"),
            self._http.listing("/v1/evaluations"),
        )
        return Snapshot(lists[0][0], lists[1][0], lists[2][0], min(index for _, index in lists))

    def events(self, index: int) -> AbstractAsyncContextManager[AsyncIterator[list[dict[str, Any]]]]:
        """Subscribe to the namespace's events from `index` on; each item is one batch, `[]` a heartbeat."""
        return self._http.events(index)

    async def log_tail(self, allocation: str, stream: str, size: int) -> str | None:
        """Return the last `size` bytes of `stdout` or `stderr`; None when there is no such log."""
        tail = {"type": stream, "plain": "true", "origin": "end", "offset": size}
        query = {"namespace": NAMESPACE, "task": "bot", **tail}
        path = f"/v1/client/fs/logs/{_uuid(allocation)}"
        try:
            answer = await self._http.send(
                "GET", path, "read the log", params={"namespace": NAMESPACE, **query}
            )
        except NomadRefusedError as error:
            if error.http_status in {400, 404, 500}:  # a collected allocation, or nothing written yet
                return None
            raise
        return answer.content.decode("utf-8", "replace")


def _path(bot: BotId) -> str:
    return quote(str(bot), safe="")


def _uuid(text: str) -> str:
    if not _UUID.fullmatch(text):
        raise NomadRefusedError("find the allocation", "not an allocation id", 404)
    return text
