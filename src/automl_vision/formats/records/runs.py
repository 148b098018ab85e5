"""Masks as runs in a table's cell, "start length start length ..." with starts from 1, down the columns or by row."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.masks import MaskCode, compress_counts, encode_mask
from automl_vision.formats.usable import check_mask_size

Size = tuple[int, int]
Sample = tuple[str, Size]
"""A cell, and the width and height of its image."""

_CLEARLY = 1.5  # times as many edges has a mask that is read in the wrong order, mostly far more


def are_runs(cell: str) -> bool:
    """Whether a cell holds pairs of whole numbers whose starts ascend."""
    if not cell.replace(" ", "").isdecimal():
        return False
    numbers = cell.split()
    starts = list(map(int, numbers[::2]))
    return len(numbers) >= 2 and len(numbers) % 2 == 0 and all(a < b for a, b in pairwise(starts))


def run_order(samples: Iterable[Sample]) -> str:
    """The order in which runs go through an image, "column" or "row": in the other one objects fall apart into lines.

    Raises:
        ValueError: the masks look alike in both.
    """
    edges = {"column": 0, "row": 0}
    for cell, size in samples:
        for order in edges:
            mask = _mask(cell, size, order)
            edges[order] += int((mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum())
    better, worse = sorted(edges, key=edges.__getitem__)
    if edges[worse] < _CLEARLY * edges[better] or not edges[worse]:
        raise ValueError(
            "masks are runs of pixels, and nothing tells whether they go down the columns or by row; write them as PNG "
            "or as COCO JSON"
        )
    return better


def mask_of_runs(cell: str, size: Size, order: str) -> str:
    """A cell as COCO's run-length code of the whole image.

    Raises:
        ValueError: the runs leave the image.
    """
    check_mask_size(size)
    if order == "row":
        return encode_mask(_mask(cell, size, order)).to_text()
    starts, ends = _spans(cell, size)
    bounds = np.empty(2 * len(starts) + 2, np.int64)
    bounds[0], bounds[-1] = 0, size[0] * size[1]
    bounds[1:-1:2], bounds[2:-1:2] = starts, ends
    return MaskCode(size[1], size[0], compress_counts(np.diff(bounds).tolist())).to_text()


def _mask(cell: str, size: Size, order: str) -> NDArray[np.bool_]:
    check_mask_size(size)
    width, height = size
    flat = np.zeros(width * height, bool)
    for start, end in zip(*_spans(cell, size), strict=True):
        flat[start:end] = True
    return flat.reshape(width, height).T if order == "column" else flat.reshape(height, width)


def _spans(cell: str, size: Size) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Starts and ends of the runs in the flat mask, from 0."""
    numbers = np.array(cell.split(), np.int64)
    starts = numbers[::2] - 1
    ends = starts + numbers[1::2]
    if starts[0] < 0 or ends[-1] > size[0] * size[1] or (starts[1:] < ends[:-1]).any():
        raise ValueError(f"the runs of the mask do not fit into an image of {size[0]} x {size[1]} pixels")
    return starts, ends
