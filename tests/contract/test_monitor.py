"""What a bot tells Prometheus and Nomad's check, over its real port."""

from __future__ import annotations

import asyncio
import contextlib
import time
from datetime import UTC, datetime
from decimal import Decimal

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from bots.errors import SettingsError
from bots.health import Health, judge_health
from bots.metrics import CONTENT_TYPE, Metrics, Readings
from bots.model import BlockUpdate, Fill, OrderUpdate, Side
from bots.monitor import serve
from bots.permission import TradingState
from tests.paper import free_port, run

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def fill(cid, side):
    return Fill("t", cid, "0xh", side, Decimal(5), Decimal(1), Decimal(0), NOW)


def order(cid, status):
    return OrderUpdate(cid, "0xh", status, Decimal(1))


def samples(metrics):
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.page().decode())
        for sample in family.samples
    }


async def ask(port, path, method="GET"):
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"http://127.0.0.1:{port}{path}") as answer,
    ):
        return answer.status, answer.headers["Content-Type"], await answer.read()


@contextlib.asynccontextmanager
async def served(metrics, health):
    port = free_port()
    close = await serve("127.0.0.1", port, metrics, health)
    try:
        yield port
    finally:
        await close()


def test_orders_are_counted_from_the_decision_to_the_book():
    metrics = Metrics()
    metrics.decided(["a", "b", "c", "d"])
    time.sleep(0.02)
    metrics.acked(["a", "b"])
    metrics.rejected(["c"], 32)
    time.sleep(0.02)
    metrics.took(BlockUpdate(7, 1, NOW, (order("a", "Booked"),), (fill("d", Side.SELL),), {"b": 59}))
    metrics.took(BlockUpdate(8, 1, NOW, (order("a", "Cancelled"), order("of-another", "Booked"))))
    metrics.missed(3)
    metrics.reconnected()
    found = samples(metrics)
    counted = {
        name.removeprefix("drover_bot_"): value for (name, *labels), value in found.items() if not labels
    }
    assert counted["orders_sent_total"] == 4
    assert counted["orders_acked_total"] == 2
    assert counted["blocks_missed_total"] == 3
    assert counted["reconnects_total"] == 1
    assert found["drover_bot_orders_rejected_total", "32"] == 1
    assert found["drover_bot_order_failures_total", "59"] == 1
    assert found["drover_bot_fills_total", "sell"] == 1
    assert found["drover_bot_fills_total", "buy"] == 0
    # One batch was acknowledged; of the four orders, one stands in the book and one has traded.
    assert counted["decision_to_ack_seconds_count"] == 1
    assert counted["decision_to_booked_seconds_count"] == 2
    assert 0.02 <= counted["decision_to_ack_seconds_sum"] < 0.5
    assert counted["decision_to_booked_seconds_sum"] >= 0.08
    assert counted["decision_to_booked_seconds_sum"] < 0.5


def test_orders_without_an_answer_are_not_remembered_for_ever():
    metrics = Metrics()
    metrics.decided(map(str, range(5000)))
    assert len(metrics._waiting) == 1000
    metrics.took(BlockUpdate(7, 1, NOW, (order("0", "Booked"), order("4999", "Booked"))))
    assert samples(metrics)["drover_bot_decision_to_booked_seconds_count",] == 1


def test_gauges_are_read_when_they_are_asked_for():
    metrics = Metrics()
    now = Readings(TradingState.STARTING)
    metrics.watch(lambda: now)
    assert ("drover_bot_day_pnl_quote",) not in samples(metrics)
    assert samples(metrics)["drover_bot_state", "starting"] == 1
    now = Readings(
        TradingState.HALTED, stream_age=0.5, day_pnl=Decimal("-12.5"), fence=1763800000, halted=True
    )
    found = samples(metrics)
    assert found["drover_bot_stream_age_seconds",] == 0.5
    assert found["drover_bot_day_pnl_quote",] == -12.5
    assert found["drover_bot_fence",] == 1763800000
    assert found["drover_bot_halted",] == 1
    states = {labels[0]: value for (name, *labels), value in found.items() if name == "drover_bot_state"}
    assert states == {state.value: float(state is TradingState.HALTED) for state in TradingState}


def test_no_series_names_the_bot_and_the_process_is_told():
    metrics = Metrics()
    metrics.decided(["a"])
    found = samples(metrics)
    assert 1e7 < found["process_resident_memory_bytes",] < 1e9
    assert found["process_cpu_seconds_total",] > 0
    assert not [name for name, *_ in found if name.endswith("_created")]


def test_the_port_answers_metrics_and_health_and_nothing_else():
    async def scenario():
        metrics, verdict = Metrics(), Health(healthy=True, reason="")
        async with served(metrics, lambda: verdict) as port:
            status, kind, body = await ask(port, "/metrics")
            assert (status, kind) == (200, CONTENT_TYPE)
            assert b"drover_bot_orders_sent_total 0.0" in body
            assert await ask(port, "/healthz") == (
                200,
                "application/json; charset=utf-8",
                b'{"healthy": true, "reason": ""}',
            )
            verdict = Health(healthy=False, reason="no block for 31 s")
            status, _, body = await ask(port, "/healthz")
            assert (status, body) == (503, b'{"healthy": false, "reason": "no block for 31 s"}')
            assert (await ask(port, "/"))[0] == 404
            assert (await ask(port, "/metrics", "POST"))[0] == 405
        with pytest.raises(aiohttp.ClientConnectorError):
            await ask(port, "/healthz")

    run(scenario())


def test_a_scraper_that_hangs_does_not_hold_up_a_stop():
    async def scenario():
        async with served(Metrics(), lambda: Health(healthy=True, reason="")) as port:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /metrics HTTP/1.1\r\n")
            await writer.drain()
            began = time.monotonic()
        assert time.monotonic() - began < 2
        writer.close()

    run(scenario())


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1"])
def test_a_port_that_is_taken_or_elsewhere_is_one_sentence(host):
    async def scenario():
        async with served(Metrics(), lambda: Health(healthy=True, reason="")) as port:
            with pytest.raises(SettingsError, match=f"METRICS_LISTEN is {host}:{port}, where nothing can"):
                await serve(host, port, Metrics(), lambda: Health(healthy=True, reason=""))

    run(scenario())


@pytest.mark.parametrize(
    ("state", "stream", "heartbeat", "reason"),
    [
        (TradingState.TRADING, 30, 10, ""),
        (TradingState.TRADING, 31, 1, "no block for 31 s"),
        (TradingState.PAUSED, 31, 1, "no block for 31 s"),
        (TradingState.STARTING, 31, 1, "no block for 31 s"),
        (TradingState.WAITING_FOR_LEASE, 9999, 1, ""),
        (TradingState.WAITING_FOR_LEDGER, 9999, 1, ""),
        (TradingState.HALTED, 9999, 1, ""),
        (TradingState.STOPPING, 9999, 1, ""),
        (TradingState.TRADING, 1, 11, "the bot's loop has not turned for 11 s"),
        (TradingState.HALTED, 1, 11, "the bot's loop has not turned for 11 s"),
    ],
)
def test_a_bot_is_red_when_its_stream_or_its_loop_stands_still(state, stream, heartbeat, reason):
    assert judge_health(state, stream, heartbeat) == Health(not reason, reason)
