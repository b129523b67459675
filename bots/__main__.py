"""`python -m bots`: one trading bot.

Exit codes: 0 stopped and clean, 1 orders may be left, 2 will not start.
"""

from __future__ import annotations

import asyncio
import functools
import os
import signal
import sys
from typing import TYPE_CHECKING

from bots import logs
from bots.settings import SettingsError, load_settings
from bots.strategies import market_making

if TYPE_CHECKING:
    from bots.logs import EventLog
    from bots.reference import Source
    from bots.settings import Settings


async def trade(settings: Settings, log: EventLog) -> int:
    """Wire the bot and run it until SIGTERM or SIGINT; returns the exit code."""
    # Imported late: the SDK configures logging when it is imported, and a refusal should not wait for it.
    from bots import injective  # noqa: PLC0415 - see above
    from bots.reference import PaperSource, Reference  # noqa: PLC0415 - see above
    from bots.runner import Bot  # noqa: PLC0415 - see above

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
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
    reference = Reference(source, log)
    strategy = functools.partial(market_making.decide, parameters=settings.trader.parameters)
    try:
        return await Bot(exchange, reference, settings.trader, strategy, log).run(stop)
    finally:
        await reference.close()
        await exchange.close()


def main() -> int:
    """Run the bot; returns the exit code."""
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
    return asyncio.run(trade(settings, log))


if __name__ == "__main__":
    sys.exit(main())
