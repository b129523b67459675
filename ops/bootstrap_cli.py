"""`drover bootstrap`: apply the policies and roles to a Nomad and a Vault, local or an operator's."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ops import target
from ops.bootstrap import JWKS_PATH
from ops.bootstrap import bootstrap as run
from ops.errors import OpsError
from ops.settings import write_private

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
    sign_in = run(
        vault,
        nomad,
        jwks_url=jwks_url or nomad.address + JWKS_PATH,
        nomad_jwks_url=nomad_jwks_url,
        jwks_ca=_ca(),
        keep_sign_in=(lambda new: _keep(cluster, new)) if local else _print,
        report=click.echo,
    )
    if sign_in is not None and local:
        click.echo(f"The page's first sign-in is in {cluster.secrets / 'sign-in.json'}.")


def _keep(cluster: Cluster, sign_in: SignIn) -> None:

    record = {"username": sign_in.username, "password": sign_in.password.reveal()}
    write_private(cluster.secrets / "sign-in.json", json.dumps(record))


def _print(sign_in: SignIn) -> None:
    click.echo(f"The page's first user, shown only now: {sign_in.username} / {sign_in.password.reveal()}")


def _ca() -> str:
    file = os.environ.get("NOMAD_CACERT")
    try:
        return Path(file).read_text(encoding="utf-8") if file else ""
    except OSError as error:
        raise OpsError(f"NOMAD_CACERT names {file}, which cannot be read ({error.strerror}).") from None
