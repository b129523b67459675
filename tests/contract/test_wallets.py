"""`drover wallets` against a real Vault and a real Nomad."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from click.testing import CliRunner, Result

from ops.bootstrap import bootstrap
from ops.errors import OpsError
from ops.keys import address_of, new_key, parse_key
from ops.nomad import Nomad
from ops.settings import Cluster, Ports
from ops.vault import Vault
from ops.wallets import (
    NewWallet,
    add_wallet,
    ensure_paper_wallets,
    list_wallets,
    remove_wallet,
    rotate_wallet,
)
from ops.wallets_cli import wallets as command

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engines import NomadAgent, VaultServer

pytestmark = pytest.mark.engines

BAD_NAMES = ["*", "../x", "a/b", 'wallet-1"', "", "Wallet", "w" * 40]


@pytest.fixture(scope="module")
def vault(vault_server: VaultServer, nomad_agent: NomadAgent) -> Vault:
    vault = Vault(vault_server.address, vault_server.token)
    nomad = Nomad(nomad_agent.address, nomad_agent.token)
    bootstrap(vault, nomad, jwks_url=nomad_agent.jwks_url, env={}, report=lambda _: None)
    return vault


@pytest.fixture(scope="module")
def nomad(nomad_agent: NomadAgent) -> Nomad:
    return Nomad(nomad_agent.address, nomad_agent.token)


@pytest.fixture
def drover(vault_server: VaultServer, nomad_agent: NomadAgent, tmp_path: Path) -> Drover:
    env = {
        "VAULT_ADDR": vault_server.address,
        "VAULT_TOKEN": vault_server.token.reveal(),
        "NOMAD_ADDR": nomad_agent.address,
        "NOMAD_TOKEN": nomad_agent.token.reveal(),
    }
    return Drover(env, Cluster(tmp_path / "no-local-cluster", Ports()))


class Drover:
    """The command as a person types it."""

    def __init__(self, env: dict[str, str], cluster: Cluster) -> None:
        self.env = env
        self.cluster = cluster

    def __call__(self, *arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(command, arguments, input=stdin, env=self.env, obj=self.cluster)


def everything(vault: Vault) -> list[object]:
    """Vault's wallets, roles and policies, to compare before and after."""
    paths = ("wallets/metadata", "auth/jwt-nomad/role", "sys/policies/acl", "hub/metadata/redis/wallets")
    return [*(vault.list(path) for path in paths), vault.read("hub/data/redis/acl")["data"]]


def test_add_writes_secret_metadata_policy_and_role(drover: Drover, vault: Vault) -> None:
    key = new_key()
    done = drover("add", "w-add", "--label", "Desk 4", "--network", "testnet", stdin=f"0x{key.reveal()}\n")
    assert done.exit_code == 0, done.output
    assert address_of(key) in done.output
    assert key.reveal() not in done.output
    stored = vault.read("wallets/data/w-add")
    assert stored["data"] == {"private_key": key.reveal(), "account": address_of(key)}
    shown = vault.read("wallets/metadata/w-add")["custom_metadata"]
    assert shown == {
        "address": address_of(key),
        "account": address_of(key),
        "network": "testnet",
        "label": "Desk 4",
    }
    assert "wallets/data/w-add" in vault.read("sys/policies/acl/wallet-w-add")["policy"]
    assert vault.read("auth/jwt-nomad/role/wallet-w-add")["bound_claims"]["nomad_job_id"] == "w-add.*"


def test_list_shows_wallets_and_no_key(drover: Drover, vault: Vault) -> None:
    key = new_key()
    add_wallet(vault, NewWallet("w-list", key, label="shown"))
    table, data = drover("list").output, drover("list", "--json").output
    assert key.reveal() not in table + data
    row = next(row for row in json.loads(data) if row["name"] == "w-list")
    assert (row["address"], row["network"], row["key_version"]) == (address_of(key), "paper", 1)
    line = next(line for line in table.splitlines() if line.startswith("w-list "))
    assert line.split() == ["w-list", address_of(key), "(same)", "paper", "v1", "0m", "shown"]


def test_an_existing_wallet_is_not_overwritten(drover: Drover, vault: Vault) -> None:
    add_wallet(vault, NewWallet("w-twice", new_key(), "testnet"))
    before = vault.read("wallets/data/w-twice"), vault.read("wallets/metadata/w-twice")
    done = drover("add", "w-twice", stdin=new_key().reveal())
    assert isinstance(done.exception, OpsError)
    assert "drover wallets rotate w-twice" in str(done.exception)
    assert (vault.read("wallets/data/w-twice"), vault.read("wallets/metadata/w-twice")) == before


