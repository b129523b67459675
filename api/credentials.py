"""Secrets in files that Nomad writes: read on each use, so that a renewed one is noticed; never printed."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from api.errors import SettingsError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Credentials", "DatabaseLogin", "Secret"]


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A value that reaches no log, traceback or page by accident; `reveal()` is the one way to it."""

    _value: str

    def reveal(self) -> str:
        """Return the value, to be passed on at once."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(…)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)


@dataclass(frozen=True)
class DatabaseLogin:
    """Where Postgres is and who signs in."""

    host: str
    port: int
    database: str
    username: str
    password: Secret


@dataclass(frozen=True)
class Credentials:
    """The task's secrets folder (`/secrets` in the container)."""

    folder: Path

    def nomad_token(self) -> Secret:
        """The task's workload identity; Nomad renews the file. `NOMAD_TOKEN` serves where there is none."""
        token = self._optional("nomad_token") or os.environ.get("NOMAD_TOKEN", "")
        if not token:
            raise SettingsError(
                f"There is neither {self.folder}/nomad_token nor NOMAD_TOKEN; run the API as a Nomad job."
            )
        return Secret(token)

    def nomad_login(self) -> Secret | None:
        """The identity that may be exchanged at `/v1/acl/login`; None where Nomad gives none."""
        text = self._optional("nomad_login.jwt")
        return Secret(text) if text else None

    def vault_token(self) -> Secret:
        """The task's Vault token; Nomad renews it and rewrites the file."""
        return Secret(self._required("vault_token"))

    def session_key(self) -> Secret:
        """The key that signs session cookies."""
        key = self._required("session_key")
        if len(key) < 32:  # noqa: PLR2004 - 32 characters: 128 bits in hex, the least that resists guessing
            raise SettingsError(
                f"{self.folder}/session_key is shorter than 32 characters; write a random one."
            )
        return Secret(key)

    def database(self, who: str) -> DatabaseLogin:
        """Read `db-<who>.json`: `{host, port, database, username, password}`.

        Raises:
            SettingsError: the file is missing or says something else.
        """
        try:
            text = json.loads(self._required(f"db-{who}.json"))
            return DatabaseLogin(
                host=str(text["host"]),
                port=int(text["port"]),
                database=str(text["database"]),
                username=str(text["username"]),
                password=Secret(str(text["password"])),
            )
        except (KeyError, TypeError, ValueError):
            # the cause is dropped: a JSON error quotes the document, and that holds the password
            raise SettingsError(
                f"{self.folder}/db-{who}.json must hold {{host, port, database, username, password}}."
            ) from None

    def _optional(self, name: str) -> str:
        try:
            return (self.folder / name).read_text(encoding="utf-8").strip()
        except FileNotFoundError:
            return ""
        except (OSError, UnicodeDecodeError):
            raise SettingsError(
                f"{self.folder}/{name} cannot be read; give it to the user that runs the API."
            ) from None

    def _required(self, name: str) -> str:
        text = self._optional(name)
        if not text:
            raise SettingsError(
                f"{self.folder}/{name} is missing or empty; Nomad's templates write it for the API's task."
            )
        return text
