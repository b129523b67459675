"""Puts the parts of one bot together and runs them."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from typing import TYPE_CHECKING

from bots import logs
from bots.quoter import Quoter
from bots.settings import SettingsError, load_settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bots.logs import EventLog
    from bots.reference import Source
    from bots.settings import Settings

__all__ = ["run"]


def run(asked: Sequence[int]) -> int:
    """Run the bot that the environment describes; returns the exit code.

    `asked` holds the stop signals that came so far, and grows until the event loop takes them itself. A bot
    that was asked before it could trade still takes out what a predecessor may have left in the book.
    """
    try:
        settings = load_settings(os.environ)
    except SettingsError as error:
        sys.stderr.write(f"bot: {error}\n")
        return 2
    log = logs.configure(settings.bot_id, settings.log_level)
    log.info(
        "start",
        network=settings.network,
        market=settings.market.name,
        address=settings.address,
        key_version=settings.key_version,
        strategy=settings.trader.strategy,
    )
    return asyncio.run(_trade(settings, log, asked))


async def _trade(settings: Settings, log: EventLog, asked: Sequence[int]) -> int:
    # Imported late: the SDK configures logging when it is imported, and a refusal should not wait for it.
    from bots import injective  # noqa: PLC0415 - see above
    from bots.reference import PaperSource, Reference  # noqa: PLC0415 - see above
    from bots.runner import Bot  # noqa: PLC0415 - see above

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if asked:
        log.info("stop_requested_early")
        stop.set()
    network = injective.network_for(settings.network, settings.paper)
    exchange = injective.Injective(
        network, settings.market_id, settings.key, settings.address, derivative=settings.derivative
    )
    if settings.paper is not None:
        source: Source = PaperSource(settings.paper.http, settings.market_id)
    else:
        mainnet = injective.network_for("mainnet", None)
        source = injective.MarketData(
            mainnet, settings.market.market_ids["mainnet"], derivative=settings.derivative
        )
    reference = Reference(source, log, settings.trader.history)
    quoter = Quoter(reference, settings.trader, log)
    try:
        return await Bot(exchange, reference, quoter, log).run(stop)
    finally:
        await reference.close()
        await exchange.close()
