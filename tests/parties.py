"""Owners and grantees on the paper venue, who sign with the SDK's own clients."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from pyinjective.async_client_v2 import AsyncClient
from pyinjective.composer_v2 import Composer
from pyinjective.core.broadcaster import MsgBroadcasterWithPk
from pyinjective.wallet import PrivateKey

from bots.injective.network import network_for
from bots.settings import PaperEndpoints

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.paper import VenueProcess

D = Decimal
SPOT = "0x0611780ba69656949525013d947713300f56c37b6175e02f26bffa495c3208fe"
PERP = "0x17ef48032cb24375ba7c2e39f384e56433bcab20cbee9a7357e4cba2eb00abe6"
USDT = "peggy0x87aB3B4C8661e07D6372361211B96ed4Dc36B1B5"
BATCH = "/injective.exchange.v2.MsgBatchUpdateOrders"


class Party:
    """A key with the SDK's own client and broadcasters."""

    def __init__(self, venue: VenueProcess, number: int) -> None:
        network = network_for("paper", PaperEndpoints(venue.grpc, venue.http))
        self.key = PrivateKey.from_hex(f"{number:064x}")
        self._address = self.key.to_public_key().to_address()
        self.address = self._address.to_acc_bech32()
        self.client = AsyncClient(network)
        self.composer = Composer(network="paper")
        common = {
            "network": network,
            "gas_price": 176_000_000,
            "client": self.client,
            "composer": self.composer,
        }
        self._own = MsgBroadcasterWithPk.new_using_gas_heuristics(private_key=self.key.to_hex(), **common)
        self._granted = MsgBroadcasterWithPk.new_for_grantee_account_using_gas_heuristics(
            grantee_private_key=self.key.to_hex(), **common
        )

    def sub(self, index: int) -> str:
        return str(self._address.get_subaccount_id(index))

    async def do(self, *messages: Any) -> Any:
        """Send under the own name; returns the delivered result, or that of CheckTx."""
        return await self._send(self._own, messages)

    async def act(self, *messages: Any) -> Any:
        """Send for somebody else, as the SDK's grantee broadcaster does."""
        return await self._send(self._granted, messages)

    async def _send(self, broadcaster: Any, messages: Any) -> Any:
        await self.client.sync_timeout_height()
        await self.client.fetch_account(self.address)
        answer = (await broadcaster.broadcast(list(messages)))["txResponse"]
        while answer["code"] == 0 and answer["height"] == "0":
            await asyncio.sleep(0.02)
            with contextlib.suppress(Exception):  # not in a block yet
                answer = (await self.client.fetch_tx(answer["txhash"]))["txResponse"]
        return answer

    def order(self, owner: Party, **changes: Any) -> Any:
        return self.composer.spot_order(
            **{
                "market_id": SPOT,
                "subaccount_id": owner.sub(1),
                "fee_recipient": owner.address,
                "price": D(5),
                "quantity": D(1),
                "order_type": "BUY",
                "cid": str(uuid.uuid4()),
                **changes,
            }
        )

    def batch(self, owner: Party, **content: Any) -> Any:
        return self.composer.msg_batch_update_orders(sender=owner.address, **content)

    def grant(
        self, grantee: Party, kind: str = "BatchUpdateOrdersAuthz", seconds: int = 600, **limits: Any
    ) -> Any:
        if kind == "BatchUpdateOrdersAuthz" and not limits:
            limits = {"spot_markets": [SPOT]}
        return self.composer.msg_grant_typed(
            granter=self.address,
            grantee=grantee.address,
            msg_type=kind,
            expiration_time_seconds=seconds,
            subaccount_id=self.sub(1),
            **limits,
        )


_numbers = iter(range(9000, 10000))


@contextlib.asynccontextmanager
async def parties(venue: VenueProcess, count: int = 2) -> AsyncIterator[tuple[Party, ...]]:
    """An owner with 1000 USDT in subaccount 1, then grantees; all have gas."""
    made = tuple(Party(venue, next(_numbers)) for _ in range(count))
    for party in made:
        venue.faucet(party.address)
    owner = made[0]
    deposit = owner.composer.msg_deposit(owner.address, owner.sub(1), 1_000_000_000, USDT)
    assert (await owner.do(deposit))["code"] == 0
    try:
        yield made
    finally:
        for party in made:
            await party.client.close_chain_channel()
            await party.client.close_chain_stream_channel()


def code(answer: Any) -> tuple[str, int]:
    return answer["codespace"], answer["code"]
