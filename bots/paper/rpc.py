"""From a gRPC call to a method and back: errors as status codes, the height in the header, faults."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import grpc

from bots.paper.errors import NotFoundError, VenueError
from bots.paper.proto import serve
from bots.paper.transactions import decode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from bots.paper.chain import Chain
    from bots.paper.faults import Faults

    Method = Callable[[Any], Any]
    Table = tuple[Any, str, Mapping[str, Method]]

__all__ = ["handlers"]

_FOREVER = 86_400


def handlers(chain: Chain, faults: Faults, tables: Iterable[Table]) -> list[Any]:
    """Return gRPC handlers.

    Args:
        chain: its height goes into every answer's header.
        faults: what to do wrong.
        tables: generated module, service, and the methods of it by RPC name.
    """
    rpc = _Rpc(chain, faults)
    return [
        serve(module, service, {name: rpc.unary(name, method) for name, method in methods.items()}, {})
        for module, service, methods in tables
    ]


class _Rpc:
    def __init__(self, chain: Chain, faults: Faults) -> None:
        self._chain = chain
        self._faults = faults

    def unary(self, name: str, method: Method) -> Callable[[Any, Any], Any]:
        async def answer(request: Any, context: Any) -> Any:
            await self._before(name, context)
            await context.send_initial_metadata((("x-cosmos-block-height", str(self._chain.height)),))
            try:
                response = method(request)
            except NotFoundError as error:
                return await context.abort(grpc.StatusCode.NOT_FOUND, str(error))
            except VenueError as error:
                return await context.abort(grpc.StatusCode.UNKNOWN, str(error))
            except ValueError as error:
                return await context.abort(grpc.StatusCode.INVALID_ARGUMENT, str(error))
            if name == "BroadcastTx":
                await self._after_broadcast(request, context)
            return response

        return answer

    async def _before(self, name: str, context: Any) -> None:
        if fault := self._faults.take("delay", method=name):
            await asyncio.sleep(fault.parameters["ms"] / 1000)
        if self._faults.on("drop_connections"):
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the venue drops connections: a fault on demand")

    async def _after_broadcast(self, request: Any, context: Any) -> None:
        """Lose the answer when that is asked for: what was sent counts, its sender does not hear of it."""
        if not self._faults.on("lose_answers"):
            return
        try:
            signer = decode(request.tx_bytes).signer
        except VenueError:
            return
        if fault := self._faults.take("lose_answers", signer=signer):
            if fault.parameters.get("answer") == "never":
                await asyncio.sleep(_FOREVER)
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the answer is lost: a fault on demand")
