"""The words of the domain: bot ids, specs and what the page shows of a bot. Frozen, no I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from api.errors_choice import InvalidBotIdError

if TYPE_CHECKING:
    from datetime import datetime

__all__ = ["SLUG", "Bot", "BotId", "BotSpec", "BotType", "Definition", "Market", "Network", "Phase", "Wallet"]

SLUG = re.compile(r"[a-z][a-z0-9-]{0,30}", re.ASCII)
"""One part of a bot id, matched whole: so a dot separates the parts without doubt."""


class BotType(StrEnum):
    """What a bot trades."""

    SPOT = "spot"
    DERIVATIVE = "derivative"


class Network(StrEnum):
    """Where a bot trades."""

    PAPER = "paper"
    TESTNET = "testnet"
    MAINNET = "mainnet"


class Phase(StrEnum):
    """Nomad's view of a bot, in one word."""

    PENDING = "pending"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    STOPPED = "stopped"
    CRASHED = "crashed"
    FAILED = "failed"


@dataclass(frozen=True, order=True)
class BotId:
    """`<wallet>.<market>.<type>`: the Nomad job id, `BOT_ID` and the URL; built and parsed only here."""

    wallet: str
    market: str
    type: BotType

    def __post_init__(self) -> None:
        for part in (self.wallet, self.market):
            if not SLUG.fullmatch(part):
                raise InvalidBotIdError(f"{self.wallet}.{self.market}.{self.type}")

    def __str__(self) -> str:
        return f"{self.wallet}.{self.market}.{self.type.value}"

    @classmethod
    def parse(cls, text: str) -> BotId:
        """Read an id back.

        Raises:
            InvalidBotIdError: the text is not `<wallet>.<market>.<type>`.
        """
        parts = text.split(".")
        if len(parts) != 3 or parts[2] not in set(BotType):  # noqa: PLR2004 - three parts, as the docstring says
            raise InvalidBotIdError(text)
        return cls(parts[0], parts[1], BotType(parts[2]))


@dataclass(frozen=True)
class BotSpec:
    """What a person decided about a bot: all that reaches the job template from a request."""

    id: BotId
    network: Network


@dataclass(frozen=True)
class Definition:
    """A bot as Postgres keeps it: what people decided."""

    spec: BotSpec
    desired: str
    """running or stopped; Nomad tells what is."""
    version: int


@dataclass(frozen=True)
class Bot:
    """A bot as the API and the page show it."""

    id: BotId
    network: Network
    phase: Phase
    reason: str
    """Why it is in this phase, in words; empty when there is nothing to explain."""
    allocation_id: str | None
    started_at: datetime | None
    """Aware UTC; when the running task started."""
    restarts: int


@dataclass(frozen=True)
class Wallet:
    """What may be shown of a wallet: Vault metadata, never a key."""

    name: str
    address: str
    """Bech32 `inj1…` of the key."""
    account: str
    """Bech32 address whose money the key trades; equal to `address` for an owner key."""
    network: str
    label: str
    key_version: int


@dataclass(frozen=True)
class Market:
    """One entry of config/markets_config.json."""

    name: str
    ticker: str
    type: BotType
    market_ids: dict[Network, str]
    """The chain's market id (0x + 64 hex digits) on each network that lists it."""
