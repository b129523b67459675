"""The gas of a transaction: roughly what the chain charges, a fixed part and a part per order. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots.paper import messages_form

if TYPE_CHECKING:
    from bots.paper.transactions import Transaction

__all__ = ["gas_used"]

_PER_ORDER = 65_000
_BASE = 120_000


def gas_used(tx: Transaction) -> int:
    """Return the gas that a transaction uses, with those that it carries inside of others."""
    leaves = [leaf for message in tx.messages for leaf in messages_form.leaves(message)]
    return _BASE + _PER_ORDER * sum(_order_count(leaf) for leaf in leaves)


def _order_count(message: Any) -> int:
    lists = [
        getattr(message, field.name)
        for field in message.DESCRIPTOR.fields
        if field.name.endswith("_to_create")
    ]
    return sum(len(items) for items in lists) if lists else int(hasattr(message, "order"))
