"""A web server on this machine that counts what it is asked for."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote


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
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Site, directory=folder, reads=reads))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", reads
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
