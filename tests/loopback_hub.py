"""A hub of weights on loopback, with the file API of the real one."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

from loopback import serving


class _Hub(SimpleHTTPRequestHandler):
    """The hub's file API for the repositories in a folder."""

    def __init__(self, *args: Any, asked: list[tuple[str, str]], **settings: Any) -> None:
        self._asked = asked
        super().__init__(*args, **settings)

    def send_head(self):
        self._asked.append((self.command, self.path))
        parts = re.fullmatch(r"/(\w[\w-]*/[\w.-]+)/resolve/(?:main|[0-9a-f]{40})/([\w.]+)", self.path)
        self.path = "/" if parts is None else f"/{parts[1]}/{parts[2]}"
        return super().send_head()

    def end_headers(self):
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("ETag", f'"{zlib.crc32(self.path.encode()):08x}"')
        super().end_headers()

    def send_error(self, code, message=None, explain=None):
        self.send_response(code)
        self.send_header("X-Error-Code", "EntryNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *values):
        pass


@contextmanager
def hub(folder: Path) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Serve the repositories in a folder: the hub's URL, and the method and path of each request so far."""
    asked: list[tuple[str, str]] = []
    with serving(partial(_Hub, directory=str(folder), asked=asked)) as url:
        yield url, asked
