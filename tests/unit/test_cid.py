"""A cid says which tenure of which bot an order is of."""

from __future__ import annotations

import pytest

from bots import cid
from bots.cid import Cid

LONGEST_ID = f"{'w' * 31}.{'m' * 31}.derivative"


@pytest.mark.parametrize(
    ("fence", "number"), [(0, 0), (1795240129, 1), (1795240129, 10**15), (9_999_999_999, 7)]
)
def test_what_is_made_is_read_back_and_short_enough(fence, number):
    text = cid.make(fence, number, LONGEST_ID)
    assert cid.parse(text) == Cid(fence, number, cid.tag(LONGEST_ID))
    assert len(text) <= 36


def test_bots_on_one_account_are_told_apart():
    tags = {cid.tag(f"wallet-{n}.{market}.spot") for n in range(50) for market in ("inj-usdt", "tia-usdt")}
    assert len(tags) == 100


@pytest.mark.parametrize(("fence", "number"), [(-1, 0), (0, -1), (10**20, 10**10)])
def test_what_the_chain_would_refuse_is_not_made(fence, number):
    with pytest.raises(ValueError, match="no cid for fence"):
        cid.make(fence, number, LONGEST_ID)


@pytest.mark.parametrize(
    "text",
    ["", "1-2", "1-2-ABCDEF01", "1-2-abcdef0", "01-2-abcdef01", "1-2-abcdef01\n", "-1-2-abcdef01",
     "\N{ARABIC-INDIC DIGIT ONE}-2-abcdef01", "4f1c2d3e4f5a6b7c8d9e0f1a2b3c4d5e", f"{'9' * 30}-1-abcdef01"],
)  # fmt: skip
def test_a_stranger_s_cid_is_none_of_ours(text):
    assert cid.parse(text) is None
