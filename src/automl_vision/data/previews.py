"""Pictures of a dataset: some of its images with their labels, boxes and masks drawn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.text import did_you_mean
from automl_vision.data.drawing import TILE, Tile, class_colours, draw_grid
from automl_vision.data.labelled_image import LabelledImage
from automl_vision.data.object import Object
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.data.targets import Targets

_UNREADABLE = np.full((192, 256, 3), 220, np.uint8)  # grey


def draw_images(images: Sequence[LabelledImage], classes: Sequence[str], *, columns: int = 4) -> Image.Image:
    """A grid of images with their labels, boxes and masks.

    Args:
        images: in rows from the left.
        classes: of the dataset; each has its own colour.
        columns: images per row, at least 1.
    """
    return draw_grid([_tile(image) for image in images], class_colours(classes), columns=columns)


def rows_to_draw(
    splits: NDArray[np.str_],
    labelled: Targets,
    classes: Sequence[str],
    *,
    n: int,
    split: str | None,
    label: str | None,
    seed: int,
) -> list[int]:
    """At most `n` randomly chosen rows, sorted; optionally of one split or with one class only.

    Raises:
        DataError: the split or class does not exist, or no image has both.
    """
    wanted = splits != LEFT_OUT if split is None else splits == split
    if split is not None and not wanted.any():
        known = [name for name in dict.fromkeys(splits.tolist()) if name]
        hint = did_you_mean(split, known)
        raise DataError(f'no image is in the split "{split}".{hint} Splits: {", ".join(known) or "none"}')
    if label is not None:
        if label not in classes:
            raise DataError(f'no class is named "{label}".{did_you_mean(label, classes)}')
        wanted &= np.isin(np.arange(len(splits)), labelled.row[labelled.label == classes.index(label)])
    rows = np.flatnonzero(wanted)
    if not len(rows):
        named = [f'{noun} "{name}"' for noun, name in (("split", split), ("label", label)) if name is not None]
        raise DataError(f"no image matches {' and '.join(named)}" if named else "there is no image to show")
    chosen: list[int] = np.sort(np.random.default_rng(seed).permutation(rows)[:n]).tolist()
    return chosen


def _tile(image: LabelledImage) -> Tile:
    """One image of a grid, with its labels."""
    counts = Counter(value.label for value in image.objects)
    names = [f"{name} {count}" for name, count in counts.items()] if image.objects else image.labels
    note = " · ".join(filter(None, [image.split, image.reference]))
    return image_tile(image, ", ".join(names) or "(none)", note)


def image_tile(image: LabelledImage, caption: str, note: str, dashed: Sequence[Object] = ()) -> Tile:
    """One image of a grid; if it cannot be read, a grey area with the reason.

    Args:
        image: whose objects are drawn.
        caption, note: the two lines below it.
        dashed: further objects.
    """
    try:
        pixels = image.pixels((TILE, TILE))
    except ImageError as error:
        return Tile(_UNREADABLE, image.size, str(error), note)
    return Tile(pixels, image.size, caption, note, image.objects, dashed=dashed)
