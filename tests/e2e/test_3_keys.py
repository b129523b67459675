"""A wallet's key reaches the bots of that wallet and nothing else: tried as an attacker would."""

from __future__ import annotations

import json
import os
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from ops import docker, engines

pytestmark = pytest.mark.engines

SPY = """
job "{job}" {{
  namespace = "{namespace}"
  type      = "batch"

  group "bot" {{
    restart {{
      attempts = 0
      mode     = "fail"
    }}

    reschedule {{
      attempts  = 0
      unlimited = false
    }}

    task "{task}" {{
      driver = "docker"

      vault {{
        role = "{role}"
        env  = false
      }}

      template {{
        destination = "secrets/wallet.key"
        data        = <<-EOT
          {{{{- with secret "wallets/data/{wallet}" }}}}{{{{ .Data.data.private_key }}}}{{{{ end -}}}}
        EOT
      }}

      config {{
        image      = "{image}"
        entrypoint = ["/bin/sleep"]
        args       = ["2"]
      }}

      resources {{
        cpu    = 50
        memory = 32
      }}
    }}
  }}
}}
"""


@pytest.fixture(scope="module")
def bot(live: Any) -> dict[str, Any]:
    return live.bot(live.start("wallet-1", "inj-usdt", "spot"))


def run_spy(live: Any, **parts: str) -> dict[str, Any]:
    """Submit a job as somebody with every right in Nomad; return its allocation when decided."""
    image = docker.image_id("drover-bot")
    hcl = SPY.format(image=image, wallet="wallet-1", **parts)
    job = live.nomad("POST", "/v1/jobs/parse", json={"JobHCL": hcl, "Canonicalize": True}).json()
    assert live.nomad("POST", "/v1/jobs", json={"Job": job}).status_code == 200
    where = f"/v1/job/{parts['job']}"
    deadline = time.monotonic() + 30
    while True:
        listed = live.nomad("GET", f"{where}/allocations?namespace={parts['namespace']}").json()
        if listed and (said(listed[0]) or listed[0]["ClientStatus"] in {"running", "complete", "failed"}):
            break
        assert time.monotonic() < deadline, listed
        time.sleep(0.2)
    got = live.task_folder(listed[0]["ID"], parts["task"]) / "secrets" / "wallet.key"
    outcome = {"key": got.read_text() if got.exists() else None, "said": said(listed[0])}
    live.nomad("DELETE", f"{where}?namespace={parts['namespace']}&purge=true")
    return outcome


def said(allocation: dict[str, Any]) -> str:
    events = [event for state in (allocation["TaskStates"] or {}).values() for event in state["Events"]]
    return " ".join(event["DisplayMessage"] for event in events if "ault" in event["DisplayMessage"])


def test_the_right_job_gets_its_key_so_the_spy_can_succeed(live: Any) -> None:
    got = run_spy(live, job="wallet-1.key.check", namespace="bots", task="bot", role="wallet-wallet-1")
    assert got["key"] == live.wallet("wallet-1")["private_key"]


@pytest.mark.parametrize(
    ("job", "namespace", "task"),
    [
        ("wallet-1-x.inj-usdt.spot", "bots", "bot"),
        ("wallet-10.inj-usdt.spot", "bots", "bot"),
        ("wallet-2.inj-usdt.spot", "bots", "bot"),
        ("x-wallet-1.inj-usdt.spot", "bots", "bot"),
        ("wallet-1.spy.spot", "hub", "bot"),
        ("wallet-1.spy.spot", "default", "bot"),
        ("wallet-1.spy.spot", "bots", "spy"),
    ],
    ids=[
        "look-alike",
        "longer number",
        "other wallet",
        "prefix",
        "namespace hub",
        "namespace default",
        "task",
    ],
)
def test_no_key_for_the_wrong_job(live: Any, job: str, namespace: str, task: str) -> None:
    got = run_spy(live, job=job, namespace=namespace, task=task, role="wallet-wallet-1")
    assert got["key"] is None
    assert "does not match any associated bound claim" in got["said"]


