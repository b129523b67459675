"""Stateful stand-ins for Nomad, Vault and Postgres; the contract tests hold them to the real ones."""

from __future__ import annotations

import asyncio
import copy
import re
import uuid
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from api.errors import NomadRefusedError, WrongCredentialsError
from api.errors_bot import BotBusyError
from api.errors_choice import UnknownWalletError
from api.models import Definition, Wallet
from api.nomad_client import Snapshot

ALIVE = {"pending", "running", "unknown"}


class Faults:
    """`fail["method"] = error` makes that method raise; `"*"` all of them."""

    def __init__(self):
        self.fail = {}

    def _may_fail(self, name):
        error = self.fail.get(name) or self.fail.get("*")
        if error:
            raise error

    async def aclose(self):
        pass


class FakeNomad(Faults):
    """Jobs, allocations and evaluations as Nomad keeps them, with an event stream.

    Allocations run at once; `slow_stop = True` leaves stopped ones running until `finish_stop_for_test`.
    """

    def __init__(self):
        super().__init__()
        self.index = 10
        self.jobs, self.allocations, self.evaluations = {}, {}, {}
        self.logs = {}
        self.sources = {}
        self.slow_stop = False
        self.no_room = False
        self._listeners = []

    async def read_job(self, bot):
        self._may_fail("read_job")
        return copy.deepcopy(self.jobs.get(str(bot)))

    async def allocations_of(self, bot):
        self._may_fail("allocations_of")
        return [copy.deepcopy(item) for item in self.allocations.values() if item["JobID"] == str(bot)]

    async def parse(self, hcl):
        self._may_fail("parse")
        found = re.search(r'^job "([^"]+)"', hcl, re.MULTILINE)
        if not found:
            raise NomadRefusedError("parse the job", "no job", 400)
        network = re.search(r'drover_network = "([^"]+)"', hcl)
        return {"ID": found[1], "Meta": {"drover_network": network[1]} if network else None}

    async def register(self, job, hcl):
        self._may_fail("register")
        old = self.jobs.get(job["ID"])
        version = old["Version"] + 1 if old else 0
        stored = {"Stop": False, "Version": version, "ModifyIndex": self._next(), "Status": "pending"}
        self.jobs[job["ID"]] = job | stored
        self.jobs[job["ID"]]["JobModifyIndex"] = self.index
        self.sources[job["ID"]] = hcl
        self._publish("Job", self.jobs[job["ID"]])
        self._evaluate(job["ID"])
        return self.jobs[job["ID"]]["JobModifyIndex"]

    async def deregister(self, bot):
        self._may_fail("deregister")
        job = self.jobs.get(str(bot))
        if job is None:
            return self._next()
        job |= {"Stop": True, "ModifyIndex": self._next()}
        job["JobModifyIndex"] = self.index
        self._publish("Job", job)
        for item in self._alive(str(bot)):
            self._stop(item)
        return job["JobModifyIndex"]

    async def stop_allocation(self, allocation):
        self._may_fail("stop_allocation")
        if allocation not in self.allocations:
            raise NomadRefusedError("stop an allocation", "not found", 404)
        item = self.allocations[allocation]
        self._stop(item)
        if not self.slow_stop:
            self._place(item["JobID"])

    async def evaluate(self, bot):
        self._may_fail("evaluate")
        if str(bot) not in self.jobs:
            raise NomadRefusedError("evaluate the job", "job not found", 404)
        if not self.jobs[str(bot)]["Stop"] and not self._alive(str(bot)):
            self._place(str(bot))

    async def ping(self):
        self._may_fail("ping")

    async def plan(self, bot, job):
        self._may_fail("plan")
        old = self.jobs.get(str(bot))
        kind = "Added" if old is None else "Edited" if old["Stop"] else "None"
        return {"Diff": {"Type": kind, "ID": str(bot)}, "FailedTGAllocs": None, "Warnings": ""}

    async def snapshot(self):
        self._may_fail("snapshot")
        lists = [
            list(copy.deepcopy(store).values()) for store in (self.jobs, self.allocations, self.evaluations)
        ]
        return Snapshot(*lists, self.index)

    @asynccontextmanager
    async def events(self, index):
        self._may_fail("events")
        queue = asyncio.Queue()
        queue.put_nowait([])  # Nomad's first {} proves the subscription
        self._listeners.append(queue)

        async def batches():
            while True:
                batch = await queue.get()
                if isinstance(batch, Exception):
                    raise batch
                yield batch

        try:
            yield batches()
        finally:
            self._listeners.remove(queue)

    async def log_tail(self, allocation, stream, size):
        self._may_fail("log_tail")
        text = self.logs.get((allocation, stream))
        return None if text is None else text.encode()[-size:].decode("utf-8", "replace")

    # -- what happens in the cluster

    def break_stream_for_test(self, error):
        for queue in self._listeners:
            queue.put_nowait(error)

    def finish_stop_for_test(self):
        self.slow_stop = False
        for item in self.allocations.values():
            if item["DesiredStatus"] == "stop" and item["ClientStatus"] in ALIVE:
                self._update(item, ClientStatus="complete")

    def task_for_test(self, job_id, **state):
        """Set the newest allocation's task state, as a Nomad client reports it."""
        item = max(self.allocations.values(), key=lambda item: (item["JobID"] == job_id, item["CreateIndex"]))
        client = state.pop("ClientStatus", item["ClientStatus"])
        self._update(item, ClientStatus=client, TaskStates={"bot": item["TaskStates"]["bot"] | state})
        return item

    def collect_garbage_for_test(self):
        for store in (self.jobs, self.allocations, self.evaluations):
            store.clear()
        self._next()

    def _alive(self, job_id):
        return [i for i in self.allocations.values() if i["JobID"] == job_id and i["ClientStatus"] in ALIVE]

    def _evaluate(self, job_id):
        if not self.no_room:
            self._place(job_id)
            return
        metric = {"NodesEvaluated": 1, "DimensionExhausted": {"memory": 1}, "ConstraintFiltered": None}
        evaluation = {
            "ID": str(uuid.uuid4()),
            "JobID": job_id,
            "Status": "blocked",
            "ModifyIndex": self._next(),
            "FailedTGAllocs": {"bot": metric},
        }
        self.evaluations[evaluation["ID"]] = evaluation
        self._publish("Evaluation", evaluation)

    def _place(self, job_id):
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        task = {"State": "running", "Restarts": 0, "StartedAt": now, "Events": []}
        item = {
            "ID": str(uuid.uuid4()),
            "JobID": job_id,
            "JobVersion": self.jobs[job_id]["Version"],
            "CreateIndex": self._next(),
            "ModifyIndex": self.index,
            "DesiredStatus": "run",
            "ClientStatus": "running",
            "TaskStates": {"bot": task},
        }
        self.allocations[item["ID"]] = item
        self._publish("Allocation", item)

    def _stop(self, item):
        done = {} if self.slow_stop else {"ClientStatus": "complete"}
        self._update(item, DesiredStatus="stop", **done)

    def _update(self, item, **changes):
        item |= changes | {"ModifyIndex": self._next()}
        self._publish("Allocation", item)

    def _next(self):
        self.index += 1
        return self.index

    def _publish(self, topic, item):
        event = {"Topic": topic, "Payload": {topic: copy.deepcopy(item)}}
        for queue in self._listeners:
            queue.put_nowait([event])


