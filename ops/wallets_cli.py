"""`drover wallets`: add, list, remove, import and rotate keys; what they may do is in `ops.grants_cli`."""

from __future__ import annotations

import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops import follow, target, volumes
from ops import wallets as wallets_
from ops.envfile import parse_env
from ops.errors import OpsError
from ops.grants_cli import check, fund_subaccount, grant, revoke_grants
from ops.key_input import ask_key, refuse_key_in_arguments
from ops.keys import check_name

if TYPE_CHECKING:
    from ops.nomad import Nomad
    from ops.settings import Cluster
    from ops.vault import Vault
    from ops.wallets import WalletRow

__all__ = ["wallets"]

_LARGEST_ENV_FILE = 1_000_000
_NETWORKS = click.Choice(["paper", "testnet", "mainnet"])


@click.group()
def wallets() -> None:
    """Wallet keys in Vault (VAULT_ADDR, VAULT_TOKEN; else the local cluster's)."""


@wallets.command()
@click.argument("name")
@click.argument("extra", nargs=-1, metavar="")
@click.option("--network", type=_NETWORKS, default="paper", show_default=True)
@click.option("--label", default="", help="Words that the page shows beside the name.")
@click.option("--granter", default="", help="For a trading-only key: the account (inj1…) that granted it.")
@click.option(
    "--subaccount", type=int, help="The account's subaccount to trade; default 1 with --granter, else 0."
)
@click.pass_obj
def add(  # noqa: PLR0913, PLR0917 - a command's options are its arguments
    cluster: Cluster,
    name: str,
    extra: tuple[str, ...],
    network: str,
    label: str,
    granter: str,
    subaccount: int | None,
) -> None:
    """Store a private key (asked for, or read from stdin) as wallet NAME."""
    refuse_key_in_arguments(extra)
    check_name(name)
    vault, nomad = target.pair_of(cluster)
    new = wallets_.NewWallet(name, ask_key(name), network, label, granter, subaccount)
    address = wallets_.add_wallet(vault, new)
    click.echo(f"{name} is in Vault at {vault.address}: {address}, on {network}.")
    _follow(cluster, vault, nomad)
    if granter:
        click.echo(
            f"It trades subaccount {new.index} of {granter}, which must grant it that: "
            f"drover wallets grant {name}"
        )


@wallets.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
def list_(cluster: Cluster, *, as_json: bool) -> None:
    """Show every wallet; never a key."""
    rows = wallets_.list_wallets(target.vault_of(cluster))
    if as_json:
        click.echo(json.dumps([_plain(row) for row in rows], indent=2))
        return
    head = ("NAME", "ADDRESS", "ACCOUNT", "NETWORK", "KEY", "AGE", "LABEL")
    for line in _table([head, *(_cells(row) for row in rows)]):
        click.echo(line)


