"""Who is asking: passwords checked by Vault, session cookies and CSRF tokens signed by the session key."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from itsdangerous import BadData, URLSafeTimedSerializer

from api.errors import WrongCredentialsError
from api.vault_client import USERNAME

if TYPE_CHECKING:
    from api.credentials import Credentials, Secret
    from api.vault_client import VaultClient

__all__ = ["SESSION_SECONDS", "PasswordCheck", "Session", "Sessions"]

SESSION_SECONDS = 12 * 3600
_CACHED_SECONDS = 60.0
_CACHED_MOST = 256


class PasswordCheck:
    """Checks a password with Vault, and remembers a right one for a minute: a hash costs Vault 73 ms."""

    def __init__(self, vault: VaultClient) -> None:
        self._vault = vault
        self._salt = secrets.token_bytes(32)
        self._verified: dict[str, tuple[bytes, float]] = {}

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
        return user


@dataclass(frozen=True)
class Session:
    """What a session cookie says: a user, or nobody yet (the sign-in form has a session too)."""

    user: str | None
    nonce: str


class Sessions:
    """Reads and writes session cookies. The key is read anew each time: replacing it ends all sessions."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

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
        return Session(user, nonce)

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
