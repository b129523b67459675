"""The owner of an account signs on the operator's machine, or gets a file to sign elsewhere."""

from __future__ import annotations

import functools
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ops.errors import OpsError
from ops.key_input import ask_key, read_key_file
from ops.keys import address_of
from ops.settings import write_private
from ops.unsigned import unsigned

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ops.injective_chain import InjectiveChain
    from ops.secret import Secret
    from ops.wallets import WalletRow

__all__ = ["Signing", "sign", "signing"]


@dataclass(frozen=True)
class Signing:
    """How the owner signs."""

    key_file: Path | None
    """Of mode 0600; None asks for the key."""
    out: Path | None
    """Where to write what somebody else signs; None signs here."""
    yes: bool
    """Do not ask."""


def signing(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that become the command's argument `how`."""

    @click.option(
        "--owner-key-file",
        "key_file",
        type=click.Path(path_type=Path),
        help="The owner's private key, in a file of mode 0600; else it is asked for, or read from stdin.",
    )
    @click.option(
        "--unsigned-out",
        "out",
        type=click.Path(path_type=Path),
        help="Write the transaction as JSON to sign elsewhere; no key is asked for.",
    )
    @click.option("--yes", is_flag=True, help="Do not ask.")
    @functools.wraps(command)
    def wrapped(*arguments: Any, key_file: Path | None, out: Path | None, yes: bool, **options: Any) -> None:
        command(*arguments, how=Signing(key_file, out, yes), **options)

    return wrapped


def sign(chain: InjectiveChain, row: WalletRow, messages: Sequence[Any], how: Signing) -> None:
    """Sign and send with the owner's key, or write down what is to be signed.

    Raises:
        OpsError: it is not the owner's key, the file is not closed, or the chain refuses.
    """
    if how.out is not None:
        write_private(how.out, unsigned(messages))
        click.echo(
            f"{how.out} holds the transaction, unsigned. Where the owner's key is, look at it, then:\n"
            f"  injectived tx sign {how.out.name} --from {row.account} --chain-id {chain.chain_id} "
            "> signed.json\n  injectived tx broadcast signed.json"
        )
        return
    _confirm(how)
    tx_hash = chain.send(_owner_key(row, how.key_file), messages)
    click.echo(f"Done, in transaction {tx_hash}.")


def _confirm(how: Signing) -> None:
    if how.yes:
        return
    if not sys.stdin.isatty():
        raise OpsError(
            "Nothing was signed: nobody is at the terminal to agree to it. Read what stands above; if it is "
            "what you want, say --yes."
        )
    click.confirm("Sign and send this with the owner's key?", abort=True)


def _owner_key(row: WalletRow, key_file: Path | None) -> Secret:
    key = ask_key(f"the owner {row.account}") if key_file is None else read_key_file(key_file)
    if address_of(key) != row.account:
        raise OpsError(
            f"That key belongs to {address_of(key)}, but the account of {row.name} is {row.account}; "
            "give the owner's key."
        )
    return key
