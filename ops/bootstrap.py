"""`drover bootstrap`: make any Nomad and Vault what config/nomad/ and vault-policies/ say."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from ops.bootstrap_nomad import bootstrap_nomad
from ops.bootstrap_vault import bootstrap_vault
from ops.ensure import Report
from ops.users import ensure_first_user

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ops.nomad import Nomad
    from ops.users import SignIn
    from ops.vault import Vault

__all__ = ["JWKS_PATH", "bootstrap"]

JWKS_PATH = "/.well-known/jwks.json"


def bootstrap(  # noqa: PLR0913 - two servers and how each reaches the other; all but the servers are by name
    vault: Vault,
    nomad: Nomad,
    *,
    jwks_url: str,
    nomad_jwks_url: str | None = None,
    jwks_ca: str = "",
    env: Mapping[str, str] = os.environ,
    keep_sign_in: Callable[[SignIn], object] = lambda _: None,
    report: Callable[[str], object],
) -> SignIn | None:
    """Apply every policy, role, namespace and sign-in; generate the hub's secrets and the first page user.

    Idempotent: what is as it should be is left alone, what is missing or altered is repaired, passwords and
    keys that exist are never replaced.

    Args:
        vault: signed in with an administrator's token.
        nomad: signed in with a management token.
        jwks_url: Nomad's public keys as Vault reaches them, ending in `JWKS_PATH`.
        nomad_jwks_url: the same as Nomad's own servers reach them; `jwks_url` when left out.
        jwks_ca: PEM of the CA that signed that address's certificate; empty for http or a public CA.
        env: where DASHBOARD_USERNAME and DASHBOARD_PASSWORD may stand.
        keep_sign_in: given a new first user before Vault is: one generated just before a crash is not lost.
        report: called with one line per thing; those that end in `unchanged` were as they should be.

    Returns:
        The first page user, when this run made it.

    Raises:
        OpsError: one of the two refuses or does not answer; what was done stays, a second run goes on.
    """
    # Both are asked before anything is written, so that a wrong address or token leaves nothing half done.
    nomad.check()
    vault.check()
    lines = Report(report)
    bootstrap_nomad(nomad, nomad_jwks_url or jwks_url, jwks_ca, lines)
    bootstrap_vault(vault, jwks_url, jwks_ca, lines)
    return ensure_first_user(vault, env, keep_sign_in, lines)
