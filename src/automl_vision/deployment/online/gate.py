"""The first to see a request: its id, its key and rate, before anything of it is read; and the last, for the log."""

from __future__ import annotations

import base64
import json
import re
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from automl_vision.deployment.online.allowance import Allowance
from automl_vision.deployment.online.endpoint import LiveEndpoint
from automl_vision.deployment.online.keys import Key
from automl_vision.deployment.online.metrics import Metrics
from automl_vision.web.problems import problem

REQUEST_ID = "x-request-id"
_GIVEN_ID = re.compile(r"[\w.-]{1,64}")
_OPEN = ("/health/live", "/health/ready", "/v2/health/live", "/v2/health/ready")

Log = Callable[[dict[str, Any]], None]


@dataclass
class Visit:
    """What is known of a request, for its answer and the log.

    Attributes:
        id: of the request; the caller's own if it sent a usable one.
        begun: when it came, by `time.perf_counter`.
        key: that the caller presented, by name.
        facts: what is to be logged.
    """

    id: str
    begun: float
    key: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)


def visit_of(scope: Scope) -> Visit:
    """What is known of a request."""
    found: Visit = scope["state"]["visit"]
    return found


class Gate:
    """Refuses requests without a usable key or beyond its rate, gives each an id, and logs each answer.

    Args:
        app: that answers the others.
        endpoint: whose keys count.
        allowance: counts the uses of keys.
        metrics: counts what is refused.
        log: called with one record per answer.
    """

    def __init__(
        self, app: ASGIApp, endpoint: LiveEndpoint, allowance: Allowance, metrics: Metrics, log: Log | None = None
    ) -> None:
        self._app = app
        self._endpoint, self._allowance, self._metrics = endpoint, allowance, metrics
        self._log = log or log_to_stdout

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get(REQUEST_ID, "")
        visit = Visit(given if _GIVEN_ID.fullmatch(given) else secrets.token_hex(8), time.perf_counter())
        scope.setdefault("state", {})["visit"] = visit
        status = 500

        async def with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[REQUEST_ID] = visit.id
            await send(message)

        try:
            refused = self._refusal(scope["path"], headers, visit)
            await (refused or self._app)(scope, receive, with_id)
        finally:
            self._log(_record(scope, visit, status))

    def _refusal(self, path: str, headers: Headers, visit: Visit) -> Response | None:
        if path in _OPEN:
            return None
        serving = self._endpoint.serving
        if serving.definition.auth_mode == "none":
            return None
        key = serving.keys.find(_presented(headers.get("authorization", "")))
        if key is None:
            self._metrics.refused.labels("key").inc()
            detail = "send one of the endpoint's keys in the header: Authorization: Bearer KEY"
            answer = problem(HTTPStatus.UNAUTHORIZED, "Unauthorized", detail)
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        visit.key = key.name
        return self._beyond(key)

    def _beyond(self, key: Key) -> Response | None:
        wait = self._allowance.take(key)
        if wait == 0:
            return None
        self._metrics.refused.labels("rate").inc()
        answer = problem(
            HTTPStatus.TOO_MANY_REQUESTS, "TooManyRequests", f"the {key.name} key allows no more requests for now"
        )
        answer.headers["Retry-After"] = str(int(wait) + 1)
        return answer


def _presented(authorization: str) -> str:
    """The key of a header: a bearer's, or the password of Label Studio, which knows no other way; empty without one."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        return base64.b64decode(value.strip(), validate=True).decode().partition(":")[2]
    except ValueError:  # not base64, or not UTF-8
        return ""


def log_to_stdout(record: dict[str, Any]) -> None:
    """Write one JSON line to standard output."""
    sys.stdout.write(json.dumps(record) + "\n")
    sys.stdout.flush()


def _record(scope: Scope, visit: Visit, status: int) -> dict[str, Any]:
    """What the log says of an answer; no key, no query and no content."""
    client = scope.get("client")
    return {
        "time": round(time.time(), 3),
        "id": visit.id,
        "client": client[0] if client else None,
        "key": visit.key,
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "ms": round(1000 * (time.perf_counter() - visit.begun), 2),
        **visit.facts,
    }
