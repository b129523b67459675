"""An operator's servers: TLS on both, their CAs named in the environment, through the real command."""

from __future__ import annotations

import json
import os
import pty
import ssl
import subprocess
import sys
from typing import TYPE_CHECKING

import httpx
import pytest

from ops.keys import address_of, new_key
from ops.settings import REPO
from tests.engines import binary, end, free_port, start, wait

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of an operator whose Vault and Nomad both have certificates of their own CAs."""
    folder = tmp_path_factory.mktemp("tls")
    vault, nomad = free_port(), free_port()
    listen = [f"-dev-listen-address=127.0.0.1:{vault}", "-dev-root-token-id=root", "-dev-no-store-token"]
    tls = ["-dev-tls", f"-dev-tls-cert-dir={folder}"]
    one = start([str(binary("vault")), "server", "-dev", *listen, *tls], folder / "vault.log")
    two = start(nomad_command(folder, nomad), folder / "nomad.log")
    try:
        ca = folder / "nomad-agent-ca.pem"
        wait(f"https://127.0.0.1:{nomad}/v1/status/leader", two, folder / "nomad.log", ca)
        wait(f"https://127.0.0.1:{vault}/v1/sys/health", one, folder / "vault.log", folder / "vault-ca.pem")
        token = management_token(nomad, ca)
        yield {
            "VAULT_ADDR": f"https://127.0.0.1:{vault}",
            "VAULT_TOKEN": "root",
            "VAULT_CACERT": str(folder / "vault-ca.pem"),
            "NOMAD_ADDR": f"https://127.0.0.1:{nomad}",
            "NOMAD_TOKEN": token,
            "NOMAD_CACERT": str(ca),
            "HOME": str(folder),
            "PATH": os.environ["PATH"],
            "DROVER_STATE": str(folder / "no-local-cluster"),
        }
    finally:
        end(one)
        end(two)


def nomad_command(folder: Path, port: int) -> list[str]:
    program = str(binary("nomad"))
    for arguments in (["ca", "create"], ["cert", "create", "-server", "-additional-ipaddress=127.0.0.1"]):
        subprocess.run([program, "tls", *arguments], cwd=folder, check=True, capture_output=True)
    config = {
        "bind_addr": "127.0.0.1",
        "advertise": {"http": "127.0.0.1", "rpc": "127.0.0.1", "serf": "127.0.0.1"},
        "data_dir": str(folder / "data"),
        "ports": {"http": port, "rpc": free_port(), "serf": free_port()},
        "acl": {"enabled": True},
        "server": {"enabled": True, "bootstrap_expect": 1},
        "tls": {
            "http": True,
            "rpc": True,
            "ca_file": str(folder / "nomad-agent-ca.pem"),
            "cert_file": str(folder / "global-server-nomad.pem"),
            "key_file": str(folder / "global-server-nomad-key.pem"),
            "verify_https_client": False,
        },
    }
    (folder / "agent.json").write_text(json.dumps(config))
    return [program, "agent", f"-config={folder / 'agent.json'}"]


def management_token(port: int, ca: Path) -> str:
    context = ssl.create_default_context(cafile=str(ca))
    answer = httpx.post(f"https://127.0.0.1:{port}/v1/acl/bootstrap", verify=context, timeout=20)
    return str(answer.raise_for_status().json()["SecretID"])


def drover(env: dict[str, str], *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", *arguments],
        cwd=REPO,
        env=env,
        input=stdin,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_bootstrap_and_wallets_over_tls(servers: dict[str, str]) -> None:
    done = drover(servers, "bootstrap")
    assert done.returncode == 0, done.stderr
    assert "shown only now: admin / " in done.stdout
    again = drover(servers, "bootstrap")
    assert {line.rpartition(": ")[2] for line in again.stdout.splitlines()} == {"unchanged"}
    key = new_key()
    added = drover(servers, "wallets", "add", "w-tls", stdin=key.reveal())
    assert added.returncode == 0, added.stderr
    assert address_of(key) in drover(servers, "wallets", "list").stdout
    assert drover(servers, "wallets", "remove", "w-tls", "--yes").returncode == 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"VAULT_CACERT": ""}, "VAULT_CACERT"),
        ({"NOMAD_CACERT": ""}, "NOMAD_CACERT"),
        ({"NOMAD_CACERT": "/nonexistent"}, "NOMAD_"),
        ({"VAULT_CACERT": "/nonexistent"}, "VAULT_CACERT"),
        ({"VAULT_ADDR": ""}, "Only one of VAULT_ADDR and NOMAD_ADDR"),
        ({"VAULT_ADDR": "http://192.0.2.1:8200"}, "in the clear"),
        ({"NOMAD_TOKEN": "nonsense"}, "NOMAD_TOKEN"),
        ({"VAULT_TOKEN": "nonsense"}, "VAULT_TOKEN"),
    ],
)
def test_bad_ground_is_one_sentence(servers: dict[str, str], change: dict[str, str], words: str) -> None:
    done = drover({**servers, **change}, "bootstrap")
    assert done.returncode == 1
    assert done.stderr.startswith("drover: ")
    assert done.stderr.count("\n") == 1
    assert words in done.stderr


def test_a_key_typed_as_an_argument_is_not_printed_again(servers: dict[str, str]) -> None:
    key = new_key().reveal()
    for command in ("add", "rotate"):
        done = drover(servers, "wallets", command, "w-argv", key)
        assert done.returncode == 1
        assert "history" in done.stderr
        assert key not in done.stdout + done.stderr


def test_the_key_is_asked_for_and_not_shown(servers: dict[str, str]) -> None:
    key = new_key()
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(REPO)
        os.execve(sys.executable, [sys.executable, "-m", "ops", "wallets", "add", "w-asked"], servers)
    shown = read_until(terminal, "(not shown): ")
    os.write(terminal, key.reveal().encode() + b"\n")
    shown += read_until(terminal, None)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, shown
    assert address_of(key) in shown
    assert key.reveal() not in shown


def read_until(terminal: int, words: str | None) -> str:
    """Read what a terminal shows, up to some words or to the end."""
    shown = ""
    while words is None or words not in shown:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # the other side has ended
            break
        if not piece:
            break
        shown += piece.decode()
    return shown
