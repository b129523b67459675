"""What the handlers are given; main fills it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from fastapi import Request  # noqa: TC002 - FastAPI reads the annotation when it builds the routes

if TYPE_CHECKING:
    from api.choice import Catalog
    from api.fleet import Fleet
    from api.nomad_client import NomadClient
    from api.roster import Roster
    from api.sign_in import PasswordCheck, Sessions
    from api.status import StatusBoard
    from api.store import Store
    from api.vault_client import VaultClient

__all__ = ["Services", "services"]


@dataclass(frozen=True)
class Services:
    """One of each."""

    nomad: NomadClient
    vault: VaultClient
    store: Store
    board: StatusBoard
    roster: Roster
    catalog: Catalog
    fleet: Fleet
    passwords: PasswordCheck
    sessions: Sessions


def services(request: Request) -> Services:
    """Return the app's services."""
    return cast("Services", request.app.state.services)
