"""HTTP connections that have to send their headers in time, which uvicorn itself does not ask for."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEADER_SECONDS = 10.0
"""Until the headers of a request are there, counted from the connection or from a request's first byte."""


class PromptProtocol(HttpToolsProtocol):
    """Closes a connection whose next request does not get its headers across in time."""

    _late: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for the first request."""
        super().connection_made(transport)
        self._expect_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """The first byte of a request is there; its headers must follow."""
        super().on_message_begin()
        if self._late is None:
            self._expect_headers()

    def on_headers_complete(self) -> None:
        """The headers are there; the body has a limit of its own."""
        self._stop_waiting()
        super().on_headers_complete()

    def _expect_headers(self) -> None:
        self._late = self.loop.call_later(HEADER_SECONDS, self._close)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _close(self) -> None:
        self._late = None
        if not self.transport.is_closing():
            self.transport.close()
