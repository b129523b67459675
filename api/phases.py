"""What Nomad says of one bot → phase and reason in words. Pure.

Input are Nomad's job, allocation and evaluation objects, as its lists and its event stream give them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from api.models import Phase

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Verdict", "died", "forsaken", "judge", "runs"]

_ALIVE = {"pending", "running", "unknown"}
_UNDECIDED = {"pending", "blocked"}
_SETTLED = timedelta(seconds=10)
"""A restarted bot that lives this long counts as running again: a crash loop does not flicker."""
_TELLING = {
    "Setup Failure",
    "Failed Validation",
    "Driver Failure",
    "Template Failed",
    "Failed Artifact Download",
    "Terminated",
}
_CLEAN = "exit code 0"
_REASON_LENGTH = 300
_NO_VOLUME = "missing compatible host volumes"
"""Nomad's word; a bot's job asks for one volume, its wallet's."""


@dataclass(frozen=True)
class Verdict:
    """One bot's state as Nomad sees it."""

    phase: Phase
    reason: str = ""
    allocation_id: str | None = None
    started_at: datetime | None = None
    restarts: int = 0


def judge(
    job: dict[str, Any] | None,
    allocations: list[dict[str, Any]],
    evaluations: list[dict[str, Any]],
    now: datetime,
) -> Verdict:
    """Return phase and reason of a bot; `job` is None when Nomad has no job of it."""
    newest = max(allocations, key=lambda item: item.get("CreateIndex", 0), default=None)
    if job is None or job.get("Stop"):
        return _ended(allocations, newest)
    if newest is None:
        return _waiting(evaluations)
    if newest.get("DesiredStatus") != "run":
        return _between(newest, evaluations)
    restarts = sum(_task(item).get("Restarts") or 0 for item in allocations if _same_version(item, newest))
    return _alive(newest, restarts, evaluations, now)


def forsaken(
    job: dict[str, Any], allocations: Iterable[dict[str, Any]], evaluations: Iterable[dict[str, Any]]
) -> bool:
    """Tell whether a job's process ended because its node asked, not a person, and nothing replaces it."""
    newest = max(allocations, key=lambda item: item.get("CreateIndex", 0), default=None)
    return (
        not job.get("Stop")
        and newest is not None
        and (newest.get("DesiredStatus"), newest.get("ClientStatus")) == ("run", "complete")
        and not any(item.get("Status") in _UNDECIDED for item in evaluations)
    )


def died(allocation: dict[str, Any]) -> bool:
    """Tell whether a bot's process ended by itself and the next one has not begun: its orders may stand."""
    task = _task(allocation)
    return (
        allocation.get("DesiredStatus") == "run"
        and allocation.get("ClientStatus") in _ALIVE
        and task.get("State") != "running"
        and _last_telling(task).get("Type") == "Terminated"
    )


def runs(allocation: dict[str, Any]) -> bool:
    """Tell whether a bot's process runs and is not told to stop."""
    return allocation.get("DesiredStatus") == "run" and _task(allocation).get("State") == "running"


def _ended(allocations: list[dict[str, Any]], newest: dict[str, Any] | None) -> Verdict:
    alive = [item for item in allocations if item.get("ClientStatus") in _ALIVE]
    if alive:
        return Verdict(Phase.STOPPING, "cancelling its orders", alive[-1]["ID"], _started(alive[-1]))
    if newest is None:
        return Verdict(Phase.STOPPED)
    trouble = _trouble(_task(newest))
    unclean = trouble and trouble != _CLEAN
    reason = f"its last process ended with {trouble}: look for open orders at the venue" if unclean else ""
    return Verdict(Phase.STOPPED, reason, newest["ID"])


def _between(newest: dict[str, Any], evaluations: list[dict[str, Any]]) -> Verdict:
    """The job runs, but its newest allocation was told to stop: a restart, or a node that is drained."""
    if newest.get("ClientStatus") in _ALIVE:
        return Verdict(
            Phase.STOPPING, "stopping before its replacement starts", newest["ID"], _started(newest)
        )
    waiting = _waiting(evaluations)
    if waiting.reason:
        return waiting
    return Verdict(Phase.STARTING, "waits to be placed on a node")


def _waiting(evaluations: list[dict[str, Any]]) -> Verdict:
    """No allocation yet: is there no room, or has the scheduler not come to it?"""
    newest = max(evaluations, key=lambda item: item.get("ModifyIndex", 0), default={})
    blocked = [item for item in evaluations if item.get("Status") == "blocked"]
    for evaluation in blocked or [newest]:
        for metric in (evaluation.get("FailedTGAllocs") or {}).values():
            return Verdict(Phase.PENDING, _no_room(metric))
    if newest.get("Status") == "failed":
        return Verdict(
            Phase.FAILED, _short(f"Nomad could not place it: {newest.get('StatusDescription', '')}")
        )
    return Verdict(Phase.PENDING)


