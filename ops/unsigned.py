"""A transaction without signature, as JSON that the chain's own command line signs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from google.protobuf.json_format import MessageToDict  # type: ignore[import-untyped]  # ships no types

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["unsigned"]

_GAS_BASE = 200_000
_GAS_PER_MESSAGE = 150_000
_GAS_PRICE = 160_000_000
"""The chain's floor, in 10⁻¹⁸ INJ."""


def unsigned(messages: Sequence[Any]) -> str:
    """Return the JSON of `cosmos.tx.v1beta1.Tx` with these messages, a fee that suffices, no signature."""
    gas = _GAS_BASE + _GAS_PER_MESSAGE * len(messages)
    fee = {
        "amount": [{"denom": "inj", "amount": str(gas * _GAS_PRICE)}],
        "gas_limit": str(gas),
        "payer": "",
        "granter": "",
    }
    body = {
        "messages": [_plain(message) for message in messages],
        "memo": "",
        "timeout_height": "0",
        "extension_options": [],
        "non_critical_extension_options": [],
    }
    transaction = {"body": body, "auth_info": {"signer_infos": [], "fee": fee}, "signatures": []}
    return json.dumps(transaction, indent=2)


def _plain(message: Any) -> dict[str, Any]:
    fields = MessageToDict(message, preserving_proto_field_name=True)
    return {"@type": f"/{message.DESCRIPTOR.full_name}", **fields}
