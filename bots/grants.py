"""What one account has allowed another on the chain, read from the SDK's answers. Pure.

Kinds and fields: `injective.exchange.v2` authz types, `cosmos.authz.v1beta1`, as protobuf's JSON writes them
(injective-py 1.16.2, `fetch_grants`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from bots import addresses

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BATCH", "Grant", "ending", "lack", "read"]

BATCH = "/injective.exchange.v2.MsgBatchUpdateOrders"
"""The only message that a bot sends."""
_SOON = timedelta(days=3)
_SEND = "/cosmos.bank.v1beta1.MsgSend"


@dataclass(frozen=True)
class Grant:
    """One permission."""

    message: str
    """Type URL of the message that may be sent; where an authorization does not say, its own type URL."""
    until: datetime | None
    """Aware UTC; None is for ever."""
    subaccount: str = ""
    """Id of the only subaccount that it covers; empty is every one of the granter's."""
    spot: frozenset[str] = frozenset()
    """Market ids; they count where there is a subaccount."""
    derivative: frozenset[str] = frozenset()

    @property
    def limited(self) -> bool:
        """Whether it covers one subaccount and named markets only."""
        return bool(self.subaccount)

    @property
    def markets(self) -> frozenset[str]:
        """All market ids that it names."""
        return self.spot | self.derivative


def read(entry: Mapping[str, Any]) -> Grant:
    """Read one grant of the SDK's answer.

    Raises:
        KeyError, ValueError: not such an entry.
    """
    authorization = entry["authorization"]
    package, _, kind = authorization["@type"].rpartition(".")
    until = _time(entry["expiration"]) if entry.get("expiration") else None
    if "subaccountId" not in authorization:
        default = _SEND if kind == "SendAuthorization" else authorization["@type"]
        return Grant(authorization.get("msg", default), until)
    ids = frozenset(authorization.get("marketIds", ()))
    of_derivatives = "Derivative" in kind
    return Grant(
        f"{package}.Msg{kind.removesuffix('Authz')}",
        until,
        authorization["subaccountId"],
        frozenset(authorization.get("spotMarkets", ())) | (frozenset() if of_derivatives else ids),
        frozenset(authorization.get("derivativeMarkets", ())) | (ids if of_derivatives else frozenset()),
    )


def _time(text: str) -> datetime:
    # Nanoseconds may be written, which datetime does not read.
    return datetime.fromisoformat(text[:19]).replace(tzinfo=UTC)


def lack(grant: Grant | None, subaccount: str, market_id: str, now: datetime, *, derivative: bool) -> str:
    """Say what a grant of `BATCH` lacks for trading one market on one subaccount; empty when nothing."""
    if grant is None:
        return f"nothing is granted for {BATCH}"
    if grant.until is not None and grant.until <= now:
        return f"the grant for {BATCH} ended at {grant.until:%Y-%m-%d %H:%M} UTC"
    if not grant.limited:
        return ""
    if grant.subaccount != subaccount:
        granted, wanted = addresses.index_of(grant.subaccount), addresses.index_of(subaccount)
        return f"the grant for {BATCH} is for subaccount {granted}, not {wanted}"
    if market_id not in (grant.derivative if derivative else grant.spot):
        return f"the grant for {BATCH} does not name the market {market_id}"
    return ""


def ending(grant: Grant, now: datetime) -> str:
    """Say that a grant ends within three days; empty when it does not."""
    if grant.until is None or grant.until - now > _SOON:
        return ""
    return f"the grant for {grant.message} ends at {grant.until:%Y-%m-%d %H:%M} UTC"
