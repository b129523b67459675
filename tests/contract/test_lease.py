"""The lease against a real Redis: who may trade when anything dies, freezes or forgets."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bots.lease import LEASE_SECONDS, Lease, LeaseError, boot_time, height_cap
from bots.state import State
from tests.paper import ROOT, until
from tests.redis import FREEZE, THAW

BOT = "wallet-1.inj-usdt.spot"


async def true(check, seconds=3.0):
    async with asyncio.timeout(seconds):
        while not check():  # noqa: ASYNC110 - any condition
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def keeping(server, clock=boot_time):
    lease = Lease(state := State(server.login()), BOT, "paper", clock)
    task = asyncio.create_task(lease.keep())
    try:
        yield lease
    finally:
        task.cancel()
        state.close()


def test_one_holds_and_the_other_waits_until_it_is_given_back(redis_server):
    async def play():
        async with keeping(redis_server) as first, keeping(redis_server) as second:
            await true(lambda: first.held or second.held)
            holder, waiter = (first, second) if first.held else (second, first)
            await holder.permit(120, fence=holder.fence)
            await holder.permit(110, fence=holder.fence)
            await true(lambda: "another process" in waiter.problem)
            with pytest.raises(LeaseError, match="another process"):
                await waiter.permit(1, fence=waiter.fence)
            await holder.release()
            await true(lambda: waiter.held)
            assert waiter.fence > holder.fence
            assert waiter.horizon == 120
            with pytest.raises(LeaseError, match="given back"):
                await holder.permit(1, fence=holder.fence)

    asyncio.run(play())


def test_it_is_renewed_past_its_time(redis_server):
    async def play():
        async with keeping(redis_server) as lease:
            await true(lambda: lease.held)
            fence, end = lease.fence, time.monotonic() + LEASE_SECONDS + 1
            while time.monotonic() < end:
                assert lease.remaining > LEASE_SECONDS / 2
                await asyncio.sleep(0.1)
            assert lease.fence == fence

    asyncio.run(play())


def test_redis_loses_everything_and_the_fence_still_grows(redis_server):
    async def play():
        async with keeping(redis_server) as lease:
            await true(lambda: lease.held)
            old = lease.fence
            await asyncio.sleep(1.1)  # a fence is at least the time in seconds
            lease.changed.clear()
            redis_server.admin("FLUSHALL")
            with pytest.raises(LeaseError):
                await lease.permit(50, fence=old)
            assert lease.changed.is_set()
            await true(lambda: lease.held)
            assert lease.fence > old
            with pytest.raises(LeaseError, match="earlier tenure"):
                await lease.permit(50, fence=old)
            await lease.permit(50, fence=lease.fence)

    asyncio.run(play())


def test_a_loss_is_noticed_within_a_second_without_asking(redis_server):
    async def play():
        async with keeping(redis_server) as lease:
            await true(lambda: lease.held)
            lease.changed.clear()
            redis_server.admin("SET", f"{BOT}:lease", "somebody-else", "PX", "8000")
            await asyncio.wait_for(lease.changed.wait(), 1.3)
            assert not lease.held

    asyncio.run(play())


def test_a_killed_redis_that_comes_back_still_knows_the_holder(redis_server):
    async def play():
        async with keeping(redis_server) as lease:
            await true(lambda: lease.held)
            await lease.permit(70, fence=lease.fence)
            fence = lease.fence
            redis_server.kill()
            with pytest.raises(LeaseError, match="cannot be reached"):
                await lease.permit(71, fence=fence)
            assert lease.held, "what was promised before holds for its time"
            await asyncio.to_thread(redis_server.start)
            await lease.permit(72, fence=fence)
        await lease.release()
        async with keeping(redis_server) as heir:
            await true(lambda: heir.held)
            assert heir.fence > fence
            assert heir.horizon == 72

    asyncio.run(play())


def test_a_frozen_redis_answers_nobody_and_the_holder_gives_up_first(redis_server):
    async def play():
        async with keeping(redis_server) as lease:
            await true(lambda: lease.held)
            began = time.monotonic()
            redis_server.signal(FREEZE)
            with pytest.raises(LeaseError, match="did not answer in time"):
                await lease.permit(9, fence=lease.fence)
            assert time.monotonic() - began < 1.2
            await true(lambda: lease.failing, LEASE_SECONDS / 2 + 1)
            assert lease.remaining > LEASE_SECONDS / 2 - 1.5, "time is left to take the orders out"
            await true(lambda: not lease.held, LEASE_SECONDS)
            assert time.monotonic() - began < LEASE_SECONDS, "before Redis may give it to another"
            await asyncio.sleep(1.5)
            redis_server.signal(THAW)
            fence = lease.fence
            await true(lambda: lease.held)
            assert lease.fence > fence

    asyncio.run(play())


HOLDER = f"""
import asyncio, json, sys
from bots.lease import Lease, LeaseError
from bots.secret import Secret
from bots.logins import Login
from bots.state import State

