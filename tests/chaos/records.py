"""The two records that are compared: the venue's chain, read over HTTP, and the ledger in Postgres."""

from __future__ import annotations

import base64
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import psycopg

# pyinjective's modules, found through the venue's own list of them: one place names them all.
from bots.paper.proto import abci_pb2, authz_tx, exchange_tx
from tests.chaos.invariants import Filled, FillKey

if TYPE_CHECKING:
    from collections.abc import Iterable
    from collections.abc import Set as AbstractSet

_BATCH = "injective.exchange.v2.MsgBatchUpdateOrdersResponse"
_EXEC = "cosmos.authz.v1beta1.MsgExecResponse"


def created_cids(result: bytes) -> list[str]:
    """Return the cids that a delivered transaction created, in order; none when it failed."""
    response = abci_pb2.TxResponse.FromString(result)
    if response.code:
        return []
    found = []
    for wrapped in abci_pb2.TxMsgData.FromString(bytes.fromhex(response.data)).msg_responses:
        kind = wrapped.type_url.rpartition("/")[2]
        # A grantee of this suite sends batches and nothing else.
        inner = authz_tx.MsgExecResponse.FromString(wrapped.value).results if kind == _EXEC else ()
        for value in (wrapped.value,) if kind == _BATCH else inner:
            batch = exchange_tx.MsgBatchUpdateOrdersResponse.FromString(value)
            found += [*batch.created_spot_orders_cids, *batch.created_derivative_orders_cids]
    return found


class VenueRecord:
    """What the venue itself has written down."""

    def __init__(self, base: str) -> None:
        """Name the venue's HTTP address."""
        self._base = base
        self._seq = 0
        self.accepted: list[str] = []
        """Cids in the order of acceptance, since the chain began."""

    def ask(self, path: str) -> Any:
        """Return the decoded answer to one question.

        Raises:
            httpx.HTTPError: it does not answer.
        """
        return httpx.get(self._base + path, timeout=5).raise_for_status().json()

    def read_on(self) -> None:
        """Read the transactions that were delivered since the last look."""
        while page := self.ask(f"/transactions?after={self._seq}")["transactions"]:
            for row in page:
                assert row["seq"] == self._seq + 1, f"the venue forgot transactions after {self._seq}"
                self._seq = row["seq"]
                self.accepted += created_cids(base64.b64decode(row["result"]))

    def fills(self, accounts: Iterable[str], traders: AbstractSet[tuple[str, str]]) -> dict[FillKey, Filled]:
        """Return every fill of some addresses that belongs to one of `traders`: subaccount and market id."""
        found: dict[FillKey, Filled] = {}
        for address in accounts:
            rows = self.ask(f"/trades?address={address}")["trades"]
            for row in (one for one in rows if (one["subaccount_id"], one["market_id"]) in traders):
                key = row["trade_id"], row["cid"]
                assert key not in found, f"the venue tells trade {key} twice"
                amounts = (Decimal(row[name]) for name in ("price", "quantity", "fee"))
                found[key] = Filled(row["side"], *amounts)
        return found

    def positions(self, accounts: Iterable[str]) -> dict[str, Decimal]:
        """Return the positions of some addresses by subaccount id; each has one derivative market here."""
        rows = [row for one in accounts for row in self.ask(f"/positions?address={one}")["positions"]]
        return {row["subaccount_id"]: Decimal(row["quantity"]) for row in rows if Decimal(row["quantity"])}

    def open_cids(self, account: str) -> list[str]:
        """Return the cids of an address's orders in the book."""
        return [row["cid"] for row in self.ask(f"/orders?address={account}")["orders"]]


class LedgerRecord:
    """What the bots have written down; a connection for each look, since Postgres is killed in between."""

    def __init__(self, conninfo: str) -> None:
        """Name the database, as libpq does."""
        self._conninfo = conninfo

    def _rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self._conninfo, connect_timeout=3, autocommit=True) as connection:
            connection.execute("SET statement_timeout = '5s'")
            return connection.execute(statement, values).fetchall()

    def fills(self, bots: list[str]) -> dict[FillKey, Filled]:
        """Return every fill of some bots.

        Raises:
            psycopg.Error: Postgres does not answer.
        """
        statement = "SELECT trade_id, order_id, side, fill_price, qty_filled, commission FROM fills"
        rows = self._rows(f"{statement} WHERE bot_id = ANY(%s)", bots)
        return {(trade, order): Filled(*rest) for trade, order, *rest in rows}

    def orders(self) -> set[str]:
        """Return the cids of all orders."""
        return {row[0] for row in self._rows("SELECT order_id FROM orders")}

    def positions(self, symbol: str) -> dict[str, Decimal]:
        """Return the net quantity by subaccount id of one market."""
        statement = (
            "SELECT account, sum(CASE side WHEN 'buy' THEN qty_filled ELSE -qty_filled END) FROM fills "
            "WHERE symbol = %s GROUP BY account"
        )
        return {account: net for account, net in self._rows(statement, symbol) if net}