def test_a_bot_of_one_wallet_cannot_read_another(live: Any) -> None:
    hcl_role = run_spy(live, job="wallet-2.key.check", namespace="bots", task="bot", role="wallet-wallet-2")
    assert hcl_role["key"] is None
    assert "permission denied" in hcl_role["said"] or "Missing" in hcl_role["said"]


def test_the_key_file_is_in_the_task_and_closed(live: Any, bot: dict[str, Any]) -> None:
    key = live.task_folder(bot["allocation_id"]) / "secrets" / "wallet.key"
    assert key.read_text() == live.wallet("wallet-1")["private_key"]
    status = key.stat()
    assert (status.st_mode & 0o777, status.st_uid) == (0o400, 10001)
    mounts = [line.split() for line in Path("/proc/mounts").read_text().splitlines()]
    assert [fields[2] for fields in mounts if fields[1] == str(key.parent)] == ["tmpfs"]


def test_the_key_is_in_no_environment_argument_spec_answer_or_log(live: Any, bot: dict[str, Any]) -> None:
    key = live.wallet("wallet-1")["private_key"].removeprefix("0x").lower()
    container = live.container(bot["allocation_id"])
    pid = live.inspect(container)["State"]["Pid"]
    processes = [pid, *(int(p) for p in docker.run("top", container, "-eo", "pid").split()[1:])]
    places = {
        "docker inspect": json.dumps(live.inspect(container)),
        "job spec": live.nomad("GET", f"/v1/job/{bot['id']}?namespace=bots").text,
        "job source": live.nomad("GET", f"/v1/job/{bot['id']}/submission?namespace=bots&version=0").text,
        "allocation": live.nomad("GET", f"/v1/allocation/{bot['allocation_id']}").text,
        "bot answer": live.api("GET", f"/bots/{bot['id']}").text,
        "bots answer": live.api("GET", "/bots").text,
        "wallets answer": live.api("GET", "/wallets").text,
        "bot log": live.api("GET", f"/bots/{bot['id']}/logs").text,
        "docker log": docker.run("logs", container),
        "command lines": " ".join(Path(f"/proc/{one}/cmdline").read_text() for one in processes),
        "environments": " ".join(Path(f"/proc/{one}/environ").read_text() for one in processes),
        "metrics": live.api("GET", "/../../metrics").text,
    }
    for place, text in places.items():
        assert text, place
        assert key not in text.lower(), place
    assert [str(path) for path in files_with(live, key)] == []


def files_with(live: Any, key: str) -> list[Path]:
    """Files of the cluster's folder that hold the key, but for the tmpfs it belongs in."""
    result = subprocess.run(
        ["grep", "-rliF", "--one-file-system", key, str(live.cluster.state)],
        capture_output=True,
        text=True,
        check=False,
    )
    tmpfs = {line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " tmpfs " in line}
    return [Path(line) for line in result.stdout.splitlines() if str(Path(line).parent) not in tmpfs]


@pytest.fixture(scope="module")
def stolen(live: Any) -> dict[str, str]:
    """What somebody would find who broke into the control API: its tokens."""
    secrets = live.task_folder(live.running_allocation("api", "hub"), "api") / "secrets"
    return {
        "vault": (secrets / "vault_token").read_text().strip(),
        "nomad": (secrets / "nomad_token").read_text().strip(),
    }


