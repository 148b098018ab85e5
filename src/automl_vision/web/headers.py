"""Headers that keep a browser from doing what no page of a server asks for."""

from __future__ import annotations

from collections.abc import Mapping

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOTHING_RUNS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
"""For answers in which nothing is to be loaded or run; a server with pages replaces the policy by its own."""


class SecurityHeaders:
    """Adds headers to every answer that does not set them itself.

    Args:
        app: that answers.
        headers: by name in lower case.
    """

    def __init__(self, app: ASGIApp, headers: Mapping[str, str] = NOTHING_RUNS) -> None:
        self._app = app
        self._headers = {"cache-control": "no-cache", **headers}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, with_headers)
