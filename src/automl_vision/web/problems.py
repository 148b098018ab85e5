"""Errors as problem details (RFC 9457): what failed, why, and which field of a form it belongs to."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from automl_vision.core.errors import (
    AutoMLVisionError,
    ConfigError,
    ConflictError,
    ModelNotFoundError,
    RunNotFoundError,
    StorageError,
    WorkspaceError,
)


class FieldProblem(BaseModel):
    """One mistake in what was sent."""

    path: list[str | int] = Field(description="keys and indices that lead to the value; empty for the whole")
    sentence: str = Field(description="the rule, what came, and the way out")


class ProblemDetails(BaseModel):
    """Why a request failed (RFC 9457)."""

    title: str = Field(description="the kind of the error", examples=["RunNotFoundError"])
    status: int = Field(description="HTTP status", examples=[404])
    detail: str = Field(
        description="what failed, why, and what to do", examples=['no run "chest-1" is in the workspace']
    )
    problems: list[FieldProblem] = Field(default_factory=list, description="the mistakes by field, if there are any")


class NotFoundError(AutoMLVisionError):
    """Nothing is at this address; the message says what there is instead."""


PROBLEM_TYPE = "application/problem+json"
_SCHEMAS = "#/components/schemas/"

PROBLEM = {
    "description": "The request failed; the answer says why.",
    "content": {PROBLEM_TYPE: {"schema": {"$ref": f"{_SCHEMAS}{ProblemDetails.__name__}"}}},
}
RESPONSES: dict[int | str, dict[str, Any]] = {"4XX": PROBLEM, 422: PROBLEM}
"""The errors that any operation may answer with; by "model" FastAPI would build a validator for each of them."""

_STATUS: dict[type[AutoMLVisionError], HTTPStatus] = {
    NotFoundError: HTTPStatus.NOT_FOUND,
    RunNotFoundError: HTTPStatus.NOT_FOUND,
    ModelNotFoundError: HTTPStatus.NOT_FOUND,
    StorageError: HTTPStatus.INSUFFICIENT_STORAGE,
    WorkspaceError: HTTPStatus.CONFLICT,
    ConflictError: HTTPStatus.CONFLICT,
    ConfigError: HTTPStatus.UNPROCESSABLE_ENTITY,
}


def add_problems(app: FastAPI) -> None:
    """Let an app answer with problem details wherever it fails."""
    app.add_exception_handler(AutoMLVisionError, _own)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    describe = app.openapi
    app.openapi = lambda: _with_problem_schema(describe())  # type: ignore[method-assign]


def _with_problem_schema(description: dict[str, Any]) -> dict[str, Any]:
    """An OpenAPI description with the schema of its errors."""
    components = description["components"]
    made = ProblemDetails.model_json_schema(mode="serialization", ref_template=f"{_SCHEMAS}{{model}}")
    found = components["schemas"] | made.pop("$defs") | {ProblemDetails.__name__: made}
    components["schemas"] = {name: found[name] for name in sorted(found)}
    return description


def problem(
    status: int, title: str, detail: str, problems: list[FieldProblem] | None = None, **extensions: str
) -> JSONResponse:
    """An answer that says why a request failed; extensions are further members."""
    body = ProblemDetails(title=title, status=status, detail=detail, problems=problems or [])
    return JSONResponse({**body.model_dump(mode="json"), **extensions}, status_code=status, media_type=PROBLEM_TYPE)


async def _own(_request: Request, error: Exception) -> JSONResponse:
    status = next((found for kind, found in _STATUS.items() if isinstance(error, kind)), HTTPStatus.BAD_REQUEST)
    mistakes = error.problems if isinstance(error, ConfigError) else []
    fields = [FieldProblem(path=list(mistake.path), sentence=mistake.sentence) for mistake in mistakes]
    return problem(status, type(error).__name__, str(error), fields)


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, RequestValidationError):
        raise error
    fields = [FieldProblem(path=list(found["loc"]), sentence=found["msg"]) for found in error.errors()]
    detail = "; ".join(f"{'.'.join(map(str, field.path))}: {field.sentence}" for field in fields)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "InvalidRequest", detail, fields)


async def _http(_request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        raise error
    found = problem(error.status_code, HTTPStatus(error.status_code).phrase, str(error.detail))
    found.headers.update(error.headers or {})
    return found
