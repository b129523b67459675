"""What a bot makes of the grants that the chain answers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from google.protobuf import any_pb2
from google.protobuf.json_format import MessageToDict
from pyinjective.composer_v2 import Composer
from pyinjective.proto.cosmos.authz.v1beta1 import authz_pb2
from pyinjective.proto.cosmos.bank.v1beta1 import authz_pb2 as bank_authz
from pyinjective.proto.cosmos.base.v1beta1 import coin_pb2

from bots import addresses, grants

OWNER = "inj1cml96vmptgw99syqrrz8az79xer2pcgp0a885r"
BOT = "inj1jcltmuhplrdcwp7stlr4hlhlhgd4htqhe4c0cs"
SPOT, PERP = f"0x{1:064x}", f"0x{2:064x}"
MAIN, FIRST = addresses.subaccount(OWNER, 0), addresses.subaccount(OWNER, 1)
NOW = datetime.now(UTC)


def granted(kind: str, **limits: Any) -> grants.Grant:
    """What the SDK's composer grants, by way of what the SDK answers."""
    message = Composer(network="paper").msg_grant_typed(
        granter=OWNER, grantee=BOT, msg_type=kind, expiration_time_seconds=3600, subaccount_id=FIRST, **limits
    )
    return grants.read(MessageToDict(message.grant))


BATCH = granted("BatchUpdateOrdersAuthz", spot_markets=[SPOT], derivative_markets=[PERP])


@pytest.mark.parametrize(
    ("kind", "limits", "spot", "derivative"),
    [
        ("BatchUpdateOrdersAuthz", {"spot_markets": [SPOT]}, {SPOT}, set()),
        ("CreateSpotLimitOrderAuthz", {"market_ids": [SPOT]}, {SPOT}, set()),
        ("BatchCancelSpotOrdersAuthz", {"market_ids": [SPOT]}, {SPOT}, set()),
        ("CreateDerivativeMarketOrderAuthz", {"market_ids": [PERP]}, set(), {PERP}),
    ],
)
def test_typed_grants_are_read(kind: str, limits: Any, spot: set[str], derivative: set[str]) -> None:
    grant = granted(kind, **limits)
    assert grant.message == f"/injective.exchange.v2.Msg{kind.removesuffix('Authz')}"
    assert (grant.subaccount, grant.spot, grant.derivative) == (FIRST, spot, derivative)
    assert grant.limited
    assert grant.until is not None
    assert abs(grant.until - datetime.now(UTC) - timedelta(hours=1)) < timedelta(minutes=1)


def test_grants_without_limits_are_read() -> None:
    generic = Composer(network="paper").msg_grant_generic(OWNER, BOT, "/cosmos.gov.v1beta1.MsgVote", 60)
    grant = grants.read(MessageToDict(generic.grant))
    assert (grant.message, grant.limited) == ("/cosmos.gov.v1beta1.MsgVote", False)
    wrapped = any_pb2.Any()
    wrapped.Pack(bank_authz.SendAuthorization(spend_limit=[coin_pb2.Coin(denom="inj", amount="5")]), "")
    for_ever = grants.read(MessageToDict(authz_pb2.Grant(authorization=wrapped)))
    assert (for_ever.message, for_ever.until, for_ever.limited) == (
        "/cosmos.bank.v1beta1.MsgSend",
        None,
        False,
    )


def test_what_a_grant_lacks_is_said() -> None:
    def lack(grant: Any, subaccount: str, market: str, *, derivative: bool, at: datetime = NOW) -> str:
        return grants.lack(grant, subaccount, market, at, derivative=derivative)

    assert lack(BATCH, FIRST, SPOT, derivative=False) == ""
    assert lack(BATCH, FIRST, PERP, derivative=True) == ""
    assert "nothing is granted" in lack(None, FIRST, SPOT, derivative=False)
    assert "is for subaccount 1, not 0" in lack(BATCH, MAIN, SPOT, derivative=False)
    # The chain keeps two lists: a market in the wrong one is not allowed.
    assert "does not name the market" in lack(BATCH, FIRST, PERP, derivative=False)
    assert "ended at" in lack(BATCH, FIRST, SPOT, derivative=False, at=NOW + timedelta(days=1))
    generic = grants.Grant(grants.BATCH, None)
    assert lack(generic, MAIN, PERP, derivative=True) == ""


def test_a_grant_that_ends_soon_is_told() -> None:
    assert "ends at" in grants.ending(BATCH, NOW)
    assert grants.ending(BATCH, NOW - timedelta(days=4)) == ""
    assert grants.ending(grants.Grant(grants.BATCH, None), NOW) == ""
