"""A full look at a data set before it is trained on."""

from __future__ import annotations

from functools import partial

from automl_vision.core.errors import ImageError
from automl_vision.data.dataset import Dataset
from automl_vision.data.images import load_pixels
from automl_vision.data.scan import Progress, parallel_map
from automl_vision.data.storage import read_image_bytes

_SHORT_SIDE = 64  # pixels; small, for only the decoding counts


def check_dataset(dataset: Dataset, *, progress: Progress | None = None) -> Dataset:
    """Decode every image; those that cannot be decoded leave their split and are reported.

    Args:
        dataset: as opened.
        progress: called with (images done, images in all).
    """
    images = dataset.table["image"].to_pylist()
    results = parallel_map(partial(_problem, root=dataset.root), images, progress=progress)
    return dataset.excluding({row: reason for row, reason in enumerate(results) if reason})


def _problem(image: str, *, root: str) -> str | None:
    try:
        load_pixels(read_image_bytes(root, image), size=_SHORT_SIDE)
    except ImageError as error:
        return str(error)
    return None
