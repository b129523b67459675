"""`drover wallets grant`, `revoke-grants`, `check` and `fund-subaccount`: what a wallet's key may do."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

import click

from bots import addresses
from bots.config import ConfigError, load_markets
from bots.settings import PaperEndpoints
from ops import docker, grants, key_check, owner, target
from ops import wallets as wallets_
from ops.errors import OpsError
from ops.key_check import Level
from ops.key_input import refuse_key_in_arguments
from ops.keys import address_of, check_address, check_name

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bots.config import MarketEntry
    from ops.injective_chain import InjectiveChain
    from ops.settings import Cluster
    from ops.wallets import WalletRow

__all__ = ["check", "fund_subaccount", "grant", "revoke_grants"]

_COLOURS = {Level.OK: "green", Level.NOTE: "yellow", Level.MISSING: "red", Level.DANGER: "red"}
_MARKET = click.option(
    "--market", "names", multiple=True, help="A market such as inj-usdt; default those of the wallet's bots."
)


@click.command()
@click.argument("name")
@click.argument("extra", nargs=-1, metavar="")
@_MARKET
@click.option("--subaccount", type=int, help="Must be the wallet's; default the wallet's.")
@click.option("--days", type=int, default=30, show_default=True, help="How long the grant holds.")
@owner.signing
@click.pass_obj
def grant(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    cluster: Cluster,
    name: str,
    extra: tuple[str, ...],
    names: tuple[str, ...],
    subaccount: int | None,
    days: int,
    how: owner.Signing,
) -> None:
    """Let the key of wallet NAME trade its account: one subaccount, named markets, until a day."""
    refuse_key_in_arguments(extra)
    row = _row(cluster, name)
    if subaccount not in {None, row.subaccount}:
        raise OpsError(
            f"The bots of {name} trade subaccount {row.subaccount}, so one for {subaccount} would not do; "
            "leave --subaccount out, or add a wallet for that subaccount."
        )
    listed = _listed()
    grants.require_trading_only(row)
    markets = grants.choose_markets(row, names, listed, _jobs(cluster, name, names))
    plan = grants.plan(row, markets, days, datetime.now(UTC))
    for line in grants.words(plan, grants.market_names(listed, row.network)):
        click.echo(line)
    if row.network != "paper":
        _note("chains before v1.19 did not hold market orders to these limits; make sure that this one does.")
    chain = _chain(cluster, row)
    owner.sign(chain, row, [chain.grant(plan)], how)


@click.command("revoke-grants")
@click.argument("name")
@click.argument("extra", nargs=-1, metavar="")
@click.option("--grantee", default="", help="Another address than the wallet's key, such as a former key's.")
@owner.signing
@click.pass_obj
def revoke_grants(
    cluster: Cluster, name: str, extra: tuple[str, ...], grantee: str, how: owner.Signing
) -> None:
    """Take back everything that the account of wallet NAME granted to its key."""
    refuse_key_in_arguments(extra)
    row = _row(cluster, name)
    grantee = check_address(grantee) if grantee else row.address
    chain = _chain(cluster, row)
    held = [holding for holding in chain.holdings_of(grantee) if holding.granter == row.account]
    if not held:
        click.echo(f"{row.account} has granted nothing to {grantee}.")
        return
    names = grants.market_names(_listed(), row.network)
    click.echo(f"The account {row.account} takes back from {grantee}:")
    for holding in held:
        click.echo(f"  {key_check.describe(holding, names)}")
    _note("a bot with this key can then not even cancel its orders; stop it first.")
    owner.sign(chain, row, [chain.revoke(holding) for holding in held], how)


@click.command()
@click.argument("name")
@_MARKET
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
def check(cluster: Cluster, name: str, names: tuple[str, ...], *, as_json: bool) -> None:
    """Show what the key of wallet NAME may do; exits 1 when it could take money out, or cannot trade."""
    row = _row(cluster, name)
    stored = wallets_.stored_wallet(target.vault_of(cluster), name)
    if (address_of(stored.key), stored.account, stored.index) != (row.address, row.account, row.subaccount):
        raise OpsError(
            f"What Vault shows of {name} is not what its secret says; write the wallet anew with "
            f"`drover wallets rotate {name}`, or correct its metadata."
        )
    listed = _listed()
    jobs = _jobs(cluster, name, names)
    markets = grants.choose_markets(row, names, listed, jobs) if names or jobs else []
    chain = _chain(cluster, row)
    held = chain.holdings_of(row.address)
    labels = grants.market_names(listed, row.network)
    found = key_check.examine(row, held, markets, labels, datetime.now(UTC))
    found += key_check.others(row, chain.grants_by(row.account), labels)
    if as_json:
        click.echo(json.dumps(key_check.plain(row, held, found), indent=2))
    else:
        click.echo(
            f"{name} on {row.network}: key {row.address}, account {row.account}, subaccount {row.subaccount}"
        )
        for finding in found:
            mark = click.style(f"{finding.level.upper():<8}", fg=_COLOURS[finding.level])
            click.echo(f"  {mark} {finding.text}")
    sys.exit(1 if key_check.failed(found) else 0)


@click.command("fund-subaccount")
@click.argument("name")
@click.argument("amount")
@click.argument("token")
@click.argument("extra", nargs=-1, metavar="")
@_MARKET
@click.option("--gas", default="0", help="INJ to send to the key's own address, for its fees.")
@owner.signing
@click.pass_obj
def fund_subaccount(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    cluster: Cluster,
    name: str,
    amount: str,
    token: str,
    extra: tuple[str, ...],
    names: tuple[str, ...],
    gas: str,
    how: owner.Signing,
) -> None:
    """Move AMOUNT of TOKEN (USDT…) from the account of wallet NAME to the subaccount that its bots trade."""
    refuse_key_in_arguments(extra)
    row = _row(cluster, name)
    if row.subaccount == 0:
        raise OpsError(
            f"{name} trades subaccount 0, which is the bank balance itself; there is nothing to move."
        )
    chain = _chain(cluster, row)
    markets = grants.choose_markets(row, names, _listed(), _jobs(cluster, name, names))
    tokens = chain.tokens([market.market_ids[row.network] for market in markets])
    if token not in tokens:
        raise OpsError(
            f"{token[:40]!r} is no token of these markets; choose one of {', '.join(sorted(tokens))}."
        )
    denom, decimals = tokens[token]
    subaccount = addresses.subaccount(row.account, row.subaccount)
    messages = [chain.deposit(row.account, subaccount, denom, _units(amount, decimals, token))]
    click.echo(f"The account {row.account} puts {amount} {token} into its subaccount {row.subaccount}.")
    if gas != "0":
        messages.append(chain.send_coins(row.account, row.address, "inj", _units(gas, 18, "INJ")))
        click.echo(f"It sends {gas} INJ to {row.address} for fees.")
    owner.sign(chain, row, messages, how)


def _units(text: str, decimals: int, token: str) -> int:
    """Return a human amount in the chain's units."""
    try:
        units = Decimal(text).scaleb(decimals)
        if units > 0 and units == units.to_integral_value():
            return int(units)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    raise OpsError(
        f"{text[:40]!r} is no amount of {token}; write a number above 0, up to {decimals} decimals."
    )


