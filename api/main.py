"""create_app(): wiring only."""

from __future__ import annotations

import asyncio
import logging
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import RedirectResponse, Response
from starlette.staticfiles import StaticFiles

from api import health, pages, rest, sign_in_pages
from api.audit import Audit
from api.choice import Catalog
from api.credentials import Credentials
from api.errors import DroverError, NotSignedInError
from api.fleet import Fleet
from api.markets import load_markets
from api.middleware import Perimeter
from api.nomad_client import NomadClient
from api.problems import PROBLEM_SCHEMA, of_http_status, of_validation, problem
from api.roster import Roster
from api.services import Services
from api.sign_in import PasswordCheck, Sessions
from api.status import StatusBoard
from api.store import Store
from api.templating import PAGES
from api.vault_client import VaultClient
from api.watcher import Watcher

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from api.settings import Settings

__all__ = ["create_app"]

log = logging.getLogger(__name__)
_DEFINITIONS_SECONDS = 5.0


def create_app(
    settings: Settings,
    *,
    nomad: NomadClient | None = None,
    vault: VaultClient | None = None,
    store: Store | None = None,
) -> FastAPI:
    """Return the application; tests pass their own clients."""
    credentials = Credentials(settings.secrets_dir)
    nomad = nomad or NomadClient(settings.nomad_addr, credentials, settings.nomad_ca)
    vault = vault or VaultClient(settings.vault_addr, credentials, settings.vault_ca)
    store = store or Store(credentials.database("api"))
    board = StatusBoard()
    roster = Roster(board, store)
    catalog = Catalog(load_markets(settings.markets_file), vault, allow_mainnet=settings.allow_mainnet)
    fleet = Fleet(nomad, store, roster, catalog, Audit(store), settings.job())
    credentials.session_key()  # a missing key ends the start, not the first sign-in
    app = FastAPI(
        title="Drover",
        summary="A control plane for trading bots",
        lifespan=_lifespan,
        docs_url=None,
        redoc_url=None,
        responses={"4XX": _problem("Refused"), "5XX": _problem("An engine is away, or a fault of Drover")},
    )
    app.state.services = Services(
        nomad=nomad,
        vault=vault,
        store=store,
        board=board,
        roster=roster,
        catalog=catalog,
        fleet=fleet,
        passwords=PasswordCheck(vault),
        sessions=Sessions(credentials),
    )
    app.include_router(rest.router)
    app.include_router(health.router)
    app.include_router(sign_in_pages.router)
    app.include_router(pages.router)
    app.mount("/static", StaticFiles(directory=PAGES / "static"), name="static")
    _handle_errors(app)
    app.add_middleware(Perimeter)
    return app


def _problem(description: str) -> dict[str, Any]:
    return {"description": description, "content": {"application/problem+json": {"schema": PROBLEM_SCHEMA}}}


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Load before serving, as far as the engines answer; keep loading in the background."""
    given: Services = app.state.services
    watcher = Watcher(given.nomad, given.board)
    await given.store.open()
    with suppress(DroverError):
        await given.roster.refresh()
    watcher.start()
    definitions = asyncio.create_task(_keep_definitions(given.roster, given.fleet))
    try:
        yield
    finally:
        definitions.cancel()
        await watcher.aclose()
        await given.store.aclose()
        await given.vault.aclose()
        await given.nomad.aclose()


async def _keep_definitions(roster: Roster, fleet: Fleet) -> None:
    """Follow what other API processes decide, and write what the database missed."""
    while True:
        with suppress(DroverError):
            await roster.refresh()
            await fleet.settle()
            await fleet.audit.pay()
        await asyncio.sleep(_DEFINITIONS_SECONDS)


def _handle_errors(app: FastAPI) -> None:
    @app.exception_handler(DroverError)
    async def refused(request: Request, error: DroverError) -> Response:
        return _tell(request, error)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return _tell(request, of_validation(error.errors()))

    @app.exception_handler(HTTPException)
    async def http(request: Request, error: HTTPException) -> Response:
        return _tell(request, of_http_status(error.status_code, str(error.detail)), dict(error.headers or {}))


def _tell(request: Request, error: DroverError, headers: dict[str, str] | None = None) -> Response:
    """Answer a browser's page with a page, everything else with a problem document."""
    headers = headers or {}
    path, for_page = request.url.path, "text/html" in request.headers.get("accept", "")
    if path.startswith("/api/") or not for_page:
        if path.startswith("/api/") and error.status == 401:  # noqa: PLR2004 - Unauthorized
            headers["WWW-Authenticate"] = 'Basic realm="Drover", charset="UTF-8"'
        return problem(error, path, headers)
    if isinstance(error, NotSignedInError) and request.method == "GET":
        return RedirectResponse("/signin", 303)
    if isinstance(error, NotSignedInError):
        return sign_in_pages.sign_in_page(request, request.app.state.services, error)
    return pages.error_page(request, error)
