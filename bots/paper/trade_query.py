"""Which trades are asked for. Pure: it builds a condition, `store` asks it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["TradeQuery"]


@dataclass(frozen=True)
class TradeQuery:
    """Filters that must all hold; an empty one lets everything through. Times are Unix milliseconds."""

    market_ids: Sequence[str] | None = None
    """None is any market; an empty list is none."""
    subaccounts: Sequence[str] = ()
    owner: str = ""
    """The first 42 characters of a subaccount id: all subaccounts of one address."""
    buy: bool | None = None
    maker: bool | None = None
    trade_id: str = ""
    cid: str = ""
    fee_recipient: str = ""
    start: int = 0
    end: int = 0
    after: int = 0
    """Only trades whose place in the history (1, 2, …) is behind this one."""
    skip: int = 0
    limit: int = -1
    """Rows of a page; negative is all."""
    oldest_first: bool = False

    def sql(self) -> tuple[str, list[Any], str]:
        """Return the condition with a `?` for every value, the values, and order and page."""
        parts: list[tuple[str, Sequence[Any]]] = [("1", ())]
        if self.market_ids is not None:
            parts.append((_among("market_id", self.market_ids), self.market_ids))
        if self.subaccounts:
            parts.append((_among("subaccount", self.subaccounts), self.subaccounts))
        if self.owner:
            # hex digits end at f, so everything with this beginning lies before beginning + g
            parts.append(("subaccount >= ? AND subaccount < ?", (self.owner, f"{self.owner}g")))
        parts += [
            (f"{name} = ?", (value,))
            for name, value in (
                ("buy", self.buy),
                ("maker", self.maker),
                ("trade_id", self.trade_id or None),
                ("cid", self.cid or None),
                ("fee_recipient", self.fee_recipient or None),
            )
            if value is not None
        ]
        parts += [
            (f"{name} ?", (value,))
            for name, value in (("time_ms >=", self.start), ("time_ms <=", self.end), ("seq >", self.after))
            if value
        ]
        values = [value for _, some in parts for value in some]
        page = f"LIMIT {int(self.limit)} OFFSET {int(self.skip)}"
        order = "ASC" if self.oldest_first else "DESC"
        return " AND ".join(text for text, _ in parts), values, f"ORDER BY seq {order} {page}"


def _among(column: str, values: Sequence[str]) -> str:
    return f"{column} IN ({', '.join('?' * len(values))})"
