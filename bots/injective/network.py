"""Which endpoints: the public chain's as the SDK knows them, or the paper venue's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from pyinjective.core.network import Network

if TYPE_CHECKING:
    from bots.settings import PaperEndpoints

__all__ = ["network_for"]

_PAPER_CHAIN_ID = "injective-paper-1"
_CHANNEL_OPTIONS = (
    # gRPC's own default waits up to two minutes between attempts to reconnect.
    ("grpc.initial_reconnect_backoff_ms", 500),
    ("grpc.max_reconnect_backoff_ms", 5000),
)


class _Network(Network):  # type: ignore[misc]  # the SDK ships no types
    """The SDK's network, whose channels come back soon after an outage."""

    def _create_grpc_channel(self, endpoint: str, credentials: Any) -> Any:
        if credentials is None:
            return grpc.aio.insecure_channel(endpoint, options=_CHANNEL_OPTIONS)
        return grpc.aio.secure_channel(endpoint, credentials, options=_CHANNEL_OPTIONS)


def network_for(name: str, paper: PaperEndpoints | None) -> Any:
    """Return the SDK's network: its own endpoints, or the paper venue's."""
    if name == "mainnet":
        return _Network.mainnet()
    if name == "testnet":
        return _Network.testnet()
    if paper is None:
        raise ValueError("the paper network needs its endpoints")
    return _Network.custom(
        lcd_endpoint=paper.http,
        tm_websocket_endpoint="",
        grpc_endpoint=paper.grpc,
        grpc_exchange_endpoint=paper.grpc,
        grpc_explorer_endpoint=paper.grpc,
        chain_stream_endpoint=paper.grpc,
        chain_id=_PAPER_CHAIN_ID,
        env="paper",
        official_tokens_list_url=f"{paper.http}/tokens.json",
    )
