"""The JSON of the REST API: what comes in and what goes out."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

if TYPE_CHECKING:
    from api.fleet import Plan
    from api.models import Bot, Market, Wallet

__all__ = [
    "BotOut",
    "BotRequest",
    "BotsOut",
    "MarketOut",
    "MarketsOut",
    "PlanOut",
    "PlanRequest",
    "StartRequest",
    "WalletOut",
    "WalletsOut",
]

_Word = Annotated[str, StringConstraints(max_length=80)]


class _In(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class PlanRequest(_In):
    """Which bot."""

    wallet: _Word = Field(examples=["wallet-1"])
    market: _Word = Field(examples=["inj-usdt"])
    type: _Word = Field(examples=["spot"], description="spot or derivative: the market's type")
    network: _Word | None = Field(None, examples=["paper"], description="paper (default), testnet or mainnet")


class BotRequest(PlanRequest):
    """Which bot to start."""

    confirm_mainnet: bool = Field(default=False, description="Must be true to start on mainnet.")


class StartRequest(_In):
    """How to start a defined bot."""

    confirm_mainnet: bool = Field(default=False, description="Must be true to start on mainnet.")


class BotOut(BaseModel):
    """A bot."""

    id: str
    wallet: str
    market: str
    type: str
    network: str
    phase: str = Field(description="pending, starting, running, stopping, stopped, crashed or failed")
    reason: str = Field(description="Why it is in this phase; empty when there is nothing to explain.")
    allocation_id: str | None
    started_at: datetime | None = Field(description="When the running task started (UTC).")
    restarts: int = Field(description="How often Nomad restarted it since it was last started.")

    @classmethod
    def of(cls, bot: Bot) -> BotOut:
        """Translate."""
        return cls(
            id=str(bot.id),
            wallet=bot.id.wallet,
            market=bot.id.market,
            type=bot.id.type.value,
            network=bot.network.value,
            phase=bot.phase.value,
            reason=bot.reason,
            allocation_id=bot.allocation_id,
            started_at=bot.started_at,
            restarts=bot.restarts,
        )


class BotsOut(BaseModel):
    """All bots."""

    bots: list[BotOut]
    fresh: bool = Field(
        description="False while Nomad's event stream is away: then this is the last known state."
    )


class WalletOut(BaseModel):
    """A wallet, without its key."""

    name: str
    address: str
    account: str
    network: str
    label: str
    key_version: int

    @classmethod
    def of(cls, wallet: Wallet) -> WalletOut:
        """Translate."""
        return cls(**vars(wallet))


class WalletsOut(BaseModel):
    """All wallets."""

    wallets: list[WalletOut]


class MarketOut(BaseModel):
    """A market."""

    name: str
    ticker: str
    type: str
    networks: list[str]

    @classmethod
    def of(cls, market: Market) -> MarketOut:
        """Translate."""
        networks = [network.value for network in market.market_ids]
        return cls(name=market.name, ticker=market.ticker, type=market.type.value, networks=networks)


class MarketsOut(BaseModel):
    """All markets."""

    markets: list[MarketOut]


class PlanOut(BaseModel):
    """What a start would do."""

    id: str
    hcl: str = Field(description="The job as it would be registered.")
    diff: dict[str, Any] = Field(description="Nomad's diff against what it has now.")
    warnings: str
    placement_failures: dict[str, Any] = Field(
        description="Why Nomad would find no room; empty when it would."
    )

    @classmethod
    def of(cls, plan: Plan) -> PlanOut:
        """Translate."""
        return cls(
            id=str(plan.bot),
            hcl=plan.hcl,
            diff=plan.diff,
            warnings=plan.warnings,
            placement_failures=plan.placement,
        )
