"""Scoring of masks with classes."""

from __future__ import annotations

from itertools import islice

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.dataset import Dataset
from automl_vision.data.masks import MaskCode
from automl_vision.data.objects import Objects
from automl_vision.evaluation import detection as evaluation
from automl_vision.evaluation.scoring.detection import DetectionScoring
from automl_vision.evaluation.scoring.scoring import ScoringSettings


class SegmentationScoring(DetectionScoring):
    """The metrics of detection by the overlap of masks; those named `box_` are by the overlap of boxes."""

    METRICS = evaluation.MASK_METRICS
    INTERVALS = (*DetectionScoring.INTERVALS, "box_mean_average_precision")

    def __init__(self, dataset: Dataset, settings: ScoringSettings) -> None:
        super().__init__(dataset, settings)
        self._codes: dict[int, str] = {}  # drawn once, not at each validation

    def _masks(self, index: NDArray[np.intp]) -> tuple[str, ...]:
        new = np.array([i for i in index.tolist() if i not in self._codes], np.intp)
        self._codes |= zip(new.tolist(), mask_codes(self.objects, new, self.sizes), strict=True)
        return tuple(self._codes[i] for i in index.tolist())


def mask_codes(objects: Objects, index: NDArray[np.intp], sizes: NDArray[np.int64]) -> list[str]:
    """The codes of objects' masks at the size of their image, as COCO's tools draw polygons.

    Args:
        objects: with polygons or codes.
        index: (n,), of the objects.
        sizes: (images, 2), height and width.
    """
    from faster_coco_eval.core import mask

    codes = {i: objects.rle[i] for i in index.tolist() if i in objects.rle}
    by_size: dict[tuple[int, int], list[int]] = {}
    for i, (height, width) in zip(index.tolist(), sizes[objects.image[index]].tolist(), strict=True):
        if i not in codes:
            by_size.setdefault((height, width), []).append(i)
    for (height, width), members in by_size.items():
        polygons = [[polygon.tolist() for polygon in objects.segments(i)] for i in members]
        # COCO's tools take four numbers for a box, and all of a list for what its first one is
        plain = [all(len(polygon) > 4 for polygon in parts) for parts in polygons]
        many = [polygon for parts, is_plain in zip(polygons, plain, strict=True) if is_plain for polygon in parts]
        drawn = iter(mask.frPyObjects(many, height, width) if many else ())
        for i, parts, is_plain in zip(members, polygons, plain, strict=True):
            one = list(islice(drawn, len(parts))) if is_plain else mask.frPyObjects(parts, height, width)
            counts = (one[0] if len(one) == 1 else mask.merge(one))["counts"]
            codes[i] = MaskCode(height, width, counts.decode() if isinstance(counts, bytes) else counts).to_text()
    return [codes[i] for i in index.tolist()]
