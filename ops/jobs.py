"""The services of the hub, run with the nomad CLI exactly as an operator would run them by hand."""

from __future__ import annotations

import json
import os
import subprocess
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx

from ops.errors import OpsError
from ops.local_nomad import management_token
from ops.settings import REPO, write_private

if TYPE_CHECKING:
    from pathlib import Path

    from ops.settings import Cluster

__all__ = ["Service", "ask", "ensure_volumes", "run", "state_of", "wait_healthy"]

_HEALTHY_SECONDS = 180.0
_VOLUME_SECONDS = 30.0
_NOT_WORTH_SAYING = {"Received", "Task Setup", "Building Task Directory", "Started", "Restart Signaled"}


@dataclass(frozen=True)
class Service:
    """A job file and the variables it is run with."""

    job: str
    variables: dict[str, Any]


def run(cluster: Cluster, nomad: Path, service: Service, log: Path) -> str:
    """Submit a job; a job that is there unchanged is not touched.

    Raises:
        OpsError: Nomad refuses the job; with Nomad's words.
    """
    before = _job(cluster, service.job)
    variables = cluster.state / "nomad" / f"{service.job}.vars.json"
    # Nomad's HCL reads JSON for the same meaning; the file also lets an operator repeat the command by hand.
    write_private(variables, json.dumps(service.variables, indent=2))
    file = REPO / "jobs" / f"{service.job}.nomad.hcl"
    _cli(cluster, nomad, log, "job", "run", "-detach", f"-var-file={variables}", str(file))
    after = _job(cluster, service.job)
    if before is None or before.get("Stop"):
        return "submitted"
    changed = after is not None and after["Version"] != before["Version"]
    return "updated" if changed else "unchanged"


def ensure_volumes(cluster: Cluster, nomad: Path, names: list[str], log: Path) -> str:
    """Create the hub's dynamic host volumes that are not there; say how many.

    Raises:
        OpsError: Nomad refuses one, or it is not ready within 30 s.
    """
    missing = [name for name in names if _volume(cluster, name) is None]
    for name in missing:
        file = REPO / "jobs" / "volumes" / f"{name}.volume.hcl"
        _cli(cluster, nomad, log, "volume", "create", "-detach", str(file))
    # A node tells its server of new volumes in batches, seconds apart: wait for all at once.
    deadline = time.monotonic() + _VOLUME_SECONDS
    while any((_volume(cluster, name) or {}).get("State") != "ready" for name in names):
        if time.monotonic() > deadline:
            raise OpsError(
                f"the volumes {', '.join(names)} are not ready after {_VOLUME_SECONDS:.0f} s; see {log}."
            )
        time.sleep(0.1)
    return f"{len(missing)} made" if missing else "there"


def _volume(cluster: Cluster, name: str) -> dict[str, Any] | None:
    volumes: list[dict[str, Any]] = ask(cluster, "volumes?type=host&namespace=hub") or []
    return next((volume for volume in volumes if volume["Name"] == name), None)


def state_of(cluster: Cluster, job: str, namespace: str = "hub") -> tuple[bool, str]:
    """Return whether a job runs healthy as its newest version says, and otherwise why not."""
    found = _job(cluster, job, namespace)
    if found is None or found.get("Stop"):
        return False, "not submitted"
    listed = ask(cluster, f"job/{job}/allocations?namespace={namespace}") or []
    mine = [a for a in listed if a["JobVersion"] == found["Version"] and a["DesiredStatus"] == "run"]
    if not mine:
        return False, _blocked(cluster, job, namespace) or "waiting to be placed"
    newest = max(mine, key=lambda a: int(a["CreateIndex"]))
    if newest["ClientStatus"] == "running" and _healthy(cluster, newest["ID"]):
        return True, "healthy"
    return False, _last_words(newest) or newest["ClientStatus"]


def wait_healthy(cluster: Cluster, job: str, namespace: str = "hub") -> None:
    """Wait until a job is healthy.

    Raises:
        OpsError: it is not within three minutes; with Nomad's reason.
    """
    deadline = time.monotonic() + _HEALTHY_SECONDS
    while True:
        healthy, reason = state_of(cluster, job, namespace)
        if healthy:
            return
        if time.monotonic() > deadline:
            raise OpsError(
                f"{job} is not healthy after {_HEALTHY_SECONDS:.0f} s: {reason}. Look closer with: "
                f'eval "$(./drover env)" && nomad job status -namespace={namespace} {job}'
            )
        time.sleep(0.3)


def environment(cluster: Cluster) -> dict[str, str]:
    """Return the variables that point nomad's and vault's own commands at this cluster."""
    return {"NOMAD_ADDR": cluster.nomad_addr, "NOMAD_TOKEN": management_token(cluster)}


def _cli(cluster: Cluster, nomad: Path, log: Path, *arguments: str) -> None:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("NOMAD_", "AWS_"))}
    result = subprocess.run(  # its own time-outs are shorter than ours
        [nomad, *arguments], env={**inherited, **environment(cluster)}, stdin=subprocess.DEVNULL,
        capture_output=True, text=True, check=False, cwd=REPO, timeout=120,
    )  # fmt: skip
    with log.open("a") as file:
        file.write(result.stdout + result.stderr)
    if result.returncode != 0:
        words = " ".join(result.stderr.split())[:400]
        raise OpsError(f"nomad {arguments[0]} {arguments[1]} {arguments[-1]} failed: {words}")


def ask(cluster: Cluster, path: str) -> Any:
    """Return Nomad's decoded answer to `/v1/<path>`, or None when it refuses.

    Raises:
        OpsError: Nomad does not answer, or its token is missing.
    """
    try:
        answer = httpx.get(
            f"{cluster.nomad_addr}/v1/{path}",
            headers={"X-Nomad-Token": management_token(cluster)},
            timeout=10,
        )
    except httpx.HTTPError as error:
        raise OpsError(f"Nomad does not answer on {cluster.nomad_addr} ({type(error).__name__}).") from error
    return answer.json() if answer.status_code == httpx.codes.OK else None


def _job(cluster: Cluster, job: str, namespace: str = "hub") -> dict[str, Any] | None:
    found: dict[str, Any] | None = ask(cluster, f"job/{job}?namespace={namespace}")
    return found


def _healthy(cluster: Cluster, allocation: str) -> bool:
    checks = ask(cluster, f"client/allocation/{allocation}/checks") or {}
    # Every service of the hub has a check; none yet means that the client has not looked yet.
    return bool(checks) and all(check["Status"] == "success" for check in checks.values())


def _blocked(cluster: Cluster, job: str, namespace: str) -> str:
    for evaluation in ask(cluster, f"job/{job}/evaluations?namespace={namespace}") or []:
        for failure in (evaluation.get("FailedTGAllocs") or {}).values():
            causes = {
                **(failure.get("ConstraintFiltered") or {}),
                **(failure.get("DimensionExhausted") or {}),
            }
            return "no node can take it: " + ", ".join(causes) if causes else "no node can take it"
    return ""


def _last_words(allocation: dict[str, Any]) -> str:
    events = [
        event
        for task in (allocation.get("TaskStates") or {}).values()
        for event in task.get("Events") or []
        if event["Type"] not in _NOT_WORTH_SAYING
    ]
    return max(events, key=lambda event: int(event["Time"]))["DisplayMessage"] if events else ""
