"""Errors as problem details (RFC 9457) for programs, with the sentences of the wire."""

from http import HTTPStatus
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException

from qotgate.model import (
    InvalidRequest,
    Language,
    NothingLoaded,
    QotGateError,
    RateLimited,
    Refused,
    StoreError,
    Unavailable,
)
from qotgate.web import parameters, request_ids

BLANK = "about:blank"


class Problem(BaseModel):
    """The problem details of RFC 9457, with the name of the sentence for programs in ``code``."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(description="Always about:blank: the status tells the kind of error.", examples=[BLANK])
    title: str = Field(description="The status in words.", examples=["Unprocessable Content"])
    status: int = Field(ge=400, le=599, examples=[422])
    detail: str = Field(description="One sentence that says what is wrong, and the accepted values.")
    code: str | None = Field(description="The name of the sentence, for programs.", examples=["count"])
    request: str = Field(description="The id of the request, as in X-Request-ID and in the gateway's log.")


PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": description, "content": {"application/problem+json": {"schema": schema}}}
    for schema in ({"$ref": "#/components/schemas/Problem"},)
    for status, description in (
        (401, "The token is missing or wrong."),
        (403, "The request comes from another site's page."),
        (404, "No such resource, or no data is loaded yet for the answer."),
        (406, "The API serves none of the accepted formats."),
        (421, "The Host header names another host; a gateway on loopback accepts only its own names."),
        (422, "A parameter is wrong."),
        (429, "The allowance is used up; Retry-After tells the seconds to wait."),
        (500, "The gateway failed; its log has the details."),
        (
            503,
            "The database cannot be read, or the limit store is away and grants nothing.",
        ),
    )
}
STATUSES: dict[type[Exception], int] = {
    NothingLoaded: 404,
    InvalidRequest: 422,
    RequestValidationError: 422,
    RateLimited: 429,
    QotGateError: 503,
}
"""The status of each kind of error, by the first matching kind; 500 for any other."""


class ProblemResponse(JSONResponse):
    media_type = "application/problem+json"


def problem(
    status: int, detail: str, code: str | None = None, headers: dict[str, str] | None = None
) -> ProblemResponse:
    body = Problem(
        type=BLANK,
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        code=code,
        request=request_ids.current.get(),
    )
    return ProblemResponse(body.model_dump(), status, headers)


def status_of(error: Exception) -> int:
    """The HTTP status of an error."""
    if isinstance(error, HTTPException):
        return error.status_code
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)


def sentence_of(error: Exception, lang: Language) -> str:
    """The sentence for a user about an error."""
    if isinstance(error, Refused):
        return error.text(lang)
    if isinstance(error, RequestValidationError):
        # A location is where the parameter is (path or query), and its name.
        (first, *_) = error.errors()
        return parameters.sentence(str(first["loc"][1]), first, lang)
    if isinstance(error, HTTPException):
        return f"{error.detail}."
    if isinstance(error, StoreError):
        return Unavailable("store").text(lang)
    if isinstance(error, QotGateError):
        return str(error)
    return Refused("internal").text(lang)


def answer_with_problem(request: Request, error: Exception, lang: Language) -> ProblemResponse:
    """The response for an error of the API."""
    headers = dict(getattr(error, "headers", None) or {})
    if isinstance(error, RateLimited):
        headers["Retry-After"] = str(max(1, round(error.seconds + 0.5)))
    if isinstance(error, Unavailable | StoreError):
        headers["Retry-After"] = "1"
    headers.update(getattr(request.state, "limit_headers", {}))
    code = error.sentence if isinstance(error, Refused) else None
    return problem(status_of(error), sentence_of(error, lang), code, headers)
