"""Empties this machine's node before it goes, bots first, and lets it be used again.

Allocations end by Nomad's own hand and are placed anew at the next `up`. To leave them to be restored would
put keys on the disk: Nomad mounts the tmpfs of `secrets/` when it makes an allocation's folder, not when it
finds one again (1.11.2; seen after an unmount, and a reboot unmounts too).
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ops.errors import OpsError
from ops.local_client import clients
from ops.target import LOCAL_ONLY, nomad_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ops.local_client import Client
    from ops.nomad import Nomad
    from ops.settings import Cluster

__all__ = ["drain", "reopen"]

_BOTS_SECONDS = 45.0
"""A bot has 30 s (`kill_timeout`) to cancel its orders."""
_SERVICES_SECONDS = 70.0
_NANOSECONDS = 1_000_000_000


def drain(cluster: Cluster) -> str:
    """Stop every bot, wait until their orders are cancelled, then every service; say how many.

    Raises:
        OpsError: Nomad refuses or does not answer.
    """
    nomad = nomad_of(cluster, LOCAL_ONLY)
    nodes = [_node(nomad, client.node(cluster)) for client in clients(cluster)]
    # Without this, Nomad would place each stopped bot again at once.
    for node in nodes:
        nomad.post(f"/v1/node/{node}/eligibility", {"Eligibility": "ineligible"})
    bots = [one for one in _running(nomad, nodes) if one["Namespace"] == "bots"]
    for one in bots:
        nomad.post(f"/v1/allocation/{one['ID']}/stop?namespace=bots", {})
    _wait(nomad, nodes, _BOTS_SECONDS, lambda one: bool(one["Namespace"] == "bots"))
    services = _running(nomad, nodes)
    spec = {"Deadline": int(_SERVICES_SECONDS) * _NANOSECONDS, "IgnoreSystemJobs": False}
    for node in nodes:
        nomad.post(f"/v1/node/{node}/drain", {"DrainSpec": spec, "MarkEligible": False})
    _wait(nomad, nodes, _SERVICES_SECONDS, lambda _: True)
    left = len(_running(nomad, nodes))
    words = f"{len(bots)} bots and {len(services)} services stopped"
    return f"{words}, {left} did not end in time" if left else words


def reopen(cluster: Cluster, client: Client) -> None:
    """Let Nomad place allocations on a client's node (again).

    Raises:
        OpsError: Nomad refuses or does not answer.
    """
    nomad = nomad_of(cluster, LOCAL_ONLY)
    node = _node(nomad, client.node(cluster))
    if nomad.get(f"/v1/node/{node}")["SchedulingEligibility"] != "eligible":
        nomad.post(f"/v1/node/{node}/drain", {"DrainSpec": None, "MarkEligible": True})
        nomad.post(f"/v1/node/{node}/eligibility", {"Eligibility": "eligible"})


def _node(nomad: Nomad, name: str) -> str:
    listed: list[dict[str, Any]] = nomad.get("/v1/nodes")
    for node in listed:
        if node["Name"] == name:
            return str(node["ID"])
    raise OpsError(f"Nomad knows no node {name}; run drover up.")


def _running(nomad: Nomad, nodes: list[str]) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = [
        one for node in nodes for one in nomad.get(f"/v1/node/{node}/allocations") or []
    ]
    return [one for one in listed if one["ClientStatus"] in {"running", "pending"}]


def _wait(nomad: Nomad, nodes: list[str], seconds: float, which: Callable[[dict[str, Any]], bool]) -> None:
    deadline = time.monotonic() + seconds
    while any(which(one) for one in _running(nomad, nodes)) and time.monotonic() < deadline:
        time.sleep(0.2)
