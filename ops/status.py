"""`drover status`: what runs of this cluster, in a few lines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ops import docker, jobs, local_client, local_nomad, local_vault, process, sign_in
from ops.errors import OpsError

if TYPE_CHECKING:
    from ops.settings import Cluster

__all__ = ["Line", "farewell", "look"]


@dataclass(frozen=True)
class Line:
    """One part of the cluster."""

    what: str
    well: bool
    words: str


def look(cluster: Cluster) -> list[Line]:
    """Look at every part; never raises for a part that is down."""
    version = docker.answers()
    lines = [Line("Docker", version is not None, version or "no daemon answers")]
    for what, name in (
        ("Vault", local_vault.NAME),
        ("Nomad's server", local_nomad.SERVER),
        *(("Nomad's client", client.process) for client in local_client.clients(cluster)),
    ):
        identity = process.recorded(cluster.run, name)
        lines.append(Line(what, identity is not None, f"pid {identity.pid}" if identity else "not running"))
    services = [_service(cluster, job) for job in ("postgres", "redis", "paper-venue", "api")]
    return [*lines, *services, *_bots(cluster)]


def _service(cluster: Cluster, job: str) -> Line:
    try:
        return Line(job, *jobs.state_of(cluster, job))
    except OpsError as error:
        return Line(job, well=False, words=str(error))


def _bots(cluster: Cluster) -> list[Line]:
    try:
        found = jobs.ask(cluster, "jobs?namespace=bots") or []
    except OpsError:
        return []
    wanted = [job for job in found if not job["Stop"]]
    return [Line(f"bot {job['ID']}", job["Status"] == "running", job["Status"]) for job in wanted]


def farewell(cluster: Cluster, page: str | None = None) -> str:
    """Return what a person needs next: the page, the sign-in, the engines' own pages."""
    known = sign_in.read(cluster)
    who = " / ".join(known) if known else "the user you named (Vault keeps only a hash of the password)"
    vault_ui = (
        f"{cluster.vault_addr}/ui/" if local_vault.serves_ui(cluster) else "none in this build of Vault"
    )
    return "\n".join(
        (
            f"  Page      {page or cluster.page_addr}",
            f"  Sign in   {who}",
            f"  Nomad UI  {cluster.nomad_addr}/ui/   (token: {cluster.secrets / 'nomad-management-token'})",
            f"  Vault UI  {vault_ui}",
            '  CLI       eval "$(./drover env)"   then nomad, vault and drover speak to this cluster',
        )
    )
