"""Folding and judging. The trouble file is what Nomad 1.11.2 said of five jobs: crashing, unrecoverable,
too big, image missing, and one in order."""

from __future__ import annotations

import itertools
import json
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api.models import Phase
from api.phases import died, forsaken, judge
from api.status import StatusBoard

TROUBLE = json.loads(
    (Path(__file__).resolve().parent.parent / "data" / "nomad-1.11.2-trouble.json").read_text()
)
NOW = datetime(2026, 11, 21, 3, tzinfo=UTC)
JOB = {"ID": "w.m.spot", "Stop": False, "ModifyIndex": 1}


@pytest.fixture
def board():
    board = StatusBoard()
    board.load(TROUBLE["jobs"], TROUBLE["allocations"], TROUBLE["evaluations"], 60)
    return board


@pytest.mark.parametrize(
    ("job", "phase", "reason", "restarts"),
    [
        ("w1.ok.spot", Phase.RUNNING, "", 0),
        ("w1.crash.spot", Phase.CRASHED, "exit code 7, restarted 3 times", 3),
        ("w1.err.spot", Phase.FAILED, "no such thing; Nomad tries again soon", 0),
        (
            "w1.big.spot",
            Phase.PENDING,
            "waits for room: none of 1 node can take it (memory is used up on 1)",
            0,
        ),
        ("w1.none.spot", Phase.STOPPED, "", 0),
    ],
)
def test_what_nomad_said(board, job, phase, reason, restarts):
    verdict = board.verdict(job, NOW)
    assert (verdict.phase, verdict.reason, verdict.restarts) == (phase, reason, restarts)


def test_a_missing_log_volume_is_said_with_what_to_do():
    # As Nomad 1.11.2 says it of two nodes without the volume.
    metric = {"NodesEvaluated": 2, "ConstraintFiltered": {"missing compatible host volumes": 2}}
    evaluation = {"Status": "blocked", "ModifyIndex": 5, "FailedTGAllocs": {"bot": metric}}
    verdict = judge({"Stop": False}, [], [evaluation], NOW)
    assert verdict.phase is Phase.PENDING
    assert verdict.reason.endswith("(its wallet's log volume is missing on 2; `drover bootstrap` makes it)")


def test_a_missing_image_is_failed(board):
    verdict = board.verdict("w1.noimg.spot", NOW)
    assert verdict.phase is Phase.FAILED
    assert verdict.reason.startswith("the image is missing: Failed to pull `nonexistent-image:none`")


def test_a_running_bot_has_its_start_and_allocation(board):
    verdict = board.verdict("w1.ok.spot", NOW)
    assert verdict.started_at == datetime(2026, 11, 21, 2, 42, 40, 668794, tzinfo=UTC)
    assert verdict.allocation_id


def allocation(index=1, client="running", desired="run", events=(), **task):
    state = {
        "State": client,
        "Restarts": 0,
        "StartedAt": "2026-11-21T02:00:00Z",
        "Events": list(events),
    } | task
    return {
        "ID": f"a{index}",
        "JobID": "w.m.spot",
        "JobVersion": 0,
        "CreateIndex": index,
        "ModifyIndex": index,
        "ClientStatus": client,
        "DesiredStatus": desired,
        "TaskStates": {"bot": state},
    }


def event(kind, message="", **details):
    return {"Type": kind, "DisplayMessage": message, "Details": details}


EXIT = event("Terminated", "Exit Code: 1", exit_code="1", signal="0", oom_killed="false")
CLEAN_EXIT = event("Terminated", "Exit Code: 0", exit_code="0", signal="0", oom_killed="false")
MISSING = event("Template", "Missing: vault.read(wallets/data/w)")
REFUSED = event("Killing", "Template failed: vault.read(wallets/data/w): permission denied")


@pytest.mark.parametrize(
    ("job", "allocations", "evaluations", "expected"),
    [
        (JOB, [allocation(client="complete")], [], True),
        (JOB, [allocation(client="complete")], [{"Status": "complete"}], True),
        (JOB, [allocation(client="complete")], [{"Status": "blocked"}], False),
        (JOB, [allocation(client="complete"), allocation(2)], [], False),
        (JOB, [allocation(client="complete", desired="stop")], [], False),
        (JOB, [allocation(client="failed")], [], False),
        (JOB, [], [], False),
        (JOB | {"Stop": True}, [allocation(client="complete")], [], False),
    ],
)
def test_a_job_whose_process_a_cut_off_node_ended_is_forsaken(job, allocations, evaluations, expected):
    assert forsaken(job, allocations, evaluations) is expected


