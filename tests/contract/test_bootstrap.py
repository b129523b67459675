"""Bootstrap against a real Vault and a real Nomad: once, again, and after someone altered things."""

from __future__ import annotations

import subprocess
from hashlib import sha256
from typing import TYPE_CHECKING

import pytest

from ops.bootstrap import bootstrap
from ops.bootstrap_nomad import FOLDER
from ops.ensure import Report
from ops.errors import OpsError
from ops.keys import new_key
from ops.nomad import Nomad
from ops.secret import Secret
from ops.users import (
    SignIn,
    add_user,
    check_sign_in,
    ensure_first_user,
    list_users,
    remove_user,
    set_password,
)
from ops.vault import Vault
from ops.wallets import NewWallet, add_wallet
from tests.engines import NomadAgent, VaultServer, binary, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.engines


@pytest.fixture(scope="module")
def vault(vault_server: VaultServer) -> Vault:
    return Vault(vault_server.address, vault_server.token)


@pytest.fixture(scope="module")
def nomad(nomad_agent: NomadAgent) -> Nomad:
    return Nomad(nomad_agent.address, nomad_agent.token)


def run(vault: Vault, nomad: Nomad, env: Mapping[str, str] | None = None) -> dict[str, str]:
    """Bootstrap; returns what it said, thing → verdict."""
    lines: list[str] = []
    jwks_url = f"{nomad.address}/.well-known/jwks.json"
    bootstrap(vault, nomad, jwks_url=jwks_url, env=env or {}, report=lines.append)
    return dict(line.split(": ") for line in lines)


def test_a_second_run_changes_nothing_and_keeps_every_secret(vault: Vault, nomad: Nomad) -> None:
    run(vault, nomad)
    names = (
        "postgres/owner",
        "postgres/api",
        "postgres/bots",
        "redis/admin",
        "redis/api",
        "redis/acl",
        "api",
    )
    secrets = [vault.read(f"hub/data/{name}") for name in names]
    assert all(secrets)
    assert set(run(vault, nomad).values()) == {"unchanged"}
    assert [vault.read(f"hub/data/{name}") for name in names] == secrets


def test_what_someone_altered_is_set_right(vault: Vault, nomad: Nomad) -> None:
    run(vault, nomad)
    add_wallet(vault, NewWallet("repaired", new_key()))
    vault.write("sys/policies/acl/api", {"policy": 'path "wallets/data/*" { capabilities = ["read"] }'})
    vault.write(
        "auth/jwt-nomad/role/wallet-repaired",
        {"role_type": "jwt", "bound_claims": {"nomad_job_id": "*"}, "token_bound_cidrs": ["127.0.0.9"]},
    )
    vault.write(
        "auth/jwt-nomad/role/api",
        {"role_type": "jwt", "token_policies": ["api", "root-like"], "token_no_default_policy": False},
    )
    vault.delete("sys/policies/acl/wallet-repaired")
    vault.delete("hub/metadata/redis/wallets/repaired")
    vault.write("hub/data/redis/acl", {"data": {"file": "user default on nopass ~* +@all"}})
    vault.write(
        "auth/jwt-nomad/config", {"jwks_url": f"{nomad.address}/.well-known/jwks.json", "default_role": "api"}
    )
    vault.write("sys/auth/users/tune", {"token_type": "default-service", "max_lease_ttl": 3600})
    nomad.post(
        "/v1/namespace", {"Name": "bots", "Capabilities": {"EnabledTaskDrivers": ["docker", "raw_exec"]}}
    )
    nomad.post("/v1/acl/policy/api", {"Name": "api", "Rules": 'namespace "*" { policy = "write" }'})
    rule = {"AuthMethod": "drover-workloads", "BindType": "management", "Selector": ""}
    nomad.post("/v1/acl/binding-rule", rule)

    verdicts = run(vault, nomad)

    altered = {thing for thing, verdict in verdicts.items() if verdict != "unchanged"}
    assert altered == {
        "Nomad namespace bots",
        "Nomad policy api",
        "Nomad binding rule of drover-workloads",
        "Vault policy api",
        "Vault policy wallet-repaired",
        "Vault role wallet-repaired",
        "Vault secret hub/redis/wallets/repaired",
        "Vault secret hub/redis/acl",
        "Vault role api",
        "Vault sign-in jwt-nomad, its keys",
        "Vault sign-in users, its tokens",
    }
    rules = nomad.get("/v1/acl/binding-rules")
    assert [one["AuthMethod"] for one in rules] == ["drover-workloads"]
    assert nomad.get("/v1/namespace/bots")["Capabilities"]["EnabledTaskDrivers"] == ["docker"]
    assert "wallets/data" not in vault.read("sys/policies/acl/api")["policy"]
    acl = vault.read("hub/data/redis/acl")["data"]["file"]
    assert acl.startswith("user default off ")
    password = vault.read("hub/data/redis/wallets/repaired")["data"]["password"]
    assert (
        f"user wallet-repaired on sanitize-payload #{sha256(password.encode()).hexdigest()} ~repaired.* "
        in acl
    )
    assert password not in acl
    assert set(run(vault, nomad).values()) == {"unchanged"}


