"""NomadClient and VaultClient: the same tests on the fakes and on real engines.

On the real ones the clients hold what the API's task holds in production: the workload identities of
(namespace hub, job api, task api), with the policies and roles of this repository.
"""

from __future__ import annotations

import asyncio
import shutil
from types import SimpleNamespace

import httpx
import pytest

from api.credentials import Credentials, Secret
from api.errors import NomadRefusedError, NomadUnavailableError, VaultUnavailableError, WrongCredentialsError
from api.errors_choice import UnknownWalletError
from api.models import BotId, BotSpec, BotType, Network
from api.nomad_client import NomadClient
from api.nomad_http import refusal
from api.render import JobSettings, render_bot
from api.status import StatusBoard
from api.vault_client import VaultClient
from api.watcher import Watcher
from ops.bootstrap import bootstrap
from ops.keys import new_key
from ops.nomad import Nomad
from ops.vault import Vault
from ops.wallets import NewWallet, add_wallet, list_wallets
from tests.engines import free_port
from tests.fakes import FakeNomad, FakeVault

pytestmark = pytest.mark.anyio
REAL = pytest.param("real", marks=pytest.mark.engines)
ID = BotId("wallet-1", "inj-usdt", BotType.SPOT)
NOBODY = "00000000-0000-0000-0000-000000000000"

HCL = """
job "wallet-1.inj-usdt.spot" {
  namespace = "bots"
  meta {
    drover_network = "paper"
  }
  group "bot" {
    task "bot" {
      driver = "mock_driver"
      config {
        run_for       = "900s"
        stdout_string = "placed an order"
      }
      resources {
        cpu    = 10
        memory = 16
      }
    }
  }
}
"""

API = """
job "api" {
  namespace = "hub"
  group "api" {
    task "api" {
      driver = "mock_driver"
      config {
        run_for = "900s"
      }
      identity {
        file = true
      }
      identity {
        name = "login"
        aud  = ["drover-login"]
        file = true
        ttl  = "1h"
      }
      vault {
        role = "api"
        env  = false
      }
      resources {
        cpu    = 10
        memory = 16
      }
    }
  }
}
"""


@pytest.fixture
def anyio_backend():
    return "asyncio"


@pytest.fixture(scope="module")
def engines(vault_server, nomad_agent, tmp_path_factory):
    vault, nomad = (
        Vault(vault_server.address, vault_server.token),
        Nomad(nomad_agent.address, nomad_agent.token),
    )
    bootstrap(vault, nomad, jwks_url=nomad_agent.jwks_url, env={}, report=lambda _: None)
    if "wallet-1" not in {row.name for row in list_wallets(vault)}:
        add_wallet(vault, NewWallet("wallet-1", new_key()))
    for name in ("bots", "hub"):
        present = nomad.get(f"/v1/namespace/{name}")
        nomad.post(
            "/v1/namespace", {**present, "Capabilities": {"EnabledTaskDrivers": ["docker", "mock_driver"]}}
        )
    user = {"password": "correct horse", "token_no_default_policy": True}
    assert vault_server.call(
        vault_server.token.reveal(), "POST", "auth/users/users/contract", user
    ).is_success
    nomad_agent.run(API)
    running = nomad_agent.allocation("api", "hub", lambda item: item["ClientStatus"] == "running")
    secrets = tmp_path_factory.mktemp("api-secrets")
    for name in ("nomad_token", "nomad_login.jwt", "vault_token"):
        shutil.copy(nomad_agent.task_folder(running, "api") / "secrets" / name, secrets / name)
    yield SimpleNamespace(nomad=nomad_agent, vault=vault_server, credentials=Credentials(secrets))
    for name in ("bots", "hub"):
        for one in nomad.get("/v1/jobs", namespace=name) or []:
            nomad.delete(f"/v1/job/{one['ID']}?namespace={name}&purge=true")
    bootstrap(vault, nomad, jwks_url=nomad_agent.jwks_url, env={}, report=lambda _: None)


@pytest.fixture(params=["fake", REAL])
async def nomad(request):
    if request.param == "fake":
        yield FakeNomad()
        return
    engines = request.getfixturevalue("engines")
    engines.nomad.call("DELETE", f"/v1/job/{ID}?namespace=bots&purge=true")
    client = NomadClient(engines.nomad.address, engines.credentials)
    yield client
    await client.aclose()