@pytest.mark.parametrize(
    ("allocations", "phase", "reason"),
    [
        ([], Phase.PENDING, ""),
        ([allocation(client="pending")], Phase.STARTING, "placed on a node"),
        (
            [allocation(client="pending", events=[event("Driver", "Downloading image")])],
            Phase.STARTING,
            "downloading image",
        ),
        (
            [allocation(client="pending", events=[MISSING])],
            Phase.FAILED,
            f"Vault gave no key: {MISSING['DisplayMessage']}",
        ),
        (
            [allocation(client="failed", events=[REFUSED])],
            Phase.FAILED,
            f"Vault gave no key: {REFUSED['DisplayMessage']}",
        ),
        (
            [
                allocation(
                    client="failed", events=[event("Setup Failure", "failed to derive Vault token: role")]
                )
            ],
            Phase.FAILED,
            "Vault gave no key: failed to derive Vault token: role",
        ),
        (
            [allocation(client="pending", events=[EXIT], Restarts=1)],
            Phase.CRASHED,
            "exit code 1, restarted 1 time",
        ),
        (
            [
                allocation(
                    client="pending",
                    events=[event("Terminated", exit_code="137", signal="9", oom_killed="true")],
                    Restarts=2,
                )
            ],
            Phase.CRASHED,
            "out of memory, restarted 2 times",
        ),
        (
            [
                allocation(
                    client="pending", events=[event("Terminated", exit_code="137", signal="9")], Restarts=2
                )
            ],
            Phase.CRASHED,
            "exit code 137 (signal 9), restarted 2 times",
        ),
        ([allocation(events=[EXIT], Restarts=2)], Phase.RUNNING, "exit code 1, restarted 2 times"),
        (
            [allocation(events=[EXIT], Restarts=2, StartedAt="2026-11-21T02:59:58Z")],
            Phase.CRASHED,
            "exit code 1, restarted 2 times",
        ),
        (
            [allocation(events=[EXIT], Restarts=1, StartedAt="2026-11-21T02:59:58Z")],
            Phase.RUNNING,
            "exit code 1, restarted 1 time",
        ),
        ([allocation(desired="stop")], Phase.STOPPING, "stopping before its replacement starts"),
        ([allocation(client="complete", desired="stop")], Phase.STARTING, "waits to be placed on a node"),
        ([allocation(1, "complete", "stop"), allocation(2)], Phase.RUNNING, ""),
        ([allocation(client="lost")], Phase.FAILED, "its node is lost; Nomad looks for another one"),
        (
            [allocation(client="unknown")],
            Phase.FAILED,
            "its node does not answer; it stops itself there within a minute",
        ),
    ],
)
def test_a_job_that_should_run(allocations, phase, reason):
    verdict = judge(JOB, allocations, [], NOW)
    assert (verdict.phase, verdict.reason) == (phase, reason)


@pytest.mark.parametrize("client", ["running", "pending", "unknown"])
def test_a_stopped_job_is_stopping_until_its_last_process_is_gone(client):
    stopped = JOB | {"Stop": True}
    assert judge(stopped, [allocation(client=client, desired="stop")], [], NOW).phase is Phase.STOPPING
    assert judge(stopped, [allocation(client="complete", desired="stop")], [], NOW).phase is Phase.STOPPED
    crashed = allocation(client="failed", desired="stop", events=[EXIT], Restarts=9)
    verdict = judge(stopped, [crashed], [], NOW)
    assert verdict.phase is Phase.STOPPED
    assert verdict.reason == "its last process ended with exit code 1: look for open orders at the venue"
    clean = allocation(client="complete", desired="stop", events=[CLEAN_EXIT])
    assert judge(stopped, [clean], [], NOW).reason == ""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"State": "pending", "events": [EXIT]}, True),
        ({"State": "running", "events": [EXIT]}, False),
        ({"State": "pending", "events": []}, False),
        ({"State": "pending", "events": [EXIT], "desired": "stop"}, False),
        ({"State": "dead", "client": "failed", "events": [EXIT]}, False),
    ],
)
def test_a_bot_that_died_and_comes_back_later_is_told_apart(changes, expected):
    assert died(allocation(**changes)) is expected


