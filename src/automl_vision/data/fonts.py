"""Fonts for the names in pictures, whatever alphabet they are written in."""

from __future__ import annotations

import importlib.util
import subprocess
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_COMMON = ("NotoSans-Regular.ttf", "DejaVuSans.ttf")  # Latin, Greek, Cyrillic, the second one Arabic and Hebrew too
_NO_LETTER = "\U0010ffff"  # no font has it, so it is drawn as the sign for a missing letter
_SEARCH_SECONDS = 5


def font_for(text: str, size: int) -> Font:
    """A font that has all letters of a text, or most of them: a common one, or what the system finds.

    Args:
        text: a single line.
        size: in pixels.
    """
    common = _common(size)
    lacking = _lacking(text, common)
    if not lacking:
        return common
    file = _installed(lacking)
    found = _opened(file, size) if file else None
    return found if found is not None and len(_lacking(text, found)) < len(lacking) else common


@lru_cache(maxsize=16)
def _common(size: int) -> Font:
    matplotlib = importlib.util.find_spec("matplotlib")
    folders = [
        Path(place) / "mpl-data/fonts/ttf" for place in (matplotlib and matplotlib.submodule_search_locations) or ()
    ]
    for name in (*_COMMON, *(str(folder / "DejaVuSans.ttf") for folder in folders)):
        if (font := _opened(name, size)) is not None:
            return font
    return ImageFont.load_default(size)


@lru_cache(maxsize=64)
def _opened(name: str, size: int) -> Font | None:
    try:
        return ImageFont.truetype(name, size)
    except OSError:
        return None


def _lacking(text: str, font: Font) -> str:
    """The letters of a text that a font does not have, each once."""
    if text.isascii():
        return ""
    missing = bytes(font.getmask(_NO_LETTER))
    letters = sorted({letter for letter in text if not letter.isspace()})
    return "".join(letter for letter in letters if bytes(font.getmask(letter)) == missing)


@lru_cache(maxsize=256)
def _installed(letters: str) -> str | None:
    """The file of a font with some letters, by fontconfig; None where that is not installed."""
    wanted = " ".join(f"{ord(letter):x}" for letter in letters)
    command = ["fc-match", "--format=%{file}", f"sans-serif:scalable=true:charset={wanted}"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=_SEARCH_SECONDS, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return found.stdout or None