def _no_room(metric: dict[str, Any]) -> str:
    """Say in words why the scheduler found no node."""
    if not metric.get("NodesEvaluated"):
        return "no node is ready to run it"
    why = [
        f"{name} is used up on {count}" for name, count in (metric.get("DimensionExhausted") or {}).items()
    ]
    why += [_ruled_out(name, count) for name, count in (metric.get("ConstraintFiltered") or {}).items()]
    nodes = metric["NodesEvaluated"]
    return _short(f"waits for room: none of {nodes} node{'s' * (nodes != 1)} can take it ({', '.join(why)})")


def _ruled_out(name: str, count: int) -> str:
    if name == _NO_VOLUME:
        return f"its wallet's log volume is missing on {count}; `drover bootstrap` makes it"
    return f"{name} rules out {count}"


def _alive(  # noqa: PLR0911 - one return per state, in the order they are told apart
    allocation: dict[str, Any], restarts: int, evaluations: list[dict[str, Any]], now: datetime
) -> Verdict:
    identity, started, task = allocation["ID"], _started(allocation), _task(allocation)
    status, trouble = allocation.get("ClientStatus"), _trouble(task)

    def verdict(phase: Phase, reason: str) -> Verdict:
        since = started if phase is Phase.RUNNING else None
        return Verdict(phase, _short(reason), identity, since, restarts)

    if status == "unknown":
        return verdict(Phase.FAILED, "its node does not answer; it stops itself there within a minute")
    if status == "lost":
        return verdict(Phase.FAILED, "its node is lost; Nomad looks for another one")
    if status == "running" and task.get("State") == "running":
        looping = restarts > 1 and started is not None and now - started < _SETTLED
        if looping:
            return verdict(Phase.CRASHED, _counted(trouble, restarts))
        return verdict(Phase.RUNNING, _counted(trouble, restarts) if restarts else "")
    if status == "complete":
        return verdict(
            Phase.PENDING, "it ended while its node had lost Nomad; it is placed again within a minute"
        )
    if status == "failed":
        later = any(item.get("WaitUntil") and item.get("Status") == "pending" for item in evaluations)
        again = "; Nomad tries again soon" if later else ""
        return verdict(_bad_phase(task), _counted(trouble or "it ended", restarts) + again)
    if trouble and (restarts or _bad_phase(task) is Phase.FAILED):
        return verdict(_bad_phase(task), _counted(trouble, restarts))
    return verdict(Phase.STARTING, _doing(task))


def _bad_phase(task: dict[str, Any]) -> Phase:
    """Crashed when the bot's own process ended; failed when it could not be started at all."""
    last = _last_telling(task)
    return Phase.FAILED if last and last.get("Type") != "Terminated" else Phase.CRASHED


def _trouble(task: dict[str, Any]) -> str:
    """Say what went wrong last, in words; empty when nothing did."""
    last = _last_telling(task)
    details, message = last.get("Details") or {}, str(last.get("DisplayMessage", ""))
    match last.get("Type"):
        case "Terminated":
            if details.get("oom_killed") == "true":
                return "out of memory"
            code, signal = details.get("exit_code", last.get("ExitCode", "?")), details.get("signal", "0")
            return f"exit code {code}" + (f" (signal {signal})" if signal not in {"", "0"} else "")
        case None:
            return ""
        case _ if "vault" in message.lower() or "Missing:" in message:
            return f"Vault gave no key: {message}"
        case "Driver Failure" if "pull" in message or "No such image" in message:
            return f"the image is missing: {message}"
        case _:
            return message


def _counted(trouble: str, restarts: int) -> str:
    if not restarts:
        return trouble
    times = f"restarted {restarts} time{'s' * (restarts != 1)}"
    return f"{trouble}, {times}" if trouble else times


def _doing(task: dict[str, Any]) -> str:
    """Say what Nomad is doing to start it."""
    events = task.get("Events") or []
    return str(events[-1].get("DisplayMessage", "")).lower() if events else "placed on a node"


def _last_telling(task: dict[str, Any]) -> dict[str, Any]:
    """Return the newest event that explains a bad end; a kill that was asked for explains nothing."""
    for event in reversed(task.get("Events") or []):
        message = str(event.get("DisplayMessage", ""))
        vault = event.get("Type") in {"Template", "Killing"} and (
            "vault" in message.lower() or "Missing:" in message
        )
        if event.get("Type") in _TELLING or vault:
            found: dict[str, Any] = event
            return found
    return {}


def _task(allocation: dict[str, Any]) -> dict[str, Any]:
    return (allocation.get("TaskStates") or {}).get("bot") or {}


def _same_version(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return bool(_version(one) == _version(other))


def _version(allocation: dict[str, Any]) -> Any:
    return allocation.get("JobVersion", (allocation.get("Job") or {}).get("Version"))


def _started(allocation: dict[str, Any]) -> datetime | None:
    """Read a task's StartedAt: RFC 3339 with nanoseconds, of which Python keeps micro."""
    text = _task(allocation).get("StartedAt")
    if not text or text.startswith("0001-"):
        return None
    return datetime.fromisoformat(text).astimezone(UTC)


def _short(text: str) -> str:
    """Cut to what a card can show, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= _REASON_LENGTH else line[: _REASON_LENGTH - 1] + "…"
