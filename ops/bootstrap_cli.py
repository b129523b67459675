"""`drover bootstrap`: apply the policies and roles to a Nomad and a Vault, local or an operator's."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops import follow, sign_in, target
from ops.bootstrap import JWKS_PATH
from ops.bootstrap import bootstrap as run
from ops.errors import OpsError

if TYPE_CHECKING:
    from ops.settings import Cluster
    from ops.users import SignIn

__all__ = ["bootstrap"]


@click.command()
@click.option("--jwks-url", help="Nomad's /.well-known/jwks.json as Vault reaches it; default: NOMAD_ADDR's.")
@click.option("--nomad-jwks-url", help="The same as Nomad's own servers reach it; default: --jwks-url.")
@click.pass_obj
def bootstrap(cluster: Cluster, jwks_url: str | None, nomad_jwks_url: str | None) -> None:
    """Apply every policy, role and namespace; generate missing secrets. Can be run again."""
    vault, nomad = target.pair_of(cluster)
    # A local cluster keeps its first sign-in in its state folder, where `status` finds it; an operator's is
    # printed, once.
    local = vault.address == cluster.vault_addr and cluster.secrets.exists()
    first = run(
        vault,
        nomad,
        jwks_url=jwks_url or nomad.address + JWKS_PATH,
        nomad_jwks_url=nomad_jwks_url,
        jwks_ca=_ca(),
        keep_sign_in=(lambda new: sign_in.keep(cluster, new)) if local else _print,
        report=click.echo,
    )
    for sentence in follow.follow_wallets(cluster, vault, nomad):
        click.echo(click.style("note: ", fg="yellow") + sentence, err=True)
    if first is not None and local:
        click.echo(f"The page's first sign-in is in {sign_in.file(cluster)}.")


def _print(new: SignIn) -> None:
    click.echo(f"The page's first user, shown only now: {new.username} / {new.password.reveal()}")


def _ca() -> str:
    file = os.environ.get("NOMAD_CACERT")
    try:
        return Path(file).read_text(encoding="utf-8") if file else ""
    except OSError as error:
        raise OpsError(f"NOMAD_CACERT names {file}, which cannot be read ({error.strerror}).") from None
