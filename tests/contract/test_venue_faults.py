"""Faults on demand, as a program of the public chain sees them."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import grpc
import pytest

from tests.paper import VenueProcess, get_json
from tests.sdk import SPOT, Sdk, with_sdk

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


@pytest.fixture
def faulty(venue: VenueProcess) -> Iterator[VenueProcess]:
    """The venue of all tests, healthy again afterwards."""
    yield venue
    venue.no_faults()


def order(sdk: Sdk, cid: str) -> Any:
    return sdk.composer.msg_create_spot_limit_order(
        SPOT, sdk.address, sdk.subaccount, sdk.address, Decimal(6), Decimal(1), "BUY", cid=cid
    )


@contextlib.asynccontextmanager
async def streaming(sdk: Sdk) -> AsyncIterator[tuple[list[int], list[Any]]]:
    """Listen to blocks: their heights, and the errors that end the stream."""
    heights: list[int] = []
    errors: list[Any] = []
    everything = sdk.composer.chain_stream_orderbooks_filter(["*"])
    task = asyncio.create_task(
        sdk.client.listen_chain_stream_updates(
            callback=lambda event: heights.append(int(event["blockHeight"])),
            on_status_callback=errors.append,
            spot_orderbooks_filter=everything,
        )
    )
    await asyncio.sleep(0.4)
    yield heights, errors
    task.cancel()


def test_a_frozen_stream_is_silent_and_then_tells_all(faulty: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        async with streaming(sdk) as (heights, errors):
            faulty.fault("freeze_stream", seconds=0.8)
            await asyncio.sleep(0.1)
            before = len(heights)
            await asyncio.sleep(0.5)
            assert len(heights) == before
            await asyncio.sleep(0.6)
            assert heights == list(range(heights[0], heights[0] + len(heights)))
            assert len(heights) > before + 5
            assert not errors

    with_sdk(faulty, 161, scenario)


def test_lost_blocks_leave_a_gap(faulty: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        async with streaming(sdk) as (heights, _):
            faulty.fault("lose_blocks", count=2)
            await asyncio.sleep(0.7)
            steps = [b - a for a, b in itertools.pairwise(heights)]
            assert sorted(steps)[-2:] == [1, 3]

    with_sdk(faulty, 162, scenario)


def test_dropped_connections_end_streams_and_refuse_for_a_while(faulty: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        async with streaming(sdk) as (_, errors):
            faulty.fault("drop_connections", seconds=0.5)
            await asyncio.sleep(0.2)
            assert [error.code() for error in errors] == [grpc.StatusCode.UNAVAILABLE]
            with pytest.raises(grpc.RpcError) as refused:
                await sdk.client.fetch_latest_block()
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
        await asyncio.sleep(0.4)
        async with streaming(sdk) as (heights, errors):
            assert heights
            assert not errors

    with_sdk(faulty, 163, scenario)


def test_transactions_are_rejected_with_a_code_before_or_in_the_block(faulty: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        other = Sdk(faulty, 165)
        faulty.fault("reject", code=20, count=1, signer=sdk.address)
        assert (await other.send(order(other, uuid.uuid4().hex)))["code"] == 0
        assert (await sdk.send(order(sdk, uuid.uuid4().hex)))["code"] == 20
        faulty.fault("reject", code=19, codespace="exchange", at="deliver", count=1)
        answer = await sdk.send(order(sdk, uuid.uuid4().hex))
        assert (answer["code"], answer["codespace"], int(answer["height"]) > 0) == (19, "exchange", True)
        assert (await sdk.send(order(sdk, uuid.uuid4().hex)))["code"] == 0
        assert get_json(f"{faulty.admin}/faults") == {"faults": []}
        await other.close()

    with_sdk(faulty, 164, scenario)


@pytest.mark.parametrize("answer", ["unavailable", "never"])
def test_a_lost_answer_was_executed_all_the_same(faulty: VenueProcess, answer: str) -> None:
    async def scenario(sdk: Sdk) -> None:
        cid = uuid.uuid4().hex
        faulty.fault("lose_answers", count=1, answer=answer, signer=sdk.address)
        with pytest.raises((grpc.RpcError, TimeoutError)):
            await asyncio.wait_for(sdk.send(order(sdk, cid)), 1)
        await asyncio.sleep(0.3)
        assert cid in {o["cid"] for o in faulty.orders(sdk.address)}

    with_sdk(faulty, 166 if answer == "never" else 167, scenario)


def test_answers_are_late_and_blocks_stand_still(faulty: VenueProcess) -> None:
    async def scenario(sdk: Sdk) -> None:
        faulty.fault("delay", ms=400, methods=["Account"], count=1)
        begun = time.monotonic()
        await sdk.client.fetch_latest_block()
        assert time.monotonic() - begun < 0.3
        await sdk.client.fetch_account(sdk.address)
        assert 0.4 < time.monotonic() - begun < 0.9
        faulty.fault("halt_blocks", seconds=0.6)
        height = get_json(f"{faulty.http}/healthz")["height"]
        await asyncio.sleep(0.4)
        assert get_json(f"{faulty.http}/healthz")["height"] == height
        await asyncio.sleep(0.5)
        assert get_json(f"{faulty.http}/healthz")["height"] > height

    with_sdk(faulty, 168, scenario)


def test_a_frozen_reference_grows_old(faulty: VenueProcess) -> None:
    faulty.fault("freeze_reference", seconds=5)
    first = get_json(f"{faulty.http}/reference.json")
    time.sleep(0.3)
    assert get_json(f"{faulty.http}/reference.json") == first
    faulty.no_faults()
    assert get_json(f"{faulty.http}/reference.json")["time"] > first["time"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ([], "Send a JSON object"),
        ({"kind": "explode"}, "take one of freeze_stream"),
        ({"kind": "halt_blocks"}, "halt_blocks needs seconds"),
        ({"kind": "halt_blocks", "seconds": 0}, "a number above 0"),
        ({"kind": "halt_blocks", "seconds": True}, "a number above 0"),
        ({"kind": "halt_blocks", "seconds": 1, "count": 2}, "no parameter 'count'"),
        ({"kind": "reject", "code": "x"}, "a whole number"),
        ({"kind": "reject", "code": 5, "signer": "inj1nonsense"}, "an address"),
        ({"kind": "reject", "code": 5, "at": "lunch"}, "check or deliver"),
        ({"kind": "delay", "ms": 5, "methods": ["Explode"]}, "served RPC names"),
        ({"kind": "delay", "ms": 5, "methods": [{}]}, "served RPC names"),
    ],
)
def test_a_fault_that_means_nothing_is_refused_in_a_sentence(
    venue: VenueProcess, body: Any, words: str
) -> None:
    answer = get_json(f"{venue.admin}/faults", body)
    assert answer["status"] == 400
    assert words in answer["error"]
    assert get_json(f"{venue.admin}/faults") == {"faults": []}
