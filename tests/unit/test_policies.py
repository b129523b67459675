"""The files of vault-policies/ and config/nomad/, and the one substitution that is made in them."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from ops.ensure import same
from ops.errors import OpsError
from ops.policies import FOLDER, fill, policy_text
from ops.users import check_sign_in

if TYPE_CHECKING:
    from pathlib import Path

HOSTILE = [
    "*",
    "+",
    "../x",
    "a/b",
    'wallet-1"',
    "",
    "Wallet-1",
    "w" * 40,
    "wallet-1\n",
    'x" {} path "*',
    "WALLET",
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_never_becomes_a_policy(name: str) -> None:
    with pytest.raises(OpsError, match="not a wallet name"):
        fill(policy_text("wallet"), name)


def test_the_wallets_policy_is_literal() -> None:
    text = fill(policy_text("wallet"), "wallet-1")
    granted = re.findall(r'^path "(.*)"', text, re.MULTILINE)
    assert granted == [
        "wallets/data/wallet-1",
        "hub/data/redis/wallets/wallet-1",
        "auth/token/renew-self",
    ]


def test_a_text_without_a_place_for_the_name_is_refused() -> None:
    with pytest.raises(OpsError, match="names no WALLET"):
        fill('path "wallets/data/*" {}', "wallet-1")


def test_the_wallets_role_binds_all_three_claims() -> None:
    role = json.loads(fill((FOLDER / "roles" / "wallet.json").read_text(), "wallet-1"))
    assert role["bound_claims"] == {
        "nomad_namespace": "bots",
        "nomad_job_id": "wallet-1.*",
        "nomad_task": "bot",
    }
    assert role["token_policies"] == ["bot-hub", "wallet-wallet-1"]


@pytest.mark.parametrize("path", sorted((FOLDER / "roles").glob("*.json")), ids=lambda path: path.stem)
def test_every_role_is_closed(path: Path) -> None:
    role = json.loads(path.read_text())
    assert role["bound_audiences"] == ["vault.io"]
    assert set(role["bound_claims"]) == {"nomad_namespace", "nomad_job_id", "nomad_task"}
    assert role["bound_claims_type"] == ("glob" if path.stem == "wallet" else "string")
    assert role["token_no_default_policy"] is True
    assert 0 < role["token_period"] <= 3600
    # The subject names namespace, job, group and task: no two tasks share an identity in Vault.
    assert role["user_claim"] == "sub"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.hcl")), ids=lambda path: path.stem)
def test_only_operators_and_wallets_reach_key_paths(path: Path) -> None:
    granted = re.findall(r'^path "(wallets/data[^"]*)"', path.read_text(), re.MULTILINE)
    expected = {"wallet": ["wallets/data/WALLET"], "operator-wallets": ["wallets/data/*"]}
    assert granted == expected.get(path.stem, [])


def test_sameness_is_by_the_wanted_fields() -> None:
    assert same({"a": 1, "b": [2, 1], "c": None, "more": 3}, {"a": 1, "b": [1, 2], "c": ""})
    assert not same({"b": [1]}, {"b": [1, 2]})
    assert not same({"a": {"x": 1}}, {"a": {"x": 2}})
    assert not same(None, {"a": 1})
    assert not same({"a": ["p"]}, {"a": []})


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("", "long enough password"),
        ("../root", "long enough password"),
        ("Admin", "long enough password"),
        ("a/b", "long enough password"),
        ("admin", "short"),
        ("admin", ""),
        ("admin", "x" * 73),
        ("admin", "with a\nnewline in it"),
    ],
)
def test_bad_sign_ins_are_refused(username: str, password: str) -> None:
    with pytest.raises(OpsError) as refusal:
        check_sign_in(username, password)
    assert len(password) < 4 or password not in str(refusal.value)
