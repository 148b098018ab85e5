"""The studio in a real browser: a page that notes whatever a user's console would complain of."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

BROWSER = next((path for name in ("chromium", "google-chrome", "chrome") if (path := shutil.which(name))), None)

_COMMAND = "from automl_vision.cli.main import main; main()"
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@contextmanager
def chromium() -> Iterator[Browser]:
    """A browser without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=_FLAGS)
        yield browser
        browser.close()


class Complaints:
    """What a page's console says, its uncaught errors, and its requests to other addresses.

    Attributes:
        found: as texts.
        expected: patterns of complaints that a test provokes.
    """

    def __init__(self, page: Page, address: str) -> None:
        self.found: list[str] = []
        self.expected: list[str] = []
        self._address = address
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.found.append(f"uncaught: {error}"))
        page.on("request", self._request)

    @property
    def unexpected(self) -> list[str]:
        """Those that no pattern matches."""
        return [text for text in self.found if not any(re.search(pattern, text) for pattern in self.expected)]

    def _console(self, message: ConsoleMessage) -> None:
        self.found.append(f"{message.type}: {message.text} ({message.location.get('url', '')})")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self._address, "data:", "blob:")):
            self.found.append(f"request to {request.url}")


@contextmanager
def served(workspaces: Sequence[Path], *options: str) -> Iterator[str]:
    """The address of a studio that the command serves in a process of its own."""
    command = [sys.executable, "-c", _COMMAND, "studio", "--no-browser", "--port", "0", *options]
    for workspace in workspaces:
        command += ["--workspace", str(workspace)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"http://\S+", line)
        assert address, f"the studio did not start: {line!r}"
        yield address[0]
    finally:
        process.terminate()
        process.wait(20)
        if process.stdout is not None:
            process.stdout.close()
