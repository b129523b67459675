"""`drover wallets grant`, `check`, `revoke-grants`, `fund-subaccount`, on a real Vault, Nomad and venue."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from click.testing import CliRunner, Result
from google.protobuf.json_format import ParseDict
from pyinjective.proto.cosmos.tx.v1beta1.tx_pb2 import Tx

from bots.injective import Injective
from bots.injective.network import network_for
from bots.injective.permission import NotGrantedError
from bots.secret import Secret as BotSecret
from bots.settings import PaperEndpoints
from ops.bootstrap import bootstrap
from ops.errors import OpsError
from ops.keys import address_of, new_key
from ops.nomad import Nomad
from ops.settings import Cluster, Ports
from ops.vault import Vault
from ops.wallets_cli import wallets as command
from tests.parties import PERP, SPOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ops.secret import Secret
    from tests.engines import NomadAgent, VaultServer
    from tests.paper import VenueProcess

    Drover = Callable[..., Result]

pytestmark = pytest.mark.engines

MARKETS = ("--market", "inj-usdt", "--market", "inj-usdt-perp")


@pytest.fixture(scope="module")
def vault(vault_server: VaultServer, nomad_agent: NomadAgent) -> Vault:
    vault = Vault(vault_server.address, vault_server.token)
    nomad = Nomad(nomad_agent.address, nomad_agent.token)
    bootstrap(vault, nomad, jwks_url=nomad_agent.jwks_url, env={}, report=lambda _: None)
    return vault


@pytest.fixture
def drover(
    vault: Vault, vault_server: VaultServer, nomad_agent: NomadAgent, venue: VenueProcess, tmp_path: Path
) -> Drover:
    env = {
        "VAULT_ADDR": vault.address,
        "VAULT_TOKEN": vault_server.token.reveal(),
        "NOMAD_ADDR": nomad_agent.address,
        "NOMAD_TOKEN": nomad_agent.token.reveal(),
        "PAPER_GRPC": venue.grpc,
        "PAPER_HTTP": venue.http,
    }
    cluster = Cluster(tmp_path / "no-local-cluster", Ports())

    def run(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(command, arguments, input=stdin, env=env, obj=cluster)

    return run


class Pair:
    """A funded owner with a key file, and a wallet whose key is to trade for it."""

    def __init__(self, drover: Drover, venue: VenueProcess, folder: Path, name: str) -> None:
        self.name = name
        self.owner, self.key = new_key(), new_key()
        self.account, self.address = address_of(self.owner), address_of(self.key)
        self.file = folder / f"{name}.key"
        self.file.write_text(self.owner.reveal())
        self.file.chmod(0o600)
        for address in (self.account, self.address):
            venue.faucet(address)
        done = drover("add", name, "--granter", self.account, stdin=self.key.reveal())
        assert done.exit_code == 0, done.output
        self._venue = venue

    def connect(self, market: str = SPOT) -> None:
        """Connect as this wallet's bot would."""

        async def connect() -> None:
            bot = Injective(
                network_for("paper", PaperEndpoints(self._venue.grpc, self._venue.http)),
                market,
                BotSecret(self.key.reveal()),
                self.address,
                derivative=market == PERP,
                granter=self.account,
                subaccount=1,
            )
            try:
                await bot.connect()
            finally:
                await bot.close()

        asyncio.run(connect())


@pytest.fixture
def pair(drover: Drover, venue: VenueProcess, tmp_path: Path, request: pytest.FixtureRequest) -> Pair:
    return Pair(drover, venue, tmp_path, f"g-{abs(hash(request.node.name)) % 10**6}")


def good(done: Result, *keys: Secret) -> str:
    assert done.exit_code == 0, (done.output, done.exception)
    assert not any(key.reveal() in done.output for key in keys)
    return done.output


def checked(drover: Drover, name: str, *arguments: str) -> tuple[int, Any]:
    done = drover("check", name, "--json", *arguments)
    return done.exit_code, json.loads(done.stdout)


def test_the_secret_says_granter_and_subaccount(pair: Pair, vault: Vault, drover: Drover) -> None:
    secret = vault.read(f"wallets/data/{pair.name}")["data"]
    assert secret == {
        "private_key": pair.key.reveal(),
        "account": pair.account,
        "granter": pair.account,
        "subaccount": "1",
    }
    row = next(row for row in json.loads(drover("list", "--json").output) if row["name"] == pair.name)
    assert (row["account"], row["subaccount"]) == (pair.account, 1)
    fifth = new_key()
    good(
        drover("add", f"{pair.name}-5", "--granter", pair.account, "--subaccount", "5", stdin=fifth.reveal())
    )
    assert vault.read(f"wallets/data/{pair.name}-5")["data"]["subaccount"] == "5"
    good(
        drover(
            "add", f"{pair.name}-0", "--granter", pair.account, "--subaccount", "0", stdin=new_key().reveal()
        )
    )
    assert vault.read(f"wallets/data/{pair.name}-0")["data"]["subaccount"] == "0"
    rows = {row["name"]: row["subaccount"] for row in json.loads(drover("list", "--json").output)}
    assert (rows[f"{pair.name}-5"], rows[f"{pair.name}-0"]) == (5, 0)
    after = new_key()
    good(drover("rotate", f"{pair.name}-5", "--yes", stdin=after.reveal()), after)
    assert vault.read(f"wallets/data/{pair.name}-5")["data"] == {
        "private_key": after.reveal(),
        "account": pair.account,
        "granter": pair.account,
        "subaccount": "5",
    }