@pytest.fixture(params=["fake", REAL])
async def vault(request):
    if request.param == "fake":
        fake = FakeVault()
        fake.add_wallet_for_test("wallet-1")
        fake.users["contract"] = "correct horse"
        yield fake
        return
    engines = request.getfixturevalue("engines")
    client = VaultClient(engines.vault.address, engines.credentials)
    yield client
    await client.aclose()


async def until(look, wanted, seconds=15):
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        found = await look()
        if wanted(found):
            return found
        assert asyncio.get_running_loop().time() < deadline, found
        await asyncio.sleep(0.05)


def alive(stubs):
    return [item for item in stubs if item["ClientStatus"] == "running" and item["DesiredStatus"] == "run"]


async def start(nomad):
    index = await nomad.register(await nomad.parse(HCL), HCL)
    stubs = await until(lambda: nomad.allocations_of(ID), alive)
    return index, alive(stubs)[-1]["ID"]


class TestNomad:
    async def test_unknown_things(self, nomad):
        stranger = BotId("nobody", "inj-usdt", BotType.SPOT)
        assert await nomad.read_job(stranger) is None
        assert await nomad.allocations_of(stranger) == []
        assert await nomad.log_tail(NOBODY, "stdout", 100) is None
        with pytest.raises(NomadRefusedError):
            await nomad.stop_allocation(NOBODY)
        with pytest.raises(NomadRefusedError):
            await nomad.parse("this is no job")

    async def test_start_and_stop(self, nomad):
        index, _ = await start(nomad)
        job = await nomad.read_job(ID)
        assert (job["Stop"], job["Meta"]["drover_network"], job["JobModifyIndex"]) == (False, "paper", index)
        assert await nomad.deregister(ID) > index
        assert (await nomad.read_job(ID))["Stop"] is True
        await until(
            lambda: nomad.allocations_of(ID),
            lambda stubs: all(i["ClientStatus"] == "complete" for i in stubs),
        )

    async def test_start_again_makes_a_new_allocation(self, nomad):
        _, first = await start(nomad)
        await nomad.deregister(ID)
        await until(lambda: nomad.allocations_of(ID), lambda stubs: not alive(stubs))
        _, second = await start(nomad)
        assert second != first

    async def test_restart(self, nomad):
        _, first = await start(nomad)
        await nomad.stop_allocation(first)
        stubs = await until(
            lambda: nomad.allocations_of(ID), lambda stubs: [i for i in alive(stubs) if i["ID"] != first]
        )
        assert len(alive(stubs)) == 1
        assert (await nomad.read_job(ID))["Stop"] is False

    async def test_evaluating_a_bot_that_runs_touches_nothing(self, nomad):
        with pytest.raises(NomadRefusedError):
            await nomad.evaluate(BotId("nobody", "inj-usdt", BotType.SPOT))
        _, first = await start(nomad)
        await nomad.evaluate(ID)
        await nomad.ping()
        await asyncio.sleep(0.5)
        assert [
            item["ID"] for item in await nomad.allocations_of(ID) if item["ClientStatus"] == "running"
        ] == [first]

    async def test_plan_tells_and_submits_nothing(self, nomad):
        job = await nomad.parse(HCL)
        assert (await nomad.plan(ID, job))["Diff"]["Type"] == "Added"
        assert await nomad.read_job(ID) is None
        await start(nomad)
        assert (await nomad.plan(ID, job))["Diff"]["Type"] == "None"

    async def test_snapshot(self, nomad):
        _, allocation = await start(nomad)
        snapshot = await nomad.snapshot()
        assert [item["Stop"] for item in snapshot.jobs if item["ID"] == str(ID)] == [False]
        (found,) = [item for item in snapshot.allocations if item["ID"] == allocation]
        assert found["TaskStates"]["bot"]["State"] == "running"
        assert snapshot.index >= found["CreateIndex"]

    async def test_events_follow(self, nomad):
        seen = []

        async def listen(batches):
            async for batch in batches:
                seen.extend(batch)

        async with nomad.events((await nomad.snapshot()).index) as batches:
            task = asyncio.create_task(listen(batches))
            _, allocation = await start(nomad)
            await nomad.deregister(ID)

            async def look():
                return [event["Payload"] for event in seen]

            await until(look, lambda found: any(p.get("Job", {}).get("Stop") for p in found))
            await until(
                look,
                lambda found: any(
                    p.get("Allocation", {}).get("ID") == allocation
                    and p["Allocation"]["ClientStatus"] == "complete"
                    for p in found
                ),
            )
            task.cancel()

    async def test_the_board_follows_a_bots_life(self, nomad):
        board = StatusBoard()
        watcher = Watcher(nomad, board)
        watcher.start()

        async def phase():
            return board.verdict(str(ID)).phase.value

        try:
            await start(nomad)
            await until(phase, lambda word: word == "running")
            assert board.connected
            await nomad.deregister(ID)
            await until(phase, lambda word: word == "stopped")
        finally:
            await watcher.aclose()

    async def test_a_nomad_that_falls_silent_is_noticed_and_found_again(self, nomad, monkeypatch):
        monkeypatch.setattr("api.watcher.PULSE_SECONDS", 0.1)
        board = StatusBoard()
        watcher = Watcher(nomad, board)
        watcher.start()

        async def connected():
            return board.connected

        async def dead():
            raise NomadUnavailableError

        try:
            await until(connected, bool)
            with monkeypatch.context() as patch:
                patch.setattr(nomad, "ping", dead)
                patch.setattr(nomad, "snapshot", dead)
                await until(connected, lambda yes: not yes)  # the stream itself says nothing
            await until(connected, bool)
            await start(nomad)
            assert board.verdict(str(ID))
        finally:
            await watcher.aclose()


