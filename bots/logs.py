"""One JSON line per event on stdout."""

from __future__ import annotations

import json
import logging
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

__all__ = ["EventLog", "configure"]

_LIBRARIES = ("pyinjective", "asyncio", "aiohttp", "grpc", "urllib3", "web3")


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
        return json.dumps(line, default=_plain)


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


def configure(bot_id: str, level: str) -> EventLog:
    """Set up all logging; call it before the SDK is imported, which configures logging by itself."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_JsonFormatter(bot_id))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in _LIBRARIES:
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logger = logging.getLogger("bot")
    logger.setLevel(level)
    return EventLog(logger)
