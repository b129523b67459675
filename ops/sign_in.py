"""The page's first sign-in, kept in the local cluster's state folder (mode 0600) for `status` to show."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from ops.settings import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from ops.settings import Cluster
    from ops.users import SignIn

__all__ = ["file", "keep", "read"]


def file(cluster: Cluster) -> Path:
    """Where it is kept."""
    return cluster.secrets / "sign-in.json"


def keep(cluster: Cluster, new: SignIn) -> None:
    """Write it down, before Vault learns it: one generated just before a crash is not lost."""
    record = {"username": new.username, "password": new.password.reveal()}
    write_private(file(cluster), json.dumps(record))


def read(cluster: Cluster) -> tuple[str, str] | None:
    """Return the first page user's name and password, or None when drover did not make that user."""
    try:
        record = json.loads(file(cluster).read_text())
        return str(record["username"]), str(record["password"])
    except (OSError, ValueError, KeyError):
        return None
