"""What may be closed at the end."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from bots.config import load_trader
from bots.flatten import _Held, _permitted
from bots.logs import configure
from bots.model import Inventory, MarketInfo, MarketView, Side

D = Decimal
SPOT = MarketInfo("0x1", "INJ/USDT", False, "inj", "usdt", 18, 6, D("0.001"), D("0.001"), D(1))  # noqa: FBT003 - the market is no derivative


@pytest.mark.parametrize(
    ("held", "position", "closing"),
    [
        ("5", "2", (Side.SELL, D(2))),
        # Gas was paid from what it bought, or some of it is kept for gas.
        ("1.95", "2", (Side.SELL, D("1.95"))),
        ("5", "-2", (Side.BUY, D(2))),
        ("0.01", "2", None),
    ],
)
def test_only_what_is_there_can_be_closed(
    held: str, position: str, closing: tuple[Side, Decimal] | None
) -> None:
    parts: Any = SimpleNamespace(
        config=load_trader({}, "w.inj-usdt.spot", "spot"),
        lease=SimpleNamespace(held=True),
        reference=SimpleNamespace(age=0.0),
        log=configure("b", "INFO"),
    )
    view = MarketView(SPOT, D(10), Inventory(base=D(held), quote=D(1000)), D(1000))
    quote = _permitted(parts, _Held(D(position), view))
    assert (quote and (quote.side, quote.quantity)) == closing
