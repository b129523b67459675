"""Bots on a real cluster under faults: who they are, whether they are well, what the records say of them."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import httpx
import psycopg

from bots import addresses, cid
from bots.config import load_markets
from ops import docker, wallets
from ops.errors import OpsError
from ops.redis import redis_of
from ops.target import LOCAL_ONLY, nomad_of, vault_of
from tests.chaos import invariants
from tests.chaos.boxes import Box, boxes
from tests.chaos.records import LedgerRecord, VenueRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ops.settings import Cluster
    from tests.e2e.conftest import Live

SETTLE_SECONDS = 60.0
"""The ledger asks the venue's history every 15 s; Postgres may have to come back first."""
WELL_SECONDS = 150.0
_PERP = "inj-usdt-perp"
_MARKETS = load_markets({})


@dataclass(frozen=True)
class Bot:
    """One bot of the suite."""

    id: str
    account: str
    """Bech32."""
    subaccount: str
    """Id, as the next."""
    market: str

    @property
    def wallet(self) -> str:
        return self.id.split(".")[0]


@dataclass
class Arena:
    """The cluster and its bots."""

    live: Live
    bots: list[Bot] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What happened that is no violation but worth telling."""

    def __post_init__(self) -> None:
        cluster = self.cluster
        address = docker.bridge().address
        self.vault, self.nomad = vault_of(cluster, LOCAL_ONLY), nomad_of(cluster, LOCAL_ONLY)
        self.venue = VenueRecord(f"http://{address}:{cluster.ports.venue_http}")
        login = self.vault.read("hub/data/postgres/bots")["data"]
        self.ledger = LedgerRecord(
            f"host={address} port={cluster.ports.postgres} dbname=drover user={login['username']} "
            f"password={login['password']}"
        )

    @property
    def cluster(self) -> Cluster:
        return self.live.cluster

    @property
    def names(self) -> dict[str, str]:
        """Bot ids by the tag in their cids."""
        return {cid.tag(bot.id): bot.id for bot in self.bots}

    @property
    def accounts(self) -> list[str]:
        return sorted({bot.account for bot in self.bots})

    def start(self, wallet: str, market: str, kind: str) -> Bot:
        """Define and start a bot through the API, unless it runs already."""
        bot = f"{wallet}.{market}.{kind}"
        known = self.live.api("GET", f"/bots/{bot}")
        if known.status_code != httpx.codes.OK or known.json()["phase"] != "running":
            self.live.start(wallet, market, kind)
        row = wallets.find_wallet(self.vault, wallet)
        subaccount = addresses.subaccount(row.account, row.subaccount)
        self.bots.append(Bot(bot, row.account, subaccount, _MARKETS[market].market_ids["paper"]))
        return self.bots[-1]

    # ---- how they are

    def status(self, bot: str) -> dict[str, Any]:
        """Return what a bot last said of itself; nothing when Redis cannot say."""
        try:
            redis = redis_of(self.cluster, self.vault, LOCAL_ONLY)
            return dict(json.loads((redis.get(f"{bot}:status") if redis else None) or "{}"))
        except OpsError:
            return {}

    def ill(self, since: datetime) -> dict[str, str]:
        """Return why each bot that does not trade does not; it must have said that it does after `since`."""
        found = {}
        for bot in self.bots:
            status = self.status(bot.id)
            if status.get("state") == "halted":
                self.live.drover("bots", "clear", bot.id)
                self.notes.append(f"{bot.id} was halted and cleared: {status.get('reason')}")
            said = status.get("heartbeat")
            if status.get("state") != "trading":
                found[bot.id] = f"{status.get('state')}: {status.get('reason')}"
            elif not isinstance(said, str) or datetime.fromisoformat(said) <= since:
                found[bot.id] = f"has said nothing since {said}"
            elif not self.open_orders(bot):
                found[bot.id] = "has no order in the book"
        return found

    def open_orders(self, bot: Bot) -> list[str]:
        """Return the cids of a bot's orders in the book."""
        parsed = ((text, cid.parse(text)) for text in self.venue.open_cids(bot.account))
        return [text for text, one in parsed if one and one.tag == cid.tag(bot.id)]

    def _book(self) -> list[str]:
        return [text for account in self.accounts for text in self.venue.open_cids(account)]

    def wait_well(self, since: datetime, seconds: float = WELL_SECONDS) -> tuple[float, dict[str, str]]:
        """Wait until all trade with orders in the book; returns how long after `since`, and who does not."""
        deadline = time.monotonic() + seconds
        while True:
            try:
                ill = self.ill(since)
            except httpx.HTTPError as error:
                ill = {"the venue": type(error).__name__}
            if not ill or time.monotonic() > deadline:
                return (datetime.now(UTC) - since).total_seconds(), ill
            time.sleep(0.25)

    # ---- where they run

    def copies(self, bot: str) -> list[Box]:
        """Return the running containers of one bot; two while Nomad believes a node lost."""
        return [box for box in boxes(self.cluster) if box.job == bot and box.task == "bot"]

    def box(self, job: str) -> Box:
        """Return the one container of a bot or a service."""
        task = "bot" if "." in job else job
        found = [box for box in boxes(self.cluster) if (box.job, box.task) == (job, task)]
        assert len(found) == 1, f"{job} runs {len(found)} times"
        return found[0]

    # ---- what must hold

    def violations(self) -> list[str]:
        """Compare the two records, as soon as they agree or when they had the time to."""
        self.venue.read_on()
        found = invariants.backward_steps(self.venue.accepted, self.names)
        found += invariants.mixed_tenures(self._book(), self.names)
        return found + self._settled(self._gaps)

    def _settled(self, look: Callable[[], list[str]]) -> list[str]:
        deadline = time.monotonic() + SETTLE_SECONDS
        while True:
            try:
                found = look()
            except (psycopg.Error, httpx.HTTPError) as error:
                found = [f"the records cannot be read: {type(error).__name__}"]
            if not found or time.monotonic() > deadline:
                return found
            time.sleep(0.5)

    def _gaps(self) -> list[str]:
        """Bots trade on while this looks: only what is wrong whichever came first counts."""
        before = self.venue_fills()
        self.venue.read_on()
        accepted = list(self.venue.accepted)
        fills, orders = self.ledger.fills([bot.id for bot in self.bots]), self.ledger.orders()
        after = self.venue_fills()
        newer = {key: fill for key, fill in after.items() if key not in before and key not in fills}
        found = invariants.differences({k: v for k, v in after.items() if k not in newer}, fills)
        found += invariants.unknown_orders(accepted, self.names, orders)
        return found + self._position_gaps()

    def venue_fills(self) -> dict[invariants.FillKey, invariants.Filled]:
        """Return every fill of the bots' subaccounts in their markets."""
        return self.venue.fills(self.accounts, {(bot.subaccount, bot.market) for bot in self.bots})

    def _position_gaps(self) -> list[str]:
        before = self._by_bot(self.venue.positions(self.accounts))
        ledger = self._by_bot(self.ledger.positions(_PERP))
        after = self._by_bot(self.venue.positions(self.accounts))
        still = {bot for bot in before.keys() | after.keys() if before.get(bot) == after.get(bot)}
        moved = {bot for bot in before.keys() | after.keys() if bot not in still}
        venue, told = ({b: q for b, q in one.items() if b not in moved} for one in (after, ledger))
        return invariants.position_gaps(venue, told)

    def _by_bot(self, positions: dict[str, Any]) -> dict[str, Any]:
        derivatives = {bot.subaccount: bot.id for bot in self.bots if bot.id.endswith(".derivative")}
        return {derivatives[one]: net for one, net in positions.items() if one in derivatives}

    # ---- the end

    def stop_all(self) -> list[str]:
        """Stop every bot through the API; returns what is not as a stop should leave it."""
        for bot in self.bots:
            answer = self.live.api("POST", f"/bots/{bot.id}/stop")
            assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        for bot in self.bots:
            self.live.wait_phase(bot.id, "stopped", 90)
        self.venue.read_on()
        left = {bot.id: found for bot in self.bots if (found := self.open_orders(bot))}
        found = [f"{bot}: {len(cids)} orders are left after its stop: {cids}" for bot, cids in left.items()]
        found += self._unclean_exits(bot.id for bot in self.bots)
        return found + self.violations()

    def _unclean_exits(self, bots: Iterable[str]) -> list[str]:
        found = []
        for bot in bots:
            listed = self.live.nomad("GET", f"/v1/job/{bot}/allocations?namespace=bots").json()
            newest = max(listed, key=lambda one: int(one["CreateIndex"]))
            events = newest["TaskStates"]["bot"]["Events"]
            ends = [event["ExitCode"] for event in events if event["Type"] == "Terminated"]
            if not ends or ends[-1] != 0:
                found.append(f"{bot}: its last exit was {ends[-1:] or 'not seen'}, not 0")
        return found
