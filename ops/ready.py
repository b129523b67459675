"""The last steps of `drover up`: paper money, and the page's own word that it is ready."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import httpx

from ops import wallets
from ops.errors import OpsError
from ops.target import LOCAL_ONLY, vault_of

if TYPE_CHECKING:
    from pathlib import Path

    from ops.docker import Bridge
    from ops.settings import Cluster

__all__ = ["fund", "wait_ready"]

_FUNDING_SECONDS = 60.0
_READY_SECONDS = 90.0


def wait_ready(page: str) -> None:
    """Wait until the API says that it is ready.

    Raises:
        OpsError: it does not within 90 s; with its own words.
    """
    # Nomad's word may be older than a crash; the API's own is not, and it asked all three.
    deadline = time.monotonic() + _READY_SECONDS
    words = "no answer"
    while time.monotonic() < deadline:
        try:
            answer = httpx.get(f"{page}/readyz", timeout=5)
            if answer.status_code == httpx.codes.OK:
                return
            words = answer.text[:200]
        except httpx.HTTPError as error:
            words = type(error).__name__
        time.sleep(0.3)
    raise OpsError(
        f"the page is not ready after {_READY_SECONDS:.0f} s: {words}. Its log: "
        f'eval "$(./drover env)" && nomad alloc logs -namespace=hub -job api'
    )


def fund(cluster: Cluster, bridge: Bridge, log: Path) -> None:
    """Fill every paper wallet's account up at the paper venue's faucet, and a grantee's own for its fees.

    Raises:
        OpsError: the faucet does not answer within a minute.
    """
    faucet = f"http://{bridge.address}:{cluster.ports.venue_http}/faucet"
    deadline = time.monotonic() + _FUNDING_SECONDS
    rows = [row for row in wallets.list_wallets(vault_of(cluster, LOCAL_ONLY)) if row.network == "paper"]
    for address in dict.fromkeys(address for row in rows for address in (row.account, row.address)):
        while True:
            try:
                answer = httpx.post(faucet, json={"address": address}, timeout=10).raise_for_status()
                break
            except httpx.HTTPError as error:
                if time.monotonic() > deadline:
                    raise OpsError(f"the paper venue's faucet {faucet} does not answer ({error}).") from error
                time.sleep(0.3)
        with log.open("a") as file:
            file.write(answer.text + "\n")
