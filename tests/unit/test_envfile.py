"""Reading keys out of an existing .env file."""

from __future__ import annotations

import pytest

from ops.envfile import parse_env
from ops.errors import OpsError

A, B, C = (f"{number:064x}" for number in (7, 8, 9))


def test_every_way_of_writing_a_line() -> None:
    found = parse_env(
        "\ufeff# wallets\r\n"
        f"WALLET_1_PRIVATE_KEY=0x{A}\r\n"
        f'export WALLET_2_PRIVATE_KEY="0x{B}"   # the second\r\n'
        f"  WALLET_12_PRIVATE_KEY = '{C}'\r\n"
        "\r\n"
        "DASHBOARD_PASSWORD=a#b\r\n"
        "not an assignment\r\n"
        "#WALLET_9_PRIVATE_KEY=0xdead\r\n"
        "PRIVATE_KEY=whatever\r\n"
    )
    assert {name: key.reveal() for name, key in found.keys.items()} == {
        "wallet-1": A,
        "wallet-2": B,
        "wallet-12": C,
    }
    assert found.others == 2
    assert found.unnamed == ("PRIVATE_KEY",)
    assert A not in repr(found)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no line such as"),
        ("FOO=1\n", "no line such as"),
        (
            f"WALLET_1_PRIVATE_KEY={A}\nWALLET_1_PRIVATE_KEY={B}\n",
            "line 2: WALLET_1_PRIVATE_KEY stands twice",
        ),
        (f"WALLET_1_PRIVATE_KEY={A}\nWALLET_2_PRIVATE_KEY=0x{A}\n", "line 2: .* the same key as wallet-1"),
        (
            f"WALLET_1_PRIVATE_KEY={A}\nWALLET_2_PRIVATE_KEY=\n",
            "line 2: WALLET_2_PRIVATE_KEY: .*0 characters",
        ),
        (f"WALLET_1_PRIVATE_KEY={A[:-1]}\n", "line 1: .*63 characters"),
        (f"WALLET_1_PRIVATE_KEY='{A}\n", "line 1: "),
        (f"WALLET_1_PRIVATE_KEY='{A}' {B}\n", "line 1: "),
        ("WALLET_1_PRIVATE_KEY=" + "0" * 64, "zero or too large"),
    ],
)
def test_refusals_name_the_line_and_never_the_key(text: str, words: str) -> None:
    with pytest.raises(OpsError, match=words) as refusal:
        parse_env(text)
    assert A[-20:] not in str(refusal.value)
    assert B[-20:] not in str(refusal.value)
