"""What a wallet needs beside Vault: its bots' rights in a running Redis, and a place for their logs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.redis import redis_of
from ops.volumes import ensure_log_volumes
from ops.wallets import list_wallets

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.nomad import Nomad
    from ops.settings import Cluster
    from ops.vault import Vault

__all__ = ["follow_wallets"]

_LATER = "Redis learns it from Nomad within about five minutes, and until then its bots cannot start trading"


def follow_wallets(
    cluster: Cluster, vault: Vault, nomad: Nomad, env: Mapping[str, str] = os.environ
) -> list[str]:
    """Bring Redis and Nomad's volumes in line with Vault's wallets; can be repeated.

    Returns a sentence for each thing that could not be done now: the wallets themselves are safe in Vault.
    """
    notes = []
    try:
        ensure_log_volumes(nomad, [row.name for row in list_wallets(vault)])
    except OpsError as error:
        notes.append(f"{error} Until then bots of a wallet without its log volume cannot be placed.")
    try:
        notes += _redis(cluster, vault, env)
    except OpsError as error:
        notes.append(f"{error} {_LATER}.")
    return notes


def _redis(cluster: Cluster, vault: Vault, env: Mapping[str, str]) -> list[str]:
    found = redis_of(cluster, vault, env)
    if found is None:
        return [f"REDIS_ADDR is not set: {_LATER}."]
    acl = vault.read("hub/data/redis/acl")
    if acl is None:
        raise OpsError("Vault holds no hub/redis/acl; run `drover bootstrap` first.")
    found.apply(acl["data"]["file"])
    return []