class FakeVault(Faults):
    """Wallets' metadata and page users."""

    def __init__(self):
        super().__init__()
        self.held = {}
        self.users = {}
        self.asked_passwords = 0

    def add_wallet_for_test(self, name, network="paper", label=""):
        address = "inj1" + name.replace("-", "").ljust(38, "q")[:38]
        self.held[name] = Wallet(name, address, address, network, label, 1)

    async def ping(self):
        self._may_fail("ping")

    async def wallets(self):
        self._may_fail("wallets")
        return [self.held[name] for name in sorted(self.held)]

    async def wallet(self, name):
        self._may_fail("wallet")
        if name not in self.held:
            raise UnknownWalletError(name)
        return self.held[name]

    async def has_user(self, username):
        self._may_fail("has_user")
        return username in self.users

    async def check_password(self, username, password):
        self._may_fail("check_password")
        self.asked_passwords += 1
        if self.users.get(username) != password.reveal():
            raise WrongCredentialsError


class FakeStore(Faults):
    """Definitions, versions, audit rows and locks."""

    def __init__(self):
        super().__init__()
        self.bots, self.versions, self.rows, self.locked = {}, {}, [], set()

    async def open(self):
        pass

    async def ping(self):
        self._may_fail("ping")

    async def definitions(self):
        self._may_fail("definitions")
        return [self.bots[key] for key in sorted(self.bots) if self.bots[key].desired != "deleted"]

    async def save_start(self, rendered, who):
        self._may_fail("save_start")
        key = str(rendered.spec.id)
        versions = self.versions.setdefault(key, [])
        if not versions or versions[-1][0].hcl != rendered.hcl:
            versions.append((rendered, who))
        self.bots[key] = Definition(rendered.spec, "running", len(versions))
        return len(versions)

    async def set_desired(self, bot, state):
        self._may_fail("set_desired")
        if old := self.bots.get(str(bot)):
            self.bots[str(bot)] = Definition(old.spec, state, old.version)

    async def audit(self, entry):
        self._may_fail("audit")
        assert "\0" not in f"{entry.who}{entry.bot_id}{entry.detail}", "Postgres holds no NUL"
        self.rows.append(entry)

    @asynccontextmanager
    async def lock(self, bot):
        self._may_fail("lock")
        if bot in self.locked:
            raise BotBusyError(bot)
        self.locked.add(bot)
        try:
            yield
        finally:
            self.locked.discard(bot)
