"""Endpoints that are served by a process of their own, as users start it."""

from __future__ import annotations

import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from automl_vision.deployment.online.endpoint_folder import EndpointFolder
from processes import wait_for

PROGRAM = Path(sys.executable).with_name("automl-vision")


@contextmanager
def serving(
    endpoint: EndpointFolder, *options: str, environment: dict[str, str] | None = None
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """The server of an endpoint, once it is ready, and its address; over TLS once it listens.

    Args:
        endpoint: to serve.
        options: of the command.
        environment: of the process; None for this one's.
    """
    command = [str(PROGRAM), "serve", f"{endpoint.path}/", "--port", "0", "--threads", "1", *options]
    log = endpoint.path.with_name("server.log")
    with log.open("w") as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=environment)
    try:
        wait_for(lambda: re.search(r"http\S+:\d+", log.read_text()) or process.poll() is not None, 120)
        found = re.search(r"https?://\S+:\d+", log.read_text())
        assert found, log.read_text()
        if found[0].startswith("http:"):
            wait_for(lambda: _is_ready(found[0]), 120)
        yield process, found[0]
    finally:
        process.terminate()
        process.wait(120)


def _is_ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/health/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
