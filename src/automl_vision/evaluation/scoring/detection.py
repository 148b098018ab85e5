"""Scoring of boxes with classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.records import Calibration, MetricInterval, Report
from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.evaluation import detection as evaluation
from automl_vision.evaluation.paired import RESAMPLES
from automl_vision.evaluation.scoring.scoring import Arrays, MetricKinds, Rows, Scoring, ScoringSettings


@dataclass(frozen=True)
class DetectionOutputs:
    """What a detector returns for some images; its length is the number of images.

    Attributes:
        detections: in pixels of the image files.
        loss: mean over the images, NaN when it was not computed.
    """

    detections: Detections
    loss: float = float("nan")

    def __len__(self) -> int:
        return self.detections.images

    @staticmethod
    def join(parts: Sequence[DetectionOutputs]) -> DetectionOutputs:
        """The outputs of several batches, one after another."""
        loss = sum(part.loss * len(part) for part in parts) / max(sum(map(len, parts)), 1)
        return DetectionOutputs(Detections.join([part.detections for part in parts]), loss)


class DetectionScoring(Scoring[DetectionOutputs]):
    """Pascal VOC's mean average precision, COCO's figures, precision and recall at the operating threshold."""

    def __init__(self, dataset: Dataset, settings: ScoringSettings) -> None:
        super().__init__(dataset, settings)
        self.objects = dataset.objects
        self.sizes = image_sizes(dataset)

    def to_arrays(self, outputs: DetectionOutputs) -> Arrays:
        """The columns of the detections."""
        return outputs.detections.to_arrays()

    def from_arrays(self, arrays: Mapping[str, NDArray[Any]], rows: Rows) -> DetectionOutputs:
        """The detections, without their loss."""
        return DetectionOutputs(Detections.from_arrays(len(rows), arrays))

    def validation_loss(self, outputs: DetectionOutputs, rows: Rows) -> float:  # noqa: ARG002
        """The detector's own loss on the validation images."""
        return outputs.loss

    def calibrate(self, outputs: DetectionOutputs, rows: Rows) -> Calibration:  # noqa: ARG002
        """The score from which objects are shown, as the settings ask for it."""
        return Calibration(thresholds=(self.settings.score,) * len(self.classes))

    def metrics(self, outputs: DetectionOutputs, rows: Rows, calibration: Calibration) -> dict[str, float]:
        """The metrics that the settings ask for."""
        return self._metrics(outputs.detections, self.ground_truth(rows), calibration, self.settings.metrics)

    def report(self, outputs: DetectionOutputs, rows: Rows, calibration: Calibration) -> Report:
        """All metrics with intervals, figures per class, precision-recall curves."""
        truth, thresholds, found = self.ground_truth(rows), self.thresholds(calibration), outputs.detections
        intervals = evaluation.detection_intervals(found, truth, thresholds)
        return Report(
            metrics=self._metrics(found, truth, calibration),
            intervals={name: MetricInterval(**vars(interval)) for name, interval in intervals.items()},
            per_class=evaluation.per_class(found, truth, self.classes, thresholds),
            charts={"precision_recall": evaluation.precision_recall_curves(found, truth, self.classes, thresholds)},
        )

    def comparison(self, outputs: DetectionOutputs, rows: Rows, calibration: Calibration) -> Arrays:
        """Mean average precision on resamples of the images."""
        thresholds = self.thresholds(calibration)
        values = evaluation.resampled_precision(outputs.detections, self.ground_truth(rows), thresholds)
        return {RESAMPLES: values, "images": np.array(len(rows))}

    def thresholds(self, calibration: Calibration) -> evaluation.Thresholds:
        """From which overlap and which score an object counts."""
        return evaluation.Thresholds(self.settings.iou, min(calibration.thresholds), len(self.classes))

    def ground_truth(self, rows: Rows) -> GroundTruth:
        """The labelled objects of some images, in the order of the rows."""
        spans = [self.objects.rows_of(int(row)) for row in rows]
        index = np.concatenate([np.arange(span.start, span.stop) for span in spans]) if len(rows) else np.zeros(0, int)
        return GroundTruth(
            sizes=self.sizes[rows],
            image=np.repeat(np.arange(len(rows)), [len(span) for span in spans]),
            labels=self.objects.label[index].astype(np.int64),
            boxes=self.objects.bbox[index],
            crowd=self.objects.iscrowd[index],
            difficult=self.objects.difficult[index],
            masks=self._masks(index),
        )

    def _masks(self, index: NDArray[np.intp]) -> tuple[str, ...] | None:  # noqa: ARG002
        """Codes of the masks of some objects; None for boxes."""
        return None

    def _metrics(
        self, found: Detections, truth: GroundTruth, calibration: Calibration, kinds: MetricKinds = "coco_voc"
    ) -> dict[str, float]:
        return evaluation.detection_metrics(found, truth, self.thresholds(calibration), kinds=kinds)


def image_sizes(dataset: Dataset) -> NDArray[np.int64]:
    """(images, 2), height and width in the files."""
    columns = [dataset.table[name].to_numpy().astype(np.int64) for name in ("height", "width")]
    return np.stack(columns, axis=1)
