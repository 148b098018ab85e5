"""Images that cannot be used, or that are odd."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.text import suffix_of
from automl_vision.data.images import MAX_ASPECT
from automl_vision.data.scan import is_content_digest
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.listing import Found, check, plural

TINY_SIDE = 32  # pixels; networks shrink their input 32 times, so less than this is one point of it
HUGE_PIXELS = 50_000_000  # 150 MB when decoded
BLANK_SPREAD = 3.0  # of 255; photos of one dark room still have 5 and more
_SUFFIXES = {
    "JPEG": (".jpg", ".jpeg"),
    "PNG": (".png",),
    "BMP": (".bmp",),
    "TIFF": (".tif", ".tiff"),
    "GIF": (".gif",),
    "WEBP": (".webp",),
}


@check(
    "unreadable-image",
    "error",
    title="Images that cannot be read",
    advice="Bring the files back from their source; without them these images are left out.",
    actions=("exclude", "none"),
)
def unreadable(evidence: Evidence) -> Found | None:
    """Missing, empty, foreign or oversized files: when the data was opened, or now."""
    rows = [row for row in evidence.stats.problems if not evidence.stats.formats[row]]
    treated = {evidence.images[row] for row in np.flatnonzero(evidence.splits == LEFT_OUT).tolist()}
    problems = [p for p in evidence.data.report.problems if p.kind == "unreadable image" and p.place not in treated]
    if not rows and not problems:
        return None
    notes = [evidence.stats.problems[row] for row in rows] + [problem.reason for problem in problems]
    return Found(
        f"{plural(len(notes), 'image')} cannot be read",
        rows=np.array(rows, np.int64),
        places=tuple(problem.place for problem in problems),
        notes=tuple(notes),
    )


@check(
    "truncated-image",
    "error",
    title="Images that break off or are damaged",
    advice="Copy or download the files again; without their end they cannot be decoded.",
    actions=("exclude", "none"),
)
def truncated(evidence: Evidence) -> Found | None:
    """Files with a good header whose pixels cannot be decoded."""
    rows = [row for row in evidence.stats.problems if evidence.stats.formats[row]]
    if not rows:
        return None
    return Found(
        f"{plural(len(rows), 'image')} cannot be decoded to the end",
        rows=np.array(rows, np.int64),
        notes=tuple(evidence.stats.problems[row] for row in rows),
    )


@check(
    "changed-image",
    "error",
    title="Images that changed since the data was opened",
    advice="The labels were made for other pixels: open the data again, or bring the old files back.",
    actions=("exclude", "none"),
)
def changed(evidence: Evidence) -> Found | None:
    """Files whose contents are not those that the manifest was made of."""
    opened = evidence.data.table["digest"].to_pylist()
    rows = [
        row
        for row, (before, now) in enumerate(zip(opened, evidence.stats.digests, strict=True))
        if evidence.usable[row] and is_content_digest(before) and now != before
    ]
    if not rows:
        return None
    summary = f"{plural(len(rows), 'image')} with other contents than before"
    return Found(summary, rows=np.array(rows), notes=("the file changed since the dataset was opened",) * len(rows))


@check(
    "blank-image",
    "warning",
    title="Blank images",
    advice="A picture of one colour teaches nothing; take it out unless its class means just that.",
    actions=("exclude", "none"),
)
def blank(evidence: Evidence) -> Found | None:
    """Pictures whose colour hardly changes."""
    spread = evidence.stats.spread
    rows = _sorted(evidence.usable & (spread < BLANK_SPREAD), spread)
    notes = tuple(f"brightness varies by {value:.1f} of 255" for value in spread[rows].tolist())
    return Found(f"{plural(len(rows), 'image')} of a single colour", rows=rows, notes=notes) if len(rows) else None


@check(
    "tiny-image",
    "warning",
    title="Tiny images",
    advice="Look for thumbnails that were saved instead of the pictures.",
    actions=("none", "exclude"),
)
def tiny(evidence: Evidence) -> Found | None:
    """Images with a side that a network cannot see."""
    sides = evidence.sizes.min(axis=1)
    rows = _sorted(evidence.usable & (sides < TINY_SIDE), sides)
    if not len(rows):
        return None
    summary = f"{plural(len(rows), 'image')} with a side under {TINY_SIDE} pixels"
    return Found(summary, rows=rows, notes=_sizes(evidence, rows))


@check(
    "huge-image",
    "hint",
    title="Huge images",
    advice="Training works on a resized copy; small objects in them may vanish, and reading them is slow.",
)
def huge(evidence: Evidence) -> Found | None:
    """Images of many megapixels."""
    pixels = evidence.sizes.prod(axis=1)
    rows = _sorted(evidence.usable & (pixels > HUGE_PIXELS), -pixels)
    if not len(rows):
        return None
    summary = f"{plural(len(rows), 'image')} with more than {HUGE_PIXELS // 1_000_000} megapixels"
    return Found(summary, rows=rows, notes=_sizes(evidence, rows))


@check(
    "extreme-aspect",
    "warning",
    title="Very long or very high images",
    advice=f"Only the middle of an image is used beyond {MAX_ASPECT:g} : 1; cut such pictures into several.",
    actions=("none", "exclude"),
)
def extreme_aspect(evidence: Evidence) -> Found | None:
    """Images whose ends would be cut off."""
    sizes = evidence.sizes
    aspect = sizes.max(axis=1) / np.maximum(sizes.min(axis=1), 1)
    rows = _sorted(evidence.usable & (aspect > MAX_ASPECT), -aspect)
    if not len(rows):
        return None
    summary = f"{plural(len(rows), 'image')} longer than {MAX_ASPECT:g} times the shorter side"
    return Found(summary, rows=rows, notes=_sizes(evidence, rows))


@check(
    "wrong-suffix",
    "hint",
    title="Files whose name says another format",
    advice="They are read by their contents, here; other programs may refuse them, so rename them at their source.",
)
def wrong_suffix(evidence: Evidence) -> Found | None:
    """Suffixes that the bytes contradict."""
    rows, notes = [], []
    for row, format_ in enumerate(evidence.stats.formats):
        suffix = suffix_of(evidence.images[row].partition("?")[0]) if format_ else ""
        if suffix and suffix not in _SUFFIXES.get(format_, (suffix,)):
            rows.append(row)
            notes.append(f"named {suffix}, is {format_}")
    if not rows:
        return None
    return Found(f"{plural(len(rows), 'file')} of another format than named", rows=np.array(rows), notes=tuple(notes))


def _sorted(found: NDArray[np.bool_], key: NDArray[np.generic]) -> NDArray[np.intp]:
    """The rows of a mask, by a key."""
    (rows,) = np.nonzero(found)
    return rows[np.argsort(key[rows], kind="stable")]


def _sizes(evidence: Evidence, rows: NDArray[np.intp]) -> tuple[str, ...]:
    return tuple(f"{width} x {height} pixels" for width, height in evidence.sizes[rows].tolist())
