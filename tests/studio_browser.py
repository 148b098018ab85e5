"""The studio in a real browser: a page that notes whatever a user's console would complain of."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import axe_playwright_python
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, sync_playwright

BROWSER = next((path for name in ("chromium", "google-chrome", "chrome") if (path := shutil.which(name))), None)

_AXE = (Path(axe_playwright_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
_COLOUR_RULES = ["color-contrast", "link-in-text-block"]  # the rules of Axe that look at colours
_COMMAND = "from automl_vision.cli.main import main; main()"
GONE = r"ERR_CONNECTION_REFUSED|ERR_INCOMPLETE_CHUNKED_ENCODING|ERR_CONNECTION_RESET|ERR_EMPTY_RESPONSE|ERR_NETWORK"
"""What Chromium complains of while a server is gone."""

_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--use-fake-device-for-media-stream",  # a camera that shows a moving pattern
    "--use-fake-ui-for-media-stream",
]


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
def page_at(browser: Browser, address: str, *, expected: str = "", width: int = 1280) -> Iterator[Page]:
    """A page with a memory of its own, which must not complain."""
    context = browser.new_context(
        base_url=address, viewport={"width": width, "height": 800}, reduced_motion="reduce",
        permissions=["clipboard-read", "clipboard-write"],
    )  # fmt: skip
    context.set_default_timeout(15_000)
    page = context.new_page()
    complaints = Complaints(page, address)
    complaints.expected += [expected] if expected else []
    yield page
    context.close()
    assert not complaints.unexpected, complaints.unexpected


def check_accessible(page: Page) -> None:
    """Axe finds nothing, in light and in dark colours, and the page is not wider than its window."""
    for colours in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if colours == "dark" else "light", reduced_motion="reduce")
        found = [
            f"{fault['id']}: {[node['html'][:200] for node in fault['nodes']][:3]}" for fault in _faults(page, colours)
        ]
        assert not found, f"{page.url}, {colours}: {found}"
    check_fits(page)


def _faults(page: Page, colours: str) -> list[dict[str, Any]]:
    """What Axe complains of; in dark colours only of those, for the elements are the same."""
    if page.evaluate("typeof axe") == "undefined":
        page.evaluate(_AXE)
    options = {"resultTypes": ["violations"], **({"runOnly": _COLOUR_RULES} if colours == "dark" else {})}
    found: list[dict[str, Any]] = page.evaluate("async (options) => (await axe.run(options)).violations", options)
    return found


def check_fits(page: Page) -> None:
    """Nothing needs scrolling sideways, outside of what scrolls by itself, and no text is cut off without a mark."""
    wide, window = page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]")
    assert wide <= window, f"{page.url} is {wide} pixels wide in a window of {window}"
    assert not page.evaluate(_CUT_OFF), page.url


_CUT_OFF = """() => {
    const isPart = (element) => element.closest(".hidden-text, svg, .js-plotly-plot, [aria-hidden=true]") !== null;
    const cuts = (element) => {
        const { overflowX, textOverflow, visibility } = getComputedStyle(element);
        if (overflowX !== "hidden" || textOverflow === "ellipsis" || visibility === "hidden") return false;
        return element.clientWidth > 1 && element.scrollWidth > element.clientWidth + 1;
    };
    const cut = [...document.querySelectorAll("main *, header *")].filter((one) => !isPart(one) && cuts(one));
    return cut.slice(0, 5).map((one) => `${one.tagName} ${one.className}: ${one.textContent.slice(0, 60)}`);
}"""


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
