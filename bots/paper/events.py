"""What one block's stream message says, collected while the block is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bots.paper.positions import Position
from bots.paper.proto import exchange_pb2, stream_query
from bots.paper.units import to_wire

if TYPE_CHECKING:
    from decimal import Decimal

    from bots.paper.markets import Market
    from bots.paper.orders import Book, Order
    from bots.paper.settlement import Trade

__all__ = ["BlockEvents", "level", "position_message"]


class BlockEvents:
    """Fills one `injective.stream.v2.StreamResponse` per block."""

    def __init__(self) -> None:
        self.message = stream_query.StreamResponse()

    def take(self) -> Any:
        """Return the finished message and begin the next one."""
        done, self.message = self.message, stream_query.StreamResponse()
        return done

    def checkpoint(self) -> Any:
        """Return a copy of what has been collected, for `restore`."""
        copy = stream_query.StreamResponse()
        copy.CopyFrom(self.message)
        return copy

    def restore(self, copy: Any) -> None:
        """Forget what was collected after `checkpoint`."""
        self.message = copy

    def order(self, market: Market, order: Order, status: str) -> None:
        """Note that an order is now Booked, Matched or Cancelled."""
        updates = self.message.derivative_orders if market.derivative else self.message.spot_orders
        update = updates.add(
            status=stream_query.OrderUpdateStatus.Value(status), order_hash=order.hash, cid=order.cid
        )
        update.order.market_id = market.id
        inner = update.order.order
        info = inner.order_info
        info.subaccount_id, info.fee_recipient, info.cid = order.subaccount, order.fee_recipient, order.cid
        info.price, info.quantity = to_wire(order.price), to_wire(order.quantity)
        inner.order_type, inner.fillable = order.order_type, to_wire(order.fillable)
        inner.order_hash = bytes.fromhex(order.hash[2:])
        if market.derivative:
            inner.margin = to_wire(order.margin)

    def trade(self, market: Market, trade: Trade, position: Position | None) -> None:
        """Note one side of a fill, and the position that it left."""
        common = {
            "market_id": market.id,
            "is_buy": trade.buy,
            "subaccount_id": trade.subaccount,
            "fee": to_wire(trade.fee),
            "executionType": trade.execution,
            "order_hash": trade.order_hash,
            "fee_recipient_address": trade.fee_recipient,
            "cid": trade.cid,
            "trade_id": trade.trade_id,
        }
        if not market.derivative:
            self.message.spot_trades.add(
                price=to_wire(trade.price),
                quantity=to_wire(trade.quantity),
                notional=to_wire(trade.price * trade.quantity),
                **common,
            )
            return
        added = self.message.derivative_trades.add(payout=to_wire(trade.payout), **common)
        delta = added.position_delta
        delta.is_long, delta.execution_quantity = trade.buy, to_wire(trade.quantity)
        delta.execution_price, delta.execution_margin = to_wire(trade.price), to_wire(trade.margin)
        self.position(market, trade.subaccount, position or Position())

    def position(self, market: Market, subaccount: str, position: Position) -> None:
        """Note what a position is now."""
        message = position_message(position, stream_query.Position)
        message.market_id, message.subaccount_id = market.id, subaccount
        self.message.positions.append(message)

    def funding(self, market_id: str, state: Any, paid: Decimal | None, mark: Decimal) -> None:
        """Note the funding of a market after trades, or after a payment."""
        update = self.message.market_funding_updates.add(
            market_id=market_id, is_hourly_funding=paid is not None
        )
        update.funding.CopyFrom(state)
        update.mark_price = to_wire(mark)
        if paid is not None:
            update.funding_payment = to_wire(paid)

    def failure(self, account: str, cid: str, code: int) -> None:
        """Note an order of a batch that was refused."""
        self.message.order_failures.add(account=account, cid=cid, error_code=code)

    def book(self, market: Market, book: Book) -> None:
        """Note the changed levels of a book, with their absolute quantities; 0 removes one."""
        if not book.changed:
            return
        book.sequence += 1
        updates = (
            self.message.derivative_orderbook_updates
            if market.derivative
            else self.message.spot_orderbook_updates
        )
        update = updates.add(seq=book.sequence)
        update.orderbook.market_id = market.id
        for buy, price in sorted(book.changed, reverse=True):
            side = update.orderbook.buy_levels if buy else update.orderbook.sell_levels
            side.append(level(price, book.levels[buy].get(price, price - price)))
        book.changed.clear()


def level(price: Decimal, quantity: Decimal) -> Any:
    """Return a price level as the chain writes it."""
    return exchange_pb2.Level(p=to_wire(price), q=to_wire(quantity))


def position_message(position: Position, kind: Any = exchange_pb2.Position) -> Any:
    """Return a position as the chain writes it."""
    return kind(
        isLong=position.quantity > 0,
        quantity=to_wire(abs(position.quantity)),
        entry_price=to_wire(position.entry_price),
        margin=to_wire(position.margin),
        cumulative_funding_entry=to_wire(position.funding_entry),
    )
