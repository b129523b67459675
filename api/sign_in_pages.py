"""Signing in and out on the page, and what every page asks of a request: a session and a CSRF token."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, Depends, Form, Request
from starlette.responses import RedirectResponse, Response

from api.access import COOKIE, signed_in_session
from api.credentials import Secret
from api.errors import CsrfError, DroverError
from api.services import Services, services
from api.sign_in import SESSION_SECONDS, Session
from api.store import AuditEntry
from api.templating import page

__all__ = ["Given", "Signed", "Token", "Word", "redirect", "router", "sign_in_page"]

router = APIRouter(include_in_schema=False)
Given = Annotated[Services, Depends(services)]
Token = Annotated[str, Form(max_length=200)]
Word = Annotated[str, Form(max_length=80)]


Signed = Annotated[Session, Depends(signed_in_session)]


@router.get("/signin")
async def sign_in_form(request: Request, given: Given) -> Response:
    return sign_in_page(request, given)


def sign_in_page(
    request: Request, given: Services, error: DroverError | None = None, username: str = ""
) -> Response:
    """Show the form, with a session of its own: its CSRF token keeps others from signing a browser in."""
    session, cookie = given.sessions.read(request.cookies.get(COOKIE)), ""
    if session is None:
        session, cookie = given.sessions.issue(None)
    response = page(
        request,
        "signin.html",
        error.status if error else 200,
        csrf=given.sessions.csrf(session),
        error=error,
        username=username,
    )
    return _with_cookie(request, response, cookie) if cookie else response


@router.post("/signin")
async def sign_in(
    request: Request,
    given: Given,
    csrf: Token = "",
    username: Word = "",
    password: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    session = given.sessions.read(request.cookies.get(COOKIE))
    address = request.client.host if request.client else "unknown"
    try:
        if session is None or not given.sessions.csrf_matches(session, csrf):
            raise CsrfError
        user = await given.passwords.check(username, Secret(password))
    except DroverError as error:
        await given.fleet.audit.write(AuditEntry(username, address, "sign_in", None, {}, error.code))
        return sign_in_page(request, given, error, username)
    await given.fleet.audit.write(AuditEntry(user, address, "sign_in", None, {}, "ok"))
    _, cookie = given.sessions.issue(user)
    return _with_cookie(request, redirect("/"), cookie)


@router.post("/signout")
async def sign_out(given: Given, session: Signed, csrf: Token = "") -> Response:
    if not given.sessions.csrf_matches(session, csrf):
        raise CsrfError
    given.sessions.end(session)
    response = redirect("/signin")
    response.delete_cookie(COOKIE)
    return response


def redirect(path: str) -> RedirectResponse:
    """Send the browser on after a form: reloading does not send it again."""
    return RedirectResponse(quote(path, safe="/#"), 303)


def _with_cookie(request: Request, response: Response, cookie: str) -> Response:
    response.set_cookie(
        COOKIE,
        cookie,
        max_age=SESSION_SECONDS,
        httponly=True,
        samesite="lax",
        secure=request.url.scheme == "https",
    )
    return response
