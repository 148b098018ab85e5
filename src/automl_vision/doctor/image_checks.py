"""Images that cannot be used or look wrong."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.text import suffix_of
from automl_vision.data.image_names import SUFFIXES
from automl_vision.data.images import MAX_ASPECT
from automl_vision.data.scan import is_content_digest
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.listing import Found, check, plural

TINY_SIDE = 32  # pixels; networks downsample their input 32 times, so a smaller image becomes a single point
HUGE_PIXELS = 50_000_000  # 150 MB when decoded
BLANK_SPREAD = 3.0  # of 255; even photos of one dark room have 5 and more


_SOURCES = {
    "training images": "decided by the training images",
    "file": "as the files state",
    "asked": "as asked for",
    "16 bits": "all of 16 bits, for no training image has more than 8",
}


@check(
    "unreadable-image",
    "error",
    title="Images that cannot be read",
    advice="Restore the files from their source; without them these images are left out.",
    actions=("exclude", "none"),
)
def unreadable(evidence: Evidence) -> Found:
    """Files that are missing, empty, too large or not images, now or when the data was opened."""
    rows = [row for row in evidence.stats.problems if not evidence.stats.formats[row]]
    treated = {evidence.images[row] for row in np.flatnonzero(evidence.splits == LEFT_OUT).tolist()}
    problems = [p for p in evidence.data.report.problems if p.kind == "unreadable image" and p.place not in treated]
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
    title="Images that are truncated or damaged",
    advice="Copy or download the files again; as they are, they cannot be decoded.",
    actions=("exclude", "none"),
)
def truncated(evidence: Evidence) -> Found:
    """Files with a valid header whose pixels cannot be decoded."""
    rows = [row for row in evidence.stats.problems if evidence.stats.formats[row]]
    return Found(
        f"{plural(len(rows), 'image')} cannot be decoded completely",
        rows=np.array(rows, np.int64),
        notes=tuple(evidence.stats.problems[row] for row in rows),
    )


@check(
    "changed-image",
    "error",
    title="Images that changed since the data was opened",
    advice="The labels belong to other pixels: open the data again, or restore the old files.",
    actions=("exclude", "none"),
)
def changed(evidence: Evidence) -> Found:
    """Files whose contents differ from those in the manifest."""
    opened = evidence.data.table["digest"].to_pylist()
    rows = [
        row
        for row, (before, now) in enumerate(zip(opened, evidence.stats.digests, strict=True))
        if evidence.usable[row] and is_content_digest(before) and now != before
    ]
    summary = f"{plural(len(rows), 'image')} with other contents than before"
    return Found(
        summary, rows=np.array(rows, np.int64), notes=("the file changed since the dataset was opened",) * len(rows)
    )


@check(
    "blank-image",
    "warning",
    title="Blank images",
    advice="Nothing can be learnt from an image of one colour; exclude it unless that is what its class means.",
    actions=("exclude", "none"),
)
def blank(evidence: Evidence) -> Found:
    """Images whose colour hardly varies."""
    spread = evidence.stats.spread
    rows = _sorted(evidence.usable & (spread < BLANK_SPREAD), spread)
    range_ = evidence.data.value_range
    beyond = f", for its values lie outside of {range_}" if range_ is not None else ""
    notes = tuple(
        f"brightness varies by {spread[row]:.1f} of 255{beyond if evidence.stats.deep[row] else ''}"
        for row in rows.tolist()
    )
    return Found(f"{plural(len(rows), 'image')} of a single colour", rows=rows, notes=notes)


@check(
    "value-range",
    "hint",
    title="Images of more than 8 bits",
    advice="Training and the model use the same values for black and white; where they do not suit, open the data with "
    "others: value_range, or --value-range LOW:HIGH.",
)
def value_range(evidence: Evidence) -> Found:
    """The values that become black and white, and from where they are."""
    (rows,) = np.nonzero(evidence.usable & evidence.stats.deep)
    range_ = evidence.data.value_range
    others = int((evidence.usable & ~evidence.stats.deep).sum())
    what = (
        "each is scaled by a guess of its own, as in older versions; open the data again"
        if range_ is None
        else f"the values {range_} become 0 to 255 ({_SOURCES[range_.source]})"
    )
    rest = f"; {plural(others, 'image')} of 8 bits stay as they are" if others and len(rows) else ""
    return Found(f"{plural(len(rows), 'image')} of more than 8 bits: {what}{rest}", rows=rows)


@check(
    "tiny-image",
    "warning",
    title="Tiny images",
    advice="Check whether thumbnails were saved instead of the images themselves.",
    actions=("none", "exclude"),
)
def tiny(evidence: Evidence) -> Found:
    """Images with a side that is too short for a network."""
    sides = evidence.data.sizes.min(axis=1)
    return _of_size(evidence, sides < TINY_SIDE, sides, f"with a side under {TINY_SIDE} pixels")


@check(
    "huge-image",
    "hint",
    title="Huge images",
    advice="Training uses a resized copy, in which small objects may vanish; reading the files is slow.",
)
def huge(evidence: Evidence) -> Found:
    """Images of many megapixels."""
    pixels = evidence.data.sizes.prod(axis=1)
    return _of_size(evidence, pixels > HUGE_PIXELS, -pixels, f"with more than {HUGE_PIXELS // 1_000_000} megapixels")


@check(
    "extreme-aspect",
    "warning",
    title="Images with an extreme aspect ratio",
    advice=f"Beyond {MAX_ASPECT:g} : 1 only the middle of an image is used; cut such images into several.",
    actions=("none", "exclude"),
)
def extreme_aspect(evidence: Evidence) -> Found:
    """Images whose ends would be cut off."""
    sizes = evidence.data.sizes
    aspect = sizes.max(axis=1) / np.maximum(sizes.min(axis=1), 1)
    return _of_size(evidence, aspect > MAX_ASPECT, -aspect, f"longer than {MAX_ASPECT:g} times the shorter side")


@check(
    "wrong-suffix",
    "hint",
    title="Files named as another format",
    advice="Here the contents decide, but other programs may refuse these files; rename them at their source.",
)
def wrong_suffix(evidence: Evidence) -> Found:
    """Suffixes that do not match the contents."""
    rows, notes = [], []
    for row, format_ in enumerate(evidence.stats.formats):
        suffix = suffix_of(evidence.images[row].partition("?")[0]) if format_ else ""
        if suffix and suffix not in SUFFIXES.get(format_, (suffix,)):
            rows.append(row)
            notes.append(f"named {suffix}, is {format_}")
    summary = f"{plural(len(rows), 'file')} of another format than named"
    return Found(summary, rows=np.array(rows, np.int64), notes=tuple(notes))


def _sorted(found: NDArray[np.bool_], key: NDArray[np.generic]) -> NDArray[np.intp]:
    """The rows of a mask, by a key."""
    (rows,) = np.nonzero(found)
    return rows[np.argsort(key[rows], kind="stable")]


def _of_size(evidence: Evidence, odd: NDArray[np.bool_], key: NDArray[np.generic], rest: str) -> Found:
    """The usable images of an odd size, by a key.

    Args:
        evidence: the data.
        odd: (images,), whether an image's size is odd.
        key: (images,), the smallest comes first.
        rest: of the summary, after the number of images.
    """
    rows = _sorted(evidence.usable & odd, key)
    notes = tuple(f"{width} x {height} pixels" for width, height in evidence.data.sizes[rows].tolist())
    return Found(f"{plural(len(rows), 'image')} {rest}", rows=rows, notes=notes)
