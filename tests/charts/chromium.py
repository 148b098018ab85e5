"""A page in headless Chromium: its document after its scripts have run, and what its console said."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

BROWSER = next((path for name in ("chromium", "google-chrome", "chrome") if (path := shutil.which(name))), None)

_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
          "--enable-logging=stderr", "--virtual-time-budget=20000", "--dump-dom")  # fmt: skip


def opened(page: Path) -> tuple[str, list[str]]:
    """The document of a page, and the lines of its console."""
    assert BROWSER is not None
    done = subprocess.run(
        [BROWSER, *_FLAGS, page.as_uri()], capture_output=True, text=True, check=True, timeout=120, errors="replace"
    )
    return done.stdout, [line for line in done.stderr.splitlines() if "CONSOLE" in line]