def test_what_an_operator_added_to_a_namespace_stays(vault: Vault, nomad: Nomad) -> None:
    run(vault, nomad)
    nomad.post("/v1/namespace", {"Name": "hub", "Description": "x", "Meta": {"owner": "desk 4"}})
    assert run(vault, nomad)["Nomad namespace hub"] == "set right"
    assert nomad.get("/v1/namespace/hub")["Meta"] == {"owner": "desk 4"}


def test_a_wrong_address_or_token_leaves_nothing_half_done(vault_server: VaultServer, nomad: Nomad) -> None:
    nobody = Nomad(f"http://127.0.0.1:{free_port()}", Secret("x"))
    stranger = Nomad(nomad.address, Secret("3b0b1b6c-0000-0000-0000-000000000000"))
    vault = Vault(vault_server.address, Secret("not-a-token"))
    away = Vault(f"http://127.0.0.1:{free_port()}", Secret("x"))
    good = Vault(vault_server.address, vault_server.token)
    for wrong_vault, wrong_nomad, words in (
        (good, nobody, "Nomad does not answer"),
        (good, stranger, "NOMAD_TOKEN"),
        (vault, nomad, "VAULT_TOKEN"),
        (away, nomad, "Vault does not answer"),
    ):
        said: list[str] = []
        with pytest.raises(OpsError, match=words):
            bootstrap(wrong_vault, wrong_nomad, jwks_url="http://127.0.0.1:1/x", env={}, report=said.append)
        assert said == []


def test_a_mount_of_another_kind_is_not_taken_over(vault: Vault, nomad: Nomad) -> None:
    run(vault, nomad)
    vault.delete("sys/mounts/hub")
    vault.write("sys/mounts/hub", {"type": "kv", "options": {"version": "1"}})
    try:
        with pytest.raises(OpsError, match="not a KV version 2 mount"):
            run(vault, nomad)
    finally:
        vault.delete("sys/mounts/hub")
    assert run(vault, nomad)["Vault mount hub"] == "made"


def test_the_nomad_cli_takes_the_same_namespace_files(nomad: Nomad, nomad_agent: NomadAgent) -> None:
    for name in ("bots", "hub"):
        command = [
            str(binary("nomad")),
            "namespace",
            "apply",
            "-json",
            str(FOLDER / f"{name}.namespace.json"),
        ]
        env = {"NOMAD_ADDR": nomad.address, "NOMAD_TOKEN": nomad_agent.token.reveal()}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_a_page_users_token_can_do_nothing(vault: Vault, nomad: Nomad, vault_server: VaultServer) -> None:
    run(vault, nomad)
    add_user(vault, check_sign_in("trader.one", "correct horse battery"))
    login = vault_server.call(
        "", "POST", "auth/users/login/trader.one", {"password": "correct horse battery"}
    )
    auth = login.json()["auth"]
    assert (auth["policies"], auth["token_type"]) == ([], "batch")
    assert auth["lease_duration"] <= 60
    for method, path in (
        ("GET", "auth/token/lookup-self"),
        ("LIST", "wallets/metadata"),
        ("GET", "wallets/data/repaired"),
        ("GET", "hub/data/api"),
        ("POST", "auth/token/create"),
        ("POST", "auth/users/users/trader.one/password"),
    ):
        assert vault_server.call(auth["client_token"], method, path, {}).status_code == 403, path
    with pytest.raises(OpsError, match=r"There is a user trader\.one"):
        add_user(vault, check_sign_in("trader.one", "another long password"))
    set_password(vault, check_sign_in("trader.one", "another long password"))
    again = vault_server.call(
        "", "POST", "auth/users/login/trader.one", {"password": "another long password"}
    )
    assert again.status_code == 200
    remove_user(vault, "trader.one")
    with pytest.raises(OpsError, match="no user"):
        set_password(vault, check_sign_in("trader.one", "another long password"))


