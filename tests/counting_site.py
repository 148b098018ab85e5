"""A web server on this machine that counts what it is asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from loopback import serving


class _Site(SimpleHTTPRequestHandler):
    def __init__(self, *args: Any, reads: Counter[str], **settings: Any) -> None:
        self._reads = reads
        super().__init__(*args, **settings)

    def do_GET(self) -> None:
        self._reads[unquote(self.path.lstrip("/"))] += 1
        super().do_GET()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def counting_site(folder: Path) -> Iterator[tuple[str, Counter[str]]]:
    """Serve a folder: its URL, and how often each file was asked for."""
    reads: Counter[str] = Counter()
    with serving(partial(_Site, directory=folder, reads=reads)) as url:
        yield url, reads
