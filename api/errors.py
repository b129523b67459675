"""Refusals: one class each, with a stable code, an HTTP status, and a sentence that says what to do.

Here are the base, and what is wrong with the control plane, its engines or the sign-in. What is wrong with a
choice stands in `errors_choice`, what cannot be done with a bot now in `errors_bot`.
"""

from __future__ import annotations

__all__ = [
    "CsrfError",
    "DroverError",
    "MarketsFileError",
    "NomadRefusedError",
    "NomadUnavailableError",
    "NotSignedInError",
    "RenderError",
    "SettingsError",
    "StoreUnavailableError",
    "VaultUnavailableError",
    "WrongCredentialsError",
    "quoted",
]

_SHOWN = 80


def quoted(text: object) -> str:
    """Return text from outside for use in a sentence: cut, in quotes, control characters escaped."""
    return ascii(str(text)[:_SHOWN])


class DroverError(Exception):
    """A refusal that a person reads. Subclasses set the code and the status."""

    code = "internal_error"
    status = 500
    title = "Something went wrong"
    field: str | None = None
    """The field of the request that is wrong; the page shows the sentence beside it."""


class RenderError(DroverError):
    """A value cannot stand in a job specification."""

    code = "unrenderable_value"
    status = 422
    title = "Value cannot be used in a job"


class SettingsError(DroverError):
    """The environment does not describe a control plane that could run."""

    code = "bad_settings"
    title = "Bad settings"


class MarketsFileError(DroverError):
    """config/markets_config.json is missing or wrong."""

    code = "bad_markets_file"
    title = "Bad markets file"


class NotSignedInError(DroverError):
    """No sign-in with the request."""

    code = "not_signed_in"
    status = 401
    title = "Not signed in"

    def __init__(self) -> None:
        super().__init__(
            "You are not signed in; send a user name and password (HTTP Basic), or sign in on the page."
        )


class WrongCredentialsError(DroverError):
    """Vault did not accept user name and password."""

    code = "wrong_credentials"
    status = 401
    title = "Wrong user name or password"

    def __init__(self) -> None:
        super().__init__(
            "User name or password is wrong; after five wrong tries Vault locks the user for a while."
        )


class CsrfError(DroverError):
    """A change that another site may have sent."""

    code = "csrf_failed"
    status = 403
    title = "Request did not come from this page"

    def __init__(self) -> None:
        super().__init__(
            "The request does not come from this page as you last loaded it; reload the page, try again."
        )


class NomadUnavailableError(DroverError):
    """Nomad does not answer."""

    code = "nomad_unavailable"
    status = 503
    title = "Nomad does not answer"

    def __init__(self) -> None:
        super().__init__(
            "Nomad does not answer, so nothing can be started or stopped; look again in a moment."
        )


class NomadRefusedError(DroverError):
    """Nomad answered with a refusal."""

    code = "nomad_refused"
    status = 502
    title = "Nomad refused"

    def __init__(self, what: str, said: str, http_status: int = 0) -> None:
        super().__init__(
            f"Nomad refused to {what}: {quoted(said)}; an operator can look at Drover's rights in Nomad."
        )
        self.http_status = http_status
        """What Nomad answered; 0 when unknown."""


class VaultUnavailableError(DroverError):
    """Vault does not answer, is sealed, or refuses the control plane."""

    code = "vault_unavailable"
    status = 503
    title = "Vault does not answer"

    def __init__(self, why: str = "does not answer") -> None:
        super().__init__(
            f"Vault {why}, so wallets and sign-in cannot be checked; an operator can look with: vault status."
        )


class StoreUnavailableError(DroverError):
    """Postgres does not answer."""

    code = "database_unavailable"
    status = 503
    title = "Database does not answer"

    def __init__(self) -> None:
        super().__init__(
            "The database does not answer, so nothing can be started or changed; Stop still works."
        )
