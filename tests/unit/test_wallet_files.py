"""The key file: which keys are taken, which are refused, and that no refusal tells any part of one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from bots.errors import SettingsError
from bots.wallet_files import read_wallet
from tests.paper import ROOT, make_wallet

if TYPE_CHECKING:
    from pathlib import Path

# Digits that stand in no path, address or message, so that any six of them in a row can only come from here.
KEY = "3c9e51d7a2f04b86e8137c5d90ab64f213579bdf02468ace1f2e3d4c5b6a7988"
OTHER = "7d1c2b3a49586776859403a2b1c0dfeefdecdbcab9a897867564534231201fae"
PIECE = 6


def shows(text: str, key: str) -> bool:
    """Whether any six digits in a row of a key stand in a text."""
    low = text.lower()
    return any(key[i : i + PIECE] in low for i in range(len(key) - PIECE + 1))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A good wallet."""
    make_wallet(tmp_path / "secrets", KEY)
    return tmp_path / "secrets"


def refused(folder: Path, words: str, *secrets: str) -> str:
    with pytest.raises(SettingsError) as error:
        read_wallet(folder)
    message = str(error.value)
    assert words in message
    assert "\n" not in message
    assert message.endswith((".", "?"))
    assert error.value.__cause__ is None
    assert error.value.__suppress_context__ or error.value.__context__ is None
    assert not any(shows(message, key) for key in (KEY, OTHER, *secrets))
    return message


@pytest.mark.parametrize("prefix", ["", "0x", "0X"])
@pytest.mark.parametrize("case", [str.lower, str.upper])
@pytest.mark.parametrize("end", ["", "\n", " \r\n"])
def test_a_key_is_taken_however_it_is_written(folder: Path, prefix: str, case: Any, end: str) -> None:
    (folder / "wallet.key").write_text(prefix + case(KEY) + end)
    wallet = read_wallet(folder)
    assert wallet.key.reveal() == KEY
    assert wallet.address == json.loads((folder / "wallet.json").read_text())["account"]
    assert (wallet.key_version, KEY in repr(wallet)) == (1, False)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("hello", "holds no private key"),
        (KEY[:-1], "holds no private key"),
        (KEY[:-2], "holds no private key"),
        (KEY[:20], "holds no private key"),
        (f"{KEY}0", "holds no private key"),
        (f"0x{KEY}00", "holds no private key"),
        (f"0x0x{KEY}", "holds no private key"),
        (f"{KEY[:32]} {KEY[32:]}", "holds no private key"),
        (f"{KEY}\n{KEY}", "holds no private key"),
        (f'"{KEY}"', "holds no private key"),
        (KEY[:-1] + "g", "holds no private key"),
        (KEY[:-1] + "\u0664", "holds no private key"),
        ("\xff" * 64, "holds no private key"),
        ("0" * 64, "no secp256k1 key"),
        ("f" * 64, "no secp256k1 key"),
    ],
)
def test_what_is_no_key_is_refused_and_not_quoted(folder: Path, content: str, words: str) -> None:
    (folder / "wallet.key").write_text(content)
    assert "wallet.key" in refused(folder, words)


@pytest.mark.parametrize("written", [OTHER, f"0x{OTHER}", OTHER.upper(), f"0x{OTHER.upper()}"])
def test_a_key_of_another_account_is_refused(folder: Path, written: str) -> None:
    account = json.loads((folder / "wallet.json").read_text())["account"]
    (folder / "wallet.key").write_text(written)
    message = refused(folder, "the wallet's account is")
    assert account in message


def test_a_missing_key_file_is_refused(folder: Path) -> None:
    (folder / "wallet.key").unlink()
    refused(folder, "cannot be read (No such file or directory)")


def test_an_unreadable_key_file_is_refused(folder: Path) -> None:
    (folder / "wallet.key").unlink()
    (folder / "wallet.key").mkdir()
    refused(folder, "cannot be read (Is a directory)")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "cannot be read"),
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ("null", "cannot be read"),
        ('{"account": "x"}', "cannot be read"),
        (json.dumps({"account": KEY, "key_version": 1}), "not an Injective address"),
        (json.dumps({"account": [OTHER], "key_version": 1}), "not an Injective address"),
        (json.dumps({"account": "", "key_version": 1}), "not an Injective address"),
    ],
)
def test_a_wrong_wallet_file_is_refused_and_not_quoted(folder: Path, content: str, words: str) -> None:
    (folder / "wallet.json").write_text(content)
    assert "wallet.json" in refused(folder, words)