def test_from_nothing_to_a_bot_that_may_trade_and_back(
    pair: Pair, drover: Drover, venue: VenueProcess
) -> None:
    code, before = checked(drover, pair.name, *MARKETS)
    assert (code, before["can_trade"], before["dangerous"], before["grants"]) == (1, False, False, [])
    with pytest.raises(NotGrantedError):
        pair.connect()
    how = ("--owner-key-file", str(pair.file), "--yes")
    output = good(drover("grant", pair.name, *MARKETS, "--days", "10", *how), pair.owner, pair.key)
    for words in (pair.account, pair.address, "inj-usdt, inj-usdt-perp", "subaccount 1", "nothing else"):
        assert words in output
    code, after = checked(drover, pair.name, *MARKETS)
    assert (code, after["can_trade"], after["dangerous"]) == (0, True, False), after
    (grant,) = after["grants"]
    assert grant["message"] == "/injective.exchange.v2.MsgBatchUpdateOrders"
    assert (grant["subaccount"], grant["markets"]) == (1, sorted([SPOT, PERP]))
    end = datetime.fromisoformat(grant["until"]) - datetime.now(UTC)
    assert timedelta(days=9, hours=23) < end < timedelta(days=10, minutes=1)
    pair.connect(SPOT)
    pair.connect(PERP)
    assert checked(drover, pair.name, "--market", "tia-usdt")[0] == 1
    deposit = ("fund-subaccount", pair.name, "250.5", "USDT", *MARKETS, "--gas", "0.25", *how)
    inj = int(venue.faucet(pair.address)["inj"])
    assert "250.5 USDT" in good(drover(*deposit), pair.owner, pair.key)
    assert int(venue.faucet(pair.address)["inj"]) - inj == 25 * 10**16
    good(drover("revoke-grants", pair.name, *how), pair.owner, pair.key)
    assert checked(drover, pair.name, *MARKETS)[1]["grants"] == []
    with pytest.raises(NotGrantedError):
        pair.connect()
    assert "has granted nothing" in good(drover("revoke-grants", pair.name, *how))


def test_the_key_is_asked_for_when_no_file_is_named(pair: Pair, drover: Drover) -> None:
    stdin = pair.owner.reveal() + "\n"
    good(drover("grant", pair.name, *MARKETS, "--yes", stdin=stdin), pair.owner)
    pair.connect()


def test_nothing_happens_without_a_yes(pair: Pair, drover: Drover) -> None:
    done = drover("grant", pair.name, *MARKETS, "--owner-key-file", str(pair.file), stdin="n\n")
    assert done.exit_code == 1
    assert checked(drover, pair.name, *MARKETS)[1]["grants"] == []


def test_an_unsigned_transaction_says_the_same(pair: Pair, drover: Drover, tmp_path: Path) -> None:
    out = tmp_path / "unsigned.json"
    output = good(drover("grant", pair.name, *MARKETS, "--unsigned-out", str(out)))
    assert "injectived tx sign" in output
    assert "injective-paper-1" in output
    assert out.stat().st_mode & 0o777 == 0o600
    tx = ParseDict(json.loads(out.read_text()), Tx())
    assert [message.type_url for message in tx.body.messages] == ["/cosmos.authz.v1beta1.MsgGrant"]
    from pyinjective.proto.cosmos.authz.v1beta1.tx_pb2 import MsgGrant  # noqa: PLC0415 - for this reading alone

    grant = MsgGrant.FromString(tx.body.messages[0].value)
    assert (grant.granter, grant.grantee) == (pair.account, pair.address)
    assert grant.grant.authorization.type_url == "/injective.exchange.v2.BatchUpdateOrdersAuthz"
    assert checked(drover, pair.name, *MARKETS)[1]["grants"] == []


