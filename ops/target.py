"""Which Vault and Nomad a command means: those of the environment, else those of the local cluster."""

from __future__ import annotations

import os
from types import MappingProxyType
from typing import TYPE_CHECKING

from ops.errors import OpsError
from ops.local_nomad import management_token
from ops.local_vault import root_token
from ops.nomad import Nomad
from ops.secret import Secret
from ops.vault import Vault

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ops.settings import Cluster

__all__ = ["LOCAL_ONLY", "nomad_of", "pair_of", "vault_of"]


LOCAL_ONLY: Mapping[str, str] = MappingProxyType({})
"""An environment without variables: `up` and `down` must not reach somebody else's Vault or Nomad."""


def vault_of(cluster: Cluster, env: Mapping[str, str] = os.environ) -> Vault:
    """Connect to the Vault named by VAULT_ADDR, or to the local cluster's.

    Raises:
        OpsError: neither is there.
    """
    if env.get("VAULT_ADDR"):
        return Vault.from_env(env)
    _local(cluster)
    return Vault(cluster.vault_addr, Secret(root_token(cluster)))


def nomad_of(cluster: Cluster, env: Mapping[str, str] = os.environ) -> Nomad:
    """Connect to the Nomad named by NOMAD_ADDR, or to the local cluster's.

    Raises:
        OpsError: neither is there.
    """
    if env.get("NOMAD_ADDR"):
        return Nomad.from_env(env)
    _local(cluster)
    return Nomad(cluster.nomad_addr, Secret(management_token(cluster)))


def pair_of(cluster: Cluster, env: Mapping[str, str] = os.environ) -> tuple[Vault, Nomad]:
    """Connect to a Vault and a Nomad that belong together: both from the environment, or both local.

    Raises:
        OpsError: only one of the two is named, or neither is there.
    """
    if bool(env.get("VAULT_ADDR")) != bool(env.get("NOMAD_ADDR")):
        raise OpsError(
            "Only one of VAULT_ADDR and NOMAD_ADDR is set; set both, or neither for the local cluster."
        )
    return vault_of(cluster, env), nomad_of(cluster, env)


def _local(cluster: Cluster) -> None:
    if not cluster.secrets.exists():
        raise OpsError(
            f"There is no local cluster in {cluster.state}; run `drover up`, or set VAULT_ADDR, VAULT_TOKEN, "
            "NOMAD_ADDR and NOMAD_TOKEN for your own."
        )
