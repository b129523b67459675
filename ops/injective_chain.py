"""The drover command's only user of the Injective SDK: reads grants, makes the owner's messages, sends them.

An owner's key is held for the one transaction that it signs, and is written nowhere.
"""

from __future__ import annotations

import asyncio
import logging
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import grpc
from pyinjective.async_client_v2 import AsyncClient
from pyinjective.client.model.pagination import PaginationOption
from pyinjective.composer_v2 import Composer
from pyinjective.core.broadcaster import MsgBroadcasterWithPk

# Loaded so that a grant of these kinds can be read: protobuf names no type that it does not know.
from pyinjective.proto.cosmos.bank.v1beta1 import authz_pb2 as _bank  # noqa: F401 - see above
from pyinjective.proto.cosmos.staking.v1beta1 import authz_pb2 as _staking  # noqa: F401 - see above
from pyinjective.proto.cosmwasm.wasm.v1 import authz_pb2 as _wasm  # noqa: F401 - see above
from pyinjective.proto.ibc.applications.transfer.v1 import authz_pb2 as _ibc  # noqa: F401 - see above
from pyinjective.proto.injective.exchange.v1beta1 import authz_pb2 as _exchange  # noqa: F401 - see above

from bots import grants
from bots.injective.network import network_for
from ops.errors import OpsError
from ops.grants import Holding
from ops.keys import address_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from bots.settings import PaperEndpoints
    from ops.grants import Plan
    from ops.secret import Secret

__all__ = ["InjectiveChain"]

# The SDK's warnings are about what is told here in other words.
logging.getLogger("pyinjective").setLevel(logging.CRITICAL)

_BLOCK_SECONDS = 30.0
_POLL_SECONDS = 0.3
_DEADLINE = _BLOCK_SECONDS + 30
_GAS_MARGIN = Decimal("1.1")
_PAGE = 100


