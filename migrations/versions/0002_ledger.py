"""The bots' ledger: orders, fills, how far it is complete, and what each trading day began with."""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"

_STATEMENTS = (
    # order_id is the cid, or the chain's hash of an order that has none. side, qty and price are unknown
    # (null) while only a later word on the order has come; status only moves forward
    """
    CREATE TABLE orders (
        id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        order_id   text NOT NULL UNIQUE CHECK (order_id <> ''),
        bot_id     text NOT NULL,
        symbol     text NOT NULL,
        status     text NOT NULL CHECK (status IN
                   ('sent', 'booked', 'partially_filled', 'filled', 'cancelled', 'rejected', 'expired')),
        side       text CHECK (side IN ('buy', 'sell')),
        qty        numeric CHECK (qty > 0),
        price      numeric CHECK (price > 0),
        created_at timestamptz NOT NULL,
        order_hash text,
        tx_hash    text,
        fence      bigint,
        network    text NOT NULL CHECK (network IN ('paper', 'testnet', 'mainnet')),
        account    text NOT NULL,
        filled_qty numeric NOT NULL DEFAULT 0 CHECK (filled_qty >= 0),
        reason     text NOT NULL DEFAULT '',
        updated_at timestamptz NOT NULL
    )
    """,
    "CREATE INDEX orders_bot_created ON orders (bot_id, created_at)",
    """
    CREATE INDEX orders_unfinished ON orders (bot_id)
        WHERE status IN ('sent', 'booked', 'partially_filled')
    """,
    # Unique per venue trade, but not by its id: the chain's stream and its indexer name one trade
    # differently, and a paper venue that was purged gives its ids again. Order, block and quantity are what
    # both say alike; nth numbers the trades in which all three are the same
    """
    CREATE TABLE fills (
        id         bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        order_id   text NOT NULL REFERENCES orders (order_id),
        bot_id     text NOT NULL,
        symbol     text NOT NULL,
        side       text NOT NULL CHECK (side IN ('buy', 'sell')),
        qty_filled numeric NOT NULL CHECK (qty_filled >= 0),
        fill_price numeric NOT NULL CHECK (fill_price >= 0),
        commission numeric NOT NULL,
        filled_at  timestamptz NOT NULL,
        trade_id   text NOT NULL CHECK (trade_id <> ''),
        height     bigint NOT NULL,
        nth        integer NOT NULL CHECK (nth >= 0),
        network    text NOT NULL,
        account    text NOT NULL,
        CONSTRAINT fills_once UNIQUE (order_id, height, qty_filled, nth, network, account)
    )
    """,
    "CREATE INDEX fills_bot_filled ON fills (bot_id, filled_at, id)",
    # all fills of the bot's account in its market before this moment are in the ledger
    """
    CREATE TABLE ledger_cursors (
        bot_id         text NOT NULL,
        network        text NOT NULL,
        account        text NOT NULL,
        complete_until timestamptz NOT NULL,
        PRIMARY KEY (bot_id, network, account)
    )
    """,
    # realised plus unrealised profit with which a UTC day began, or from which an operator let it count anew
    """
    CREATE TABLE trading_days (
        bot_id      text NOT NULL,
        network     text NOT NULL,
        account     text NOT NULL,
        day         date NOT NULL,
        opening_pnl numeric NOT NULL,
        opened_at   timestamptz NOT NULL,
        PRIMARY KEY (bot_id, network, account, day)
    )
    """,
)


def upgrade() -> None:
    """Make the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)