class TestVault:
    async def test_wallets(self, vault):
        names = [wallet.name for wallet in await vault.wallets()]
        assert names == sorted(names)
        assert "wallet-1" in names
        wallet = await vault.wallet("wallet-1")
        assert wallet.address.startswith("inj1")
        assert (wallet.account, wallet.network, wallet.key_version) == (wallet.address, "paper", 1)
        await vault.ping()

    @pytest.mark.parametrize("name", ["nobody", "", "../hub/api", "wallet-1/", "*", "wallet-1?version=1"])
    async def test_unknown_wallets(self, vault, name):
        with pytest.raises(UnknownWalletError):
            await vault.wallet(name)

    async def test_users(self, vault):
        names = ("contract", "nobody", "../../sys/seal-status", "")
        assert [await vault.has_user(name) for name in names] == [True, False, False, False]

    async def test_sign_in(self, vault):
        await vault.check_password("contract", Secret("correct horse"))
        for user, password in (
            ("contract", "gu3ss"),
            ("nobody", "gu3ss"),
            ("../../sys/seal-status", "gu3ss"),
        ):
            with pytest.raises(WrongCredentialsError) as refused:
                await vault.check_password(user, Secret(password))
            assert password not in f"{refused.value} {refused.value.__cause__}"


@pytest.mark.engines
class TestRealOnly:
    async def test_the_log_of_a_bot(self, engines):
        client = NomadClient(engines.nomad.address, engines.credentials)
        _, allocation = await start(client)
        text = await until(lambda: client.log_tail(allocation, "stdout", 1000), lambda text: text)
        assert "placed an order" in text
        await client.aclose()

    async def test_nomads_ui_gets_the_source(self, engines):
        client = NomadClient(engines.nomad.address, engines.credentials)
        await start(client)
        version = (await client.read_job(ID))["Version"]
        path = f"/v1/job/{ID}/submission?namespace=bots&version={version}"
        answer = engines.nomad.call("GET", path).json()
        assert (answer["Source"], answer["Format"]) == (HCL, "hcl2")
        await client.aclose()

    @pytest.mark.parametrize("network", list(Network))
    async def test_nomad_reads_a_rendered_bot_as_it_is_meant(self, engines, network):
        client = NomadClient(engines.nomad.address, engines.credentials)
        settings = JobSettings('i"m\\${ x }%{ y }', "h:3", "h:4", "h:1", "http://h:2", log_level="a\nb")
        job = await client.parse(render_bot(BotSpec(ID, network), settings))
        (task,) = job["TaskGroups"][0]["Tasks"]
        assert (job["ID"], job["Namespace"], job["TaskGroups"][0]["Count"]) == (str(ID), "bots", 1)
        assert task["Config"]["image"] == 'i"m\\${ x }%{ y }'
        assert task["Env"]["LOG_LEVEL"] == "a\nb"
        assert (task["Vault"]["Role"], task["Vault"]["Env"], task["Vault"]["DisableFile"]) == (
            "wallet-wallet-1",
            False,
            True,
        )
        assert ("PAPER_GRPC" in task["Env"]) is (network is Network.PAPER)
        await client.aclose()

    async def test_a_wallet_that_vault_refuses_is_failed_with_the_reason(self, engines):
        hcl = HCL.replace(
            'task "bot" {',
            """task "bot" {
      vault {
        role = "wallet-wallet-9"
        env  = false
      }""",
        )
        client, board = NomadClient(engines.nomad.address, engines.credentials), StatusBoard()
        watcher = Watcher(client, board)
        watcher.start()
        try:
            await client.register(await client.parse(hcl), hcl)

            async def look():
                return board.verdict(str(ID))

            verdict = await until(look, lambda verdict: verdict.phase.value == "failed", 40)
            assert "Vault gave no key" in verdict.reason
        finally:
            await client.deregister(ID)
            await watcher.aclose()
            await client.aclose()

    async def test_a_wrong_token_is_a_refusal(self, engines, tmp_path):
        (tmp_path / "nomad_token").write_text(NOBODY)
        (tmp_path / "vault_token").write_text("guess")
        nomad = NomadClient(engines.nomad.address, Credentials(tmp_path))
        vault = VaultClient(engines.vault.address, Credentials(tmp_path))
        for call in (nomad.snapshot(), nomad.read_job(ID), nomad.parse(HCL)):
            with pytest.raises(NomadRefusedError):
                await call
        with pytest.raises((NomadRefusedError, NomadUnavailableError)):  # Nomad says nothing at all
            async with nomad.events(0) as batches:
                assert [batch async for batch in batches]
        with pytest.raises(VaultUnavailableError, match="token"):
            await vault.wallets()


