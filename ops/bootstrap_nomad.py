"""The Nomad half of bootstrap: namespaces, the control API's policy, and the sign-in it plans with."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ops.ensure import ensure, same
from ops.errors import OpsError
from ops.settings import REPO

if TYPE_CHECKING:
    from ops.ensure import Report
    from ops.nomad import Nomad

__all__ = ["bootstrap_nomad"]

FOLDER = REPO / "config" / "nomad"
_METHOD = "drover-workloads"
_INDEXES = ("CreateIndex", "ModifyIndex", "Hash", "CreateTime", "ModifyTime")


def bootstrap_nomad(nomad: Nomad, jwks_url: str, jwks_ca: str, report: Report) -> None:
    """Make Nomad what config/nomad/ says.

    Args:
        nomad: signed in with a management token.
        jwks_url: Nomad's own public keys, as its servers reach them.
        jwks_ca: PEM of the CA of that address, or empty.
        report: told of each thing.

    Raises:
        OpsError: Nomad refuses, or a file is missing.
    """
    for name in ("bots", "hub"):
        _namespace(nomad, _body(f"{name}.namespace.json"), report)
    policy = {**_body("api.policy.json"), "Rules": _text("api.policy.hcl")}
    path = f"/v1/acl/policy/{policy['Name']}"
    ensure("Nomad policy api", nomad.get(path), policy, lambda: nomad.post(path, policy), report)
    _auth_method(nomad, jwks_url, jwks_ca, report)
    _binding_rule(nomad, _body(f"{_METHOD}.binding-rule.json"), report)


def _namespace(nomad: Nomad, wanted: dict[str, Any], report: Report) -> None:
    present = nomad.get(f"/v1/namespace/{wanted['Name']}")
    # A write replaces the whole namespace: what an operator added (quota, meta, node pools) is kept.
    body = {key: value for key, value in (present or {}).items() if key not in _INDEXES} | wanted
    ensure(
        f"Nomad namespace {wanted['Name']}",
        present,
        wanted,
        lambda: nomad.post("/v1/namespace", body),
        report,
    )


def _auth_method(nomad: Nomad, jwks_url: str, jwks_ca: str, report: Report) -> None:
    wanted = _body(f"{_METHOD}.auth-method.json")
    wanted["Config"] |= {"JWKSURL": jwks_url, "JWKSCACert": jwks_ca}
    path = f"/v1/acl/auth-method/{_METHOD}"
    present = nomad.get(path)
    target = "/v1/acl/auth-method" if present is None else path
    ensure(f"Nomad sign-in {_METHOD}", present, wanted, lambda: nomad.post(target, wanted), report)


def _binding_rule(nomad: Nomad, wanted: dict[str, Any], report: Report) -> None:
    """Keep exactly one rule on our sign-in: any other would hand out rights that no file names."""
    what = f"Nomad binding rule of {_METHOD}"
    stubs = nomad.get("/v1/acl/binding-rules") or []
    paths = [f"/v1/acl/binding-rule/{stub['ID']}" for stub in stubs if stub["AuthMethod"] == _METHOD]
    good = [path for path in paths if same(nomad.get(path), wanted)]
    if good:
        report.unchanged(what)
    else:
        nomad.post("/v1/acl/binding-rule", wanted)
        report.changed(what, "made")
    for path in paths:
        if path not in good[:1]:
            nomad.delete(path)
            report.changed(what, "an altered or doubled one removed")


def _body(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_text(name))
    return found


def _text(name: str) -> str:
    try:
        return (FOLDER / name).read_text(encoding="utf-8")
    except OSError as error:
        raise OpsError(f"{FOLDER / name} cannot be read ({error.strerror}); restore it.") from None