def test_an_operator_writes_keys_and_cannot_read_them(
    vault: Vault, nomad: Nomad, vault_server: VaultServer
) -> None:
    run(vault, nomad)
    add_wallet(vault, NewWallet("by-hand", new_key()))
    body = {"policies": ["operator-wallets"], "no_default_policy": True, "ttl": "5m"}
    made = vault_server.call(vault_server.token.reveal(), "POST", "auth/token/create", body)
    token = made.json()["auth"]["client_token"]
    key = {"private_key": new_key().reveal(), "account": "inj1"}
    for method, path, sent, status in (
        ("POST", "wallets/data/by-hand", {"data": key, "options": {"cas": 1}}, 200),
        ("POST", "wallets/data/by-hand", {"data": key}, 200),
        ("LIST", "wallets/metadata", None, 200),
        ("GET", "wallets/metadata/by-hand", None, 200),
        ("POST", "wallets/metadata/by-hand", {"custom_metadata": {"address": "inj1"}}, 204),
        ("GET", "wallets/data/by-hand", None, 403),
        ("DELETE", "wallets/metadata/by-hand", None, 403),
        ("POST", "wallets/destroy/by-hand", {"versions": [1]}, 403),
        ("POST", "sys/policies/acl/wallet-by-hand", {"policy": ""}, 403),
        ("POST", "auth/jwt-nomad/role/wallet-by-hand", {}, 403),
        ("GET", "hub/data/postgres/owner", None, 403),
    ):
        answer = vault_server.call(token, method, path, sent)
        assert answer.status_code == status, (path, answer.text)


class TestFirstUser:
    @pytest.fixture(autouse=True)
    def _nobody(self, vault: Vault, nomad: Nomad) -> None:
        run(vault, nomad)
        for name in list_users(vault):
            vault.delete(f"auth/users/users/{name}")

    def test_from_the_environment(self, vault: Vault, nomad: Nomad, vault_server: VaultServer) -> None:
        env = {"DASHBOARD_USERNAME": "alice", "DASHBOARD_PASSWORD": "a password of alice"}
        assert run(vault, nomad, env)["Page user alice"] == "made"
        login = vault_server.call("", "POST", "auth/users/login/alice", {"password": "a password of alice"})
        assert login.status_code == 200

    def test_generated_kept_before_it_is_written_and_never_replaced(self, vault: Vault, nomad: Nomad) -> None:
        kept: list[tuple[SignIn, list[str]]] = []
        jwks_url = f"{nomad.address}/.well-known/jwks.json"
        first = bootstrap(
            vault, nomad, jwks_url=jwks_url, env={}, report=print,
            keep_sign_in=lambda new: kept.append((new, list_users(vault))),
        )  # fmt: skip
        assert first is not None
        assert [(new.username, there) for new, there in kept] == [("admin", [])]
        assert len(first.password.reveal()) >= 20
        env = {"DASHBOARD_USERNAME": "mallory", "DASHBOARD_PASSWORD": "a password of mallory"}
        assert run(vault, nomad, env)["Page users"] == "unchanged"
        with pytest.raises(OpsError, match="the last user"):
            remove_user(vault, "admin")
        assert list_users(vault) == ["admin"]

    @pytest.mark.parametrize(
        ("username", "password"), [("admin", "short"), ("Ad/min", "long enough password"), ("admin", "")]
    )
    def test_bad_ones_make_no_user(self, vault: Vault, username: str, password: str) -> None:
        env = {"DASHBOARD_USERNAME": username, "DASHBOARD_PASSWORD": password}
        with pytest.raises(OpsError):
            ensure_first_user(vault, env, lambda _: None, Report(print))
        assert list_users(vault) == []
