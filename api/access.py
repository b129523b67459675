"""Who may call: HTTP Basic or the page's session cookie; changes by cookie need the CSRF token too."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

from fastapi import Depends, Request

from api.audit import Actor
from api.credentials import Secret
from api.errors import CsrfError, NotSignedInError, WrongCredentialsError
from api.services import services
from api.sign_in import Session  # noqa: TC001 - FastAPI reads the annotations of a dependency
from api.store import AuditEntry

__all__ = ["COOKIE", "SignedIn", "actor_of", "came_from_elsewhere"]

COOKIE = "drover_session"
_SAFE = {"GET", "HEAD", "OPTIONS"}


async def _signed_in(request: Request) -> Actor:
    """Return who asks.

    Raises:
        NotSignedInError, WrongCredentialsError, CsrfError, VaultUnavailableError
    """
    if basic := request.headers.get("authorization"):
        return await _by_password(request, basic)
    sessions, session = services(request).sessions, await signed_in_session(request)
    token = request.headers.get("x-csrf-token", "")
    if request.method not in _SAFE and not sessions.csrf_matches(session, token):
        raise CsrfError
    return actor_of(request, str(session.user))


async def signed_in_session(request: Request) -> Session:
    """Return the session of a signed-in user.

    Raises:
        NotSignedInError: there is none, it was signed out, or its user was removed.
    """
    given = services(request)
    session = given.sessions.read(request.cookies.get(COOKIE))
    if session is None or session.user is None or not await given.passwords.still_a_user(session.user):
        raise NotSignedInError
    return session


async def _by_password(request: Request, header: str) -> Actor:
    username, password = _basic(header)
    try:
        return actor_of(request, await services(request).passwords.check(username, password))
    except WrongCredentialsError as error:
        address = actor_of(request, username).address
        entry = AuditEntry(username, address, "sign_in", None, {}, error.code)
        await services(request).fleet.audit.write(entry)
        raise


SignedIn = Annotated[Actor, Depends(_signed_in)]


def actor_of(request: Request, user: str) -> Actor:
    """Name the user, for the audit row and the request log."""
    request.scope["drover.user"] = user
    return Actor(user, request.client.host if request.client else "unknown")


def _basic(header: str) -> tuple[str, Secret]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        raise NotSignedInError
    try:
        username, colon, password = base64.b64decode(encoded, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise WrongCredentialsError from None
    if not colon:
        raise WrongCredentialsError
    return username, Secret(password)


def came_from_elsewhere(method: str, headers: dict[str, str]) -> bool:
    """Tell whether a browser sent this change from another site.

    Browsers keep Basic credentials and send them along with cross-site forms, so a token alone is not
    enough. Scripts send neither header.
    """
    if method in _SAFE:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")
