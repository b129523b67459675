"""/api/v1: translate, call, return."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query, Response
from starlette.responses import PlainTextResponse

from api.access import SignedIn  # noqa: TC001 - FastAPI reads the annotations when it builds the routes
from api.models import BotId
from api.services import Services, services
from api.wire import (
    BotOut,
    BotRequest,
    BotsOut,
    MarketOut,
    MarketsOut,
    PlanOut,
    PlanRequest,
    StartRequest,
    WalletOut,
    WalletsOut,
)

__all__ = ["router"]

router = APIRouter(prefix="/api/v1", tags=["v1"])

Given = Annotated[Services, Depends(services)]


def _location(response: Response, bot_id: str) -> None:
    response.headers["Location"] = (
        f"/api/v1/bots/{bot_id}"  # a parsed id: no character that could end a header
    )


@router.get("/bots", summary="All bots, as Nomad sees them")
async def list_bots(given: Given, _actor: SignedIn) -> BotsOut:
    bots = [BotOut.of(bot) for bot in given.roster.bots()]
    return BotsOut(bots=bots, fresh=given.board.connected)


@router.post("/bots", status_code=202, summary="Define a bot, if it is not yet, and start it")
async def create_bot(body: BotRequest, response: Response, given: Given, actor: SignedIn) -> BotOut:
    bot = await given.fleet.create(
        actor,
        wallet=body.wallet,
        market=body.market,
        kind=body.type,
        network=body.network,
        confirmed=body.confirm_mainnet,
    )
    _location(response, str(bot.id))
    return BotOut.of(bot)


@router.post("/bots/plan", summary="What a start would do; nothing is submitted")
async def plan_bot(body: PlanRequest, given: Given, _actor: SignedIn) -> PlanOut:
    plan = await given.fleet.plan(
        wallet=body.wallet, market=body.market, kind=body.type, network=body.network
    )
    return PlanOut.of(plan)


@router.get("/bots/{bot_id}", summary="One bot")
async def get_bot(bot_id: str, given: Given, _actor: SignedIn) -> BotOut:
    return BotOut.of(given.roster.bot(BotId.parse(bot_id)))


@router.delete(
    "/bots/{bot_id}", status_code=204, summary="Forget a stopped bot's definition (409 while it runs)"
)
async def delete_bot(bot_id: str, given: Given, actor: SignedIn) -> None:
    await given.fleet.delete(actor, BotId.parse(bot_id))


@router.post("/bots/{bot_id}/start", status_code=202, summary="Start a stopped bot again as it was defined")
async def start_bot(
    bot_id: str, response: Response, given: Given, actor: SignedIn, body: StartRequest | None = None
) -> BotOut:
    confirmed = body is not None and body.confirm_mainnet
    bot = await given.fleet.start(actor, BotId.parse(bot_id), confirmed=confirmed)
    _location(response, str(bot.id))
    return BotOut.of(bot)


@router.post(
    "/bots/{bot_id}/stop", status_code=202, summary="Stop a bot; it cancels its orders and stays down"
)
async def stop_bot(bot_id: str, response: Response, given: Given, actor: SignedIn) -> BotOut:
    bot = await given.fleet.stop(actor, BotId.parse(bot_id))
    _location(response, str(bot.id))
    return BotOut.of(bot)


@router.post(
    "/bots/{bot_id}/restart", status_code=202, summary="Replace a running bot's process (409 when stopped)"
)
async def restart_bot(bot_id: str, response: Response, given: Given, actor: SignedIn) -> BotOut:
    bot = await given.fleet.restart(actor, BotId.parse(bot_id))
    _location(response, str(bot.id))
    return BotOut.of(bot)


@router.get(
    "/bots/{bot_id}/logs", response_class=PlainTextResponse, summary="The newest lines of a bot's log"
)
async def bot_logs(
    bot_id: str,
    given: Given,
    _actor: SignedIn,
    stream: Literal["stdout", "stderr"] = "stdout",
    tail: Annotated[int, Query(ge=1, le=2000)] = 200,
) -> PlainTextResponse:
    return PlainTextResponse(await given.fleet.logs(BotId.parse(bot_id), stream, tail))


@router.get("/wallets", summary="All wallets; never a key")
async def list_wallets(given: Given, _actor: SignedIn) -> WalletsOut:
    return WalletsOut(wallets=[WalletOut.of(wallet) for wallet in await given.catalog.wallets()])


@router.get("/markets", summary="All markets")
async def list_markets(given: Given, _actor: SignedIn) -> MarketsOut:
    return MarketsOut(markets=[MarketOut.of(market) for market in given.catalog.markets.values()])
