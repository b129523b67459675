"""The client order id: which tenure of which bot sent an order, readable from the exchange's own list.

`<fence>-<n>-<tag>`: the lease's fencing number, the order's number in that tenure, and 8 hex digits of the
bot's id. Fences only grow, so a cid is never used twice, and the accepted orders show whether an old holder
still traded.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass

__all__ = ["MAX_LENGTH", "Cid", "make", "parse", "tag"]

MAX_LENGTH = 36
"""The chain refuses longer ones."""
_CID = re.compile(r"(0|[1-9][0-9]*)-(0|[1-9][0-9]*)-([0-9a-f]{8})", re.ASCII)


@dataclass(frozen=True)
class Cid:
    """A cid in its parts."""

    fence: int
    number: int
    tag: str

    def __str__(self) -> str:
        return f"{self.fence}-{self.number}-{self.tag}"


def tag(bot_id: str) -> str:
    """Return the 8 hex digits that stand for a bot: bots on one account are told apart by them."""
    return hashlib.sha256(bot_id.encode()).hexdigest()[:8]


def make(fence: int, number: int, bot_id: str) -> str:
    """Return the cid of the `number`th order of a tenure.

    Raises:
        ValueError: negative numbers, or so large that the chain would refuse the cid.
    """
    text = str(Cid(fence, number, tag(bot_id)))
    if fence < 0 or number < 0 or len(text) > MAX_LENGTH:
        raise ValueError(f"no cid for fence {fence} and number {number}: both must be positive and short")
    return text


def parse(text: str) -> Cid | None:
    """Return the parts of a cid, None for one that this product did not make."""
    found = _CID.fullmatch(text) if len(text) <= MAX_LENGTH else None
    return Cid(int(found[1]), int(found[2]), found[3]) if found else None
