"""Scoring of masks with classes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.records import Calibration, MetricInterval, Report
from automl_vision.data.masks import MaskCode
from automl_vision.data.objects import Objects
from automl_vision.evaluation import detection as evaluation
from automl_vision.evaluation.scoring.detection import DetectionOutputs, DetectionScoring
from automl_vision.evaluation.scoring.scoring import Rows


class SegmentationScoring(DetectionScoring):
    """The metrics of detection by the overlap of masks; those named `box_` are by the overlap of boxes."""

    def report(self, outputs: DetectionOutputs, rows: Rows, calibration: Calibration) -> Report:
        """The report of the masks, with the metrics of the boxes."""
        report = super().report(outputs, rows, calibration)
        boxes, truth = replace(outputs.detections, masks=None), replace(self.ground_truth(rows), masks=None)
        metrics = self._metrics(boxes, truth, calibration)
        intervals = evaluation.detection_intervals(boxes, truth, self.thresholds(calibration))
        name = "mean_average_precision"
        return Report(
            metrics={**report.metrics, **{f"box_{key}": value for key, value in metrics.items()}},
            intervals={**report.intervals, f"box_{name}": MetricInterval(**vars(intervals[name]))},
            per_class=report.per_class,
            charts=report.charts,
        )

    def _masks(self, index: NDArray[np.intp]) -> tuple[str, ...]:
        return tuple(mask_code(self.objects, int(i), self.sizes[self.objects.image[i]]) for i in index.tolist())


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
