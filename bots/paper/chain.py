"""The chain: accounts, mempool, blocks."""

from __future__ import annotations

import hashlib
import logging
import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots import addresses
from bots.paper import balances, clearing, messages, state
from bots.paper.authz import Grants
from bots.paper.errors import VenueError
from bots.paper.events import BlockEvents
from bots.paper.exchange import Exchange
from bots.paper.faults import Faults
from bots.paper.gas import gas_used
from bots.paper.ledger import FEES
from bots.paper.markets import INJ
from bots.paper.proto import abci_pb2, pack
from bots.paper.store import Store
from bots.paper.transactions import MIN_GAS_PRICE, Account, Transaction, check, decode
from bots.paper.units import to_wire

if TYPE_CHECKING:
    from bots.paper.flow import Flow
    from bots.paper.markets import Market

__all__ = ["Chain"]

_LOG = logging.getLogger(__name__)
_MEMPOOL_SIZE = 2000
_NANO = 10**6
"""Nanoseconds in a millisecond."""


class Chain:
    """All state of the venue; one block at a time, in one thread."""

    def __init__(
        self, markets: dict[str, Market], flow: Flow | None = None, store: Store | None = None
    ) -> None:
        self.events = BlockEvents()
        self.exchange = Exchange(markets, self.events, self.mark_price)
        self.flow = flow
        self.store = store or Store()
        """Holds all trades and the last transactions, and everything that a restart must find again."""
        self.grants = Grants(self.exchange.ledger.undo)
        self.accounts: dict[str, Account] = {}
        self.mempool: list[Transaction] = []
        self.faults = Faults()
        self._delivered: list[tuple[str, bytes, bytes]] = []
        self.height = 1
        self.time_ms = time.time_ns() // _NANO
        """The last block's time in Unix milliseconds."""
        state.restore(self, self.store.load())

    @property
    def time(self) -> float:
        """The last block's time in Unix seconds."""
        return self.time_ms / 1000

    def account(self, address: str) -> Account | None:
        """Return an account; it exists once it has been sent money."""
        return self.accounts.get(address)

    def open_account(self, address: str) -> Account:
        """Return an account, made when it is new. Numbers begin at 1: the SDK takes 0 for unknown."""
        if address not in self.accounts:
            self.accounts[address] = Account(number=len(self.accounts) + 1)
            self.exchange.ledger.undo.append(lambda: self.accounts.__delitem__(address))
        return self.accounts[address]

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
        fee = INJ.to_human(check(tx, account, self.height, account.pending))
        payer = addresses.default_subaccount(tx.signer)
        self.exchange.ledger.require(payer, INJ.denom, fee, 5, "sdk")
        self._refuse_on_demand(tx, "check")
        account.pending += 1
        self.mempool.append(tx)

    def _refuse_on_demand(self, tx: Transaction, at: str) -> None:
        if fault := self.faults.take("reject", signer=tx.signer, at=at):
            raise VenueError(
                fault.parameters["code"], "refused: a fault on demand", fault.parameters["codespace"]
            )

    def simulate(self, raw: bytes) -> tuple[int, Any]:
        """Run a transaction on the last block's state and take it back; no valid signature is asked for.

        Returns:
            The gas that it would use, and its `TxMsgData`.

        Raises:
            VenueError: it cannot be decoded, the sequence is wrong, or a message is refused.
        """
        tx = decode(raw)
        account = self.account(tx.signer) or Account(0)
        sequence = tx.auth.signer_infos[0].sequence
        if sequence != account.pending:
            log = f"account sequence mismatch, expected {account.pending}, got {sequence}"
            raise VenueError(32, log, "sdk")
        undo, events = self.exchange.ledger.undo, self.events.checkpoint()
        undo.clear()
        try:
            return gas_used(tx), self._run_messages(tx)
        finally:
            self._take_back(events)

    # ---- blocks

    def end_block(self) -> Any:
        """Make one block, keep it, and return its stream message.

        Raises:
            StateError: it cannot be kept; nothing of it may be told.
        """
        self.height += 1
        self.time_ms = max(time.time_ns() // _NANO, self.time_ms + 1)
        self.exchange.height, self.exchange.time_ms = self.height, self.time_ms
        self.grants.prune(self.time_ms)
        pool, self.mempool = self.mempool, []
        for tx in pool:
            self._deliver(tx)
        for account in self.accounts.values():
            account.pending = account.sequence
        if self.flow is not None:
            self.flow.trade(self.exchange)
        clearing.clear(self.exchange)
        self.exchange.ledger.undo.clear()
        self.keep(told=True)
        self._note_state()
        message = self.events.take()
        message.block_height, message.block_time = self.height, self.time_ms
        message.gas_price = to_wire(Decimal(MIN_GAS_PRICE))
        return message

    def _note_state(self) -> None:
        message = self.events.message
        balances.note_changes(message, self.exchange.ledger)
        for symbol, price in self.flow.oracle_prices().items() if self.flow else ():
            message.oracle_prices.add(symbol=symbol, price=to_wire(price), type="pricefeed")

    def keep(self, *, told: bool = False) -> None:
        """Write down the state as it is, with a block's trades and transactions when one was `told` of.

        Raises:
            StateError: it cannot be kept.
        """
        trades = self.exchange.trades if told else []
        self.store.write(state.rows(self), trades, self._delivered)
        self._delivered = []

    def _deliver(self, tx: Transaction) -> None:
        response = abci_pb2.TxResponse(
            txhash=tx.hash,
            height=self.height,
            gas_wanted=tx.auth.fee.gas_limit,
            gas_used=gas_used(tx),
            timestamp=time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.time)),
        )
        try:
            self._enter(tx)
            self._refuse_on_demand(tx, "deliver")
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
        self._delivered.append((tx.hash, tx.raw, response.SerializeToString()))

    def result(self, tx_hash: str) -> tuple[Transaction, Any] | None:
        """Return a delivered transaction and its `TxResponse`; the last twenty thousand are kept."""
        found = self.store.transaction(tx_hash)
        return None if found is None else (decode(found[0]), abci_pb2.TxResponse.FromString(found[1]))

    def _enter(self, tx: Transaction) -> None:
        """Check again what may have changed since CheckTx, and charge the fee.

        Raises:
            VenueError: sdk codes 30, 32, 5; the transaction costs nothing then and its sequence stays free.
        """
        account = self.accounts[tx.signer]
        fee = INJ.to_human(check(tx, account, self.height, account.sequence))
        payer = addresses.default_subaccount(tx.signer)
        self.exchange.ledger.move(payer, FEES, INJ.denom, fee)
        account.sequence += 1

    def _run(self, tx: Transaction) -> str:
        """Run all messages or none; returns the hex of their `TxMsgData`."""
        if gas_used(tx) > tx.auth.fee.gas_limit:
            raise VenueError(
                11, f"out of gas; gasWanted: {tx.auth.fee.gas_limit}, gasUsed: {gas_used(tx)}", "sdk"
            )
        self.exchange.ledger.undo.clear()
        events = self.events.checkpoint()
        try:
            data = self._run_messages(tx)
        except Exception:
            self._take_back(events)
            raise
        return str(data.SerializeToString().hex().upper())

    def _run_messages(self, tx: Transaction) -> Any:
        data = abci_pb2.TxMsgData()
        for index, message in enumerate(tx.messages):
            data.msg_responses.append(pack(self._run_message(message, tx.signer, index)))
        return data

    def _take_back(self, events: Any) -> None:
        undo = self.exchange.ledger.undo
        while undo:
            undo.pop()()
        self.events.restore(events)

    def _run_message(self, message: Any, signer: str, index: int) -> Any:
        try:
            response = messages.run(self, message, signer)
        except VenueError as error:
            log = f"failed to execute message; message index: {index}: {error}"
            raise VenueError(error.code, log, error.codespace) from error
        return response


def _refusal(raw: bytes, error: VenueError) -> Any:
    return abci_pb2.TxResponse(
        txhash=hashlib.sha256(raw).hexdigest().upper(),
        code=error.code,
        codespace=error.codespace,
        raw_log=str(error),
    )
