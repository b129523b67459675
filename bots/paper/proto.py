"""The generated protobuf modules that the venue speaks, and how to serve a service of them.

Only the message modules are loaded: the handlers are built from the descriptors, so that the generated client
stubs (and their memory) stay out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf import any_pb2, message_factory  # type: ignore[import-untyped]  # ships no types
from pyinjective.proto.cosmos.auth.v1beta1 import auth_pb2
from pyinjective.proto.cosmos.auth.v1beta1 import query_pb2 as auth_query
from pyinjective.proto.cosmos.authz.v1beta1 import authz_pb2
from pyinjective.proto.cosmos.authz.v1beta1 import query_pb2 as authz_query
from pyinjective.proto.cosmos.authz.v1beta1 import tx_pb2 as authz_tx
from pyinjective.proto.cosmos.bank.v1beta1 import bank_pb2
from pyinjective.proto.cosmos.bank.v1beta1 import query_pb2 as bank_query
from pyinjective.proto.cosmos.bank.v1beta1 import tx_pb2 as bank_tx
from pyinjective.proto.cosmos.base.abci.v1beta1 import abci_pb2
from pyinjective.proto.cosmos.base.tendermint.v1beta1 import query_pb2 as tendermint_query
from pyinjective.proto.cosmos.base.v1beta1 import coin_pb2
from pyinjective.proto.cosmos.tx.v1beta1 import service_pb2 as tx_service
from pyinjective.proto.cosmos.tx.v1beta1 import tx_pb2
from pyinjective.proto.exchange import (
    injective_derivative_exchange_rpc_pb2 as derivative_indexer,
)
from pyinjective.proto.exchange import (
    injective_meta_rpc_pb2 as meta_indexer,
)
from pyinjective.proto.exchange import (
    injective_spot_exchange_rpc_pb2 as spot_indexer,
)
from pyinjective.proto.injective.crypto.v1beta1.ethsecp256k1 import keys_pb2
from pyinjective.proto.injective.exchange.v2 import (
    authz_pb2 as exchange_authz,
)
from pyinjective.proto.injective.exchange.v2 import (
    exchange_pb2,
    market_pb2,
    order_pb2,
)
from pyinjective.proto.injective.exchange.v2 import (
    query_pb2 as exchange_query,
)
from pyinjective.proto.injective.exchange.v2 import (
    tx_pb2 as exchange_tx,
)
from pyinjective.proto.injective.stream.v2 import query_pb2 as stream_query
from pyinjective.proto.injective.txfees.v1beta1 import query_pb2 as txfees_query
from pyinjective.proto.injective.types.v1beta1 import account_pb2

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    Unary = Callable[[Any, Any], Awaitable[Any]]
    Streaming = Callable[[Any, Any], AsyncIterator[Any]]

__all__ = [
    "abci_pb2",
    "account_pb2",
    "auth_pb2",
    "auth_query",
    "authz_pb2",
    "authz_query",
    "authz_tx",
    "bank_pb2",
    "bank_query",
    "bank_tx",
    "coin_pb2",
    "derivative_indexer",
    "exchange_authz",
    "exchange_pb2",
    "exchange_query",
    "exchange_tx",
    "keys_pb2",
    "market_pb2",
    "meta_indexer",
    "order_pb2",
    "pack",
    "serve",
    "spot_indexer",
    "stream_query",
    "tendermint_query",
    "tx_pb2",
    "tx_service",
    "txfees_query",
]


def pack(message: Any) -> Any:
    """Wrap a message in an Any whose type URL is `/pkg.Msg`, as the chain writes it."""
    wrapped = any_pb2.Any()
    wrapped.Pack(message, type_url_prefix="")
    return wrapped


def serve(module: Any, service: str, methods: Mapping[str, Unary], streams: Mapping[str, Streaming]) -> Any:
    """Return a gRPC handler for `service` of a generated module; what is not given answers UNIMPLEMENTED."""
    descriptor = module.DESCRIPTOR.services_by_name[service]
    handlers = {}
    for kind, table in (
        (grpc.unary_unary_rpc_method_handler, methods),
        (grpc.unary_stream_rpc_method_handler, streams),
    ):
        for name, function in table.items():
            method = descriptor.methods_by_name[name]
            request = message_factory.GetMessageClass(method.input_type)
            response = message_factory.GetMessageClass(method.output_type)
            handlers[name] = kind(
                function,
                request_deserializer=request.FromString,
                response_serializer=response.SerializeToString,
            )
    return grpc.method_handlers_generic_handler(descriptor.full_name, handlers)