def _row(cluster: Cluster, name: str) -> WalletRow:
    return wallets_.find_wallet(target.vault_of(cluster), check_name(name))


def _listed() -> Mapping[str, MarketEntry]:
    try:
        return load_markets(os.environ)
    except ConfigError as error:
        raise OpsError(str(error)) from error


def _jobs(cluster: Cluster, name: str, names: Sequence[str]) -> list[str]:
    """Return the ids of the wallet's bots, where no market is named."""
    return [] if names else target.nomad_of(cluster).busy_jobs("bots", f"{name}.")


def _chain(cluster: Cluster, row: WalletRow) -> InjectiveChain:
    from ops.injective_chain import InjectiveChain  # noqa: PLC0415 - the SDK is slow to import, few commands want it

    return InjectiveChain(row.network, _paper(cluster) if row.network == "paper" else None)


def _paper(cluster: Cluster) -> PaperEndpoints:
    """Return the paper venue of PAPER_GRPC and PAPER_HTTP, else the local cluster's."""
    grpc, http = os.environ.get("PAPER_GRPC"), os.environ.get("PAPER_HTTP")
    if grpc and http:
        return PaperEndpoints(grpc, http)
    bridge = docker.bridge().address
    return PaperEndpoints(
        f"{bridge}:{cluster.ports.venue_grpc}", f"http://{bridge}:{cluster.ports.venue_http}"
    )


def _note(sentence: str) -> None:
    click.echo(click.style("note: ", fg="yellow") + sentence, err=True)
