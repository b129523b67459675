"""The chain: accounts, mempool, blocks."""

from __future__ import annotations

import hashlib
import logging
import time
from collections import OrderedDict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots import addresses
from bots.paper import messages
from bots.paper.errors import VenueError
from bots.paper.events import BlockEvents
from bots.paper.exchange import Exchange
from bots.paper.ledger import FEES
from bots.paper.markets import INJ
from bots.paper.proto import abci_pb2, pack
from bots.paper.transactions import MIN_GAS_PRICE, Account, Transaction, check, decode
from bots.paper.units import to_wire

if TYPE_CHECKING:
    from bots.paper.flow import Flow
    from bots.paper.markets import Market

__all__ = ["Chain"]

_LOG = logging.getLogger(__name__)
_KEPT_TRANSACTIONS = 5000
_MEMPOOL_SIZE = 2000
_GAS_PER_ORDER = 65_000
_GAS_BASE = 120_000


class Chain:
    """All state of the venue; one block at a time, in one thread."""

    def __init__(self, markets: dict[str, Market], flow: Flow | None = None) -> None:
        self.events = BlockEvents()
        self.exchange = Exchange(markets, self.events)
        self.flow = flow
        self.accounts: dict[str, Account] = {}
        self.mempool: list[Transaction] = []
        self.results: OrderedDict[str, tuple[Transaction, Any]] = OrderedDict()
        """Transaction and `TxResponse` by hash, the last few thousand."""
        self.height = 1
        self.time = time.time()

    def account(self, address: str) -> Account | None:
        """Return an account; it exists once it has been sent money."""
        return self.accounts.get(address)

    def open_account(self, address: str) -> Account:
        """Return an account, made when it is new. Numbers begin at 1: the SDK takes 0 for unknown."""
        return self.accounts.setdefault(address, Account(number=len(self.accounts) + 1))

    def mark_price(self, market: Market) -> Decimal:
        """Return the price that positions are valued at; an oracle's, on the chain."""
        if self.flow is not None:
            return self.flow.fair_price(market)
        return self.exchange.books[market.id].mid or market.start_price

    # ---- CheckTx

    def broadcast(self, raw: bytes) -> Any:
        """Check a transaction and queue it for the next block; returns its `TxResponse`."""
        try:
            tx = decode(raw)
            self._admit(tx)
        except VenueError as error:
            return _refusal(raw, error)
        return abci_pb2.TxResponse(txhash=tx.hash)

    def _admit(self, tx: Transaction) -> None:
        account = self.account(tx.signer)
        if account is None:
            raise VenueError(9, f"account {tx.signer} not found: unknown address", "sdk")
        if len(self.mempool) >= _MEMPOOL_SIZE:
            raise VenueError(20, "mempool is full", "sdk")
        fee = check(tx, account, self.height)
        payer = addresses.default_subaccount(tx.signer)
        self.exchange.ledger.move(payer, FEES, INJ.denom, INJ.to_human(fee))
        account.pending += 1
        self.mempool.append(tx)

    def simulate(self, raw: bytes) -> int:
        """Return the gas that a transaction would use; it is decoded, not run.

        No valid signature is asked for.

        Raises:
            VenueError: it cannot be decoded, or the sequence is wrong.
        """
        tx = decode(raw)
        account = self.account(tx.signer) or Account(0)
        sequence = tx.auth.signer_infos[0].sequence
        if sequence != account.pending:
            log = f"account sequence mismatch, expected {account.pending}, got {sequence}"
            raise VenueError(32, log, "sdk")
        return _gas(tx)

    # ---- blocks

    def end_block(self) -> Any:
        """Make one block and return its stream message."""
        self.height += 1
        self.time = time.time()
        self.exchange.height = self.height
        pool, self.mempool = self.mempool, []
        for tx in pool:
            self._deliver(tx)
        if self.flow is not None:
            self.flow.trade(self.exchange)
        self.exchange.end_block(self.height)
        message = self.events.take()
        message.block_height, message.block_time = self.height, int(self.time * 1000)
        message.gas_price = to_wire(Decimal(MIN_GAS_PRICE))
        return message

    def _deliver(self, tx: Transaction) -> None:
        self.accounts[tx.signer].sequence += 1
        response = abci_pb2.TxResponse(
            txhash=tx.hash,
            height=self.height,
            gas_wanted=tx.auth.fee.gas_limit,
            gas_used=_gas(tx),
            timestamp=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.time)),
        )
        try:
            response.data = self._run(tx)
        except VenueError as error:
            response.code, response.codespace, response.raw_log = error.code, error.codespace, str(error)
        except Exception:  # noqa: BLE001 - one bad transaction must not stop the chain
            _LOG.exception("transaction %s failed in the venue itself", tx.hash)
            response.code, response.codespace, response.raw_log = (
                1,
                "sdk",
                "internal error of the paper venue",
            )
        self.results[tx.hash] = (tx, response)
        if len(self.results) > _KEPT_TRANSACTIONS:
            self.results.popitem(last=False)

    def _run(self, tx: Transaction) -> str:
        """Run all messages or none; returns the hex of their `TxMsgData`."""
        if 0 < tx.body.timeout_height < self.height:
            raise VenueError(
                30, f"block height: {self.height}, timeout height: {tx.body.timeout_height}", "sdk"
            )
        if _gas(tx) > tx.auth.fee.gas_limit:
            raise VenueError(
                11, f"out of gas; gasWanted: {tx.auth.fee.gas_limit}, gasUsed: {_gas(tx)}", "sdk"
            )
        undo = self.exchange.ledger.undo
        undo.clear()
        events = self.events.checkpoint()
        data = abci_pb2.TxMsgData()
        try:
            for index, message in enumerate(tx.messages):
                data.msg_responses.append(pack(self._run_message(message, tx.signer, index)))
        except Exception:
            while undo:
                undo.pop()()
            self.events.restore(events)
            raise
        return str(data.SerializeToString().hex().upper())

    def _run_message(self, message: Any, signer: str, index: int) -> Any:
        try:
            response = messages.run(self.exchange, message, signer)
        except VenueError as error:
            log = f"failed to execute message; message index: {index}: {error}"
            raise VenueError(error.code, log, error.codespace) from error
        if hasattr(message, "to_address"):
            self.open_account(message.to_address)
        return response


def _refusal(raw: bytes, error: VenueError) -> Any:
    return abci_pb2.TxResponse(
        txhash=hashlib.sha256(raw).hexdigest().upper(),
        code=error.code,
        codespace=error.codespace,
        raw_log=str(error),
    )


def _gas(tx: Transaction) -> int:
    """Roughly what the chain charges: a fixed part and a part per order."""
    return _GAS_BASE + _GAS_PER_ORDER * sum(_order_count(message) for message in tx.messages)


def _order_count(message: Any) -> int:
    lists = [
        getattr(message, field.name)
        for field in message.DESCRIPTOR.fields
        if field.name.endswith("_to_create")
    ]
    return sum(len(items) for items in lists) if lists else int(hasattr(message, "order"))
