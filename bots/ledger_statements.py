"""The ledger's SQL. Every value is a parameter."""

from __future__ import annotations

__all__ = ["BY_KIND", "COUNT_FILLS", "CURSOR", "DAY", "FOLD", "OVERFILLED", "SEEN", "UNFINISHED"]

_SENT = """
INSERT INTO orders (order_id, bot_id, symbol, network, account, status, side, qty, price, tx_hash, fence,
                    created_at, updated_at)
VALUES (%(order_id)s, %(bot_id)s, %(symbol)s, %(network)s, %(account)s, 'sent', %(side)s, %(qty)s, %(price)s,
        %(tx_hash)s, %(fence)s, %(at)s, %(at)s)
ON CONFLICT (order_id) DO UPDATE
SET side = EXCLUDED.side, qty = EXCLUDED.qty, price = EXCLUDED.price, fence = EXCLUDED.fence,
    tx_hash = coalesce(EXCLUDED.tx_hash, orders.tx_hash),
    created_at = least(orders.created_at, EXCLUDED.created_at)
WHERE orders.bot_id = EXCLUDED.bot_id
"""
_UPDATE = """
INSERT INTO orders (order_id, bot_id, symbol, network, account, status, order_hash, filled_qty, reason,
                    created_at, updated_at)
VALUES (%(order_id)s, %(bot_id)s, %(symbol)s, %(network)s, %(account)s, %(status)s, %(order_hash)s,
        %(filled_qty)s, %(reason)s, %(at)s, %(at)s)
ON CONFLICT (order_id) DO UPDATE
SET status = CASE
        WHEN array_position(ARRAY['sent', 'booked', 'partially_filled'], orders.status)
           < coalesce(array_position(ARRAY['sent', 'booked', 'partially_filled'], EXCLUDED.status), 9)
        THEN EXCLUDED.status ELSE orders.status END,
    order_hash = coalesce(orders.order_hash, EXCLUDED.order_hash),
    filled_qty = greatest(orders.filled_qty, EXCLUDED.filled_qty),
    reason = CASE WHEN EXCLUDED.reason = '' THEN orders.reason ELSE EXCLUDED.reason END,
    updated_at = greatest(orders.updated_at, EXCLUDED.updated_at)
WHERE orders.bot_id = EXCLUDED.bot_id
"""
_ORDER_OF_FILL = """
INSERT INTO orders (order_id, bot_id, symbol, network, account, status, side, order_hash, created_at,
                    updated_at)
VALUES (%(order_id)s, %(bot_id)s, %(symbol)s, %(network)s, %(account)s, 'partially_filled', %(side)s,
        %(order_hash)s, %(at)s, %(at)s)
ON CONFLICT (order_id) DO NOTHING
"""
_FILL = """
INSERT INTO fills (order_id, bot_id, symbol, network, account, trade_id, height, nth, side, qty_filled,
                   fill_price, commission, filled_at)
VALUES (%(order_id)s, %(bot_id)s, %(symbol)s, %(network)s, %(account)s, %(trade_id)s, %(height)s, %(nth)s,
        %(side)s, %(qty)s, %(price)s, %(commission)s, %(at)s)
ON CONFLICT ON CONSTRAINT fills_once DO NOTHING
"""
_ADVANCE = """
INSERT INTO ledger_cursors (bot_id, network, account, complete_until)
VALUES (%(bot_id)s, %(network)s, %(account)s, %(until)s)
ON CONFLICT (bot_id, network, account) DO UPDATE
SET complete_until = greatest(ledger_cursors.complete_until, EXCLUDED.complete_until)
"""
_OPEN_DAY = """
INSERT INTO trading_days (bot_id, network, account, day, opening_pnl, opened_at)
VALUES (%(bot_id)s, %(network)s, %(account)s, %(day)s, %(opening_pnl)s, %(at)s)
ON CONFLICT (bot_id, network, account, day)"""

BY_KIND = {
    "sent": (_SENT,),
    "fill": (_ORDER_OF_FILL, _FILL),
    "update": (_UPDATE,),
    "day": (_OPEN_DAY + " DO NOTHING",),
    "day_anew": (
        _OPEN_DAY + " DO UPDATE SET opening_pnl = EXCLUDED.opening_pnl, opened_at = EXCLUDED.opened_at",
    ),
    "cursor": (_ADVANCE,),
}
"""Statements by kind of record, in the order in which a batch is written."""

COUNT_FILLS = """
UPDATE orders SET
    filled_qty = greatest(orders.filled_qty, counted.qty),
    status = CASE
        WHEN counted.qty >= orders.qty THEN 'filled'
        WHEN orders.status IN ('filled', 'cancelled') THEN orders.status
        ELSE 'partially_filled' END,
    updated_at = greatest(orders.updated_at, counted.at)
FROM (SELECT order_id, sum(qty_filled) AS qty, max(filled_at) AS at FROM fills
      WHERE order_id = ANY(%(orders)s) AND bot_id = %(bot_id)s GROUP BY order_id) AS counted
WHERE orders.order_id = counted.order_id AND orders.bot_id = %(bot_id)s
"""
"""A fill is proof: what was thought expired or rejected was not."""
OVERFILLED = "SELECT order_id FROM orders WHERE order_id = ANY(%(orders)s) AND filled_qty > qty"

_MINE = "bot_id = %(bot_id)s AND network = %(network)s AND account = %(account)s"
CURSOR = f"SELECT complete_until FROM ledger_cursors WHERE {_MINE}"  # noqa: S608 - constants
SEEN = f"""
SELECT * FROM (
    SELECT order_id, height, qty_filled, nth, trade_id, filled_at FROM fills
    WHERE {_MINE} AND filled_at >= coalesce(
        (SELECT complete_until - %(overlap)s FROM ledger_cursors WHERE {_MINE}), '-infinity')
    ORDER BY filled_at DESC, id DESC LIMIT 5000
) AS newest ORDER BY filled_at
"""  # noqa: S608 - constants
DAY = f"SELECT day, opening_pnl FROM trading_days WHERE {_MINE} AND day = %(today)s"  # noqa: S608 - constants
UNFINISHED = f"""
SELECT order_id, order_hash, tx_hash, status, side, price, qty, filled_qty, created_at FROM orders
WHERE {_MINE} AND status IN ('sent', 'booked', 'partially_filled') ORDER BY id DESC LIMIT 1000
"""  # noqa: S608 - constants
FOLD = f"""
SELECT side, fill_price, qty_filled, commission, filled_at FROM fills
WHERE {_MINE} ORDER BY filled_at, id
"""  # noqa: S608 - constants
