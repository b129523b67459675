"""Where bots write their logs: one dynamic host volume a wallet, on every node that may run its bots."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError
from ops.keys import check_name

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ops.nomad import Nomad

__all__ = ["ask_for_log_volumes", "ensure_log_volumes", "log_volume", "remove_log_volumes"]

_READY_SECONDS = 30.0
_BOTS_UID = 10001
# Several bots of a wallet write there at once, and nobody else's.
_CAPABILITY = {"AccessMode": "single-node-multi-writer", "AttachmentMode": "file-system"}
_PARAMETERS = {"mode": "0700", "uid": str(_BOTS_UID), "gid": str(_BOTS_UID)}


def log_volume(wallet: str) -> str:
    """Return the name of a wallet's log volume.

    Raises:
        OpsError: the name is not a wallet's.
    """
    return f"logs-{check_name(wallet)}"


def ask_for_log_volumes(nomad: Nomad, wallets: Iterable[str]) -> set[tuple[str, str]]:
    """Ask for each wallet's log volume on every ready node that lacks it.

    Returns (volume, node id) of all that should be there; a new one is ready seconds later.

    Raises:
        OpsError: a name is not a wallet's, or Nomad refuses.
    """
    nodes = [node["ID"] for node in nomad.get("/v1/nodes") or [] if node["Status"] == "ready"]
    wanted = {(log_volume(wallet), node) for wallet in wallets for node in nodes}
    for name, node in sorted(wanted - {(one["Name"], one["NodeID"]) for one in _volumes(nomad)}):
        nomad.post("/v1/volume/host/create?namespace=bots", {"Volume": _body(name, node)})
    return wanted


def ensure_log_volumes(nomad: Nomad, wallets: Iterable[str]) -> None:
    """Make sure that each wallet's log volume is ready on every node that is.

    Raises:
        OpsError: a name is not a wallet's, Nomad refuses, or one is not ready within 30 s.
    """
    wanted = ask_for_log_volumes(nomad, wallets)
    # A node tells its server of new volumes in batches, seconds apart: wait for all at once.
    deadline = time.monotonic() + _READY_SECONDS
    while not wanted <= _ready(nomad):
        if time.monotonic() > deadline:
            late = sorted({name for name, _ in wanted - _ready(nomad)})
            raise OpsError(
                f"The volumes {', '.join(late)} are not ready after {_READY_SECONDS:.0f} s; look at "
                "`nomad volume status -namespace=bots`, then run `drover bootstrap`."
            )
        time.sleep(0.2)


def remove_log_volumes(nomad: Nomad, wallet: str) -> int:
    """Delete a wallet's log volumes with the logs in them; return how many.

    Raises:
        OpsError: the name is not a wallet's, one is in use, or Nomad refuses.
    """
    name = log_volume(wallet)
    mine = [one["ID"] for one in _volumes(nomad) if one["Name"] == name]
    for identity in mine:
        nomad.delete(f"/v1/volume/host/{identity}/delete?namespace=bots")
    return len(mine)


def _volumes(nomad: Nomad) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = nomad.get("/v1/volumes", type="host", namespace="bots") or []
    return found


def _ready(nomad: Nomad) -> set[tuple[str, str]]:
    return {(one["Name"], one["NodeID"]) for one in _volumes(nomad) if one["State"] == "ready"}


def _body(name: str, node: str) -> dict[str, Any]:
    return {
        "Name": name,
        "Namespace": "bots",
        "PluginID": "mkdir",
        "NodeID": node,
        "Parameters": _PARAMETERS,
        "RequestedCapabilities": [_CAPABILITY],
    }
