"""Scoring of masks with classes."""

from __future__ import annotations

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
        for i in index.tolist():
            if i not in self._codes:
                self._codes[i] = mask_code(self.objects, i, self.sizes[self.objects.image[i]])
        return tuple(self._codes[i] for i in index.tolist())


def mask_code(objects: Objects, index: int, size: NDArray[np.int64]) -> str:
    """The code of an object's mask at the size of its image, as COCO's tools draw polygons."""
    from faster_coco_eval.core import mask

    known = objects.rle.get(index)
    if known is not None:
        return known
    height, width = size.tolist()
    polygons = [polygon.tolist() for polygon in objects.segments(index)]
    code = mask.merge(mask.frPyObjects(polygons, height, width))
    counts = code["counts"]
    return MaskCode(height, width, counts.decode() if isinstance(counts, bytes) else counts).to_text()
