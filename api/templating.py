"""HTML from templates/pages: autoescaped, strict about missing names."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jinja2
from starlette.responses import HTMLResponse

if TYPE_CHECKING:
    from fastapi import Request

__all__ = ["PAGES", "page", "since"]

PAGES = Path(__file__).resolve().parent.parent / "templates" / "pages"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


def since(moment: datetime, now: datetime | None = None) -> str:
    """Say how long ago `moment` (aware UTC) was, in the two largest units: `2 d 3 h`."""
    seconds = max(0, int(((now or datetime.now(UTC)) - moment).total_seconds()))
    days, hours, minutes = seconds // _DAY, seconds % _DAY // _HOUR, seconds % _HOUR // _MINUTE
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {seconds % _MINUTE} s"
    return f"{seconds} s"


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(PAGES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["since"] = since
    return environment


def page(_request: Request, name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """Render one page."""
    return HTMLResponse(_environment().get_template(name).render(**values), status)
