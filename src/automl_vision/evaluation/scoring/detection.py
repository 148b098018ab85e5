"""Scoring of boxes with classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.core.records import Calibration
from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections, GroundTruth
from automl_vision.data.ragged import ranges
from automl_vision.evaluation import detection as evaluation
from automl_vision.evaluation.intervals import Floats
from automl_vision.evaluation.predictions import Predictions, object_columns
from automl_vision.evaluation.scoring.scoring import Rows, Scoring, ScoringSettings


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

    METRICS = evaluation.METRICS
    INTERVALS: ClassVar[tuple[str, ...]] = ("mean_average_precision", "precision", "recall")
    CLASS_FIGURE = "average_precision"

    def __init__(self, dataset: Dataset, settings: ScoringSettings) -> None:
        super().__init__(dataset, settings)
        self.objects = dataset.objects
        self.sizes = image_sizes(dataset)

    def to_columns(self, outputs: DetectionOutputs) -> dict[str, pa.Array]:
        """Labels, boxes, scores and masks of each image's objects."""
        return object_columns(outputs.detections)

    def from_predictions(self, predictions: Predictions) -> DetectionOutputs:
        """The detections, without their loss."""
        return DetectionOutputs(predictions.detections)

    def validation_loss(self, outputs: DetectionOutputs, rows: Rows) -> float:  # noqa: ARG002
        """The detector's own loss on the validation images."""
        return outputs.loss

    def calibrate(self, outputs: DetectionOutputs, rows: Rows) -> Calibration:  # noqa: ARG002
        """The score from which objects are shown, as the settings ask for it."""
        return Calibration(thresholds=(self.settings.score,) * len(self.classes))

    def cases(self, outputs: DetectionOutputs, rows: Rows, calibration: Calibration) -> evaluation.DetectionCases:
        """Detections beside the labelled objects."""
        return evaluation.DetectionCases(outputs.detections, self.ground_truth(rows), self.thresholds(calibration))

    def thresholds(self, calibration: Calibration) -> evaluation.Thresholds:
        """From which overlap and which score an object counts."""
        return evaluation.Thresholds(self.settings.iou, min(calibration.thresholds), len(self.classes))

    @property
    def followed(self) -> tuple[str, ...]:
        """The mean average precision, the primary metric, and what the settings ask for."""
        kinds = self.settings.metrics
        voc = ("precision", "recall") if "voc" in kinds else ()
        coco = evaluation.COCO_NAMES if "coco" in kinds.split("_") else ()
        return tuple(dict.fromkeys(("mean_average_precision", *voc, *coco, self.primary.name)))

    def per_class(self, cases: evaluation.DetectionCases) -> list[dict[str, Any]]:
        """Average precision, precision, recall and number of objects of each class."""
        return evaluation.per_class(cases, self.classes)

    def class_figures(self, cases: evaluation.DetectionCases, weights: Floats) -> Floats:
        """Average precision."""
        return evaluation.average_precisions(cases.matches, weights)

    def charts(self, cases: evaluation.DetectionCases) -> dict[str, Any]:
        """Precision-recall curves."""
        return {"precision_recall": evaluation.precision_recall_curves(cases, self.classes)}

    def ground_truth(self, rows: Rows) -> GroundTruth:
        """The labelled objects of some images, in the order of the rows."""
        first, end = (np.searchsorted(self.objects.image, rows, side=side) for side in ("left", "right"))
        index = ranges(first, end - first)
        return GroundTruth(
            sizes=self.sizes[rows],
            image=np.repeat(np.arange(len(rows)), end - first),
            labels=self.objects.label[index].astype(np.int64),
            boxes=self.objects.bbox[index],
            crowd=self.objects.iscrowd[index],
            difficult=self.objects.difficult[index],
            masks=self._masks(index),
        )

    def _masks(self, index: NDArray[np.intp]) -> tuple[str, ...] | None:  # noqa: ARG002
        """Codes of the masks of some objects; None for boxes."""
        return None


def image_sizes(dataset: Dataset) -> NDArray[np.int64]:
    """(images, 2), height and width in the files."""
    columns = [dataset.table[name].to_numpy().astype(np.int64) for name in ("height", "width")]
    return np.stack(columns, axis=1)
