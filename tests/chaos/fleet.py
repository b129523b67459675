"""Brings up what the suite needs: a cluster with two clients, six bots, two with a trading-only key."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import httpx

from ops import docker, engines, follow, local_client, sign_in, wallets
from ops.keys import address_of, new_key
from ops.settings import write_private
from ops.target import LOCAL_ONLY
from tests.chaos.arena import Arena

if TYPE_CHECKING:
    from pathlib import Path

    from ops.secret import Secret
    from tests.e2e.conftest import Live

GRANTED = "wallet-4"
"""The wallet whose key is trading-only."""
HUB, BOTS = local_client.Client(1), local_client.Client(2)
"""The services run on the first client, the bots on the second, so that it can be lost alone."""
_MARKETS = (("inj-usdt", "spot"), ("inj-usdt-perp", "derivative"))
_NAMED = tuple(part for market, _ in _MARKETS for part in ("--market", market))
_NODE_MHZ = "2500"
"""Of each node: the services (750) and six bots (250 each) fit into the first when the second is lost."""


def bring_up(live: Live) -> Arena:
    """Return six bots that trade; a cluster that is up is used as it is."""
    os.environ["DROVER_TEST_CPU"] = _NODE_MHZ
    live.cluster.make()
    live.drover("up")
    live.username, live.password = sign_in.read(live.cluster) or ("", "")
    start_client(live, BOTS)
    arena = Arena(live)
    _add_granted(arena)
    follow.follow_wallets(live.cluster, arena.vault, arena.nomad, LOCAL_ONLY)
    let_place(arena, HUB, eligible=False)
    for wallet in ("wallet-1", "wallet-2", GRANTED):
        for market, kind in _MARKETS:
            arena.start(wallet, market, kind)
    _, ill = arena.wait_well(datetime.now(UTC))
    assert not ill, f"not all bots trade: {ill}"
    return arena


def start_client(live: Live, client: local_client.Client) -> None:
    """Start a client, or find it running."""
    program = engines.at_hand(engines.NOMAD)
    assert program is not None, "no nomad at hand"
    local_client.ensure_client(live.cluster, program, docker.bridge(), client)


def let_place(arena: Arena, client: local_client.Client, *, eligible: bool) -> None:
    """Let Nomad place new allocations on a client's node, or not."""
    name = client.node(arena.cluster)
    node = next(one["ID"] for one in arena.nomad.get("/v1/nodes") if one["Name"] == name)
    word = "eligible" if eligible else "ineligible"
    arena.nomad.post(f"/v1/node/{node}/eligibility", {"Eligibility": word})


def owner_key(arena: Arena) -> Path:
    """Where the key of the granting account lies, as on an operator's machine."""
    return arena.cluster.secrets / "chaos-owner.key"


def _add_granted(arena: Arena) -> None:
    if owner_key(arena).exists():
        return
    owner = new_key()
    write_private(owner_key(arena), owner.reveal())
    key = new_key()
    wallets.add_wallet(arena.vault, wallets.NewWallet(GRANTED, key, granter=address_of(owner)))
    for address in (address_of(owner), address_of(key)):
        faucet(arena, address)
    signed = ("--owner-key-file", str(owner_key(arena)), "--yes")
    for amount, token in (("6000", "USDT"), ("50", "INJ")):
        arena.live.drover("wallets", "fund-subaccount", GRANTED, amount, token, *_NAMED, *signed)
    grant(arena)


def grant(arena: Arena) -> None:
    """Let the account's owner grant the wallet's present key what its bots need."""
    signed = ("--owner-key-file", str(owner_key(arena)), "--yes")
    arena.live.drover("wallets", "grant", GRANTED, *_NAMED, *signed)


def faucet(arena: Arena, address: str) -> None:
    """Give an address paper money."""
    base = f"http://{docker.bridge().address}:{arena.cluster.ports.venue_http}"
    httpx.post(f"{base}/faucet", json={"address": address}, timeout=10).raise_for_status()


def rotate(arena: Arena, key: Secret) -> int:
    """Write a new key of the granted wallet, with its owner's grant; returns its version."""
    faucet(arena, address_of(key))
    _, after = wallets.rotate_wallet(arena.vault, GRANTED, key)
    grant(arena)
    return after.written