def test_a_wallet_whose_key_was_deleted_is_not_overwritten_either(vault: Vault) -> None:
    add_wallet(vault, NewWallet("w-gone", new_key(), "testnet"))
    vault.delete("wallets/data/w-gone")
    before = vault.read("wallets/metadata/w-gone")
    row = next(row for row in list_wallets(vault) if row.name == "w-gone")
    assert (row.key_version, row.written) == (0, 1)
    with pytest.raises(OpsError, match="rotate"):
        add_wallet(vault, NewWallet("w-gone", new_key()))
    assert vault.read("wallets/metadata/w-gone") == before
    key = new_key()
    _, after = rotate_wallet(vault, "w-gone", key)
    assert (after.key_version, after.address) == (2, address_of(key))


class CutError(Exception):
    """The line went dead."""


class CutVault:
    """A real Vault whose line goes dead at the first write below one path."""

    def __init__(self, vault: Vault, path: str) -> None:
        self.vault = vault
        self.path = path

    def __getattr__(self, name: str) -> object:
        return getattr(self.vault, name)

    def write(self, path: str, body: dict[str, object]) -> None:
        if path.startswith(self.path):
            raise CutError
        self.vault.write(path, body)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("w-cut-1", "sys/policies/acl/"),
        ("w-cut-2", "auth/jwt-nomad/role/"),
        ("w-cut-3", "wallets/metadata/"),
        ("w-cut-4", "wallets/data/"),
    ],
)
def test_an_interrupted_add_leaves_no_key_and_the_next_completes_it(
    vault: Vault, name: str, path: str
) -> None:
    key = new_key()
    with pytest.raises(CutError):
        add_wallet(CutVault(vault, path), NewWallet(name, key))  # type: ignore[arg-type]  # it is one, cut short
    assert vault.read(f"wallets/data/{name}") is None
    assert all(row.key_version == 0 for row in list_wallets(vault) if row.name == name)
    add_wallet(vault, NewWallet(name, key))
    assert vault.read(f"wallets/data/{name}")["data"]["private_key"] == key.reveal()


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_name_changes_nothing(drover: Drover, vault: Vault, name: str) -> None:
    before = everything(vault)
    for arguments in (("add", "--", name), ("remove", "--yes", "--", name), ("rotate", "--yes", "--", name)):
        done = drover(*arguments, stdin=new_key().reveal())
        assert isinstance(done.exception, OpsError), done.output
        assert "not a wallet name" in str(done.exception)
    assert everything(vault) == before


def test_a_bad_key_changes_nothing_and_is_not_repeated(drover: Drover, vault: Vault) -> None:
    before = everything(vault)
    key = new_key().reveal() + "ab"
    done = drover("add", "w-bad", stdin=key)
    assert isinstance(done.exception, OpsError)
    assert key not in f"{done.output} {done.exception!r} {done.exc_info}"
    assert everything(vault) == before


def test_a_trading_only_key_keeps_its_account_when_rotated(drover: Drover, vault: Vault) -> None:
    granter, first, second = address_of(new_key()), new_key(), new_key()
    assert drover("add", "w-grant", "--granter", granter, stdin=first.reveal()).exit_code == 0
    assert vault.read("wallets/data/w-grant")["data"]["granter"] == granter
    done = drover("rotate", "w-grant", "--yes", stdin=second.reveal())
    assert done.exit_code == 0, done.output
    stored = vault.read("wallets/data/w-grant")
    assert stored["data"] == {
        "private_key": second.reveal(),
        "account": granter,
        "granter": granter,
        "subaccount": "1",
    }
    assert stored["metadata"]["version"] == 2
    assert vault.read("wallets/metadata/w-grant")["custom_metadata"]["address"] == address_of(second)
    assert "must grant" in done.output


def test_rotating_an_owner_key_moves_the_account(drover: Drover, vault: Vault) -> None:
    first, second = new_key(), new_key()
    add_wallet(vault, NewWallet("w-rot", first, "testnet", "kept"))
    same = drover("rotate", "w-rot", "--yes", stdin=first.reveal())
    assert "has already" in str(same.exception)
    assert drover("rotate", "w-rot", "--yes", stdin=second.reveal()).exit_code == 0
    assert vault.read("wallets/data/w-rot")["data"]["account"] == address_of(second)
    shown = vault.read("wallets/metadata/w-rot")["custom_metadata"]
    assert (shown["network"], shown["label"], shown["account"]) == ("testnet", "kept", address_of(second))


def test_remove_takes_every_trace(drover: Drover, vault: Vault) -> None:
    before = everything(vault)
    add_wallet(vault, NewWallet("w-rm", new_key()))
    asked = drover("remove", "w-rm", stdin="n\n")
    assert asked.exit_code == 1
    assert vault.read("wallets/data/w-rm") is not None
    assert drover("remove", "w-rm", "--yes").exit_code == 0
    assert everything(vault) == before
    assert "no wallet w-rm" in str(drover("remove", "w-rm", "--yes").exception)


