"""Fixtures: throw-away Vault and Nomad servers on loopback, real ones, ended by their own process."""

from __future__ import annotations

import json
import os
import socket
import ssl
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from ops.engines import cache_folder
from ops.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_START_SECONDS = 60.0
_ROOT = "root-of-a-throw-away-vault"


@dataclass(frozen=True)
class VaultServer:
    """`vault server -dev`: in memory, unsealed."""

    address: str
    token: Secret

    def login(self, role: str, jwt: str) -> httpx.Response:
        return httpx.post(f"{self.address}/v1/auth/jwt-nomad/login", json={"role": role, "jwt": jwt})

    def call(self, token: str, method: str, path: str, body: Any = None) -> httpx.Response:
        return httpx.request(method, f"{self.address}/v1/{path}", headers={"X-Vault-Token": token}, json=body)


@dataclass(frozen=True)
class NomadAgent:
    """`nomad agent -dev` with ACLs: server and client in one, wired to a VaultServer."""

    address: str
    token: Secret
    data: Path

    @property
    def jwks_url(self) -> str:
        return f"{self.address}/.well-known/jwks.json"

    def call(self, method: str, path: str, body: Any = None, token: str | None = None) -> httpx.Response:
        bearer = self.token.reveal() if token is None else token
        return httpx.request(
            method, f"{self.address}{path}", headers={"X-Nomad-Token": bearer}, json=body, timeout=20
        )

    def run(self, hcl: str) -> dict[str, Any]:
        """Submit an HCL job; returns it as Nomad parsed it."""
        job = self.call("POST", "/v1/jobs/parse", {"JobHCL": hcl, "Canonicalize": True})
        assert job.status_code == 200, job.text
        answer = self.call("POST", "/v1/jobs", {"Job": job.json()})
        assert answer.status_code == 200, answer.text
        return dict(job.json())

    def allocation(self, job: str, namespace: str, until: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait for an allocation of `job` that satisfies `until`; fails with its task events."""
        deadline = time.monotonic() + 30
        found: list[dict[str, Any]] = []
        while time.monotonic() < deadline:
            found = self.call("GET", f"/v1/job/{job}/allocations?namespace={namespace}").json()
            for one in found:
                if until(one):
                    return one
            time.sleep(0.1)
        raise AssertionError(json.dumps([one.get("TaskStates") for one in found], indent=1)[:3000])

    def task_folder(self, allocation: dict[str, Any], task: str) -> Path:
        return self.data / "alloc" / str(allocation["ID"]) / task


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def binary(name: str) -> Path:
    """The engine that `drover up` would use: the newest in its cache."""
    cache = cache_folder(os.environ) / "engines"
    found = sorted(cache.glob(f"{name}-*/{name}"))
    assert found, f"no {name} in {cache}; run ./drover up once, or see ops/engines.py"
    return found[-1]


def wait(address: str, process: subprocess.Popen[bytes], log: Path, ca: Path | None = None) -> None:
    """Wait until `address` answers; fails with the end of the log when the process ends."""
    verify = ssl.create_default_context(cafile=str(ca)) if ca else True
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-3000:]
        try:
            if httpx.get(address, timeout=2, verify=verify).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise AssertionError(log.read_text()[-3000:])


def end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def start(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    # A CA bundle or proxy of this shell is not for servers on loopback; AWS_CA_BUNDLE ends a Nomad agent.
    environment = {"PATH": os.environ["PATH"], "HOME": str(log.parent)}
    with log.open("wb") as out:
        return subprocess.Popen(command, stdout=out, stderr=out, env=environment)


@pytest.fixture(scope="session")
def vault_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VaultServer]:
    port, log = free_port(), tmp_path_factory.mktemp("vault") / "vault.log"
    listen = [f"-dev-listen-address=127.0.0.1:{port}", f"-dev-root-token-id={_ROOT}", "-dev-no-store-token"]
    process = start([str(binary("vault")), "server", "-dev", *listen], log)
    try:
        wait(f"http://127.0.0.1:{port}/v1/sys/health", process, log)
        yield VaultServer(f"http://127.0.0.1:{port}", Secret(_ROOT))
    finally:
        end(process)


@pytest.fixture(scope="session")
def nomad_agent(tmp_path_factory: pytest.TempPathFactory, vault_server: VaultServer) -> Iterator[NomadAgent]:
    folder = tmp_path_factory.mktemp("nomad")
    http = free_port()
    config = folder / "agent.json"
    config.write_text(json.dumps(_nomad_config(folder, http, vault_server)))
    log = folder / "nomad.log"
    process = start([str(binary("nomad")), "agent", "-dev", f"-config={config}"], log)
    try:
        address = f"http://127.0.0.1:{http}"
        wait(f"{address}/v1/status/leader", process, log)
        token = _bootstrap_token(address)
        agent = NomadAgent(address, Secret(token), folder / "data")
        _wait_node(agent)
        yield agent
    finally:
        _end_jobs(http, process, locals().get("token", ""))


def _nomad_config(folder: Path, http: int, vault: VaultServer) -> dict[str, Any]:
    return {
        "data_dir": str(folder / "data"),
        "bind_addr": "127.0.0.1",
        "log_level": "INFO",
        "ports": {"http": http, "rpc": free_port(), "serf": free_port()},
        "acl": {"enabled": True},
        "server": {"enabled": True, "bootstrap_expect": 1},
        "client": {"enabled": True, "network_interface": "lo", "alloc_dir": str(folder / "data" / "alloc")},
        "vault": {
            "enabled": True,
            "address": vault.address,
            "jwt_auth_backend_path": "jwt-nomad",
            "default_identity": {"aud": ["vault.io"], "ttl": "1h"},
        },
        # Another client on the same Docker daemon is none of this one's business.
        "plugin": {
            "docker": {"config": [{"gc": [{"image": False, "dangling_containers": [{"enabled": False}]}]}]}
        },
    }


def _bootstrap_token(address: str) -> str:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        answer = httpx.post(f"{address}/v1/acl/bootstrap", timeout=10)
        if answer.status_code == 200:
            return str(answer.json()["SecretID"])
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.2)


def _wait_node(agent: NomadAgent) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        nodes = agent.call("GET", "/v1/nodes").json()
        if nodes and nodes[0]["Status"] == "ready":
            return
        time.sleep(0.2)
    raise AssertionError("Nomad's client did not become ready")


def _end_jobs(http: int, process: subprocess.Popen[bytes], token: str) -> None:
    """Stop every job before the agent, whose -dev mode would leave containers and mounts behind."""
    agent = NomadAgent(f"http://127.0.0.1:{http}", Secret(token), Path())
    try:
        for job in agent.call("GET", "/v1/jobs?namespace=*").json() if token else []:
            agent.call("DELETE", f"/v1/job/{job['ID']}?namespace={job['Namespace']}")
        deadline = time.monotonic() + 20
        while token and time.monotonic() < deadline:
            running = agent.call("GET", "/v1/allocations?namespace=*").json()
            if not any(one["ClientStatus"] in {"running", "pending"} for one in running):
                break
            time.sleep(0.2)
    except httpx.HTTPError:
        pass  # the agent has ended already
    finally:
        end(process)
