"""Fair prices of the venue: recorded or wandering, and the reference beside them."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from bots.paper.errors import StartupError
from bots.paper.flow import Flow
from bots.paper.prices import read_recordings

if TYPE_CHECKING:
    from pathlib import Path

D = Decimal
SPOT = "0x0611780ba69656949525013d947713300f56c37b6175e02f26bffa495c3208fe"
TIA = "0xa283fc94a9055a01a58bb6229b1e56a8bb54069a0debfce7fbd1e6c25a95330c"


def recorded(tmp_path: Path, *lines: str) -> Path:
    path = tmp_path / "prices.csv"
    path.write_text("\n".join(("seconds,symbol,price", *lines)) + "\n")
    return path


def test_a_recording_is_followed_and_begins_again(tmp_path: Path) -> None:
    inj = read_recordings(recorded(tmp_path, "0,INJ,10", "0,TIA,4", "1,INJ,11", "3,INJ,12"))["INJ"]
    seen = []
    for _ in range(12):
        seen.append(int(inj.price))
        inj.step(0.5)
    # 12 holds for as long as lay between the last two times
    assert seen == [10, 10, 11, 11, 11, 11, 12, 12, 12, 12, 10, 10]


def test_the_venue_trades_around_a_recording_and_goes_on_in_it(chain: Any, tmp_path: Path) -> None:
    recordings = read_recordings(recorded(tmp_path, "0,INJ,20", "1000,INJ,21"))
    flow = Flow(chain.exchange.markets, 1, recordings)
    flow.fund(chain.exchange)
    chain.flow = flow
    for _ in range(8):
        chain.end_block()
    assert abs(chain.exchange.books[SPOT].mid - 20) < D("0.1")
    assert abs(chain.exchange.books[TIA].mid - D("4.2")) < D("0.1")
    recordings["INJ"].step(1000)
    for _ in range(8):
        chain.end_block()
    assert abs(chain.exchange.books[SPOT].mid - 21) < D("0.1")
    again = Flow(chain.exchange.markets, 1, read_recordings(tmp_path / "prices.csv"))
    again.restore({("recording", "INJ"): recordings["INJ"].state, ("wandering", "TIA"): 0.0}, chain.exchange)
    assert again.fair_price(chain.exchange.markets[SPOT]) == 21
    assert again.fair_price(chain.exchange.markets[TIA]) == 1


def test_the_reference_is_near_but_not_the_same(chain: Any) -> None:
    chain.flow = Flow(chain.exchange.markets, 5)
    market = chain.exchange.markets[SPOT]
    off = []
    for _ in range(300):
        chain.end_block()
        off.append(chain.flow.reference_price(market) / chain.flow.fair_price(market) - 1)
    assert max(abs(x) for x in off) < D("0.002")
    assert sum(1 for x in off if x) == 300
    assert min(off) < 0 < max(off)


@pytest.mark.parametrize(
    ("lines", "words"),
    [
        ([], "holds no prices"),
        (["x,INJ,10"], "line 2: write seconds"),
        (["0,INJ"], "line 2: write seconds"),
        (["0,INJ,0"], "line 2: write seconds"),
        (["0,INJ,NaN"], "line 2: write seconds"),
        (["0,,1"], "line 2: write seconds"),
        (["inf,INJ,1"], "line 2: write seconds"),
        (["1,INJ,1", "0,INJ,1"], "line 3: 0.0 s is before"),
    ],
)
def test_a_bad_recording_is_refused_with_its_line(tmp_path: Path, lines: list[str], words: str) -> None:
    with pytest.raises(StartupError, match=words):
        read_recordings(recorded(tmp_path, *lines))


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    with pytest.raises(StartupError, match="cannot be read"):
        read_recordings(path)
    path.write_text("time,price\n")
    with pytest.raises(StartupError, match="the header must be seconds,symbol,price"):
        read_recordings(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(StartupError, match="cannot be read"):
        read_recordings(path)
