"""`drover up`: from nothing, or from whatever is there, to a healthy cluster."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ops import (
    bootstrap,
    docker,
    drain,
    engines,
    follow,
    images,
    interfaces,
    jobs,
    local_client,
    local_nomad,
    local_vault,
    process,
    ready,
    sign_in,
    tmpfs,
    volumes,
    wallets,
)
from ops.errors import OpsError
from ops.target import LOCAL_ONLY, nomad_of, vault_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from ops.docker import Bridge
    from ops.images import Images
    from ops.local_client import Client
    from ops.settings import Cluster
    from ops.steps import Steps

__all__ = ["exclusively", "up"]

_LARGEST_OWN_LOG = 20_000_000


@contextmanager
def exclusively(cluster: Cluster) -> Iterator[None]:
    """Hold the state folder: two `up` or `down` at once would undo each other.

    Raises:
        OpsError: another drover holds it.
    """
    with (cluster.state / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise OpsError(
                f"another drover works on {cluster.state} right now; wait until it is done."
            ) from None
        yield


def up(cluster: Cluster, steps: Steps, *, expose: bool, clients: int = 1) -> str:
    """Bring everything up, step by step; what is there already is left alone. Return the page's address.

    A second client is for tests that lose one; a cluster that has had two keeps both.

    Raises:
        OpsError: a step could not be done; what was done stays and is used by the next `up`.
    """
    page = _outside_page(cluster) if expose else cluster.page_addr
    _trim_logs(cluster)
    with steps.step("Docker", "docker") as step:
        step.done(docker.ensure(cluster, step.log))
        bridge = docker.bridge()
    programs = {}
    for engine in (engines.VAULT, engines.NOMAD):
        with steps.step(f"Find {engine.name}", f"engine-{engine.name}") as step:
            found = engines.find(engine, step.log, step.note)
            step.done(f"{found.version}, {found.origin}")
            programs[engine.name] = found.path
    with steps.step("Images", "images") as step:
        built, origin = images.build_all(step.log)
        step.done(f"base: {origin}")
    _engines(cluster, steps, programs, bridge)
    with steps.step("Policies, roles, secrets", "bootstrap") as step:
        step.done(_bootstrap(cluster, step.log))
    with steps.step("Wallets of the paper network", "wallets") as step:
        made = wallets.ensure_paper_wallets(vault_of(cluster, LOCAL_ONLY))
        step.done(f"{len(made)} there")
    _services(cluster, steps, programs["nomad"], _variables(cluster, bridge, built, expose=expose))
    # After the services, which so lie on the first client.
    for client in local_client.missing(cluster, clients):
        _client(cluster, steps, programs["nomad"], bridge, client)
    with steps.step("Logs and Redis users of the wallets", "wallets") as step:
        vault, nomad = vault_of(cluster, LOCAL_ONLY), nomad_of(cluster, LOCAL_ONLY)
        for sentence in follow.follow_wallets(cluster, vault, nomad, LOCAL_ONLY):
            step.note(sentence)
    with steps.step("Paper money", "funding") as step:
        ready.fund(cluster, bridge, step.log)
    with steps.step("The page answers", "job-api"):
        ready.wait_ready(page)
    return page


def _outside_page(cluster: Cluster) -> str:
    interface = interfaces.outside()
    address = interfaces.address(interface) if interface else None
    if address is None:
        raise OpsError(
            "--expose needs an outside network, and this machine has no default route; leave it out."
        )
    return f"http://{address}:{cluster.ports.page}"


def _trim_logs(cluster: Cluster) -> None:
    # The agents rotate their own logs; what they print beside that is only wanted when one does not start.
    for log in cluster.log.glob("*.log"):
        if log.stat().st_size > _LARGEST_OWN_LOG:
            log.open("w").close()


def _engines(cluster: Cluster, steps: Steps, programs: dict[str, Path], bridge: Bridge) -> None:
    with steps.step("Vault", "vault.out") as step:
        step.done(local_vault.ensure(cluster, programs["vault"], bridge))
    with steps.step("Nomad's server", "nomad-server.out") as step:
        step.done(local_nomad.ensure_server(cluster, programs["nomad"]))
    for client in local_client.clients(cluster):
        _client(cluster, steps, programs["nomad"], bridge, client)


def _client(cluster: Cluster, steps: Steps, nomad: Path, bridge: Bridge, client: Client) -> None:
    with steps.step(f"Nomad's client {client.number}", f"{client.process}.out") as step:
        stopped = process.recorded(cluster.run, client.process) is None
        if stopped and (bare := tmpfs.cover(cluster, client.allocations(cluster))):
            step.note(f"{bare} secrets folders had lost their tmpfs (a crash or reboot); mounted again")
        step.done(local_client.ensure_client(cluster, nomad, bridge, client))
        drain.reopen(cluster, client)


def _bootstrap(cluster: Cluster, log: Path) -> str:
    lines: list[str] = []
    bootstrap.bootstrap(
        vault_of(cluster, LOCAL_ONLY),
        nomad_of(cluster, LOCAL_ONLY),
        jwks_url=cluster.nomad_addr + bootstrap.JWKS_PATH,
        env=os.environ,
        keep_sign_in=lambda new: sign_in.keep(cluster, new),
        report=lines.append,
    )
    with log.open("a") as file:
        file.writelines(f"{line}\n" for line in lines)
    changes = sum(not line.endswith("unchanged") for line in lines)
    return f"{changes} changes" if changes else "unchanged"


def _variables(cluster: Cluster, bridge: Bridge, built: Images, *, expose: bool) -> list[jobs.Service]:
    ports = cluster.ports
    venue: dict[str, Any] = {"image": built.bot, "grpc_port": ports.venue_grpc, "http_port": ports.venue_http}
    api = {
        "image": built.api,
        "bot_image": built.bot,
        "page_network": "outside" if expose else "loopback",
        "port": ports.page,
        "postgres_host": bridge.address,
        "postgres_port": ports.postgres,
        "redis_addr": f"{bridge.address}:{ports.redis}",
        "vault_addr": f"http://{bridge.address}:{ports.vault}",
        "paper_grpc": f"{bridge.address}:{ports.venue_grpc}",
        "paper_http": f"http://{bridge.address}:{ports.venue_http}",
    }
    return [
        jobs.Service("postgres", {"image": built.postgres, "port": ports.postgres}),
        jobs.Service("redis", {"image": built.redis, "port": ports.redis}),
        jobs.Service("paper-venue", venue),
        jobs.Service("api", api),
    ]


def _services(cluster: Cluster, steps: Steps, nomad: Path, services: list[jobs.Service]) -> None:
    with steps.step("Volumes", "volumes") as step:
        # Asked for together: a node tells its server of new ones in batches, seconds apart.
        names = [row.name for row in wallets.list_wallets(vault_of(cluster, LOCAL_ONLY))]
        volumes.ask_for_log_volumes(nomad_of(cluster, LOCAL_ONLY), names)
        step.done(jobs.ensure_volumes(cluster, nomad, ["postgres", "redis", "paper-venue"], step.log))
    for service in services:
        with steps.step(f"Job {service.job}", f"job-{service.job}") as step:
            step.done(jobs.run(cluster, nomad, service, step.log))
    for service in services:
        with steps.step(f"{service.job} healthy", f"job-{service.job}"):
            jobs.wait_healthy(cluster, service.job)