@pytest.mark.parametrize("version", ["1", 1.5, True, None])
def test_a_key_version_is_a_whole_number(folder: Path, version: Any) -> None:
    account = json.loads((folder / "wallet.json").read_text())["account"]
    (folder / "wallet.json").write_text(json.dumps({"account": account, "key_version": version}))
    refused(folder, "key_version must be a whole number")


def as_grantee(folder: Path, **changes: Any) -> str:
    """Make the wallet a trading-only key of another account; returns that account."""
    granter = "inj1cml96vmptgw99syqrrz8az79xer2pcgp0a885r"
    content = {"account": granter, "granter": granter, "key_version": 1} | changes
    (folder / "wallet.json").write_text(json.dumps(content))
    return granter


def test_a_trading_only_key_trades_its_granters_account(folder: Path) -> None:
    own = read_wallet(folder)
    assert (own.account, own.granter, own.subaccount) == (own.address, "", 0)
    granter = as_grantee(folder)
    wallet = read_wallet(folder)
    assert (wallet.address, wallet.account, wallet.granter) == (own.address, granter, granter)
    assert wallet.subaccount == 1


@pytest.mark.parametrize(
    ("written", "index"), [("0", 0), (0, 0), ("7", 7), (7, 7), ("999", 999), ("", 1), (None, 1)]
)
def test_a_subaccount_is_taken_as_text_or_number(folder: Path, written: Any, index: int) -> None:
    as_grantee(folder, subaccount=written)
    assert read_wallet(folder).subaccount == index


@pytest.mark.parametrize("written", ["-1", -1, "1.5", 1.5, True, "01", "1000", "one", "\u0661", [1], {}, KEY])
def test_what_is_no_subaccount_is_refused_and_not_quoted(folder: Path, written: Any) -> None:
    as_grantee(folder, subaccount=written)
    refused(folder, "subaccount must be a whole number")


def test_a_granter_must_be_the_account_and_another_address(folder: Path) -> None:
    own = read_wallet(folder).address
    as_grantee(folder, account=own)
    refused(folder, "trades its granter's account")
    as_grantee(folder, account=own, granter=own)
    refused(folder, "the key's own address")
    for wrong in (KEY, [OTHER], 5, True):
        as_grantee(folder, granter=wrong)
        refused(folder, "granter is not an Injective address")
    granter = as_grantee(folder, granter="")
    assert granter in refused(folder, "the wallet's account is")


def start(folder: Path) -> subprocess.CompletedProcess[str]:
    env = {
        "BOT_ID": "wallet-1.inj-usdt.spot", "WALLET_ID": "wallet-1", "MARKET": "inj-usdt", "BOT_TYPE": "spot",
        "PAPER_GRPC": "127.0.0.1:9", "PAPER_HTTP": "http://127.0.0.1:9", "NOMAD_SECRETS_DIR": str(folder),
        "PATH": os.environ["PATH"],
    }  # fmt: skip
    command = [sys.executable, "-m", "bots"]
    return subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize("content", [OTHER, f"0x{KEY[:-3]}", ""])
def test_the_program_itself_refuses_with_one_sentence_and_code_2(folder: Path, content: str) -> None:
    (folder / "wallet.key").write_text(content)
    done = start(folder)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("bot: ")
    assert done.stderr.count("\n") == 1
    assert not shows(done.stderr, KEY)
    assert not shows(done.stderr, OTHER)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can start a program as somebody else")
def test_a_key_file_of_somebody_else_is_refused(folder: Path) -> None:
    (folder / "wallet.key").chmod(0o400)
    # A bare check as the bot's own user: the repository itself may be readable by root alone.
    code = (
        "import os, sys; from pathlib import Path; from bots.wallet_files import read_wallet\n"
        "os.setgid(10001); os.setuid(10001)\n"
        "try: read_wallet(Path('.'))\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout.startswith("SettingsError The key file wallet.key cannot be read (Permission denied)")
    assert not shows(done.stdout + done.stderr, KEY)
