"""The drover command."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from pathlib import Path

import click

from ops import doctor, jobs, local_client, local_vault, sign_in
from ops import down as down_
from ops import status as status_
from ops import up as up_
from ops.backtest_cli import backtest
from ops.bootstrap_cli import bootstrap
from ops.bots_cli import bots
from ops.config_cli import config
from ops.errors import OpsError
from ops.settings import Cluster
from ops.steps import Steps
from ops.users_cli import users
from ops.wallets_cli import wallets

__all__ = ["main"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--state", type=click.Path(path_type=Path), help="State folder (DROVER_STATE; default .drover)."
)
@click.option(
    "--port-offset", type=int, help="Added to every port (DROVER_PORT_OFFSET), for a second cluster."
)
@click.pass_context
def cli(context: click.Context, state: Path | None, port_offset: int | None) -> None:
    """Run trading bots as Nomad jobs whose keys come from Vault."""
    context.obj = Cluster.load(state, port_offset)


@cli.command()
@click.option("--expose", is_flag=True, help="Let the page be reached from other machines (plain HTTP).")
@click.option("--clients", type=click.IntRange(1, local_client.MOST), default=1, hidden=True)
@click.pass_obj
def up(cluster: Cluster, *, expose: bool, clients: int) -> None:
    """Bring the local cluster up, or repair it; running it again does nothing twice."""
    doctor.check_rights()
    doctor.check_disk(cluster)
    cluster.make()
    steps = Steps(cluster.log)
    with up_.exclusively(cluster):
        page = up_.up(cluster, steps, expose=expose, clients=clients)
    click.echo(f"\nDrover is up after {steps.elapsed:.0f} s.\n\n{status_.farewell(cluster, page)}")


@cli.command()
@click.option(
    "--purge", is_flag=True, help="Forget everything: wallets with their keys, definitions, history."
)
@click.option("--yes", is_flag=True, help="Do not ask before --purge.")
@click.pass_obj
def down(cluster: Cluster, *, purge: bool, yes: bool) -> None:
    """End what `up` started; `up` brings the same wallets, definitions and running bots back."""
    if not cluster.state.exists():
        click.echo(f"Nothing to end: {cluster.state} does not exist.")
        return
    cluster.check_version()
    if purge and not yes:
        click.confirm(
            f"This destroys {cluster.state} with all wallet keys, bot definitions and history. Go on?",
            abort=True,
        )
    doctor.check_rights()
    cluster.make()
    with up_.exclusively(cluster):
        down_.down(cluster, Steps(cluster.log))
        if purge:
            shutil.rmtree(cluster.state)
    click.echo("Everything is forgotten." if purge else "Drover is down; nothing is lost.")


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="For scripts.")
@click.pass_obj
def status(cluster: Cluster, *, as_json: bool) -> None:
    """Show what runs; exits 1 when something is not well."""
    lines = status_.look(cluster)
    if as_json:
        click.echo(json.dumps([vars(line) for line in lines], indent=2))
    else:
        for line in lines:
            mark = click.style("ok  ", fg="green") if line.well else click.style("down", fg="red")
            click.echo(f"  {mark}  {line.what:<40} {line.words}")
        if all(line.well for line in lines):
            click.echo("\n" + status_.farewell(cluster))
    sys.exit(0 if all(line.well for line in lines) else 1)


@cli.command("doctor")
@click.pass_obj
def doctor_(cluster: Cluster) -> None:
    """Check this machine: rights, Docker, engines, ports, disk; say what to do. Changes nothing."""
    complaints = 0
    for what, complaint, finding in doctor.examine(cluster):
        mark = click.style("no  ", fg="red") if complaint else click.style("ok  ", fg="green")
        click.echo(f"  {mark}  {what:<14} {complaint or finding}")
        complaints += complaint is not None
    sys.exit(1 if complaints else 0)


@cli.command()
@click.pass_obj
def env(cluster: Cluster) -> None:
    """Print exports for nomad's, vault's and drover's own commands: eval "$(./drover env)"."""
    variables = {
        **jobs.environment(cluster),
        "VAULT_ADDR": cluster.vault_addr,
        "VAULT_TOKEN": local_vault.root_token(cluster),
        "DROVER_URL": cluster.page_addr,
    }
    if known := sign_in.read(cluster):
        variables["DROVER_SIGN_IN"] = ":".join(known)
    for name, value in variables.items():
        click.echo(f"export {name}={shlex.quote(value)}")
    click.echo(f'export PATH={shlex.quote(_engine_folders())}:"$PATH"')


def _engine_folders() -> str:
    from ops import engines  # noqa: PLC0415 - httpx is slow to import and only this command wants it

    folder = engines.cache_folder(os.environ) / "engines"
    return ":".join(
        str(folder / f"{engine.name}-{engine.version}") for engine in (engines.NOMAD, engines.VAULT)
    )


@cli.command("render")
@click.argument("bot")
@click.option(
    "--network", type=click.Choice(["paper", "testnet", "mainnet"]), default="paper", show_default=True
)
@click.pass_obj
def render_(cluster: Cluster, bot: str, network: str) -> None:
    """Print the Nomad job of BOT (<wallet>.<market>.<type>); nothing is submitted."""
    from ops import render  # noqa: PLC0415 - Jinja is only wanted here

    click.echo(render.render(cluster, bot, network), nl=False)


@cli.command("bench")
@click.pass_obj
def bench_(cluster: Cluster) -> None:
    """Measure ten starts of a paper bot and what everything weighs, on the running cluster."""
    from ops import bench  # noqa: PLC0415 - only this command wants it

    bench.bench(cluster)


for command in (backtest, bootstrap, bots, config, users, wallets):
    cli.add_command(command)


def main() -> None:
    """Run the command; a refusal is one sentence on stderr and exit code 1."""
    try:
        cli(prog_name="drover")
    except OpsError as error:
        click.echo(click.style("drover: ", fg="red", bold=True) + str(error), err=True)
        sys.exit(1)
    except OSError as error:
        # A full disk, a read-only one, another user's folder: the kernel's own word helps most.
        where = f" ({error.filename})" if error.filename else ""
        click.echo(
            f"drover: {error.strerror or error}{where}; mend that, then run the same command again.", err=True
        )
        sys.exit(1)
    except KeyboardInterrupt:
        click.echo("drover: interrupted; run the same command again to go on from here.", err=True)
        sys.exit(130)


if __name__ == "__main__":
    main()
