"""Who may ask: requests from other sites are refused, and off loopback everyone needs the token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import deque
from collections.abc import Iterable
from http import HTTPStatus
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.web.listening import is_loopback
from automl_vision.web.problems import problem

COOKIE = "automl-vision-session"
CLIENT_HEADER = "x-studio"
SESSION_SECONDS = 7 * 24 * 3600
MIN_TOKEN = 16  # characters
_FAILURES, _WINDOW = 10, 60.0  # wrong tokens in so many seconds, of all callers together
_SAFE = ("GET", "HEAD", "OPTIONS")
_OPEN = ("/api/v1/session",)  # where one signs in; the app itself holds no data


class TokenError(AutoMLVisionError):
    """The studio would be open to everyone, or to those who guess."""


class Access:
    """Decides which requests are answered.

    Without a token the studio answers only to this machine's own names, so that no page of another site can reach it
    by pointing a name of its own at loopback (DNS rebinding). With a token the caller needs it, as a bearer token or in
    exchange for a cookie.

    Args:
        token: at least 16 characters; None where only this machine can connect.
        hosts: further names under which a reverse proxy shows the studio.

    Raises:
        TokenError: the token is too short.
    """

    def __init__(self, token: str | None = None, hosts: Iterable[str] = ()) -> None:
        if token is not None and len(token) < MIN_TOKEN:
            raise TokenError(f"the studio's token has {len(token)} characters; it needs at least {MIN_TOKEN}")
        self.is_open = token is None
        self._digest = None if token is None else _digest(token)
        self._key = secrets.token_bytes(32) if self._digest is None else hashlib.sha256(self._digest).digest()
        self._hosts = frozenset(host.lower() for host in hosts)
        self._failures: deque[float] = deque()

    def knows_host(self, host: str) -> bool:
        """Whether the studio may be shown under the name of a `Host` header."""
        name = (urlsplit(f"//{host}").hostname or "").lower()
        return not self.is_open or name in self._hosts or is_loopback(name)

    def seconds_to_wait(self) -> float:
        """Until a token is looked at again; 0 unless many wrong ones came."""
        now = time.monotonic()
        while self._failures and now - self._failures[0] > _WINDOW:
            self._failures.popleft()
        return _WINDOW - (now - self._failures[0]) if len(self._failures) >= _FAILURES else 0.0

    def accepts(self, token: str) -> bool:
        """Whether it is the token; the comparison takes equally long for all, and wrong ones are counted."""
        if self._digest is None:
            return True
        if hmac.compare_digest(_digest(token), self._digest):
            return True
        self._failures.append(time.monotonic())
        return False

    def new_session(self) -> str:
        """The value of a cookie that stands for the token for a week."""
        ends = str(int(time.time()) + SESSION_SECONDS)
        return f"{ends}.{self._signature(ends)}"

    def knows_session(self, value: str) -> bool:
        """Whether a cookie's value was made by `new_session` for the same token, and holds still."""
        ends, _, signature = value.partition(".")
        genuine = hmac.compare_digest(signature.encode(), self._signature(ends).encode())
        return genuine and ends.isdigit() and int(ends) > time.time()

    def _signature(self, text: str) -> str:
        return hmac.new(self._key, text.encode(), hashlib.sha256).hexdigest()


class Gate:
    """Refuses what `Access` does not allow, before anything of a request is read.

    Args:
        app: that answers the others.
        access: the rules.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        refused = self._refusal(scope) if scope["type"] == "http" else None
        if refused is None:
            await self._app(scope, receive, send)
            return
        status, detail = refused
        answer = problem(status, status.phrase, detail)
        if status is HTTPStatus.UNAUTHORIZED:
            answer.headers["WWW-Authenticate"] = "Bearer"
        elif status is HTTPStatus.TOO_MANY_REQUESTS:
            answer.headers["Retry-After"] = str(int(self._access.seconds_to_wait()) + 1)
        await answer(scope, receive, send)

    def _refusal(self, scope: Scope) -> tuple[HTTPStatus, str] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._access.knows_host(host):
            return HTTPStatus.MISDIRECTED_REQUEST, (
                f'the studio is not shown under the name "{host}"; start it with --allow-host where a proxy does that'
            )
        is_from_elsewhere = _is_from_elsewhere(headers, host)
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["method"] not in _SAFE and (is_from_elsewhere or CLIENT_HEADER not in headers):
            return HTTPStatus.FORBIDDEN, (
                "a request that changes something must come from the studio's own pages, or from a program that sends "
                "the header X-Studio: 1"
            )
        if is_from_elsewhere and path.startswith("/api/"):
            return HTTPStatus.FORBIDDEN, "the API does not answer to pages of other sites"
        if self._access.is_open or not path.startswith("/api/") or path in _OPEN:
            return None
        return self._unknown(Request(scope), headers)

    def _unknown(self, request: Request, headers: Headers) -> tuple[HTTPStatus, str] | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            if self._access.seconds_to_wait() > 0:
                return HTTPStatus.TOO_MANY_REQUESTS, "too many wrong tokens; wait a minute"
            if self._access.accepts(token.strip()):
                return None
        elif self._access.knows_session(request.cookies.get(COOKIE, "")):
            return None
        return HTTPStatus.UNAUTHORIZED, "sign in with the token that the studio printed when it started"


def _is_from_elsewhere(headers: Headers, host: str) -> bool:
    """Whether a browser says that a page of another site asks."""
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return True
    return headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none")


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