def test_an_owners_key_that_is_not_kept_closed_or_not_the_owners_is_refused(
    pair: Pair, drover: Drover, tmp_path: Path
) -> None:
    def refused(words: str, file: Path, stdin: str = "") -> None:
        done = drover("grant", pair.name, *MARKETS, "--yes", "--owner-key-file", str(file), stdin=stdin)
        assert isinstance(done.exception, OpsError), done.output
        assert words in str(done.exception)
        assert pair.owner.reveal() not in done.output + str(done.exception)

    for mode in (0o644, 0o640, 0o604):
        pair.file.chmod(mode)
        refused("only its owner may read", pair.file)
    other = tmp_path / "other.key"
    other.write_text(new_key().reveal())
    other.chmod(0o600)
    refused("give the owner's key", other)
    other.write_text("hello")
    refused("not a private key", other)
    refused("cannot be read", tmp_path / "none.key")
    refused("cannot be read", tmp_path)
    typed = drover("grant", pair.name, pair.owner.reveal(), *MARKETS)
    assert isinstance(typed.exception, OpsError)
    assert pair.owner.reveal() not in typed.output + str(typed.exception)
    assert checked(drover, pair.name, *MARKETS)[1]["grants"] == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--market", "doge-usdt"), "no market of paper"),
        ((), "No bot of the wallet runs"),
        ((*MARKETS, "--days", "0"), "choose 1 to 365"),
        ((*MARKETS, "--subaccount", "2"), "trade subaccount 1"),
    ],
)
def test_what_cannot_be_granted_is_said(
    pair: Pair, drover: Drover, arguments: tuple[str, ...], words: str
) -> None:
    done = drover("grant", pair.name, *arguments, "--yes", "--owner-key-file", str(pair.file))
    assert isinstance(done.exception, OpsError)
    assert words in str(done.exception)


def test_an_accounts_own_key_is_told_as_a_danger_and_grants_nothing(
    drover: Drover, venue: VenueProcess
) -> None:
    key = new_key()
    venue.faucet(address_of(key))
    good(drover("add", "g-own", stdin=key.reveal()))
    code, report = checked(drover, "g-own")
    assert (code, report["trading_only"], report["dangerous"]) == (1, False, True)
    shown = drover("check", "g-own")
    assert shown.exit_code == 1
    assert "can withdraw and send everything" in shown.output
    assert key.reveal() not in shown.output
    done = drover("grant", "g-own", *MARKETS, "--yes", stdin=key.reveal())
    assert isinstance(done.exception, OpsError)
    assert "--granter" in str(done.exception)


def test_grants_that_let_money_out_are_dangers(pair: Pair, drover: Drover, venue: VenueProcess) -> None:
    from ops.injective_chain import InjectiveChain  # noqa: PLC0415 - as the commands do

    chain = InjectiveChain("paper", PaperEndpoints(venue.grpc, venue.http))
    # No command makes such grants.
    generic = chain._composer.msg_grant_generic
    wide = "/injective.exchange.v2.MsgBatchUpdateOrders"
    for message, words in (
        ("/cosmos.bank.v1beta1.MsgSend", "send the account's money anywhere"),
        ("/injective.exchange.v2.MsgWithdraw", "take money out"),
        ("/cosmos.authz.v1beta1.MsgExec", "every right"),
        ("/cosmos.gov.v1beta1.MsgVote", "trading does not need"),
        (wide, "not limited"),
    ):
        chain.send(pair.owner, [generic(pair.account, pair.address, message, 3600)])
        code, report = checked(drover, pair.name, *MARKETS)
        assert (code, report["dangerous"]) == (1, True)
        dangers = [found["text"] for found in report["findings"] if found["level"] == "danger"]
        assert any(message.removeprefix("/") in text and words in text for text in dangers), report
    assert report["can_trade"]
    pair.connect()


def test_a_former_keys_grant_is_told_and_taken_back(pair: Pair, drover: Drover, venue: VenueProcess) -> None:
    how = ("--owner-key-file", str(pair.file), "--yes")
    good(drover("grant", pair.name, *MARKETS, *how))
    after = new_key()
    venue.faucet(address_of(after))
    output = good(drover("rotate", pair.name, "--yes", stdin=after.reveal()), after)
    assert f"revoke-grants {pair.name} --grantee {pair.address}" in output
    code, report = checked(drover, pair.name, *MARKETS)
    assert (code, report["can_trade"]) == (1, False)
    assert any(pair.address in found["text"] for found in report["findings"])
    good(drover("grant", pair.name, *MARKETS, *how))
    good(drover("revoke-grants", pair.name, "--grantee", pair.address, *how))
    code, report = checked(drover, pair.name, *MARKETS)
    assert (code, report["can_trade"]) == (0, True)
    assert not any(pair.address in found["text"] for found in report["findings"])


def test_a_secret_that_contradicts_itself_is_told(pair: Pair, drover: Drover, vault: Vault) -> None:
    secret = vault.read(f"wallets/data/{pair.name}")["data"]
    stranger = address_of(new_key())
    vault.write(f"wallets/data/{pair.name}", {"data": {**secret, "account": stranger}})
    done = drover("check", pair.name, *MARKETS)
    assert isinstance(done.exception, OpsError)
    assert "no bot will start" in str(done.exception)
    vault.write(f"wallets/data/{pair.name}", {"data": {**secret, "private_key": new_key().reveal()}})
    done = drover("check", pair.name, *MARKETS)
    assert isinstance(done.exception, OpsError)
    assert "not what its secret says" in str(done.exception)
