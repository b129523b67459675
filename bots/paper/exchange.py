"""The exchange module: takes and cancels orders, locks funds, holds positions. `clearing` ends a block."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from bots import addresses
from bots.paper.errors import VenueError
from bots.paper.funding import Funding
from bots.paper.ledger import Ledger
from bots.paper.order_rules import BUY_TYPES, check, own_subaccount
from bots.paper.orders import Book, Order
from bots.paper.positions import Position, with_funding
from bots.paper.units import ZERO

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

    from bots.paper.events import BlockEvents
    from bots.paper.markets import Market
    from bots.paper.order_rules import NewOrder
    from bots.paper.settlement import Trade

__all__ = ["Exchange"]


class Exchange:
    """State of all markets. `events` collects what the block's stream message will say."""

    def __init__(
        self, markets: dict[str, Market], events: BlockEvents, mark_price: Callable[[Market], Decimal]
    ) -> None:
        self.markets = markets
        self.events = events
        self.mark_price = mark_price
        """What positions are valued at; an oracle's price, on the chain."""
        self.ledger = Ledger()
        self.books = {market_id: Book() for market_id in markets}
        self.positions: dict[tuple[str, str], Position] = {}
        self.by_cid: dict[tuple[str, str], Order] = {}
        self.market_orders: list[Order] = []
        self.trades: list[Trade] = []
        """Those of the last block."""
        self.volumes: dict[str, list[tuple[Decimal, Decimal]]] = {market_id: [] for market_id in markets}
        """Prices and quantities that traded in this block, by market."""
        self.funding = {market_id: Funding() for market_id in markets}
        self.nonce = 0
        self.height = 0
        self.time_ms = 0

    def market(self, market_id: str, *, derivative: bool) -> Market:
        """Return a market.

        Raises:
            VenueError: exchange code 2 or 27, no such spot or derivative market.
        """
        market = self.markets.get(market_id)
        if market is None or market.derivative != derivative:
            kind, code = ("derivative", 27) if derivative else ("spot", 2)
            raise VenueError(
                code, f"active {kind} market doesn't exist {market_id[:70]}: {kind} market not found"
            )
        return market

    def place(
        self, new: NewOrder, sender: str, signer: str, *, derivative: bool, at_market: bool = False
    ) -> Order:
        """Accept an order: locks its funds and lets it take part in this block's matching.

        Raises:
            VenueError: with the chain's code for what is wrong; nothing has changed then.
        """
        market = self.market(new.market_id, derivative=derivative)
        subaccount = own_subaccount(new.subaccount, sender)
        check(self, new, market, subaccount, at_market=at_market)
        order = self._order(new, market, subaccount, signer)
        self.ledger.hold(subaccount, order.held_denom, order.held)
        self.nonce += 1
        if at_market:
            self.market_orders.append(order)
            self.ledger.undo.append(lambda: self.market_orders.remove(order))
        else:
            self._open(order)
        return order

    def _open(self, order: Order) -> None:
        book = self.books[order.market_id]
        book.add(order)
        self.ledger.undo.append(lambda: book.remove(order))
        if order.cid:
            key = (order.subaccount, order.cid)
            self.by_cid[key] = order
            self.ledger.undo.append(lambda: self.by_cid.__delitem__(key))

    def _order(self, new: NewOrder, market: Market, subaccount: str, signer: str) -> Order:
        buy = new.order_type in BUY_TYPES
        fee = new.price * new.quantity * market.taker_fee
        if market.derivative:
            held, denom = (new.margin + fee if new.margin else ZERO), market.quote.denom
        elif buy:
            held, denom = new.price * new.quantity + fee, market.quote.denom
        else:
            held, denom = new.quantity, market.base.denom
        digest = hashlib.sha256(f"{subaccount}{self.height}.{self.nonce}".encode()).hexdigest()
        return Order(
            hash=f"0x{digest}",
            market_id=market.id,
            subaccount=subaccount,
            signer=signer,
            buy=buy,
            price=new.price,
            quantity=new.quantity,
            fillable=new.quantity,
            order_type=new.order_type,
            cid=new.cid,
            fee_recipient=new.fee_recipient or addresses.owner_of(subaccount),
            margin=new.margin,
            reduce_only=market.derivative and not new.margin,
            held=held,
            held_denom=denom,
            expiration_block=new.expiration_block,
        )

    def cancel(self, market_id: str, subaccount: str, order_hash: str, cid: str) -> Order:
        """Cancel one order, found by hash or by cid.

        Raises:
            VenueError: exchange code 19, no such order of this subaccount.
        """
        book = self.books[market_id]
        order = book.orders.get(order_hash) or self.by_cid.get((subaccount, cid))
        if order is None or order.subaccount != subaccount or order.market_id != market_id:
            raise VenueError(19, f"order {order_hash or cid} doesn't exist: order doesnt exist")
        self._close(order)
        self.events.order(self.markets[market_id], order, "Cancelled")
        return order

    def cancel_all(self, market_id: str, subaccount: str) -> None:
        """Cancel all orders of a subaccount in a market."""
        for order in self.books[market_id].of(subaccount):
            self.cancel(market_id, subaccount, order.hash, "")

    def _close(self, order: Order) -> None:
        book = self.books[order.market_id]
        book.remove(order)
        self.ledger.undo.append(lambda: book.add(order))
        if order.cid:
            self.by_cid.pop((order.subaccount, order.cid), order)
            self.ledger.undo.append(lambda: self.by_cid.__setitem__((order.subaccount, order.cid), order))
        self.ledger.release(order.subaccount, order.held_denom, order.held)

    # ---- fills and positions

    def position(self, subaccount: str, market_id: str) -> Position:
        """Return a position with the funding that it owes or is owed until now; an empty one when flat."""
        held = self.positions.get((subaccount, market_id), Position())
        return with_funding(held, self.funding[market_id].cumulative)

    def set_position(self, subaccount: str, market_id: str, position: Position) -> None:
        """Replace a position; a closed one is forgotten."""
        key, before = (subaccount, market_id), self.positions.get((subaccount, market_id))
        if position.quantity:
            self.positions[key] = position
        else:
            self.positions.pop(key, None)
        self.ledger.undo.append(lambda: self._put_back(key, before))

    def _put_back(self, key: tuple[str, str], before: Position | None) -> None:
        if before is None:
            self.positions.pop(key, None)
        else:
            self.positions[key] = before

    def record(self, market: Market, order: Order, trade: Trade) -> None:
        """Note one side of a fill for the stream and, unless it is of the background, for the history."""
        held = self.positions.get((order.subaccount, market.id))
        self.events.trade(market, trade, held)
        if order.signer:
            self.trades.append(trade)
        self.volumes[market.id].append((trade.price, trade.quantity))
