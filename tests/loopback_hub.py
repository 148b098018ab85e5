"""A hub of weights on loopback, with the file API of the real one."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread


class _Hub(SimpleHTTPRequestHandler):
    """The hub's file API for the repositories in a folder."""

    def send_head(self):
        self.server.asked.append((self.command, self.path))
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
def hub(folder: Path) -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Hub, directory=str(folder))) as server:
        server.asked = []
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