def test_reasons_are_one_short_line():
    long = allocation(client="failed", events=[event("Driver Failure", "line\n" * 500)])
    reason = judge(JOB, [long], [], NOW).reason
    assert "\n" not in reason
    assert len(reason) == 300


def test_a_failed_evaluation_is_a_failure():
    evaluation = {
        "ID": "e",
        "JobID": "w.m.spot",
        "Status": "failed",
        "StatusDescription": "maximum attempts",
        "ModifyIndex": 5,
    }
    assert judge(JOB, [], [evaluation], NOW).phase is Phase.FAILED


def history():
    """A start, a crash, a stop: each event with the index Nomad gave it."""
    job = {"ID": "w.m.spot", "Version": 0}
    return [
        {"Payload": {"Job": job | {"Stop": False, "ModifyIndex": 1}}},
        {"Payload": {"Allocation": allocation(2, "pending")}},
        {"Payload": {"Allocation": allocation(2) | {"ModifyIndex": 3}}},
        {"Payload": {"Job": job | {"Stop": True, "ModifyIndex": 4}}},
        {"Payload": {"Allocation": allocation(2, "complete", "stop") | {"ModifyIndex": 5}}},
    ]


def test_events_in_any_order_and_twice_end_the_same():
    events, chance = history(), random.Random(7)
    for _ in range(200):
        board = StatusBoard()
        shuffled = [*events, *chance.sample(events, 3)]
        chance.shuffle(shuffled)
        board.fold(shuffled)
        assert board.verdict("w.m.spot", NOW).phase is Phase.STOPPED


def test_a_snapshot_older_than_an_event_does_not_undo_it():
    events = history()
    for cut, index in itertools.product(range(1, 6), range(6)):
        board = StatusBoard()
        board.fold(events[:cut])
        before = board.verdict("w.m.spot", NOW).phase
        jobs = [e["Payload"]["Job"] for e in events[:index] if "Job" in e["Payload"]][-1:]
        stubs = [e["Payload"]["Allocation"] for e in events[:index] if "Allocation" in e["Payload"]][-1:]
        board.load(jobs, stubs, [], index)
        if index <= cut:
            assert board.verdict("w.m.spot", NOW).phase is before, (cut, index)


def test_what_a_newer_snapshot_does_not_list_is_gone():
    board = StatusBoard()
    board.fold(history())
    board.load([], [], [], 100)
    assert board.job_ids() == []
    assert board.verdict("w.m.spot", NOW).allocation_id is None


def test_a_note_is_replaced_by_the_event_that_follows():
    board = StatusBoard()
    board.note_job({"ID": "w.m.spot", "Stop": False, "ModifyIndex": 1, "Meta": None})
    assert board.verdict("w.m.spot", NOW).phase is Phase.PENDING
    board.fold(history()[:3])
    later = NOW + timedelta(hours=1)
    assert board.verdict("w.m.spot", later).phase is Phase.RUNNING


def test_a_purged_job_does_not_go_on_running():
    """What Nomad 1.11.2 told of `nomad job stop -purge`: the job as it was before, with Stop false."""
    board = StatusBoard()
    before = JOB | {"ModifyIndex": 460}
    board.load([before], [allocation(462)], [], 463)
    purged = {"Topic": "Job", "Type": "JobDeregistered", "Index": 465, "Payload": {"Job": before}}
    board.fold([purged])
    assert board.verdict(JOB["ID"], NOW).phase is Phase.STOPPING
    board.load([], [], [], 466)
    assert board.verdict(JOB["ID"], NOW).phase is Phase.STOPPED
    board.fold([{"Type": "JobRegistered", "Index": 470, "Payload": {"Job": JOB | {"ModifyIndex": 470}}}])
    board.fold([purged])  # an old event that comes again takes nothing away
    assert board.job_ids() == [JOB["ID"]]


def test_a_bot_that_is_started_again_does_not_show_its_last_runs_allocation():
    verdict = judge(JOB, [allocation(client="complete", desired="stop")], [], NOW)
    assert (verdict.phase, verdict.allocation_id) == (Phase.STARTING, None)