def test_the_api_can_read_metadata_so_its_token_is_the_real_one(live: Any, stolen: dict[str, str]) -> None:
    assert live.vault("GET", "wallets/metadata/wallet-1", stolen["vault"]).status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "wallets/data/wallet-1"),
        ("GET", "wallets/data/wallet-1?version=1"),
        ("POST", "wallets/data/wallet-1"),
        ("PUT", "sys/policies/acl/api"),
        ("PUT", "sys/policies/acl/wallet-wallet-1"),
        ("POST", "auth/jwt-nomad/role/api"),
        ("POST", "auth/token/create"),
        ("POST", "auth/users/users/mallory"),
        ("GET", "hub/data/postgres/owner"),
        ("GET", "hub/data/redis/admin"),
        ("GET", "hub/data/redis/wallets/wallet-1"),
        ("GET", "sys/mounts"),
    ],
)
def test_the_api_is_refused_in_vault(live: Any, stolen: dict[str, str], method: str, path: str) -> None:
    body = None if method == "GET" else {"policy": 'path "*" { capabilities = ["sudo"] }', "data": {}}
    assert live.vault(method, path, stolen["vault"], json=body).status_code == 403


def test_the_api_is_refused_an_exec_and_the_files_of_a_task(
    live: Any, stolen: dict[str, str], bot: dict[str, Any]
) -> None:
    allocation = bot["allocation_id"]
    for operation in ("cat", "ls", "stat", "readat"):
        query = "path=bot/secrets/wallet.key&offset=0&limit=100&namespace=bots"
        answer = live.nomad("GET", f"/v1/client/fs/{operation}/{allocation}?{query}", stolen["nomad"])
        # Nomad says it in the body; its status for two of these is 200.
        assert answer.text.strip() == "Permission denied", operation
    environment = {
        **os.environ,
        "NOMAD_ADDR": live.cluster.nomad_addr,
        "NOMAD_TOKEN": stolen["nomad"],
        "NOMAD_NAMESPACE": "bots",
    }  # fmt: skip
    binary = engines.find(engines.NOMAD, live.cluster.log / "test.log", print).path
    result = subprocess.run(
        [binary, "alloc", "exec", "-task", "bot", allocation, "cat", "/secrets/wallet.key"],
        env=environment, capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert result.returncode != 0
    assert "Permission denied" in result.stderr
    assert live.wallet("wallet-1")["private_key"] not in result.stdout


@pytest.mark.parametrize(
    "path",
    ["/v1/jobs?namespace=hub", "/v1/nodes", "/v1/operator/raft/configuration", "/v1/vars?namespace=bots"],
)
def test_the_api_sees_nothing_of_the_hub_or_the_operator(
    live: Any, stolen: dict[str, str], path: str
) -> None:
    answer = live.nomad("GET", path, stolen["nomad"])
    assert answer.status_code == 403 or answer.json() in ([], None)


def test_the_bot_is_confined(live: Any, bot: dict[str, Any]) -> None:
    found = live.inspect(live.container(bot["allocation_id"]))
    host = found["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] in (["all"], ["ALL"])
    assert not host["CapAdd"]
    assert "no-new-privileges" in " ".join(host["SecurityOpt"])
    assert host["PidsLimit"] == 64
    assert host["Memory"] == 128 * 1024 * 1024
    assert host["CpuQuota"] / host["CpuPeriod"] == pytest.approx(0.25)
    assert found["Config"]["User"] == "10001:10001"
    assert host["Init"] is True
    assert host["Privileged"] is False
    assert not [bind for bind in host["Binds"] or [] if "docker.sock" in bind]
    # Prometheus and Nomad's check ask there; nobody outside of the machine can.
    ports = found["NetworkSettings"]["Ports"]
    assert {name.split("/")[0] for name in ports} == {"9100"}
    addresses = {place["HostIp"] for places in ports.values() for place in places}
    assert addresses == {docker.bridge().address}


def test_the_control_plane_has_no_docker_socket(live: Any) -> None:
    allocation = live.running_allocation("api", "hub")
    found = live.inspect(live.container(allocation, "api"))
    assert not [mount for mount in found["Mounts"] if "docker" in Path(mount["Source"]).name]
    assert found["HostConfig"]["Memory"] == 256 * 1024 * 1024
    assert found["HostConfig"]["CpuQuota"] / found["HostConfig"]["CpuPeriod"] == pytest.approx(0.5)
