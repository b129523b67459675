"""`drover bots`: what the bots say of themselves, and the end of a halt."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from ops import bots as bots_
from ops import target
from ops.errors import OpsError

if TYPE_CHECKING:
    from ops.redis import Redis
    from ops.settings import Cluster

__all__ = ["bots"]

_SILENT_SECONDS = 10


@click.group()
def bots() -> None:
    """The bots' own words, from Redis (REDIS_ADDR with VAULT_ADDR; else the local cluster's)."""


@bots.command("list")
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
def list_(cluster: Cluster, *, as_json: bool) -> None:
    """Show every bot's trading state, and why it is in it."""
    rows = bots_.list_bots(_redis(cluster), datetime.now(UTC))
    if as_json:
        click.echo(json.dumps([vars(row) for row in rows], indent=2))
        return
    for row in rows:
        silent = f"silent for {row.age:.0f} s; " if (row.age or 0) > _SILENT_SECONDS else ""
        click.echo(f"{row.bot:<40} {row.state:<18} {silent}{row.reason}".rstrip())
    if not rows:
        click.echo("No bot has run yet.")


@bots.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
def halts(cluster: Cluster, *, as_json: bool) -> None:
    """Show which bots are halted, since when and why."""
    found = bots_.list_halts(_redis(cluster))
    if as_json:
        click.echo(json.dumps([vars(halt) for halt in found], indent=2))
        return
    for halt in found:
        click.echo(f"{halt.bot:<40} since {halt.at} by {halt.by or 'somebody'}: {halt.reason}")
    if not found:
        click.echo("No bot is halted.")


@bots.command()
@click.argument("bot")
@click.pass_obj
def clear(cluster: Cluster, bot: str) -> None:
    """End the halt of BOT (<wallet>.<market>.<type>) once its reason is understood: it trades again."""
    halt = bots_.clear_halt(_redis(cluster), bot, datetime.now(UTC))
    click.echo(f"{halt.bot} may trade again; it was halted since {halt.at}: {halt.reason}")


def _redis(cluster: Cluster) -> Redis:
    # The client library is slow to import, and only these commands want it.
    from ops.redis import redis_of  # noqa: PLC0415 - see above

    found = redis_of(cluster, target.vault_of(cluster))
    if found is None:
        raise OpsError("REDIS_ADDR is not set; write host:port of the Redis that belongs to VAULT_ADDR.")
    return found
