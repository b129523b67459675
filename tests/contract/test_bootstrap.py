"""Bootstrap against a real Vault and a real Nomad."""

from __future__ import annotations

import pytest
from ops.bootstrap import Outcome, bootstrap
from ops.nomad import Nomad
from ops.users import SignIn
from ops.vault import Vault

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def vault(vault_server) -> Vault:
    return Vault(vault_server.address, vault_server.token)


@pytest.fixture(scope="module")
def nomad(nomad_agent) -> Nomad:
    return Nomad(nomad_agent.address, nomad_agent.token)


def run(vault: Vault, nomad: Nomad, jwks_url: str, lines: list[str]) -> Outcome:
    return bootstrap(vault, nomad, jwks_url=jwks_url, env={}, keep_sign_in=lambda _: None, report=lines.append)


def test_second_run_changes_nothing(vault, nomad, nomad_agent) -> None:
    first: list[str] = []
    run(vault, nomad, nomad_agent.jwks_url, first)
    second: list[str] = []
    outcome = run(vault, nomad, nomad_agent.jwks_url, second)
    print("\n".join(first), "\n\n", "\n".join(second))
    assert outcome.changes == 0, second
