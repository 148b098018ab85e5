"""Texts and names: near matches, one spelling for comparing, parts of a path."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable

_UNSEEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Give ` Did you mean "x"?` for the nearest known name, or an empty string when none is near."""
    by_lower = {other.lower(): other for other in known}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return f' Did you mean "{by_lower[matches[0]]}"?' if matches else ""


def visible(text: str) -> str:
    """A text on one line that does nothing to what surrounds it: control characters as codes."""
    return _UNSEEN.sub(lambda found: ascii(found.group())[1:-1], text)


def as_sentence(text: str) -> str:
    """A text that begins with a capital; the rest stays as it is."""
    return text[:1].upper() + text[1:]


def rough_duration(seconds: float) -> str:
    """Seconds in words, such as "90 s", "12 min" or "2.5 h"; negative ones count as none."""
    seconds = max(0.0, seconds)
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def composed(text: str) -> str:
    """A text with each letter and its accents as one character, as most write it; a Macintosh's names have several."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """A name for comparing: without regard to capitals and to how letters with accents are written."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def suffix_of(path: str) -> str:
    """A path's suffix in lower case, with its dot."""
    name = path.rpartition("/")[2]
    return f".{name.rpartition('.')[2].lower()}" if "." in name else ""


def folder_of(path: str) -> str:
    """A path's folder; empty for the root."""
    return path.rpartition("/")[0]
