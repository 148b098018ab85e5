"""Decides the range of values of a dataset's images, once, when it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.core.errors import DataError, ImageError
from automl_vision.data.deep_images import is_deep, stated_range, stored_bits
from automl_vision.data.images import open_image, orientation_of, own_values
from automl_vision.data.manifest import splits_of
from automl_vision.data.report import ImportReport
from automl_vision.data.scan import ImageFacts, is_content_digest, parallel_map
from automl_vision.data.turned_photos import TURNED
from automl_vision.data.value_range import BYTES_ONLY, STATED, ValueRange
from automl_vision.storage.access import read_image_bytes

_SAMPLED = 100  # images; of 16-bit PNGs of 4 megapixels that takes 5 s on two cores
_LOOKED_AT = 32  # where no header was read, images that show whether there are more than 8 bits
_VALUES = 40_000  # of an image
_SHARES = (0.1, 99.9)  # percentiles, of all sampled values
_OUTLYING = 0.5  # of the range between these percentiles; values further out are clipped


@dataclass(frozen=True)
class _Sample:
    """Values of one image.

    Attributes:
        is_turned: whether EXIF turns it.
        values: finite ones, evenly from all of the image; None for an image of 8 bits.
        stated: the range that the file states, or None.
        bits: significant bits of unsigned integers, 0 for other values.
    """

    is_turned: bool
    values: NDArray[np.float64] | None = None
    stated: tuple[float, float] | None = None
    bits: int = 0


def decide_range(
    table: pa.Table, root: str, facts: Sequence[ImageFacts], asked: ValueRange | str, report: ImportReport
) -> ValueRange:
    """The range of values of a dataset; `BYTES_ONLY` where no image has more than 8 bits.

    What all sampled training images state alike is taken, such as a window in DICOM; otherwise the percentiles 0.1 and
    99.9 of their values, or the smallest and largest where those are not far out.

    Args:
        table: the manifest.
        root: where relative images start.
        facts: of the image files.
        asked: a range, or one of `AUTO` and `STATED`.
        report: where files were not read and some of a sample are turned by EXIF, it gets a note.

    Raises:
        DataError: the files are asked for a range, and state none.
    """
    if isinstance(asked, ValueRange):
        return asked
    looked_at = _samples(table, root, facts)
    _note_turned(looked_at, facts, report)
    samples = [sample for sample in looked_at if sample.values is not None]
    if not samples:
        return BYTES_ONLY
    if asked == STATED:
        return _stated(samples)
    stated = {sample.stated for sample in samples}
    if len(stated) == 1 and (only := stated.pop()) is not None:
        return ValueRange(*only, "file")
    return _of_values(np.concatenate([sample.values for sample in samples if sample.values is not None]))


def _note_turned(samples: Sequence[_Sample], facts: Sequence[ImageFacts], report: ImportReport) -> None:
    """Note that photos are turned by EXIF whose files were not read, so that nobody knows which."""
    turned = sum(sample.is_turned for sample in samples)
    if turned and any(map(_is_unread, facts)):
        reason = (
            f"{turned} of {len(samples)} images that were looked at are turned by EXIF, and the others were not read: "
            "annotations are taken to be of the upright images; if they are not, read them from a copy on this machine"
        )
        report.note(facts[0].image, reason, TURNED)


def _is_unread(fact: ImageFacts) -> bool:
    return fact.problem is None and not is_content_digest(fact.digest)


def _samples(table: pa.Table, root: str, facts: Sequence[ImageFacts]) -> list[_Sample]:
    """Of training images with more than 8 bits, evenly over all of them; of all images where none is for training."""
    images = table["image"].to_pylist()
    deep = {fact.image for fact in facts if fact.is_deep}
    unread = any(map(_is_unread, facts))
    if not deep and not unread:
        return []
    splits = splits_of(table)
    usable = np.array([image in deep for image in images]) if not unread else np.ones(len(images), bool)
    training = usable & (splits == "train")
    rows = np.flatnonzero(training if training.any() else usable)
    most = _LOOKED_AT if unread else _SAMPLED
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, most).astype(int))] if len(rows) > most else rows
    found = parallel_map(partial(_sample, root=root), [images[row] for row in chosen.tolist()])
    return [sample for sample in found if sample is not None]


def _sample(image: str, *, root: str) -> _Sample | None:
    """Values of one image; None if it cannot be decoded, which is reported elsewhere."""
    try:
        data = read_image_bytes(root, image)
        opened = open_image(data)
        if not is_deep(opened):
            return _Sample(orientation_of(opened) > 1)
        stated, bits = stated_range(opened), stored_bits(opened, data)
        values = own_values(opened).ravel()
    except ImageError:
        return None
    values = values[:: max(1, len(values) // _VALUES)].astype(np.float64)
    return _Sample(orientation_of(open_image(data)) > 1, values[np.isfinite(values)], stated, bits)


def _stated(samples: Sequence[_Sample]) -> ValueRange:
    """The range that holds what all files state; for unsigned integers, their number of bits does.

    Raises:
        DataError: a file states nothing.
    """
    ranges = [sample.stated or ((0.0, 2.0**sample.bits - 1) if sample.bits else None) for sample in samples]
    known = [found for found in ranges if found is not None]
    if len(known) < len(ranges):
        raise DataError(
            f"value_range={STATED}: {len(ranges) - len(known)} of {len(ranges)} images state no range of their values; "
            'give one such as value_range="200:800"'
        )
    return ValueRange(min(low for low, _ in known), max(high for _, high in known), "file")


def _of_values(values: NDArray[np.float64]) -> ValueRange:
    """The range of values, without a few that lie far out."""
    if not len(values):
        return BYTES_ONLY
    low, high = np.percentile(values, _SHARES).tolist()
    least, most = float(values.min()), float(values.max())
    room = _OUTLYING * (high - low)
    low = least if low - least <= room or low == high else low
    high = most if most - high <= room or low == high else high
    if low == high:  # every value is the same, or nearly every one
        low, high = (least, most) if least < most else (low, low + 1)
    return ValueRange(low, high, "training images")
