"""The REST API over HTTP: start, stop, restart, delete, plan, and every refusal."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from api.errors import NomadRefusedError, NomadUnavailableError, StoreUnavailableError, VaultUnavailableError
from api.models import BotId

pytestmark = pytest.mark.anyio

BOT = {"wallet": "wallet-1", "market": "inj-usdt", "type": "spot"}
ID = "wallet-1.inj-usdt.spot"
URL = f"/api/v1/bots/{ID}"


async def until(client, url, phase):
    for _ in range(100):
        body = (await client.get(url)).json()
        if body.get("phase") == phase:
            return body
        await asyncio.sleep(0.01)
    raise AssertionError(body)


def assert_problem(answer, status, code):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == code
    assert body["status"] == status
    assert body["instance"] == answer.request.url.path
    assert body["type"] == f"/docs#error-{code}"
    assert body["title"]
    assert body["detail"].endswith(".")
    return body


async def test_start_stop_and_start_again(drover):
    async with drover.running(), drover.signed_in() as client:
        answer = await client.post("/api/v1/bots", json=BOT)
        assert answer.status_code == 202
        assert answer.headers["location"] == URL
        assert answer.json() | {"allocation_id": 0, "started_at": 0, "phase": 0, "restarts": 0} == {
            "id": ID,
            "wallet": "wallet-1",
            "market": "inj-usdt",
            "type": "spot",
            "network": "paper",
            "phase": 0,
            "reason": "",
            "allocation_id": 0,
            "started_at": 0,
            "restarts": 0,
        }
        running = await until(client, URL, "running")
        assert running["allocation_id"] in drover.nomad.allocations
        assert running["started_at"].endswith("Z")
        assert (await client.post(f"{URL}/stop")).status_code == 202
        await until(client, URL, "stopped")
        assert (await client.post(f"{URL}/start")).status_code == 202
        await until(client, URL, "running")
        assert [bot["id"] for bot in (await client.get("/api/v1/bots")).json()["bots"]] == [ID]
    assert [(row.action, row.result, row.who, row.from_addr) for row in drover.store.rows] == [
        ("start", "ok", "ada", "203.0.113.7"),
        ("stop", "ok", "ada", "203.0.113.7"),
        ("start", "ok", "ada", "203.0.113.7"),
    ]


async def test_what_is_registered_is_what_was_rendered(drover):
    async with drover.running(), drover.signed_in() as client:
        await client.post("/api/v1/bots", json=BOT)
    rendered, who = drover.store.versions[ID][0]
    assert drover.nomad.sources[ID] == rendered.hcl
    assert 'role         = "wallet-wallet-1"' in rendered.hcl
    assert who == "ada"
    assert drover.store.bots[ID].version == 1


async def test_the_same_definition_makes_no_second_version(drover):
    async with drover.running(), drover.signed_in() as client:
        for _ in range(2):
            await client.post("/api/v1/bots", json=BOT)
            await client.post(f"{URL}/stop")
    assert len(drover.store.versions[ID]) == 1


@pytest.mark.parametrize(
    ("change", "status", "code", "field"),
    [
        ({"wallet": "nobody"}, 422, "unknown_wallet", "wallet"),
        ({"wallet": "../../sys"}, 422, "unknown_wallet", "wallet"),
        ({"market": "doge-usdt"}, 422, "unknown_market", "market"),
        ({"type": "futures"}, 422, "unknown_type", "type"),
        ({"type": "derivative"}, 422, "market_type_mismatch", "type"),
        ({"network": "moon"}, 422, "unknown_network", "network"),
        ({"network": "testnet"}, 422, "wallet_network_mismatch", "wallet"),
        ({"colour": "red"}, 422, "unknown_field", "colour"),
        ({"wallet": 7}, 422, "invalid_field", "wallet"),
        ({"wallet": "w" * 81}, 422, "invalid_field", "wallet"),
        ({"confirm_mainnet": "yes"}, 422, "invalid_field", "confirm_mainnet"),
        ({"wallet": "main-1", "network": "mainnet"}, 403, "mainnet_not_allowed", "network"),
    ],
)
async def test_a_wrong_choice_is_refused_and_nothing_is_registered(drover, change, status, code, field):
    async with drover.running(), drover.signed_in() as client:
        body = assert_problem(await client.post("/api/v1/bots", json=BOT | change), status, code)
        assert body["field"] == field
    assert not drover.nomad.jobs
    assert not drover.store.bots


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"{", 400, "invalid_json"),
        (b"[]", 422, "invalid_body"),
        (b"{}", 422, "missing_field"),
        (b"", 422, "missing_field"),
        (b'"' + b"x" * 70_000 + b'"', 413, "body_too_large"),
    ],
)
async def test_a_body_that_is_no_request(drover, content, status, code):
    async with drover.running(), drover.signed_in() as client:
        headers = {"Content-Type": "application/json"}
        assert_problem(await client.post("/api/v1/bots", content=content, headers=headers), status, code)


async def test_a_body_without_length_is_limited_too(drover):
    async def chunks():
        for _ in range(20):
            yield b"x" * 5000

    async with drover.running(), drover.signed_in() as client:
        assert_problem(await client.post("/api/v1/bots", content=chunks()), 413, "body_too_large")


async def test_a_second_start_is_refused(drover):
    async with drover.running(), drover.signed_in() as client:
        await client.post("/api/v1/bots", json=BOT)
        assert_problem(await client.post("/api/v1/bots", json=BOT), 409, "bot_already_running")
        assert_problem(await client.post(f"{URL}/start"), 409, "bot_already_running")
    assert len(drover.nomad.allocations) == 1


async def test_two_starts_at_once_make_one_bot(drover):
    async with drover.running(), drover.signed_in() as client:
        answers = await asyncio.gather(*(client.post("/api/v1/bots", json=BOT) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    assert len(drover.nomad.allocations) == 1


async def test_another_process_holds_the_bot(drover):
    async with drover.running(), drover.signed_in() as client:
        drover.store.locked.add(BotId.parse(ID))
        assert_problem(await client.post("/api/v1/bots", json=BOT), 409, "bot_busy")


async def test_no_start_while_the_old_process_may_trade(drover):
    async with drover.running(), drover.signed_in() as client:
        await client.post("/api/v1/bots", json=BOT)
        drover.nomad.slow_stop = True
        await client.post(f"{URL}/stop")
        assert (await until(client, URL, "stopping"))["reason"] == "cancelling its orders"
        assert_problem(await client.post(f"{URL}/start"), 409, "bot_stopping")
        assert_problem(await client.delete(URL), 409, "bot_stopping")
        drover.nomad.finish_stop_for_test()
        assert (await client.post(f"{URL}/start")).status_code == 202


async def test_restart_replaces_the_allocation(drover):
    async with drover.running(), drover.signed_in() as client:
        await client.post("/api/v1/bots", json=BOT)
        first = (await until(client, URL, "running"))["allocation_id"]
        assert (await client.post(f"{URL}/restart")).status_code == 202
        for _ in range(100):
            if (second := (await client.get(URL)).json())["allocation_id"] != first:
                break
            await asyncio.sleep(0.01)
        assert second["allocation_id"] != first
        assert second["phase"] == "running"
        await client.post(f"{URL}/stop")
        assert_problem(await client.post(f"{URL}/restart"), 409, "bot_not_running")


async def test_delete_forgets_a_stopped_bot_only(drover):
    async with drover.running(), drover.signed_in() as client:
        await client.post("/api/v1/bots", json=BOT)
        assert_problem(await client.delete(URL), 409, "bot_still_running")
        await client.post(f"{URL}/stop")
        assert (await client.delete(URL)).status_code == 204
        assert (await client.get("/api/v1/bots")).json()["bots"] == []
        assert_problem(await client.post(f"{URL}/start"), 404, "bot_not_found")
        assert (await client.post("/api/v1/bots", json=BOT)).status_code == 202


async def test_stop_of_a_stopped_bot_changes_nothing(drover):
    async with drover.running(), drover.signed_in() as client:
        await client.post("/api/v1/bots", json=BOT)
        await client.post(f"{URL}/stop")
        index = drover.nomad.index
        assert (await client.post(f"{URL}/stop")).status_code == 202
    assert drover.nomad.index == index


async def test_a_dead_bot_is_woken_before_it_is_stopped(drover):
    async with drover.running(), drover.signed_in() as client:
        await client.post("/api/v1/bots", json=BOT)
        exited = {"Type": "Terminated", "Details": {"exit_code": "137", "signal": "9"}}
        dead = drover.nomad.task_for_test(ID, State="pending", Restarts=1, Events=[exited])
        assert (await client.post(f"{URL}/stop")).status_code == 202
        # Its next process ran when the job was stopped: that is the one that takes the orders out.
        (next_one,) = [i for i in drover.nomad.allocations.values() if i["CreateIndex"] > dead["CreateIndex"]]
        assert next_one["TaskStates"]["bot"]["State"] == "running"
        assert next_one["DesiredStatus"] == "stop"
    assert drover.nomad.jobs[ID]["Stop"] is True


async def test_plan_submits_nothing(drover):
    async with drover.running(), drover.signed_in() as client:
        body = (await client.post("/api/v1/bots/plan", json=BOT)).json()
    assert body["id"] == ID
    assert body["diff"]["Type"] == "Added"
    assert body["hcl"].startswith("# One trading bot.")
    assert not drover.nomad.jobs
    assert not drover.store.bots


async def test_stop_works_without_postgres_and_vault(drover):
    async with drover.running(), drover.signed_in() as client:
        await client.post("/api/v1/bots", json=BOT)
        drover.store.fail["*"] = StoreUnavailableError()
        drover.vault.fail["*"] = VaultUnavailableError()
        assert (await client.post(f"{URL}/stop")).status_code == 202
        await until(client, URL, "stopped")
        assert_problem(await client.post(f"{URL}/start"), 503, "database_unavailable")
    assert drover.nomad.jobs[ID]["Stop"] is True


async def test_start_is_refused_without_postgres(drover):
    async with drover.running(), drover.signed_in() as client:
        drover.store.fail["*"] = StoreUnavailableError()
        assert_problem(await client.post("/api/v1/bots", json=BOT), 503, "database_unavailable")
    assert not drover.nomad.jobs


@pytest.mark.parametrize("error", [NomadUnavailableError(), NomadRefusedError("register the job", "no")])
async def test_a_start_that_nomad_does_not_take_is_rolled_back(drover, error):
    async with drover.running(), drover.signed_in() as client:
        drover.nomad.fail["register"] = error
        assert_problem(await client.post("/api/v1/bots", json=BOT), error.status, error.code)
        assert (await client.get(URL)).json()["phase"] == "stopped"
    assert drover.store.bots[ID].desired == "stopped"
    assert drover.store.rows[-1].result == error.code


async def test_mainnet_needs_the_setting_and_a_confirmation_each_time(make_drover):
    drover = make_drover(DROVER_ALLOW_MAINNET="true")
    bot = BOT | {"wallet": "main-1", "network": "mainnet"}
    url = "/api/v1/bots/main-1.inj-usdt.spot"
    async with drover.running(), drover.signed_in() as client:
        assert_problem(await client.post("/api/v1/bots", json=bot), 422, "mainnet_not_confirmed")
        assert (await client.post("/api/v1/bots", json=bot | {"confirm_mainnet": True})).status_code == 202
        await client.post(f"{url}/stop")
        assert_problem(await client.post(f"{url}/start"), 422, "mainnet_not_confirmed")
        assert (await client.post(f"{url}/start", json={"confirm_mainnet": True})).status_code == 202


async def test_crash_and_failure_are_told_in_words(drover):
    async with drover.running(), drover.signed_in() as client:
        await client.post("/api/v1/bots", json=BOT)
        events = [
            {
                "Type": "Terminated",
                "DisplayMessage": "Exit Code: 7",
                "Details": {"exit_code": "7", "signal": "0"},
            },
            {"Type": "Restarting", "DisplayMessage": "Task restarting in 2s", "Details": {}},
        ]
        drover.nomad.task_for_test(ID, ClientStatus="pending", State="pending", Restarts=3, Events=events)
        body = await until(client, URL, "crashed")
        assert body["reason"] == "exit code 7, restarted 3 times"
        assert body["restarts"] == 3


async def test_a_lost_stream_shows_and_heals(drover):
    async with drover.running(), drover.signed_in() as client:
        await client.post("/api/v1/bots", json=BOT)
        await until(client, URL, "running")
        drover.nomad.fail["events"] = NomadUnavailableError()
        drover.nomad.break_stream_for_test(NomadUnavailableError())
        await asyncio.sleep(0.05)
        assert (await client.get("/api/v1/bots")).json()["fresh"] is False
        assert (await client.get("/readyz")).status_code == 503
        drover.nomad.collect_garbage_for_test()
        del drover.nomad.fail["events"]
        body = await until(client, URL, "stopped")
        assert body["reason"] == "Nomad no longer has its job; start it again"


async def test_logs(drover):
    async with drover.running(), drover.signed_in() as client:
        await client.post("/api/v1/bots", json=BOT)
        allocation = (await until(client, URL, "running"))["allocation_id"]
        assert_problem(await client.get(f"{URL}/logs"), 404, "logs_not_found")
        drover.nomad.logs[allocation, "stdout"] = "".join(f"line {n}\n" for n in range(500))
        answer = await client.get(f"{URL}/logs?tail=2")
        assert answer.text == "line 498\nline 499\n"
        assert answer.headers["content-type"].startswith("text/plain")
        assert_problem(await client.get(f"{URL}/logs?tail=0"), 422, "invalid_field")
        assert_problem(await client.get(f"{URL}/logs?stream=../../secrets"), 422, "invalid_field")


async def test_wallets_and_markets(drover):
    async with drover.running(), drover.signed_in() as client:
        wallets = (await client.get("/api/v1/wallets")).json()["wallets"]
        markets = (await client.get("/api/v1/markets")).json()["markets"]
    assert [wallet["name"] for wallet in wallets] == ["main-1", "wallet-1", "wallet-2"]
    assert set(wallets[0]) == {"name", "address", "account", "network", "label", "key_version"}
    assert {market["name"]: market["type"] for market in markets}["inj-usdt-perp"] == "derivative"


async def test_health(drover):
    async with drover.running(), drover.client() as client:
        await asyncio.sleep(0.01)
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.get("/readyz")).json()["ready"] is True
        drover.vault.fail["ping"] = VaultUnavailableError()
        answer = await client.get("/readyz")
        assert answer.status_code == 503
        assert answer.json()["checks"] == {"nomad": "ok", "postgres": "ok", "vault": "Vault does not answer"}
        assert "drover_bots{" in (await client.get("/metrics")).text


async def test_docs_tell_every_route_and_error(drover):
    async with drover.running(), drover.client() as client:
        page, document = await client.get("/docs"), (await client.get("/openapi.json")).json()
    for path in document["paths"]:
        assert path in page.text
    assert 'id="error-bot_already_running"' in page.text


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/v1/nothing", 404, "not_found"),
        ("PATCH", "/api/v1/bots", 405, "method_not_allowed"),
        ("GET", "/api/v1/bots/none.inj-usdt.spot", 404, "bot_not_found"),
        ("GET", "/api/v1/bots/x", 422, "invalid_bot_id"),
        ("POST", "/api/v1/bots/none.inj-usdt.spot/stop", 404, "bot_not_found"),
    ],
)
async def test_wrong_addresses(drover, method, path, status, code):
    async with drover.running(), drover.signed_in() as client:
        assert_problem(await client.request(method, path), status, code)


async def test_a_fault_of_our_own_is_a_problem_document_too(drover):
    async with drover.running(), drover.signed_in() as client:
        drover.nomad.fail["read_job"] = ZeroDivisionError("secret detail")
        body = assert_problem(await client.post("/api/v1/bots", json=BOT), 500, "internal_error")
    assert "secret" not in str(body)


async def test_a_bot_that_ended_while_nomad_was_away_is_placed_again(drover, monkeypatch):
    monkeypatch.setattr("api.watcher.RECONCILE_SECONDS", 0.05)
    async with drover.running(), drover.signed_in() as client:
        await client.post("/api/v1/bots", json=BOT)
        first = (await until(client, URL, "running"))["allocation_id"]
        drover.nomad.task_for_test(ID, ClientStatus="complete", State="dead")
        for _ in range(200):
            bot = (await client.get(URL)).json()
            if bot["allocation_id"] != first:
                break
            await asyncio.sleep(0.01)
        assert (bot["phase"], bot["allocation_id"] != first) == ("running", True)
        await client.post(f"{URL}/stop")
        await asyncio.sleep(0.2)
        assert (await client.get(URL)).json()["phase"] == "stopped"


async def test_what_was_done_while_postgres_was_away_is_audited_afterwards(drover, monkeypatch):
    monkeypatch.setattr("api.main._DEFINITIONS_SECONDS", 0.02)
    async with drover.running(), drover.signed_in() as client:
        await client.post("/api/v1/bots", json=BOT)
        drover.store.fail["*"] = StoreUnavailableError()
        assert (await client.post(f"{URL}/stop")).status_code == 202
        assert (await client.post(f"{URL}/start")).status_code == 503
        assert [row.action for row in drover.store.rows] == ["start"]
        back = datetime.now(UTC)
        drover.store.fail.clear()
        await asyncio.sleep(0.2)
        assert drover.store.bots[ID].desired == "stopped"
    assert [(row.action, row.result) for row in drover.store.rows] == [
        ("start", "ok"),
        ("stop", "ok"),
        ("start", "database_unavailable"),
    ]
    assert [row.at for row in drover.store.rows] == sorted(row.at for row in drover.store.rows)
    assert all(row.at < back for row in drover.store.rows)
