"""The local cluster's Vault: integrated storage, initialised and unsealed by drover, for one machine only."""

from __future__ import annotations

import json
import shutil
import time
from typing import TYPE_CHECKING, Any

import httpx

from ops import ports, process
from ops.errors import OpsError
from ops.settings import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from ops.docker import Bridge
    from ops.settings import Cluster

__all__ = ["NAME", "ensure", "root_token", "serves_ui"]

NAME = "vault"
_START_SECONDS = 30.0
_KEYS = "vault-init.json"
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/nonexistent"}


def ensure(cluster: Cluster, program: Path, bridge: Bridge) -> str:
    """Make sure that Vault runs, is initialised and unsealed; say what was needed.

    Raises:
        OpsError: its port is taken, it does not come up, or its keys are missing.
    """
    running = process.recorded(cluster.run, NAME)
    if running is None:
        _forget_half_made(cluster)
        _start(cluster, program, bridge)
    words = ["running" if running else "started"]
    if not _seal_status(cluster)["initialized"]:
        _initialise(cluster)
        words.append("initialised")
    if _seal_status(cluster)["sealed"]:
        _unseal(cluster)
        words.append("unsealed")
    _wait_active(cluster)
    return ", ".join(words)


def root_token(cluster: Cluster) -> str:
    """Return the root token of this cluster's Vault.

    Raises:
        OpsError: there is none yet.
    """
    return str(_keys(cluster)["root_token"])


def serves_ui(cluster: Cluster) -> bool:
    """Whether this Vault carries its web UI (one built from its Go module does not)."""
    try:
        answer = httpx.get(f"{cluster.vault_addr}/ui/", timeout=5, follow_redirects=True)
    except httpx.HTTPError:
        return False
    return (
        answer.status_code == httpx.codes.OK and b"VaultEmber" in answer.content
    ) or b"<title>Vault" in answer.content


def _data(cluster: Cluster) -> Path:
    return cluster.state / "vault"


def _marker(cluster: Cluster) -> Path:
    return cluster.state / "vault-initialising"


def _forget_half_made(cluster: Cluster) -> None:
    # Killed between Vault's initialisation and the writing of its keys: nobody can open this storage, and
    # nothing was ever stored in it.
    if _marker(cluster).exists() and not (cluster.secrets / _KEYS).exists():
        shutil.rmtree(_data(cluster), ignore_errors=True)


def _start(cluster: Cluster, program: Path, bridge: Bridge) -> None:
    port = cluster.ports.vault
    ports.refuse_taken(
        [("127.0.0.1", port), (bridge.address, port), ("127.0.0.1", cluster.ports.vault_cluster)], "Vault"
    )
    _data(cluster).mkdir(mode=0o700, exist_ok=True)
    config = cluster.state / "vault.json"
    write_private(config, json.dumps(_config(cluster, bridge), indent=2))
    log = cluster.log / "vault.out.log"
    identity = process.start(
        cluster.run, NAME, [str(program), "server", f"-config={config}"], log, _ENVIRONMENT
    )
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            _seal_status(cluster)
        except OpsError:
            if not identity.alive() or time.monotonic() > deadline:
                process.end(identity, 5)
                raise OpsError(f"Vault did not come up; its words are at the end of {log}.") from None
            time.sleep(0.1)
        else:
            return


def _config(cluster: Cluster, bridge: Bridge) -> dict[str, Any]:
    listener = {"cluster_address": f"127.0.0.1:{cluster.ports.vault_cluster}", "tls_disable": True}
    return {
        "ui": True,
        # mlock and integrated storage do not go together (Vault's own advice); see docs for swap.
        "disable_mlock": True,
        "api_addr": cluster.vault_addr,
        "cluster_addr": f"http://127.0.0.1:{cluster.ports.vault_cluster}",
        "storage": {"raft": {"path": str(_data(cluster)), "node_id": cluster.name}},
        "listener": [
            {"tcp": {**listener, "address": f"127.0.0.1:{cluster.ports.vault}"}},
            {"tcp": {"tls_disable": True, "address": f"{bridge.address}:{cluster.ports.vault}"}},
        ],
        "log_file": str(cluster.log / "vault.log"),
        "log_rotate_bytes": 10_000_000,
        "log_rotate_max_files": 3,
    }


def _call(cluster: Cluster, method: str, path: str, **body: Any) -> dict[str, Any]:
    try:
        answer = httpx.request(method, f"{cluster.vault_addr}/v1/{path}", json=body or None, timeout=30)
    except httpx.HTTPError as error:
        raise OpsError(f"Vault does not answer on {cluster.vault_addr} ({type(error).__name__}).") from error
    if answer.is_error:
        raise OpsError(f"Vault refused {path}: {answer.text[:200]}")
    found: dict[str, Any] = answer.json()
    return found


def _seal_status(cluster: Cluster) -> dict[str, Any]:
    return _call(cluster, "GET", "sys/seal-status")


def _initialise(cluster: Cluster) -> None:
    if (cluster.secrets / _KEYS).exists():
        raise OpsError(
            f"Vault's storage in {_data(cluster)} is empty, yet {cluster.secrets / _KEYS} holds keys: the "
            f"storage was lost. Restore it from a backup, or start over with drover down --purge."
        )
    _marker(cluster).touch()
    keys = _call(cluster, "PUT", "sys/init", secret_shares=1, secret_threshold=1)
    write_private(cluster.secrets / _KEYS, json.dumps(keys))
    _marker(cluster).unlink()


def _keys(cluster: Cluster) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((cluster.secrets / _KEYS).read_text())
    except FileNotFoundError as error:
        raise OpsError(
            f"{cluster.secrets / _KEYS} is missing, and without it this Vault cannot be opened; restore it "
            f"from a backup, or start over with drover down --purge (wallet keys in it are then lost)."
        ) from error
    except (OSError, ValueError) as error:
        raise OpsError(
            f"{cluster.secrets / _KEYS} cannot be read ({error}); restore it from a backup."
        ) from error
    return found


def _unseal(cluster: Cluster) -> None:
    _call(cluster, "PUT", "sys/unseal", key=_keys(cluster)["keys"][0])


def _wait_active(cluster: Cluster) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if httpx.get(f"{cluster.vault_addr}/v1/sys/health", timeout=5).status_code == httpx.codes.OK:
            return
        time.sleep(0.1)
    raise OpsError(
        f"Vault is unsealed but not active; its words are at the end of {cluster.log / 'vault.log'}."
    )
