"""StatusBoard: Nomad's view of all bots, in memory. Folds snapshots and events; asks nobody."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from api.phases import Verdict, forsaken, judge

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["StatusBoard"]

Objects = dict[str, dict[str, Any]]


class StatusBoard:
    """The newest known version of each job, allocation and evaluation of the namespace.

    Lists and events may arrive in any order and twice: of two versions of one object the one with the
    higher ModifyIndex is kept, so folding is idempotent.
    """

    def __init__(self) -> None:
        self._jobs: Objects = {}
        self._allocations: dict[str, Objects] = {}
        self._evaluations: dict[str, Objects] = {}
        self.loaded = False
        """A snapshot has been folded: what the board says is Nomad's word."""
        self.connected = False
        """The event stream is up: what the board says is fresh."""
        self.changed = asyncio.Condition()
        """Notified after each change."""

    def job_ids(self) -> list[str]:
        """Return the ids of all jobs Nomad knows, stopped ones too."""
        return list(self._jobs)

    def job(self, job_id: str) -> dict[str, Any] | None:
        """Return the job's newest version; a list stub or a full job."""
        return self._jobs.get(job_id)

    def verdict(self, job_id: str, now: datetime | None = None) -> Verdict:
        """Judge one bot as of `now` (aware UTC)."""
        return judge(
            self._jobs.get(job_id),
            list(self._allocations.get(job_id, {}).values()),
            list(self._evaluations.get(job_id, {}).values()),
            now or datetime.now(UTC),
        )

    def forsaken(self) -> list[str]:
        """Return the jobs that should run, whose process ended, and that no evaluation will place again."""
        return [
            name
            for name, job in self._jobs.items()
            if forsaken(
                job, self._allocations.get(name, {}).values(), self._evaluations.get(name, {}).values()
            )
        ]

    def load(
        self,
        jobs: Iterable[dict[str, Any]],
        allocations: Iterable[dict[str, Any]],
        evaluations: Iterable[dict[str, Any]],
        index: int,
    ) -> None:
        """Fold a snapshot taken at `index`: what it does not list is gone, unless it is newer than that."""
        self._jobs = _merge(self._jobs, {item["ID"]: item for item in jobs}, index)
        self._allocations = _merge_groups(self._allocations, allocations, index)
        self._evaluations = _merge_groups(self._evaluations, evaluations, index)
        self.loaded = True

    def fold(self, events: Iterable[dict[str, Any]]) -> None:
        """Fold a batch of Nomad's events."""
        for event in events:
            payload = event.get("Payload") or {}
            job = payload.get("Job")
            if job and event.get("Type") == "JobDeregistered" and not job.get("Stop"):
                self._forget(job["ID"], event.get("Index", 0))
            elif job:
                self.note_job(job)
            if allocation := payload.get("Allocation"):
                _keep(self._allocations.setdefault(allocation["JobID"], {}), allocation)
            if evaluation := payload.get("Evaluation"):
                _keep(self._evaluations.setdefault(evaluation["JobID"], {}), evaluation)

    def note_job(self, job: dict[str, Any]) -> None:
        """Fold one job; the fleet notes what it has just registered or stopped, ahead of the event."""
        _keep(self._jobs, job)

    def _forget(self, job_id: str, index: int) -> None:
        """Drop a job that an operator purged: its event shows it as it was before, running (Nomad 1.11.2).

        Nothing more is told of its allocations; they show as stopping until the next snapshot lacks them.
        """
        known = self._jobs.get(job_id)
        if known and known["ModifyIndex"] <= index:
            del self._jobs[job_id]

    async def announce(self) -> None:
        """Wake all who wait for a change."""
        async with self.changed:
            self.changed.notify_all()


def _keep(objects: Objects, item: dict[str, Any]) -> None:
    known = objects.get(item["ID"])
    if known is None or known["ModifyIndex"] <= item["ModifyIndex"]:
        objects[item["ID"]] = item


def _merge(known: Objects, listed: Objects, index: int) -> Objects:
    merged = {key: item for key, item in known.items() if key in listed or item["ModifyIndex"] > index}
    for item in listed.values():
        _keep(merged, item)
    return merged


def _merge_groups(
    known: dict[str, Objects], listed: Iterable[dict[str, Any]], index: int
) -> dict[str, Objects]:
    groups: dict[str, Objects] = {job_id: {} for job_id in known}
    for item in listed:
        groups.setdefault(item["JobID"], {})[item["ID"]] = item
    merged = {job_id: _merge(known.get(job_id, {}), items, index) for job_id, items in groups.items()}
    return {job_id: items for job_id, items in merged.items() if items}
