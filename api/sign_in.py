"""Who is asking: passwords checked by Vault, session cookies and CSRF tokens signed by the session key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from itsdangerous import BadData, URLSafeTimedSerializer

from api.errors import VaultUnavailableError, WrongCredentialsError
from api.patience import within
from api.vault_client import USERNAME

if TYPE_CHECKING:
    from api.credentials import Credentials, Secret
    from api.vault_client import VaultClient

__all__ = ["SESSION_SECONDS", "PasswordCheck", "Session", "Sessions"]

SESSION_SECONDS = 12 * 3600
_CACHED_SECONDS = 60.0
_CACHED_MOST = 256
_ASKING_SECONDS = 1.0
"""How long a page waits for Vault's word on its user: a Vault that is away must not keep Stop waiting."""


class PasswordCheck:
    """Checks a password with Vault, and remembers a right one for a minute: a hash costs Vault 73 ms."""

    def __init__(self, vault: VaultClient) -> None:
        self._vault = vault
        self._salt = secrets.token_bytes(32)
        self._verified: dict[str, tuple[bytes, float]] = {}
        self._known: dict[str, tuple[bool, float]] = {}

    async def check(self, username: str, password: Secret) -> str:
        """Return the user's name in Vault's spelling.

        Raises:
            WrongCredentialsError: Vault refuses.
            VaultUnavailableError: Vault cannot be asked, and the password is not remembered.
        """
        user = username.lower()
        if not USERNAME.fullmatch(user):
            raise WrongCredentialsError
        digest = hmac.digest(self._salt, f"{user}\0{password.reveal()}".encode(), "sha256")
        known, until = self._verified.get(user, (b"", 0.0))
        if until > time.monotonic() and hmac.compare_digest(known, digest):
            return user
        await self._vault.check_password(user, password)
        if len(self._verified) >= _CACHED_MOST:
            self._verified.clear()
        self._verified[user] = (digest, time.monotonic() + _CACHED_SECONDS)
        self._known.pop(user, None)
        return user

    async def still_a_user(self, user: str) -> bool:
        """Tell whether a signed-in user has not been removed since; asked of Vault once a minute.

        While Vault cannot be asked a session stays good: who signed in must be able to stop bots.
        """
        known, until = self._known.get(user, (True, 0.0))
        if until > time.monotonic():
            return known
        try:
            known = await within(_ASKING_SECONDS, self._vault.has_user(user))
        except (VaultUnavailableError, TimeoutError):
            known = True
        if len(self._known) >= _CACHED_MOST:
            self._known.clear()
        self._known[user] = (known, time.monotonic() + _CACHED_SECONDS)
        return known


@dataclass(frozen=True)
class Session:
    """What a session cookie says: a user, or nobody yet (the sign-in form has a session too)."""

    user: str | None
    nonce: str


class Sessions:
    """Reads and writes session cookies. The key is read anew each time: replacing it ends all sessions."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials
        self._ended: dict[str, float] = {}
        """Nonces of sessions that were signed out, until their cookies are too old by themselves."""

    def issue(self, user: str | None) -> tuple[Session, str]:
        """Return a new session and its cookie's value."""
        session = Session(user, secrets.token_urlsafe(16))
        return session, self._serializer().dumps([user, session.nonce])

    def read(self, cookie: str | None) -> Session | None:
        """Return the session of a cookie; None when it is missing, forged or older than 12 hours."""
        if not cookie:
            return None
        try:
            user, nonce = self._serializer().loads(cookie, max_age=SESSION_SECONDS)
        except (BadData, ValueError, TypeError):
            return None
        return None if nonce in self._ended else Session(user, nonce)

    def end(self, session: Session) -> None:
        """End a session for good: a copy of its cookie is worth nothing from now on."""
        now = time.monotonic()
        self._ended = {nonce: until for nonce, until in self._ended.items() if until > now}
        self._ended[session.nonce] = now + SESSION_SECONDS

    def csrf(self, session: Session) -> str:
        """Return the token that each form of this session carries."""
        key = self._credentials.session_key().reveal().encode()
        return hmac.new(key, f"csrf:{session.nonce}".encode(), "sha256").hexdigest()

    def csrf_matches(self, session: Session, token: str) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.csrf(session).encode(), token.encode("utf-8", "replace"))

    def _serializer(self) -> URLSafeTimedSerializer:
        return URLSafeTimedSerializer(
            self._credentials.session_key().reveal(),
            salt="drover-session",
            signer_kwargs={"key_derivation": "hmac", "digest_method": hashlib.sha256},
        )
