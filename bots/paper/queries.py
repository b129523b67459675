"""The query and transaction services of the cosmos side. Bank coins go out in whole chain units."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots import addresses
from bots.paper import balances
from bots.paper.authz_queries import AuthzQueries
from bots.paper.errors import NotFoundError
from bots.paper.exchange_queries import ExchangeQueries
from bots.paper.indexer import Indexer
from bots.paper.markets import TOKENS
from bots.paper.proto import (
    account_pb2,
    auth_pb2,
    auth_query,
    authz_query,
    bank_pb2,
    bank_query,
    coin_pb2,
    derivative_indexer,
    exchange_query,
    meta_indexer,
    pack,
    spot_indexer,
    tendermint_query,
    tx_service,
    txfees_query,
)
from bots.paper.transactions import CHAIN_ID, MIN_GAS_PRICE
from bots.paper.units import to_wire

if TYPE_CHECKING:
    from bots.paper.chain import Chain
    from bots.paper.markets import Token
    from bots.paper.rpc import Table

__all__ = ["Queries"]


class Queries:
    """One method per RPC: request message in, response message out."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._exchange = chain.exchange

    def tables(self) -> tuple[Table, ...]:
        """Return all unary services: generated module, service, and its methods by RPC name."""
        indexer = Indexer(self._chain)
        return (
            (auth_query, "Query", {"Account": self._account}),
            (
                bank_query,
                "Query",
                {
                    "AllBalances": self._balances,
                    "SpendableBalances": self._spendable,
                    "SpendableBalanceByDenom": self._spendable_of,
                    "TotalSupply": self._supply,
                    "SupplyOf": self._supply_of,
                    "DenomMetadata": self._denom,
                    "Balance": self._balance,
                    "DenomsMetadata": self._denoms,
                },
            ),
            (
                tendermint_query,
                "Service",
                {
                    "GetLatestBlock": self._latest_block,
                    "GetNodeInfo": self._node,
                    "GetSyncing": lambda _r: tendermint_query.GetSyncingResponse(),
                },
            ),
            (
                tx_service,
                "Service",
                {"Simulate": self._simulate, "BroadcastTx": self._broadcast, "GetTx": self._tx},
            ),
            (authz_query, "Query", AuthzQueries(self._chain).methods()),
            (txfees_query, "Query", {"GetEipBaseFee": self._base_fee}),
            (exchange_query, "Query", ExchangeQueries(self._chain).methods()),
            (spot_indexer, "InjectiveSpotExchangeRPC", indexer.spot()),
            (derivative_indexer, "InjectiveDerivativeExchangeRPC", indexer.derivative()),
            (meta_indexer, "InjectiveMetaRPC", {"Ping": lambda _r: meta_indexer.PingResponse()}),
        )

    def _account(self, request: Any) -> Any:
        account = self._chain.account(request.address)
        if account is None:
            raise NotFoundError(f"account {request.address[:60]} not found")
        base = auth_pb2.BaseAccount(
            address=request.address, account_number=account.number, sequence=account.sequence
        )
        return auth_query.QueryAccountResponse(account=pack(account_pb2.EthAccount(base_account=base)))

    def _balances(self, request: Any) -> Any:
        owner = addresses.default_subaccount(request.address)
        coins = [balances.coin(self._exchange.ledger, owner, denom) for denom in TOKENS]
        return bank_query.QueryAllBalancesResponse(balances=[coin for coin in coins if coin.amount != "0"])

    def _spendable(self, request: Any) -> Any:
        coins = self._balances(request).balances
        return bank_query.QuerySpendableBalancesResponse(balances=coins)

    def _spendable_of(self, request: Any) -> Any:
        return bank_query.QuerySpendableBalanceByDenomResponse(balance=self._balance(request).balance)

    def _minted(self, denom: str) -> Any:
        amount = TOKENS[denom].to_chain(self._exchange.ledger.minted[denom]) if denom in TOKENS else 0
        return coin_pb2.Coin(denom=denom, amount=str(amount))

    def _supply(self, _request: Any) -> Any:
        return bank_query.QueryTotalSupplyResponse(supply=[self._minted(denom) for denom in TOKENS])

    def _supply_of(self, request: Any) -> Any:
        return bank_query.QuerySupplyOfResponse(amount=self._minted(request.denom))

    def _balance(self, request: Any) -> Any:
        coin = coin_pb2.Coin(denom=request.denom, amount="0")
        if request.denom in TOKENS:
            owner = addresses.default_subaccount(request.address)
            coin = balances.coin(self._exchange.ledger, owner, request.denom)
        return bank_query.QueryBalanceResponse(balance=coin)

    def _denoms(self, _request: Any) -> Any:
        return bank_query.QueryDenomsMetadataResponse(metadatas=[_metadata(t) for t in TOKENS.values()])

    def _denom(self, request: Any) -> Any:
        if request.denom not in TOKENS:
            raise NotFoundError(f"client metadata for denom {request.denom[:80]}")
        return bank_query.QueryDenomMetadataResponse(metadata=_metadata(TOKENS[request.denom]))

    def _node(self, _request: Any) -> Any:
        response = tendermint_query.GetNodeInfoResponse()
        response.default_node_info.network = CHAIN_ID
        response.default_node_info.moniker = "paper venue"
        response.application_version.name = "injective"
        return response

    def _latest_block(self, _request: Any) -> Any:
        response = tendermint_query.GetLatestBlockResponse()
        for block in (response.block, response.sdk_block):
            block.header.height, block.header.chain_id = self._chain.height, CHAIN_ID
            block.header.time.FromNanoseconds(int(self._chain.time * 10**9))
        return response

    def _simulate(self, request: Any) -> Any:
        gas, data = self._chain.simulate(request.tx_bytes or request.tx.SerializeToString())
        response = tx_service.SimulateResponse()
        response.gas_info.gas_wanted, response.gas_info.gas_used = 0, gas
        response.result.data = data.SerializeToString()
        response.result.msg_responses.extend(data.msg_responses)
        return response

    def _broadcast(self, request: Any) -> Any:
        return tx_service.BroadcastTxResponse(tx_response=self._chain.broadcast(request.tx_bytes))

    def _tx(self, request: Any) -> Any:
        found = self._chain.result(request.hash.upper().removeprefix("0X"))
        if found is None:
            raise NotFoundError(f"tx not found: {request.hash[:80]}")
        transaction, result = found
        response = tx_service.GetTxResponse(tx=transaction.full, tx_response=result)
        response.tx_response.tx.CopyFrom(pack(transaction.full))
        return response

    def _base_fee(self, _request: Any) -> Any:
        fee = txfees_query.EipBaseFee(base_fee=to_wire(Decimal(MIN_GAS_PRICE)))
        return txfees_query.QueryEipBaseFeeResponse(base_fee=fee)


def _metadata(token: Token) -> Any:
    metadata = bank_pb2.Metadata(
        base=token.denom, display=token.symbol, name=token.name, symbol=token.symbol, decimals=token.decimals
    )
    metadata.denom_units.add(denom=token.denom, exponent=0)
    metadata.denom_units.add(denom=token.symbol, exponent=token.decimals)
    return metadata
