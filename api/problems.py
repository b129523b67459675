"""Errors → RFC 9457 problem documents, for every error of the API. See https://www.rfc-editor.org/rfc/rfc9457."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import JSONResponse

from api import errors, errors_bot, errors_choice
from api.errors import DroverError, quoted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = [
    "PROBLEM_SCHEMA",
    "InvalidRequestError",
    "all_errors",
    "of_http_status",
    "of_validation",
    "problem",
]

MEDIA_TYPE = "application/problem+json"

PROBLEM_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "instance"],
    "properties": {
        "type": {"type": "string", "description": "Where the error is explained."},
        "title": {"type": "string", "description": "The kind of error, in a few words."},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "What is wrong and what to do, in one sentence."},
        "code": {"type": "string", "description": "Stable; for programs."},
        "instance": {"type": "string", "description": "The path that was asked for."},
        "field": {"type": "string", "description": "The field of the request that is wrong, if one is."},
    },
}


class InvalidRequestError(DroverError):
    """A request whose form is wrong; the code says how."""

    def __init__(self, code: str, status: int, title: str, detail: str, field: str | None = None) -> None:
        super().__init__(detail)
        self.code, self.status, self.title, self.field = code, status, title, field


def problem(error: DroverError, path: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Return the response that tells an error."""
    body = {
        "type": f"/docs#error-{error.code}",
        "title": error.title,
        "status": error.status,
        "detail": str(error) or error.title,
        "code": error.code,
        "instance": path,
    }
    if error.field:
        body["field"] = error.field
    return JSONResponse(body, error.status, headers=headers, media_type=MEDIA_TYPE)


def of_http_status(status: int, detail: str) -> DroverError:
    """Return the error for what the framework refuses by status alone."""
    match status:
        case 404:
            return InvalidRequestError(
                "not_found", 404, "Not found", "There is nothing at this address; see /docs."
            )
        case 405:
            return InvalidRequestError(
                "method_not_allowed", 405, "Method not allowed", "This address has no such method; see /docs."
            )
        case 400:
            return InvalidRequestError(
                "invalid_json", 400, "Not JSON", "The body is not valid JSON; send an object."
            )
        case 413:
            return InvalidRequestError(
                "body_too_large", 413, "Body is too large", "The body is larger than 64 KB; send less."
            )
        case _:
            return InvalidRequestError("invalid_request", status, "Request refused", f"{detail}; see /docs.")


def of_validation(found: Sequence[Mapping[str, Any]]) -> DroverError:
    """Return the error for the first thing that is wrong in a request's form; never tells the value."""
    first = found[0]
    place = [str(part) for part in first.get("loc", ())]
    name = place[-1] if len(place) > 1 else "body"
    match first.get("type"):
        case "extra_forbidden":
            detail = f"{quoted(name)} is not a field of this request; see /docs for those there are."
            return InvalidRequestError("unknown_field", 422, "Unknown field", detail, name[:80])
        case "missing":
            detail = (
                f"The {name} is missing; send it."
                if name == "body"
                else f"The field {name} is missing; send it."
            )
            return InvalidRequestError("missing_field", 422, "Field is missing", detail, name)
        case "json_invalid":
            return of_http_status(400, "")
        case "model_attributes_type":
            detail = "The body is not a JSON object; send one with Content-Type: application/json."
            return InvalidRequestError("invalid_body", 422, "Body is not an object", detail)
        case _:
            message = str(first.get("msg", "it is wrong")).removesuffix(".")
            return InvalidRequestError(
                "invalid_field", 422, "Field is wrong", f"{quoted(name)}: {message}.", name[:80]
            )


def all_errors() -> list[type[DroverError]]:
    """Return all refusals with a fixed code, by code, for the documentation."""
    modules = (errors, errors_bot, errors_choice)
    found = [getattr(module, name) for module in modules for name in module.__all__ if name.endswith("Error")]
    return sorted((item for item in found if item is not DroverError), key=lambda item: item.code)
