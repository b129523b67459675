"""/healthz, /readyz, /metrics, /docs: for machines and for people who write programs."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest
from starlette.responses import HTMLResponse, JSONResponse, Response

from api.errors import DroverError
from api.models import Phase
from api.problems import all_errors
from api.services import Services, services
from api.templating import page

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["router"]

router = APIRouter()
Given = Annotated[Services, Depends(services)]

BOTS = Gauge("drover_bots", "Bots by phase.", ["phase"])
STREAM = Gauge("drover_event_stream_up", "1 while Nomad's event stream is connected.")
_PATIENCE = 3.0


@router.get("/healthz", summary="The process lives", tags=["operations"])
async def healthz() -> dict[str, str]:
    return {"status": "ok"}


@router.get(
    "/readyz", summary="Nomad, Postgres and Vault can be reached; says which cannot", tags=["operations"]
)
async def readyz(given: Given) -> JSONResponse:
    checks = {
        "nomad": "ok" if given.board.loaded and given.board.connected else "no event stream",
        "postgres": await _check(given.store.ping()),
        "vault": await _check(given.vault.ping()),
    }
    ready = all(word == "ok" for word in checks.values())
    return JSONResponse({"ready": ready, "checks": checks}, 200 if ready else 503)


async def _check(call: Awaitable[None]) -> str:
    try:
        await asyncio.wait_for(call, _PATIENCE)
    except TimeoutError:
        return "does not answer in time"
    except DroverError as error:
        return error.title
    return "ok"


@router.get(
    "/metrics", summary="Counters for Prometheus; no name of a bot or wallet in them", tags=["operations"]
)
async def metrics(given: Given) -> Response:
    phases = Counter(bot.phase for bot in given.roster.bots())
    for phase in Phase:
        BOTS.labels(phase.value).set(phases[phase])
    STREAM.set(given.board.connected)
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


@router.get("/docs", include_in_schema=False)
async def docs(request: Request) -> HTMLResponse:
    return page(request, "docs.html", operations=_operations(request.app.openapi()), errors=all_errors())


def _operations(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """Flatten the OpenAPI document for the page: one entry per method and path."""
    models = schema.get("components", {}).get("schemas", {})
    return [
        {
            "method": method.upper(),
            "path": path,
            "summary": operation.get("summary", ""),
            "parameters": operation.get("parameters", []),
            "fields": _fields(operation.get("requestBody"), models),
            "answers": sorted(operation.get("responses", {})),
        }
        for path, item in schema["paths"].items()
        for method, operation in item.items()
    ]


def _fields(body: dict[str, Any] | None, models: dict[str, Any]) -> list[dict[str, Any]]:
    """Return name, need and description of each field of a request body."""
    if not body:
        return []
    schema = body["content"]["application/json"]["schema"]
    reference = schema.get("$ref") or next(part["$ref"] for part in schema["anyOf"] if "$ref" in part)
    model = models[reference.rpartition("/")[2]]
    required = set(model.get("required", []))
    return [
        {"name": name, "required": name in required, "description": item.get("description", "")}
        for name, item in model["properties"].items()
    ]