def test_a_wallet_has_a_place_for_logs_on_every_node_which_outlives_it(drover: Drover, nomad: Nomad) -> None:
    def volumes() -> list[tuple[str, str, str]]:
        found = nomad.get("/v1/volumes", type="host", namespace="bots")
        return [(one["Name"], one["State"], one["NodeID"]) for one in found if one["Name"] == "logs-w-logs"]

    added = drover("add", "w-logs", stdin=new_key().reveal())
    assert added.exit_code == 0, added.output
    node = nomad.get("/v1/nodes")[0]["ID"]
    assert volumes() == [("logs-w-logs", "ready", node)]
    kept = drover("remove", "w-logs", "--yes")
    assert "stay in Nomad's volume logs-w-logs" in kept.output
    assert volumes() == [("logs-w-logs", "ready", node)]
    assert drover("add", "w-logs", stdin=new_key().reveal()).exit_code == 0
    gone = drover("remove", "w-logs", "--yes", "--logs")
    assert gone.exit_code == 0, gone.output
    assert volumes() == []


def test_remove_refuses_while_a_bot_may_run(nomad_agent: NomadAgent, vault: Vault, nomad: Nomad) -> None:
    add_wallet(vault, NewWallet("w-busy", new_key()))
    add_wallet(vault, NewWallet("w-busy-2", new_key()))
    # No such image: the job stays pending, and could start at any moment.
    nomad_agent.run(
        """
        job "w-busy.inj-usdt.spot" {
          namespace = "bots"
          group "bot" {
            task "bot" {
              driver = "docker"
              config {
                image = "127.0.0.1:1/none:1"
              }
            }
          }
        }
        """
    )
    with pytest.raises(OpsError, match=r"w-busy\.inj-usdt\.spot still runs"):
        remove_wallet(vault, nomad, "w-busy")
    assert vault.read("wallets/data/w-busy") is not None
    remove_wallet(vault, nomad, "w-busy-2")
    nomad.delete("/v1/job/w-busy.inj-usdt.spot?namespace=bots")
    nomad_agent.allocation(
        "w-busy.inj-usdt.spot", "bots", lambda one: one["ClientStatus"] not in {"pending", "running"}
    )
    remove_wallet(vault, nomad, "w-busy")
    assert vault.read("wallets/metadata/w-busy") is None


def test_import_takes_over_an_env_file_once(drover: Drover, vault: Vault, tmp_path: Path) -> None:
    one, two = new_key(), new_key()
    file = tmp_path / ".env"
    file.write_text(f"WALLET_701_PRIVATE_KEY=0x{one.reveal()}\nWALLET_702_PRIVATE_KEY={two.reveal()}\nX=1\n")
    file.chmod(0o644)
    done = drover("import", str(file), "--network", "testnet")
    assert done.exit_code == 0, done.output
    assert "wallet-701, wallet-702" in done.output
    assert "1 other settings" in done.output
    assert "read by other users" in done.output
    assert "shred -u" in done.output
    assert one.reveal() not in done.output
    assert vault.read("wallets/data/wallet-702")["data"]["private_key"] == two.reveal()
    file.chmod(0o600)
    again = drover("import", str(file), "--network", "testnet")
    assert "nothing new" in again.output
    assert "read by other users" not in again.output


def test_import_with_another_key_of_a_name_writes_nothing(
    drover: Drover, vault: Vault, tmp_path: Path
) -> None:
    add_wallet(vault, NewWallet("wallet-712", new_key()))
    before = everything(vault)
    file = tmp_path / ".env"
    file.write_text(
        f"WALLET_711_PRIVATE_KEY={new_key().reveal()}\nWALLET_712_PRIVATE_KEY={new_key().reveal()}\n"
    )
    done = drover("import", str(file))
    assert "Nothing was imported" in str(done.exception)
    assert everything(vault) == before
    assert "cannot be read" in str(drover("import", str(tmp_path / "missing")).exception)
    assert "cannot be read" in str(drover("import", str(tmp_path)).exception)


def test_paper_wallets_are_made_once(vault: Vault) -> None:
    made = ensure_paper_wallets(vault)
    assert [name for name, _ in made] == ["wallet-1", "wallet-2", "wallet-3"]
    assert len({address for _, address in made}) == 3
    key = parse_key(vault.read("wallets/data/wallet-2")["data"]["private_key"])
    assert address_of(key) == made[1][1]
    assert ensure_paper_wallets(vault) == made


def test_without_any_cluster_the_command_says_what_to_do(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "none", Ports())
    done = CliRunner().invoke(command, ["list"], env={"VAULT_ADDR": None}, obj=cluster)
    assert "drover up" in str(done.exception)
    done = CliRunner().invoke(
        command,
        ["list"],
        env={"VAULT_ADDR": "http://127.0.0.1:1", "VAULT_TOKEN": "", "HOME": str(tmp_path)},
        obj=cluster,
    )
    assert "VAULT_TOKEN is not set" in str(done.exception)
