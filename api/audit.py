"""One audit row per action: who, from where, what, how it ended. Without Postgres it waits, and is logged."""

from __future__ import annotations

import logging
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from api.errors import DroverError, StoreUnavailableError
from api.store import AuditEntry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from api.models import BotId
    from api.store import Store

__all__ = ["Actor", "Audit"]

log = logging.getLogger("drover.audit")
_SHOWN = 80
_MOST_OWED = 1000


@dataclass(frozen=True)
class Actor:
    """Who asks, and from which address."""

    user: str
    address: str


class Audit:
    """Writes audit rows."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._owed: deque[AuditEntry] = deque(maxlen=_MOST_OWED)
        """Rows of what was done while the database was away; `pay` writes them when it is back."""

    @asynccontextmanager
    async def action(
        self, actor: Actor, action: str, bot_id: BotId | None, **asked: str | None
    ) -> AsyncIterator[dict[str, str | None]]:
        """Write one row when the block ends: `ok`, or the code of its error. The block may set `bot_id`."""
        entry = {"bot_id": str(bot_id) if bot_id else None}
        result = "internal_error"
        try:
            yield entry
            result = "ok"
        except DroverError as error:
            result = error.code
            raise
        finally:
            detail = {key: text for key, text in asked.items() if text is not None}
            await self.write(AuditEntry(actor.user, actor.address, action, entry["bot_id"], detail, result))

    async def write(self, entry: AuditEntry) -> None:
        """Append the row, and a line to the log; texts are cut to what a row needs."""
        detail = {key: _line(text) for key, text in entry.detail.items()}
        entry = replace(entry, who=_line(entry.who), detail=detail)
        fields: dict[str, Any] = {
            "who": entry.who,
            "from_addr": entry.from_addr,
            "bot": entry.bot_id,
            "result": entry.result,
        }
        log.info("audit: %s", entry.action, extra=fields)
        try:
            await self._store.audit(entry)
        except StoreUnavailableError:
            self._owed.append(entry)
            log.warning("audit row waits: the database does not answer", extra=fields)

    async def pay(self) -> None:
        """Write the rows that wait, oldest first.

        Raises:
            StoreUnavailableError: the database is still away; what is left goes on waiting.
        """
        while self._owed:
            entry = self._owed.popleft()
            try:
                await self._store.audit(entry)
            except StoreUnavailableError:
                self._owed.appendleft(entry)
                raise


def _line(text: str) -> str:
    """Cut, and escape what Postgres cannot hold (NUL) and what would move a reader's cursor."""
    cut = text[:_SHOWN]
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in cut)
