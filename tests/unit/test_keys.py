"""Keys and names: what is accepted, what is refused, and what a refusal never says."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback

import pytest
from pyinjective.wallet import PrivateKey

from ops.errors import OpsError
from ops.keys import CURVE_ORDER, address_of, check_address, check_label, check_name, new_key, parse_key
from ops.secret import Secret

ONE = f"{1:064x}"


@pytest.mark.parametrize("number", [1, 2, CURVE_ORDER - 1, 0xC0FFEE, int.from_bytes(b"\x7f" * 32)])
def test_addresses_are_those_of_the_chains_own_library(number: int) -> None:
    text = f"{number:064x}"
    theirs = PrivateKey.from_hex(text).to_public_key().to_address().to_acc_bech32()
    assert address_of(parse_key(text)) == theirs


@pytest.mark.parametrize("text", [ONE, "0x" + ONE, "0X" + ONE, f"  {ONE}\n", ONE.upper(), f"\t0x{ONE}\r\n"])
def test_the_same_key_in_every_spelling(text: str) -> None:
    assert parse_key(text).reveal() == ONE


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0x",
        ONE[1:],
        ONE + "0",
        "g" * 64,
        "0" * 64,
        f"{CURVE_ORDER:064x}",
        f"{CURVE_ORDER + 1:064x}",
        "f" * 64,
        "_".join([ONE[:31], ONE[:32]]),
        "+" + ONE[1:],
        "٣" * 64,
        "0x0x" + ONE[4:],
        ONE[:32] + "\n" + ONE[:32],
        "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about",
    ],
)
def test_what_is_no_key_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(OpsError) as refusal:
        parse_key(text)
    said = "".join(traceback.format_exception(refusal.value))
    assert str(refusal.value).endswith((".", "again."))
    for piece in text.split():
        assert len(piece) < 5 or piece not in said


def test_fresh_keys_differ_and_are_keys() -> None:
    keys = {new_key().reveal() for _ in range(50)}
    assert len(keys) == 50
    assert all(parse_key(key).reveal() == key for key in keys)


def test_a_secret_does_not_show(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret("hunter2-hunter2")
    with caplog.at_level(logging.INFO):
        logging.getLogger("x").info("%s %r %s", secret, secret, [secret])
    for shown in (str(secret), repr(secret), f"{secret}", str({"key": secret}), caplog.text):
        assert "hunter2" not in shown
        assert "***" in shown
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    with pytest.raises(TypeError):
        json.dumps(secret)
    with pytest.raises(TypeError):
        copy.deepcopy(secret)
    assert secret == Secret("hunter2-hunter2")
    assert secret != Secret("hunter3-hunter3")


@pytest.mark.parametrize("name", ["a", "wallet-1", "wallet-10", "w" * 31, "x-"])
def test_wallet_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "*",
        "+",
        "../x",
        "a/b",
        'wallet-1"',
        "",
        "Wallet",
        "w" * 40,
        "w" * 32,
        "1a",
        "-a",
        "a.b",
        "a b",
        "a\n",
        "wállet",
        "wallet-1*",
        "wallet-{{identity.entity.id}}",
        "a\x00",
        "a%2fb",
    ],
)
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(OpsError, match="not a wallet name"):
        check_name(name)


def test_addresses_are_checked() -> None:
    good = address_of(parse_key(ONE))
    assert check_address(good) == good
    for bad in (good[:-1] + "x", good.replace("inj", "cosmos", 1), "", "inj1", "0x" + "0" * 40):
        with pytest.raises(OpsError, match="not an Injective"):
            check_address(bad)


def test_labels_are_printable_and_short() -> None:
    assert check_label(" Market maker, Zürich ") == "Market maker, Zürich"
    for bad in ("x" * 81, "a\nb", "a\x1b[31m"):
        with pytest.raises(OpsError, match="label"):
            check_label(bad)
