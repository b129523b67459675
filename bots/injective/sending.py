"""Signing and sending for one account; a transaction's outcome is known, or said to be unknown."""

from __future__ import annotations

import asyncio
import random
import re
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import grpc

from bots.injective.account import Account
from bots.injective.calls import DEADLINE, call
from bots.model import BlockUpdate, ExchangeError, RejectedError, UnknownOutcomeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from bots.signing import Turn

__all__ = ["GAS_MARGIN", "Sending"]

GAS_MARGIN = Decimal("1.1")
"""On the chain's gas price, which moves from block to block."""
_TIMEOUT_BLOCKS = 20
"""A transaction that is not in a block by then never will be: about 13 s."""
_SEQUENCE_MISMATCH = 32
_SEQUENCE_ATTEMPTS = 6
_ALREADY_SENT = 19
"""The node has this very transaction already."""
_EXPECTED = re.compile(r"expected (\d+)")


class Sending(Account):
    """An account whose transactions one key signs, in turn with all others that sign with it."""

    _turn: Turn
    _signer: str
    """Bech32 of the key; not the account's own when that granted it to trade."""
    _broadcaster: Any = None
    _height = 0

    async def resync(self) -> None:
        """Read number and sequence of the account that signs anew.

        Raises:
            ExchangeError: not reachable, or the account does not exist because nothing was ever sent to it.
        """
        if await call(self._client.fetch_account(self._signer), "account") is None:
            # The SDK hides why; the same query beneath it tells.
            await call(self._client.auth_api.fetch_account(self._signer), "account (has it been funded?)")
            raise ExchangeError(f"account {self._signer} is not of a kind that trades")

    def follow(self, block: BlockUpdate) -> None:
        """Let timeout height and gas price follow the stream."""
        self._height = block.height
        if block.gas_price and self._broadcaster is not None:
            self._broadcaster.update_gas_price(int(block.gas_price * GAS_MARGIN))

    async def sync_height(self) -> int:
        """Set the timeout height without a stream; returns the height.

        Raises:
            ExchangeError: not reachable.
        """
        block = await call(self._client.fetch_latest_block(), "latest block")
        self._height = int(block["block"]["header"]["height"])
        return self._height

    async def _send(
        self,
        message: Any,
        permit: Callable[[int], Awaitable[None]] | None,
        max_timeout_height: int | None,
        *,
        patient: bool,
    ) -> tuple[str, int]:
        timeout_height = self._timeout_height(max_timeout_height)
        async with self._turn.take(patient=patient) as slot:
            if slot.sequence is None:
                await self.resync()
            else:
                self._client.sequence = slot.sequence
            for attempt in range(1, _SEQUENCE_ATTEMPTS + 1):
                if permit is not None:
                    await permit(timeout_height)
                if not slot.valid():
                    raise ExchangeError("the turn at signing was over before anything was sent")
                answer = await self._broadcast(message, timeout_height)
                if int(answer["code"]) == 0:
                    slot.done(self._client.sequence)
                    return str(answer["txhash"]), timeout_height
                await self._put_right(answer, timeout_height, attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _timeout_height(self, most: int | None) -> int:
        height = self._height + _TIMEOUT_BLOCKS
        if most is not None and most < height:
            height = most
        if self._height == 0 or height <= self._height:
            raise ExchangeError("no block is left in which the transaction could be")
        return height

    async def _put_right(self, answer: Any, timeout_height: int, attempt: int) -> None:
        """Take the sequence that a refusal names; raise any other refusal."""
        code, log = int(answer["code"]), str(answer["rawLog"])
        if code == _ALREADY_SENT:
            raise UnknownOutcomeError(self._client.last_hash, timeout_height)
        expected = _EXPECTED.search(log) if code == _SEQUENCE_MISMATCH else None
        if expected is None or attempt == _SEQUENCE_ATTEMPTS:
            raise RejectedError(code, log[:300])
        # A query would answer the last block's sequence; the refusal names that of the mempool. A signer that
        # did not wait for its turn may be faster several times, hence the jitter.
        self._client.sequence = int(expected[1])
        await asyncio.sleep(random.uniform(0, 0.05 * attempt))  # noqa: S311 - jitter, no cryptography

    async def _broadcast(self, message: Any, timeout_height: int) -> Any:
        self._client.last_hash = ""
        self._client.timeout_height = timeout_height
        try:
            async with asyncio.timeout(DEADLINE):
                return (await self._broadcaster.broadcast([message]))["txResponse"]
        except (TimeoutError, grpc.RpcError, ValueError, RuntimeError) as error:
            if self._client.last_hash:
                raise UnknownOutcomeError(self._client.last_hash, timeout_height) from error
            raise ExchangeError(f"could not send: {type(error).__name__}") from error
