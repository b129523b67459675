"""The lease against a real Redis: who may trade when anything dies, freezes or forgets."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from bots.lease import Lease, LeaseError
from bots.state import State

BOT = "wallet-1.inj-usdt.spot"


async def until(check, seconds=3.0):
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def keeping(server, bot=BOT):
    lease = Lease(state := State(server.login()), bot, "paper")
    task = asyncio.create_task(lease.keep())
    try:
        yield lease
    finally:
        task.cancel()
        state.close()


def test_the_first_holds_and_the_second_waits_until_it_is_given_back(redis_server):
    async def play():
        async with keeping(redis_server) as first:
            await until(lambda: first.held)
            async with keeping(redis_server) as second:
                await first.permit(120, fence=first.fence)
                await first.permit(110, fence=first.fence)
                await asyncio.sleep(0.5)
                assert not second.held
                with pytest.raises(LeaseError, match="another process"):
                    await second.permit(1, fence=second.fence)
                await first.release()
                await until(lambda: second.held)
                assert second.fence > first.fence
                assert second.horizon == 120
                with pytest.raises(LeaseError):
                    await first.permit(1, fence=first.fence)

    asyncio.run(play())