@wallets.command()
@click.argument("name")
@click.option("--logs", is_flag=True, help="Delete the logs of its bots too.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def remove(cluster: Cluster, name: str, *, logs: bool, yes: bool) -> None:
    """Forget wallet NAME with every version of its key."""
    check_name(name)
    vault, nomad = target.pair_of(cluster)
    if not yes:
        click.confirm(
            f"This destroys every version of the key of {name} in Vault at {vault.address}; without a copy "
            "elsewhere its funds are lost. Go on?",
            abort=True,
        )
    wallets_.remove_wallet(vault, nomad, name)
    _follow(cluster, vault, nomad)
    if logs:
        volumes.remove_log_volumes(nomad, name)
        click.echo(f"{name} is forgotten, and the logs of its bots.")
    else:
        click.echo(
            f"{name} is forgotten. The logs of its bots stay in Nomad's volume {volumes.log_volume(name)}."
        )


@wallets.command("import")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--network", type=_NETWORKS, default="paper", show_default=True)
@click.pass_obj
def import_(cluster: Cluster, file: Path, network: str) -> None:
    """Take over the WALLET_n_PRIVATE_KEY lines of a .env FILE as wallet-n."""
    text, readable_by_others = _read(file)
    found = parse_env(text)
    vault, nomad = target.pair_of(cluster)
    added, already = wallets_.import_wallets(vault, found.keys, network)
    click.echo(f"Imported into Vault at {vault.address}, on {network}: {', '.join(added) or 'nothing new'}.")
    _follow(cluster, vault, nomad)
    if already:
        click.echo(f"There already, with the same key: {', '.join(already)}.")
    if found.others:
        click.echo(f"{found.others} other settings in the file were left alone.")
    for variable in found.unnamed:
        _warn(f"{variable} was left alone: it carries no wallet number (WALLET_1_PRIVATE_KEY).")
    if readable_by_others:
        _warn(f"{file} can be read by other users of this machine; think of its keys as known to them.")
    _warn(f"The keys still stand in {file} in the clear; when the bots run, destroy it: shred -u {file}")


@wallets.command()
@click.argument("name")
@click.argument("extra", nargs=-1, metavar="")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def rotate(cluster: Cluster, name: str, extra: tuple[str, ...], *, yes: bool) -> None:
    """Give wallet NAME another key (asked for, or read from stdin)."""
    refuse_key_in_arguments(extra)
    check_name(name)
    vault = target.vault_of(cluster)
    key = ask_key(name)
    if not yes:
        click.confirm(
            "On Injective another key is another account: unless this is a trading-only key, funds and "
            "positions stay behind on the old one. Go on?",
            abort=True,
        )
    before, after = wallets_.rotate_wallet(vault, name, key)
    click.echo(f"{name} has key version {after.key_version}: {after.address} (was {before.address}).")
    if not after.trading_only:
        click.echo(f"It now trades the account {after.account}; what {before.account} holds stays there.")
    else:
        click.echo(f"It trades the account {after.account}, which must grant {after.address} its rights.")
        click.echo(
            f"Now grant the new key (drover wallets grant {name}) and revoke what the old one may do "
            f"(drover wallets revoke-grants {name} --grantee {before.address})."
        )


def _follow(cluster: Cluster, vault: Vault, nomad: Nomad) -> None:
    for sentence in follow.follow_wallets(cluster, vault, nomad):
        _warn(sentence)


for command in (grant, revoke_grants, check, fund_subaccount):
    wallets.add_command(command)


def _read(file: Path) -> tuple[str, bool]:
    try:
        with file.open("rb") as handle:
            others = bool(stat.S_IMODE(file.stat().st_mode) & (stat.S_IRGRP | stat.S_IROTH))
            text = handle.read(_LARGEST_ENV_FILE + 1)
    except OSError as error:
        raise OpsError(f"{file} cannot be read ({error.strerror}); name the .env file to import.") from None
    try:
        if len(text) <= _LARGEST_ENV_FILE:
            return text.decode(), others
    except UnicodeDecodeError:
        pass
    raise OpsError(f"{file} is no .env file: too large, or not text; name the .env file to import.")


def _warn(sentence: str) -> None:
    click.echo(click.style("note: ", fg="yellow") + sentence, err=True)


def _plain(row: WalletRow) -> dict[str, object]:
    return vars(row) | {"key_time": row.key_time.isoformat() if row.key_time else None}


def _cells(row: WalletRow) -> tuple[str, ...]:
    key = f"v{row.key_version}" if row.key_version else "none"
    account = row.account if row.trading_only else "(same)"
    account += f" #{row.subaccount}" if row.subaccount else ""
    return (row.name, row.address, account, row.network, key, _age(row.key_time), row.label)


def _age(time: datetime | None) -> str:
    if time is None:
        return "-"
    minutes = int((datetime.now(UTC) - time).total_seconds() // 60)
    if minutes < 60:  # noqa: PLR2004 - minutes in an hour
        return f"{max(minutes, 0)}m"
    return f"{minutes // 60}h" if minutes < 48 * 60 else f"{minutes // 1440}d"


def _table(rows: list[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]
