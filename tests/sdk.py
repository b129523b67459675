"""A program of the public chain, for tests: the unmodified SDK, pointed at the venue."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from tests.paper import VenueProcess, run

if TYPE_CHECKING:
    from collections.abc import Callable

SPOT = "0x0611780ba69656949525013d947713300f56c37b6175e02f26bffa495c3208fe"
PERP = "0x17ef48032cb24375ba7c2e39f384e56433bcab20cbee9a7357e4cba2eb00abe6"


class Sdk:
    """What a program of the public chain sets up; only the `Network` is the venue's."""

    def __init__(self, venue: VenueProcess, number: int) -> None:
        from pyinjective.async_client_v2 import AsyncClient  # noqa: PLC0415 - needs the running loop's time
        from pyinjective.composer_v2 import Composer  # noqa: PLC0415 - see above
        from pyinjective.core.broadcaster import MsgBroadcasterWithPk  # noqa: PLC0415 - see above
        from pyinjective.core.network import Network  # noqa: PLC0415 - see above
        from pyinjective.indexer_client import IndexerClient  # noqa: PLC0415 - see above
        from pyinjective.wallet import PrivateKey  # noqa: PLC0415 - see above

        self.network = Network.custom(
            lcd_endpoint=venue.http,
            tm_websocket_endpoint="",
            grpc_endpoint=venue.grpc,
            grpc_exchange_endpoint=venue.grpc,
            grpc_explorer_endpoint=venue.grpc,
            chain_stream_endpoint=venue.grpc,
            chain_id="injective-paper-1",
            env="paper",
            official_tokens_list_url=f"{venue.http}/tokens.json",
        )
        self.client = AsyncClient(self.network)
        self.indexer = IndexerClient(self.network)
        self.composer = Composer(network="paper")
        key = PrivateKey.from_hex(f"{number:064x}")
        address = key.to_public_key().to_address()
        self.address, self.subaccount = address.to_acc_bech32(), address.get_subaccount_id(0)
        self.funded = address.get_subaccount_id(1)
        venue.faucet(self.address)
        make = {
            "heuristics": MsgBroadcasterWithPk.new_using_gas_heuristics,
            "simulation": MsgBroadcasterWithPk.new_using_simulation,
        }
        self.broadcasters = {
            name: build(
                self.network, key.to_hex(), gas_price=176_000_000, client=self.client, composer=self.composer
            )
            for name, build in make.items()
        }

    async def send(self, *messages: Any, how: str = "heuristics") -> dict[str, Any]:
        """Broadcast and return the result that is in a block (CheckTx's when that refuses)."""
        answer = (await self.broadcasters[how].broadcast(list(messages)))["txResponse"]
        if answer["code"]:
            await self.client.fetch_account(self.address)
            return answer
        for _ in range(100):
            try:
                return (await self.client.fetch_tx(answer["txhash"]))["txResponse"]
            except Exception:  # noqa: BLE001 - not found until it is in a block
                await asyncio.sleep(0.05)
        raise AssertionError("the transaction is in no block")

    async def close(self) -> None:
        for channel in (
            self.client.chain_channel,
            self.client.chain_stream_channel,
            self.client.exchange_channel,
            self.client.explorer_channel,
            self.indexer.exchange_channel,
            self.indexer.explorer_channel,
        ):
            await channel.close()
        self.client._cancel_timeout_height_sync_task()


def with_sdk(venue: VenueProcess, number: int, scenario: Callable[[Sdk], Any]) -> None:
    async def play() -> None:
        sdk = Sdk(venue, number)
        try:
            await asyncio.wait_for(scenario(sdk), 20)
        finally:
            await sdk.close()

    run(play())
