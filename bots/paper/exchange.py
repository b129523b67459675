"""The exchange module: takes orders, locks funds, matches at the end of a block, moves the money."""

from __future__ import annotations

import hashlib
from collections import deque
from typing import TYPE_CHECKING

from bots import addresses
from bots.paper import settlement
from bots.paper.errors import VenueError
from bots.paper.ledger import Ledger
from bots.paper.matching import auction, buy_rank, sell_rank, sweep
from bots.paper.order_rules import BUY_TYPES, check, own_subaccount
from bots.paper.orders import Book, Order
from bots.paper.units import ZERO

if TYPE_CHECKING:
    from decimal import Decimal

    from bots.paper.events import BlockEvents
    from bots.paper.markets import Market
    from bots.paper.order_rules import NewOrder
    from bots.paper.positions import Position
    from bots.paper.settlement import Trade

__all__ = ["Exchange"]

_KEPT_TRADES = 5000


class Exchange:
    """State of all markets. `events` collects what the block's stream message will say."""

    def __init__(self, markets: dict[str, Market], events: BlockEvents) -> None:
        self.markets = markets
        self.events = events
        self.ledger = Ledger()
        self.books = {market_id: Book() for market_id in markets}
        self.positions: dict[tuple[str, str], Position] = {}
        self.by_cid: dict[tuple[str, str], Order] = {}
        self.market_orders: list[Order] = []
        self.trades: deque[Trade] = deque(maxlen=_KEPT_TRADES)
        self.nonce = 0
        self.height = 0

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

    # ---- end of a block

    def end_block(self, height: int) -> None:
        """Match what arrived in this block, let the rest stay in the book, write down the changes."""
        self.height = height
        self._run_market_orders()
        for market in self.markets.values():
            self._expire(market)
            self._auction(market)
            self._rest(market)
            self.events.book(market, self.books[market.id])
        self.ledger.undo.clear()

    def _run_market_orders(self) -> None:
        orders, self.market_orders = self.market_orders, []
        for order in orders:
            market, book = self.markets[order.market_id], self.books[order.market_id]
            makers = sorted(
                book.side(buy=not order.buy, resting=True), key=sell_rank if order.buy else buy_rank
            )
            for maker, quantity in sweep(order, makers):
                self._fill(market, order, quantity, maker.price, maker=False)
                self._fill(market, maker, quantity, maker.price, maker=True)
            self.ledger.release(order.subaccount, order.held_denom, order.held)
            if order.fillable:
                self.events.order(market, order, "Cancelled")

    def _expire(self, market: Market) -> None:
        for order in list(self.books[market.id].orders.values()):
            if 0 < order.expiration_block <= self.height:
                self.cancel(market.id, order.subaccount, order.hash, "")

    def _auction(self, market: Market) -> None:
        book = self.books[market.id]
        result = auction(
            sorted(book.side(buy=True), key=buy_rank), sorted(book.side(buy=False), key=sell_rank), book.mid
        )
        if result is None:
            return
        for order, quantity in result.fills:
            self._fill(market, order, quantity, result.price, maker=order.resting)

    def _fill(self, market: Market, order: Order, quantity: Decimal, price: Decimal, *, maker: bool) -> None:
        trade = settlement.settle(self, market, order, quantity, price, maker=maker)
        self.books[market.id].fill(order, quantity)
        self.events.trade(market, trade, self.positions.get((order.subaccount, market.id)))
        if order.signer:
            self.trades.append(trade)
        if not order.fillable:
            self.by_cid.pop((order.subaccount, order.cid), order)
            self.events.order(market, order, "Matched")

    def _rest(self, market: Market) -> None:
        book = self.books[market.id]
        for order in list(book.orders.values()):
            if not order.resting:
                book.rest(order)
                self.events.order(market, order, "Booked")
