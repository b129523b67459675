"""Bot definitions, their versions, and the audit log."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None

_STATEMENTS = (
    # what people decided about each bot; Nomad is the truth about what runs
    """
    CREATE TABLE bots (
        id            text PRIMARY KEY,
        wallet        text NOT NULL,
        market        text NOT NULL,
        type          text NOT NULL CHECK (type IN ('spot', 'derivative')),
        network       text NOT NULL CHECK (network IN ('paper', 'testnet', 'mainnet')),
        desired_state text NOT NULL CHECK (desired_state IN ('running', 'stopped', 'deleted')),
        version       integer NOT NULL,
        created_at    timestamptz NOT NULL DEFAULT now(),
        updated_at    timestamptz NOT NULL DEFAULT now()
    )
    """,
    # every version ever started, with the job as it was rendered
    """
    CREATE TABLE bot_versions (
        bot_id        text NOT NULL REFERENCES bots (id),
        version       integer NOT NULL,
        spec          jsonb NOT NULL,
        template_hash text NOT NULL,
        image         text NOT NULL,
        hcl           text NOT NULL,
        who           text NOT NULL,
        at            timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (bot_id, version)
    )
    """,
    # who did what from where, and how it ended; bot_id has no foreign key: refused ids are audited too
    """
    CREATE TABLE audit (
        id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        at        timestamptz NOT NULL DEFAULT now(),
        who       text NOT NULL,
        from_addr text NOT NULL,
        action    text NOT NULL,
        bot_id    text,
        detail    jsonb NOT NULL DEFAULT '{}',
        result    text NOT NULL
    )
    """,
    "CREATE INDEX audit_bot_at ON audit (bot_id, at)",
    "CREATE INDEX audit_at ON audit (at)",
)


def upgrade() -> None:
    """Make the tables."""
    for statement in _STATEMENTS:
        op.execute(statement)