async def test_a_vault_that_hangs_is_given_up_and_keeps_nobody_else_waiting(tmp_path):
    """Sockets that accept and say nothing: more calls hang than there are threads; Nomad is asked still."""
    for name in ("nomad_token", "vault_token"):
        (tmp_path / name).write_text("x")
    silent = await asyncio.start_server(lambda _reader, _writer: asyncio.sleep(60), "127.0.0.1", 0)
    vault = VaultClient(f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}", Credentials(tmp_path))
    nomad = NomadClient(f"http://127.0.0.1:{free_port()}", Credentials(tmp_path))
    clock = asyncio.get_running_loop().time
    began = clock()
    hanging = [asyncio.create_task(vault.ping()) for _ in range(40)]
    await asyncio.sleep(0.2)
    with pytest.raises(NomadUnavailableError):
        await nomad.read_job(ID)
    assert clock() - began < 2
    given_up = await asyncio.gather(*hanging, return_exceptions=True)
    assert {type(error) for error in given_up} == {VaultUnavailableError}
    assert clock() - began < 8
    await vault.aclose()
    await nomad.aclose()
    silent.close()


@pytest.mark.parametrize(
    ("status", "said", "expected"),
    [
        (500, "Server error authenticating request\n", NomadUnavailableError),  # its servers are down
        (500, "No cluster leader", NomadUnavailableError),
        (500, "rpc error: failed to get conn: connection refused", NomadUnavailableError),
        (429, "", NomadUnavailableError),
        (403, "Permission denied", NomadRefusedError),
        (500, "Permission denied", NomadRefusedError),
    ],
)
def test_an_agent_without_servers_is_away_and_does_not_refuse(status, said, expected):
    assert isinstance(refusal("read a job", httpx.Response(status, text=said)), expected)


async def test_nobody_answers(tmp_path):
    for name in ("nomad_token", "vault_token"):
        (tmp_path / name).write_text("x")
    nomad = NomadClient(f"http://127.0.0.1:{free_port()}", Credentials(tmp_path))
    socket = NomadClient(f"unix://{tmp_path}/api.sock", Credentials(tmp_path))
    vault = VaultClient(f"http://127.0.0.1:{free_port()}", Credentials(tmp_path))
    for call in (nomad.read_job(ID), nomad.snapshot(), socket.read_job(ID), socket.snapshot()):
        with pytest.raises(NomadUnavailableError):
            await call
    for call in (vault.ping(), vault.check_password("ada", Secret("x"))):
        with pytest.raises(VaultUnavailableError):
            await call