async def main():
    state = State(Login("127.0.0.1", int(sys.argv[1]), sys.argv[2], Secret(sys.argv[3])))
    lease = Lease(state, {BOT!r}, "paper")
    keeper = asyncio.create_task(lease.keep())
    count = 0
    while True:
        fence = lease.fence
        try:
            await lease.permit(count, fence=fence)
            count += 1
            print(json.dumps(fence), flush=True)
        except LeaseError as error:
            print(json.dumps(str(error)), flush=True)
        await asyncio.sleep(0.02)

asyncio.run(main())
"""


class Holder:
    """A process that asks for permission fifty times a second and writes down each answer."""

    def __init__(self, server, file):
        self.file = file
        login = server.login()
        with file.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", HOLDER, str(login.port), login.username, login.password.reveal()],
                cwd=ROOT,
                stdout=out,
            )

    def answers(self):
        text = self.file.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def fences(self):
        return [answer for answer in self.answers() if isinstance(answer, int)]


def test_a_holder_frozen_longer_than_its_lease_does_not_believe_in_it_when_it_thaws(redis_server, tmp_path):
    first = Holder(redis_server, tmp_path / "first")
    try:
        until(first.fences, "the first holds")
        second = Holder(redis_server, tmp_path / "second")
        until(second.answers, "the second waits")
        assert not second.fences()
        os.kill(first.process.pid, signal.SIGSTOP)
        granted = len(first.fences())
        until(second.fences, "the second takes over", LEASE_SECONDS + 2)
        os.kill(first.process.pid, signal.SIGCONT)
        time.sleep(1.5)
        late = first.fences()[granted:]
        assert len(late) <= 1, "but for one answer that Redis gave before the freeze"
        assert "another process" in first.answers()[-1]
        assert min(second.fences()) > max(first.fences())
        os.kill(second.process.pid, signal.SIGKILL)
        until(lambda: first.fences()[-1] > second.fences()[-1], "the first again", LEASE_SECONDS + 2)
        assert sorted(first.fences()) == first.fences()
    finally:
        for holder in (first, second):
            holder.process.kill()
            holder.process.wait()


def test_time_is_counted_from_before_the_call_and_less_a_margin(redis_server):
    clock = [1000.0]

    def stepped():
        return clock[0]

    async def play():
        async with keeping(redis_server, stepped) as lease:
            await true(lambda: lease.held)
            assert lease.remaining == LEASE_SECONDS - 0.5
            assert not lease.failing
            redis_server.signal(FREEZE)
            clock[0] += LEASE_SECONDS / 2
            assert lease.failing
            clock[0] += LEASE_SECONDS / 2 - 0.5
            assert (lease.held, lease.failing, lease.remaining) == (False, False, 0.0)
            redis_server.signal(THAW)

    asyncio.run(play())


def test_the_clock_counts_while_the_machine_sleeps():
    uptime = float(Path("/proc/uptime").read_text().split()[0])  # of the kernel's boot-time clock
    assert abs(boot_time() - uptime) < 1


@pytest.mark.parametrize(
    ("remaining", "block_seconds", "blocks"),
    [(7.5, 0.65, 11), (0.6, 0.65, 0), (0.0, 0.65, 0), (-1.0, 0.65, 0), (7.5, 10.0, 0)],
)
def test_only_as_many_blocks_as_fit_into_the_lease(remaining, block_seconds, blocks):
    assert height_cap(1000, remaining, block_seconds) == 1000 + blocks
