"""What a bot counts and measures, for Prometheus. The only module that imports its client.

Names and base units follow https://prometheus.io/docs/practices/naming/; docs/metrics.md lists them all.
No series carries the bot's id: the scraper knows whom it asked (Nomad's service `bot` has the id as a tag),
and a label of ours beside that one would be stored twice, or turn up as `exported_bot`.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from bots.model import Side
from bots.permission import TradingState

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from decimal import Decimal

    from bots.model import BlockUpdate

__all__ = ["CONTENT_TYPE", "Metrics", "Readings"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
"""Of `Metrics.page`."""

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.5, 5.0, 10.0)
_REMEMBERED = 1000
"""Orders whose answer is awaited; one that never comes must not be remembered for ever."""


@dataclass(frozen=True)
class Readings:
    """What holds at the moment of a scrape; None is not told. Amounts of money are in the quote token."""

    state: TradingState
    stream_age: float | None = None
    """Seconds since the last block."""
    reference_age: float | None = None
    """Seconds since the last reference price."""
    position: Decimal | None = None
    """Base tokens; signed for a derivative."""
    realised_pnl: Decimal | None = None
    unrealised_pnl: Decimal | None = None
    day_pnl: Decimal | None = None
    open_orders: int | None = None
    lease_remaining: float | None = None
    """Seconds."""
    fence: int | None = None
    ledger_lag: float | None = None
    """Seconds."""
    key_version: int | None = None
    halted: bool = False


_GAUGES = {
    "stream_age": ("drover_bot_stream_age_seconds", "Time since the last block of the stream."),
    "reference_age": ("drover_bot_reference_age_seconds", "Time since the last reference price."),
    "position": ("drover_bot_position_base", "Position in base tokens; short is negative."),
    "realised_pnl": ("drover_bot_realised_pnl_quote", "Realised profit and loss, in the quote token."),
    "unrealised_pnl": ("drover_bot_unrealised_pnl_quote", "Unrealised profit and loss, in the quote token."),
    "day_pnl": ("drover_bot_day_pnl_quote", "Profit and loss since midnight UTC, in the quote token."),
    "open_orders": ("drover_bot_open_orders", "Own orders in the book."),
    "lease_remaining": ("drover_bot_lease_remaining_seconds", "How long the lease surely still holds."),
    "fence": ("drover_bot_fence", "Fencing number of the lease; it is in each cid and never goes back."),
    "ledger_lag": ("drover_bot_ledger_lag_seconds", "Age of the oldest record that Postgres has not taken."),
    "key_version": ("drover_bot_key_version", "Version of the wallet's secret that the bot signs with."),
    "halted": ("drover_bot_halted", "1 while an operator has to look before the bot goes on."),
}


class _Gauges(Collector):
    """Asks for the readings when it is scraped, so that an age never stands still."""

    def __init__(self, read: Callable[[], Readings]) -> None:
        self._read = read

    def collect(self) -> Iterable[GaugeMetricFamily]:
        readings = self._read()
        for field in fields(readings):
            value = getattr(readings, field.name)
            if field.name in _GAUGES and value is not None:
                yield GaugeMetricFamily(*_GAUGES[field.name], value=float(value))
        state = GaugeMetricFamily("drover_bot_state", "1 for the trading state.", labels=["state"])
        for one in TradingState:
            state.add_metric([one.value], float(one is readings.state))
        yield state


class Metrics:
    """Counts what the runner tells it; made once per process."""

    def __init__(self) -> None:
        # The text format would carry the time each counter began as a series of its own.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library left this one without types
        self._registry = registry = CollectorRegistry(auto_describe=False)
        ProcessCollector(registry=registry)
        self._waiting: dict[str, float] = {}
        self._sent = Counter(
            "drover_bot_orders_sent", "New orders handed to the exchange.", registry=registry
        )
        self._acked = Counter(
            "drover_bot_orders_acked", "New orders whose transaction the chain took.", registry=registry
        )
        self._rejected = Counter(
            "drover_bot_orders_rejected",
            "New orders whose transaction the chain refused, by its code.",
            ["code"],
            registry=registry,
        )
        self._failures = Counter(
            "drover_bot_order_failures",
            "Orders that the exchange refused inside a block, by its code.",
            ["code"],
            registry=registry,
        )
        self._fills = Counter("drover_bot_fills", "Trades, by side.", ["side"], registry=registry)
        for side in Side:
            self._fills.labels(side.value)
        self._missed = Counter(
            "drover_bot_blocks_missed", "Blocks that the stream left out.", registry=registry
        )
        self._reconnects = Counter("drover_bot_reconnects", "Connections after the first.", registry=registry)
        self._to_ack = Histogram(
            "drover_bot_decision_to_ack_seconds",
            "From the decision until the chain took the transaction.",
            buckets=_BUCKETS,
            registry=registry,
        )
        self._to_booked = Histogram(
            "drover_bot_decision_to_booked_seconds",
            "From the decision until the stream told that an order stands in the book or has traded.",
            buckets=_BUCKETS,
            registry=registry,
        )

    def watch(self, read: Callable[[], Readings]) -> None:
        """Take the gauges from `read`, at each scrape; call it once."""
        self._registry.register(_Gauges(read))

    def page(self) -> bytes:
        """Return all series in Prometheus' text format."""
        return generate_latest(self._registry)

    def decided(self, cids: Iterable[str]) -> None:
        """Note new orders that are about to be signed; their clock starts now."""
        now = time.monotonic()
        for cid in cids:
            self._sent.inc()
            self._waiting[cid] = now
        while len(self._waiting) > _REMEMBERED:
            del self._waiting[next(iter(self._waiting))]

    def acked(self, cids: Iterable[str]) -> None:
        """Note a batch that the chain took, by the cids of its new orders."""
        cids = list(cids)
        self._acked.inc(len(cids))
        # One batch is one decision and one answer: observed once, however many orders it holds.
        began = min((self._waiting[cid] for cid in cids if cid in self._waiting), default=None)
        if began is not None:
            self._to_ack.observe(time.monotonic() - began)

    def rejected(self, cids: Iterable[str], code: int) -> None:
        """Note a batch that the chain refused with `code`, by the cids of its new orders."""
        for cid in cids:
            self._rejected.labels(str(code)).inc()
            self._waiting.pop(cid, None)

    def took(self, block: BlockUpdate) -> None:
        """Note what a block said: orders in the book, fills, refusals."""
        for update in block.orders:
            self._answered(update.cid)
        for fill in block.fills:
            self._fills.labels(fill.side.value).inc()
            self._answered(fill.cid)
        for cid, code in block.failures.items():
            self._failures.labels(str(code)).inc()
            self._waiting.pop(cid, None)

    def missed(self, blocks: int) -> None:
        """Note blocks that the stream left out."""
        self._missed.inc(blocks)

    def reconnected(self) -> None:
        """Note a connection after the first."""
        self._reconnects.inc()

    def _answered(self, cid: str) -> None:
        began = self._waiting.pop(cid, None)
        if began is not None:
            self._to_booked.observe(time.monotonic() - began)
