"""Who owns what at the venue. Money only moves; the faucet alone makes it."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from bots.paper.errors import VenueError
from bots.paper.units import ZERO

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

__all__ = ["FEES", "INSURANCE", "Ledger"]

FEES = "fees"
"""The owner that collects gas and trading fees and pays maker rebates."""
INSURANCE = "insurance"
"""The owner that pays what a bankrupt position cannot."""

Key = tuple[str, str]


class Ledger:
    """Available and held amounts (human units) per owner and denomination.

    An owner is a subaccount id; index 0 is the bank account itself, as on the chain. Every change leaves
    its inverse in `undo`, so that a failed transaction can be taken back as a whole.
    """

    def __init__(self) -> None:
        self.available: defaultdict[Key, Decimal] = defaultdict(lambda: ZERO)
        self.held: defaultdict[Key, Decimal] = defaultdict(lambda: ZERO)
        self.minted: defaultdict[str, Decimal] = defaultdict(lambda: ZERO)
        self.undo: list[Callable[[], None]] = []
        self.touched: set[Key] = set()
        """What may have changed since `balances.note_changes` told of it."""

    def free(self, owner: str, denom: str) -> Decimal:
        """Return what is available; asking leaves no trace, so that strangers cannot fill the memory."""
        return self.available.get((owner, denom), ZERO)

    def _add(self, side: defaultdict[Key, Decimal], key: Key, amount: Decimal) -> None:
        before = side[key]
        side[key] = before + amount
        self.touched.add(key)
        self.undo.append(lambda: side.__setitem__(key, before))

    def mint(self, owner: str, denom: str, amount: Decimal) -> None:
        """Make money out of nothing, for the faucet and the background accounts."""
        self.minted[denom] += amount
        self._add(self.available, (owner, denom), amount)

    def credit(self, owner: str, denom: str, amount: Decimal) -> None:
        """Add to the available balance; the caller debits the same amount elsewhere."""
        self._add(self.available, (owner, denom), amount)

    def debit(self, owner: str, denom: str, amount: Decimal) -> None:
        """Take from the available balance; what is missing comes from the insurance fund."""
        missing = amount - self.available[owner, denom]
        if missing > 0:
            self._add(self.available, (INSURANCE, denom), -missing)
            amount -= missing
        self._add(self.available, (owner, denom), -amount)

    def move(self, source: str, target: str, denom: str, amount: Decimal, *, code: int = 5) -> None:
        """Move an available amount.

        Raises:
            VenueError: `code` (cosmos-sdk 5: insufficient funds) when the source has less.
        """
        self.require(source, denom, amount, code, "sdk")
        self._add(self.available, (source, denom), -amount)
        self._add(self.available, (target, denom), amount)

    def require(self, owner: str, denom: str, amount: Decimal, code: int, codespace: str) -> None:
        """Refuse with `code` when less than `amount` is available.

        Raises:
            VenueError: less is available.
        """
        have = self.available[owner, denom]
        if have < amount:
            raise VenueError(
                code, f"{have}{denom} is smaller than {amount}{denom}: insufficient funds", codespace
            )

    def hold(self, owner: str, denom: str, amount: Decimal) -> None:
        """Lock an available amount behind an order.

        Raises:
            VenueError: exchange code 6 (insufficient deposit) when less is available.
        """
        self.require(owner, denom, amount, 6, "exchange")
        self._add(self.available, (owner, denom), -amount)
        self._add(self.held, (owner, denom), amount)

    def release(self, owner: str, denom: str, amount: Decimal) -> None:
        """Unlock what `hold` locked."""
        self._add(self.held, (owner, denom), -amount)
        self._add(self.available, (owner, denom), amount)

    def total(self, denom: str) -> Decimal:
        """Return all money of one denomination outside of positions."""
        sides = (self.available, self.held)
        return sum((amount for side in sides for (_, d), amount in side.items() if d == denom), ZERO)
