"""`drover users`: the people who may sign in on the page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from ops import target
from ops import users as users_

if TYPE_CHECKING:
    from ops.settings import Cluster

__all__ = ["users"]


@click.group()
def users() -> None:
    """People who may sign in on the page (kept in Vault)."""


@users.command("list")
@click.pass_obj
def list_(cluster: Cluster) -> None:
    """Show their names."""
    for name in users_.list_users(target.vault_of(cluster)):
        click.echo(name)


@users.command()
@click.argument("name")
@click.pass_obj
def add(cluster: Cluster, name: str) -> None:
    """Let NAME sign in; the password is asked for, or read from stdin."""
    users_.add_user(target.vault_of(cluster), users_.check_sign_in(name, _ask_password(name)))
    click.echo(f"{name} can sign in.")


@users.command()
@click.argument("name")
@click.pass_obj
def passwd(cluster: Cluster, name: str) -> None:
    """Give NAME another password, asked for, or read from stdin."""
    users_.set_password(target.vault_of(cluster), users_.check_sign_in(name, _ask_password(name)))
    click.echo(f"{name} has a new password; the old one stops working within a minute.")


@users.command()
@click.argument("name")
@click.pass_obj
def remove(cluster: Cluster, name: str) -> None:
    """Take NAME's sign-in away."""
    users_.remove_user(target.vault_of(cluster), name)
    click.echo(f"{name} cannot sign in any more.")


def _ask_password(name: str) -> str:
    if sys.stdin.isatty():
        return str(
            click.prompt(f"Password of {name} (not shown)", hide_input=True, confirmation_prompt="Once more")
        )
    return sys.stdin.readline().rstrip("\r\n")
