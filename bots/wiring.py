"""Puts the parts of one bot together and runs them."""

from __future__ import annotations

import asyncio
import itertools
import os
import signal
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from bots import cid, logs
from bots.bookkeeper import Bookkeeper
from bots.desk import Parts
from bots.feed import Feed
from bots.halts import Halts
from bots.lease import Lease
from bots.ledger import Identity, Ledger, SpoolError
from bots.metrics import Metrics
from bots.quoter import Quoter
from bots.settings import SettingsError, load_settings
from bots.signing import WalletTurn
from bots.state import BotState, State

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bots.injective import Injective
    from bots.logs import EventLog
    from bots.reference import Reference, Source
    from bots.settings import Settings

__all__ = ["assemble", "run"]


def run(asked: Sequence[int]) -> int:
    """Run the bot that the environment describes; returns the exit code.

    `asked` holds the stop signals that came so far, and grows until the event loop takes them itself. A bot
    that was asked before it could trade still takes out what a predecessor may have left in the book.
    """
    try:
        settings = load_settings(os.environ)
        log = logs.configure(
            settings.bot_id,
            settings.log_level,
            settings.log_folder,
            settings.market.name,
            settings.market.type,
        )
        log.info(
            "start",
            network=settings.network,
            market=settings.market.name,
            address=settings.keys.address,
            account=settings.keys.account,
            subaccount=settings.keys.subaccount,
            key_version=settings.keys.key_version,
            strategy=settings.trader.strategy,
        )
        return asyncio.run(_trade(settings, log, asked))
    except (SettingsError, SpoolError) as error:
        sys.stderr.write(f"bot: {error}\n")
        return 2


async def _trade(settings: Settings, log: EventLog, asked: Sequence[int]) -> int:
    # Imported late: the SDK configures logging when it is imported, and a refusal should not wait for it.
    from bots.monitor import serve  # noqa: PLC0415 - see above
    from bots.runner import Bot  # noqa: PLC0415 - see above

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if asked:
        log.info("stop_requested_early")
        stop.set()
    state = State(settings.redis)
    exchange, reference = _exchange(settings, state), _reference(settings, log)
    parts = assemble(settings, state, exchange, reference, log)
    bot = Bot(parts)
    parts.metrics.watch(bot.reporter.readings)
    close = await serve(settings.metrics_host, settings.metrics_port, parts.metrics, bot.reporter.health)
    try:
        return await bot.run(stop)
    finally:
        await close()
        await reference.close()
        await exchange.close()
        state.close()


def _exchange(settings: Settings, state: State) -> Injective:
    from bots import injective  # noqa: PLC0415 - see _trade

    keys = settings.keys
    return injective.Injective(
        injective.network_for(settings.network, settings.paper),
        settings.market_id,
        keys.key,
        keys.address,
        derivative=settings.derivative,
        turn=WalletTurn(state, settings.wallet, keys.address),
        granter=keys.granter,
        subaccount=keys.subaccount,
    )


def _reference(settings: Settings, log: EventLog) -> Reference:
    from bots import injective  # noqa: PLC0415 - see _trade
    from bots.reference import PaperSource, Reference  # noqa: PLC0415 - see _trade

    if settings.paper is not None:
        source: Source = PaperSource(settings.paper.http, settings.market_id)
    else:
        mainnet = injective.network_for("mainnet", None)
        market_id = settings.market.market_ids["mainnet"]
        source = injective.MarketData(mainnet, market_id, derivative=settings.derivative)
    return Reference(source, log, settings.trader.history)


def assemble(
    settings: Settings, state: State, exchange: Injective, reference: Reference, log: EventLog
) -> Parts:
    """Return the parts of a bot on these connections."""
    bot_id, trader = settings.bot_id, settings.trader
    lease, numbers = Lease(state, bot_id, settings.network), itertools.count(1)
    who = Identity(bot_id, settings.market.name, settings.network, exchange.subaccount)
    ledger = Ledger(settings.ledger, settings.spool, who, log)
    metrics, bot_state = Metrics(), BotState(state, bot_id)
    books = Bookkeeper(ledger, log, metrics)
    quoter = Quoter(reference, trader, log, lambda: cid.make(lease.fence, next(numbers), bot_id))
    return Parts(
        bot_id=bot_id,
        symbol=settings.market.name,
        derivative=settings.derivative,
        key_version=settings.keys.key_version,
        config=trader,
        exchange=exchange,
        reference=reference,
        quoter=quoter,
        lease=lease,
        state=bot_state,
        ledger=ledger,
        books=books,
        halts=Halts(bot_state, ledger, trader.risk, log),
        feed=Feed(exchange, books.on_block, log, metrics),
        metrics=metrics,
        log=log,
        started=datetime.now(UTC),
    )
