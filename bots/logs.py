"""One JSON line per event: on stdout, and in the wallet's log volume."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from bots.log_files import FileHandler
from bots.secret import mask

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

__all__ = ["EventLog", "configure"]

_LIBRARIES = ("pyinjective", "asyncio", "aiohttp", "grpc", "urllib3", "web3")
_DECISIONS = frozenset({"decision", "order_placed", "order_cancelled", "fill", "halted"})
"""Events of `enhanced_trading.log`."""


class _JsonFormatter(logging.Formatter):
    def __init__(self, bot_id: str) -> None:
        super().__init__()
        self._bot_id = bot_id

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "ts": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "bot": self._bot_id,
            "event": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            # The text of a foreign exception may quote a request; its type and place do not.
            line["error"] = type(record.exc_info[1]).__name__
        return mask(json.dumps(line, default=_plain))


def _plain(value: Any) -> str:
    return f"{value.normalize():f}" if isinstance(value, Decimal) else str(value)


class EventLog:
    """Events with fields; amounts may be `Decimal`."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, **fields: Any) -> None:
        """Log detail."""
        self._logger.debug(event, extra={"fields": fields})

    def info(self, event: str, **fields: Any) -> None:
        """Log what a trader wants to read."""
        self._logger.info(event, extra={"fields": fields})

    def warning(self, event: str, **fields: Any) -> None:
        """Log what went wrong and is being handled."""
        self._logger.warning(event, extra={"fields": fields})

    def error(self, event: str, **fields: Any) -> None:
        """Log what a person should look at."""
        self._logger.error(event, extra={"fields": fields})

    def crashed(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        """Log what nobody caught, in one line instead of a traceback; made for `sys.excepthook`."""
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
        self.error("crashed", error=f"{kind.__name__}: {error}", where=where)


def configure(
    bot_id: str, level: str, folder: Path | None = None, market: str = "", kind: str = ""
) -> EventLog:
    """Set up all logging; call it before the SDK is imported, which configures logging by itself.

    With a `folder`, the lines also go to `<folder>/<market>/<kind>_trader.log`, and decisions with what came
    of them to `enhanced_trading.log` beside it, whatever the level. `kind` is spot or derivative.
    """
    stdout = logging.StreamHandler(sys.stdout)
    stdout.setLevel(level)
    handlers: list[logging.Handler] = [stdout]
    logger = logging.getLogger("bot")
    logger.setLevel(level)
    if folder is not None:
        handlers += _files(folder / market, f"{kind}_trader.log", stdout)
        logger.setLevel(min(logger.level, logging.INFO))
    for handler in handlers:
        handler.setFormatter(_JsonFormatter(bot_id))
    logging.basicConfig(level=logging.WARNING, handlers=handlers, force=True)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    log = EventLog(logger)
    sys.excepthook = log.crashed
    return log


def _files(folder: Path, name: str, stdout: logging.Handler) -> list[logging.Handler]:
    def tell(event: str, **fields: Any) -> None:
        # To stdout alone: the other file may be on the same full disk.
        extra = {"fields": fields}
        stdout.handle(
            logging.getLogger("bot").makeRecord("bot", logging.WARNING, "", 0, event, (), None, None, extra)
        )

    everything = FileHandler(folder / name, tell)
    everything.setLevel(stdout.level)
    decisions = FileHandler(folder / "enhanced_trading.log", tell)
    decisions.addFilter(lambda record: record.getMessage() in _DECISIONS)
    return [everything, decisions]
