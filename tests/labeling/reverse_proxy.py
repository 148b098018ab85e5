"""A reverse proxy on loopback that shows a server below a path, as nginx does with `location /labels/`."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from loopback import serving

_OF_THE_CONNECTION = ("connection", "keep-alive", "transfer-encoding", "content-length", "host")


@contextmanager
def below_a_path(port: int, path: str) -> Iterator[str]:
    """Pass requests below a path on to a server that knows nothing of it.

    Args:
        port: of loopback where the server listens, now or later.
        path: such as `/labels`; all else is answered with 404.

    Yields:
        The address that people use.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.path.startswith(f"{path}/"):
                self._answer(404, [], b"nothing is here")
                return
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_THE_CONNECTION}
            headers |= {"Host": self.headers["Host"], "X-Forwarded-Proto": "http"}
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
            try:
                connection.request(self.command, self.path.removeprefix(path), body or None, headers)
                answer = connection.getresponse()
                self._answer(answer.status, answer.getheaders(), answer.read())
            except OSError as error:
                self._answer(502, [], str(error).encode())
            finally:
                connection.close()

        def _answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers:
                if name.lower() not in _OF_THE_CONNECTION:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _pass_on  # noqa: N815 - as the library calls them

        def log_message(self, format: str, *args: object) -> None:
            pass

    with serving(Handler) as url:
        yield f"{url}{path}"
