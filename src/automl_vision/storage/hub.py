"""The hub of pretrained weights: whether it answers, and where what was fetched lies."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from pathlib import Path

_TIMEOUT = 4.0  # seconds; asking for weights without a hub must fail quickly


def hub_answers() -> bool:
    """Whether the hub of pretrained weights can be reached within seconds."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return False
    return url_answers(os.environ.get("HF_ENDPOINT", "https://huggingface.co"))


def url_answers(url: str) -> bool:
    """Whether a server answers within seconds that something is at a URL."""
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=_TIMEOUT):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500 and error.code != 403
    except (OSError, ValueError):
        return False


def fetched_repositories() -> dict[str, Path]:
    """The folders of what was fetched from the hub, by the name of the repository; weights may still be missing."""
    places = sorted(_hub_folder().glob("models--*"))
    return {place.name.removeprefix("models--").replace("--", "/"): place for place in places}


def _hub_folder() -> Path:
    """The folder of fetched weights, as the hub's own library finds it."""
    if own := os.environ.get("HF_HUB_CACHE"):
        return Path(own)
    home = os.environ.get("HF_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "huggingface"
    return Path(home) / "hub"


def torch_file(name: str) -> Path:
    """Where torch keeps a file that it fetched from torchvision's server."""
    home = os.environ.get("TORCH_HOME") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "torch"
    return Path(home).expanduser() / "hub" / "checkpoints" / name
