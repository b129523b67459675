"""The page: choose, start, stop, look. Works without JavaScript; the same words as the API's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from starlette.responses import HTMLResponse, Response  # noqa: TC002 - FastAPI reads the annotations

from api.access import actor_of
from api.errors import CsrfError, DroverError, VaultUnavailableError
from api.models import BotId, BotType
from api.sign_in_pages import Given, Signed, Token, Word, redirect
from api.templating import page

if TYPE_CHECKING:
    from api.audit import Actor
    from api.services import Services
    from api.sign_in import Session

__all__ = ["error_page", "router"]

router = APIRouter(include_in_schema=False)


def _actor(request: Request, given: Services, session: Session, token: str) -> Actor:
    if session.user is None or not given.sessions.csrf_matches(session, token):
        raise CsrfError
    return actor_of(request, session.user)


@dataclass
class _Said:
    """What the last form said and what was wrong with it."""

    chosen: dict[str, str] = field(default_factory=dict)
    error: DroverError | None = None
    bot: str | None = None
    """The bot whose card shows the error; None for the form's."""


async def _fleet_page(request: Request, given: Services, session: Session, said: _Said) -> HTMLResponse:
    notice, wallets = "", []
    try:
        wallets = await given.catalog.wallets()
    except VaultUnavailableError as error:
        notice = str(error)
    return page(
        request,
        "fleet.html",
        said.error.status if said.error else 200,
        user=session.user,
        wallets=wallets,
        markets=list(given.catalog.markets.values()),
        types=list(BotType),
        networks=given.catalog.networks(),
        notice=notice,
        **_cards(given, session, said),
    )


def _cards(given: Services, session: Session, said: _Said | None = None) -> dict[str, Any]:
    return {
        "bots": given.roster.bots(),
        "fresh": given.board.connected,
        "loaded": given.board.loaded,
        "csrf": given.sessions.csrf(session),
        "markets_by_name": given.catalog.markets,
        "said": said or _Said(),
    }


@router.get("/")
async def fleet(request: Request, given: Given, session: Signed) -> HTMLResponse:
    return await _fleet_page(request, given, session, _Said())


@router.get("/cards")
async def cards(request: Request, given: Given, session: Signed) -> HTMLResponse:
    return page(request, "_cards.html", **_cards(given, session))


@router.post("/bots")
async def start_new(  # noqa: PLR0913, PLR0917 - FastAPI passes the form's fields by name
    request: Request,
    given: Given,
    session: Signed,
    csrf: Token = "",
    wallet: Word = "",
    market: Word = "",
    type: Word = "",  # noqa: A002 - the field's name, as in the API
    network: Word = "",
    confirm_mainnet: Word = "",
) -> Response:
    chosen = {"wallet": wallet, "market": market, "type": type, "network": network}
    try:
        actor = _actor(request, given, session, csrf)
        bot = await given.fleet.create(
            actor,
            wallet=wallet,
            market=market,
            kind=type,
            network=network or None,
            confirmed=confirm_mainnet == "true",
        )
    except DroverError as error:
        return await _fleet_page(request, given, session, _Said(chosen, error))
    return redirect(f"/#{bot.id}")


@router.post("/bots/{bot_id}/{verb}")
async def act(  # noqa: PLR0913, PLR0917 - FastAPI passes the form's fields by name
    request: Request,
    given: Given,
    session: Signed,
    bot_id: str,
    verb: Literal["start", "stop", "restart", "delete"],
    csrf: Token = "",
    confirm_mainnet: Word = "",
) -> Response:
    try:
        actor = _actor(request, given, session, csrf)
        bot = BotId.parse(bot_id)
        match verb:
            case "start":
                await given.fleet.start(actor, bot, confirmed=confirm_mainnet == "true")
            case "stop":
                await given.fleet.stop(actor, bot)
            case "restart":
                await given.fleet.restart(actor, bot)
            case "delete":
                await given.fleet.delete(actor, bot)
    except DroverError as error:
        return await _fleet_page(request, given, session, _Said(error=error, bot=bot_id))
    return redirect("/" if verb == "delete" else f"/#{bot}")


@router.get("/bots/{bot_id}/logs")
async def logs(  # noqa: PLR0913, PLR0917 - FastAPI passes the query by name
    request: Request,
    given: Given,
    session: Signed,
    bot_id: str,
    stream: Literal["stdout", "stderr"] = "stdout",
    tail: Annotated[int, Query(ge=1, le=2000)] = 200,
) -> HTMLResponse:
    bot, error, text = given.roster.bot(BotId.parse(bot_id)), None, ""
    try:
        text = await given.fleet.logs(bot.id, stream, tail)
    except DroverError as refused:
        error = refused
    status = error.status if error else 200
    csrf = given.sessions.csrf(session)
    return page(
        request,
        "logs.html",
        status,
        user=session.user,
        bot=bot,
        text=text,
        error=error,
        stream=stream,
        tail=tail,
        csrf=csrf,
    )


def error_page(request: Request, error: DroverError) -> HTMLResponse:
    """Show an error that has no form or card to stand beside."""
    return page(request, "error.html", error.status, error=error)