class InjectiveChain:
    """One network; every call opens a connection and closes it."""

    def __init__(self, network: str, paper: PaperEndpoints | None = None) -> None:
        """Name the network: paper (with its endpoints), testnet or mainnet."""
        self._name = network
        self._paper = paper
        self._composer = Composer(network=network)

    @property
    def chain_id(self) -> str:
        """What transactions are signed for."""
        return str(network_for(self._name, self._paper).chain_id)

    # ---- reading

    def holdings_of(self, grantee: str) -> list[Holding]:
        """Return every grant that an address holds, from whomever.

        Raises:
            OpsError: the network does not answer.
        """
        found: list[Holding] = self._run(lambda client: _all(client.authz_api.fetch_grantee_grants, grantee))
        return found

    def grants_by(self, granter: str) -> list[Holding]:
        """Return every grant that an account gave.

        Raises:
            OpsError: the network does not answer.
        """
        found: list[Holding] = self._run(lambda client: _all(client.authz_api.fetch_granter_grants, granter))
        return found

    # ---- messages

    def grant(self, plan: Plan) -> Any:
        """Return the `MsgGrant` of a plan."""
        message = self._composer.msg_grant_typed(
            granter=plan.granter,
            grantee=plan.grantee,
            msg_type="BatchUpdateOrdersAuthz",
            expiration_time_seconds=0,
            subaccount_id=plan.subaccount,
            spot_markets=list(plan.spot),
            derivative_markets=list(plan.derivative),
        )
        # The end that was shown and agreed to, whenever it is signed.
        message.grant.expiration.FromSeconds(int(plan.until.timestamp()))
        return message

    def revoke(self, holding: Holding) -> Any:
        """Return the `MsgRevoke` of a grant."""
        return self._composer.msg_revoke(holding.granter, holding.grantee, holding.grant.message)

    def deposit(self, account: str, subaccount: str, denom: str, amount: int) -> Any:
        """Return the `MsgDeposit` of an amount in chain units."""
        return self._composer.msg_deposit(account, subaccount, amount, denom)

    def send_coins(self, account: str, to: str, denom: str, amount: int) -> Any:
        """Return the `MsgSend` of an amount in chain units."""
        return self._composer.msg_send(account, to, amount, denom)

    def tokens(self, market_ids: Sequence[str]) -> dict[str, tuple[str, int]]:
        """Return denomination and decimals by symbol, of the tokens of some markets and INJ.

        Raises:
            OpsError: the network does not answer, or two of the tokens have one symbol.
        """
        found: dict[str, tuple[str, int]] = self._run(lambda client: _tokens(client, market_ids))
        return found

    # ---- sending

    def send(self, key: Secret, messages: Sequence[Any]) -> str:
        """Sign, send and wait for the block; returns the transaction's hash.

        Raises:
            OpsError: the network refuses, does not answer, or does not say what became of it.
        """
        return str(self._run(lambda client: self._send(client, key, messages)))

    async def _send(self, client: Any, key: Secret, messages: Sequence[Any]) -> str:
        await self._load_account(client, address_of(key))
        price = int(await client.current_chain_gas_price() * _GAS_MARGIN)
        broadcaster = MsgBroadcasterWithPk.new_using_simulation(
            network=client.network,
            private_key=key.reveal(),
            gas_price=price,
            client=client,
            composer=self._composer,
        )
        answer = (await broadcaster.broadcast(list(messages)))["txResponse"]
        _require_good(answer)
        return await _booked(client, str(answer["txhash"]))

    async def _load_account(self, client: Any, owner: str) -> None:
        """Let the client know number and sequence; the SDK hides why not, the query beneath tells."""
        if await client.fetch_account(owner) is not None:
            return
        try:
            await client.auth_api.fetch_account(owner)
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
        raise OpsError(f"{owner} does not exist on {self._name} yet; send it some INJ for the fee first.")

    def _run(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        try:
            return asyncio.run(self._connected(work))
        except (grpc.RpcError, TimeoutError, RuntimeError, ValueError, KeyError, TypeError) as error:
            # `from None`: what is beneath carries the transaction, which is of no use to the reader.
            raise OpsError(f"The network {self._name} does not do that: {_words(error)}.") from None

    async def _connected(self, work: Callable[[Any], Awaitable[Any]]) -> Any:
        # The SDK wants to be made inside of the running loop.
        client = AsyncClient(network_for(self._name, self._paper))
        try:
            async with asyncio.timeout(_DEADLINE):
                return await work(client)
        finally:
            await client.close_chain_channel()
            await client.close_chain_stream_channel()


async def _all(fetch: Callable[..., Awaitable[Any]], address: str) -> list[Holding]:
    found: list[Holding] = []
    key = ""
    while True:
        answer = await fetch(address, PaginationOption(encoded_page_key=key, limit=_PAGE))
        found += [
            Holding(entry["granter"], entry["grantee"], grants.read(entry))
            for entry in answer.get("grants", ())
        ]
        key = answer.get("pagination", {}).get("nextKey") or ""
        if not key:
            return found


async def _tokens(client: Any, market_ids: Sequence[str]) -> dict[str, tuple[str, int]]:
    markets = {**await client.all_spot_markets(), **await client.all_derivative_markets()}
    found: dict[str, tuple[str, int]] = {"INJ": ("inj", 18)}
    for market in (markets[market_id] for market_id in market_ids if market_id in markets):
        if market.quote_token is None:
            raise OpsError("The list of tokens could not be fetched; try again.")
        for token in (getattr(market, "base_token", None), market.quote_token):
            if token is None:
                continue
            if found.setdefault(token.symbol, (token.denom, token.decimals)) != (token.denom, token.decimals):
                raise OpsError(
                    f"Two tokens of these markets are called {token.symbol}; name one market at a time."
                )
    return found


def _require_good(answer: Any) -> None:
    if int(answer["code"]):
        reason = str(answer["rawLog"])[:300]
        raise OpsError(f"The chain refuses it (code {answer['code']}, {answer['codespace']}): {reason}.")


async def _booked(client: Any, tx_hash: str) -> str:
    """Wait until a transaction is in a block; returns its hash."""
    for _ in range(int(_BLOCK_SECONDS / _POLL_SECONDS)):
        await asyncio.sleep(_POLL_SECONDS)
        try:
            answer = (await client.fetch_tx(tx_hash))["txResponse"]
        except grpc.RpcError as error:
            if error.code() != grpc.StatusCode.NOT_FOUND:
                raise
            continue
        _require_good(answer)
        return tx_hash
    raise OpsError(
        f"The transaction {tx_hash} is in no block after {_BLOCK_SECONDS:.0f} s; look it up before more."
    )


def _words(error: Exception) -> str:
    if isinstance(error, grpc.aio.AioRpcError):
        return f"{error.code().name}, {str(error.details())[:300]}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return f"{type(error).__name__}, {str(error)[:300]}"
