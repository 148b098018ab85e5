"""Predictions for one image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.detections import Detections
from automl_vision.serving.objects import mask_polygons


@dataclass(frozen=True)
class Prediction:
    """The prediction of a classifier for one image.

    Attributes:
        labels: class names, in the order of the model's outputs.
        probs: (classes,), calibrated; they sum to 1 for one-class models.
        predicted: the class with the highest probability, or of the least expected cost; or all labels at or above
            their thresholds. Empty where the model abstains.
        logits: (classes,), the network's outputs before calibration.
        answered: False where the model abstains: its class is below the threshold of a saved operating point.
        label_set: the labels that hold the truth as often as asked, most probable first; None unless asked for.
    """

    labels: tuple[str, ...]
    probs: NDArray[np.float64]
    predicted: tuple[str, ...]
    logits: NDArray[np.float32]
    answered: bool = True
    label_set: tuple[str, ...] | None = None

    @property
    def label(self) -> str:
        """The predicted class; for multi-label models all of them, joined by commas."""
        return ", ".join(self.predicted)

    @property
    def confidence(self) -> float:
        """The highest probability."""
        return float(self.probs.max())

    @property
    def figures(self) -> str:
        """The three highest probabilities, for people."""
        ranked = sorted(zip(self.probs.tolist(), self.labels, strict=True), reverse=True)[:3]
        return ", ".join(f"{label} {prob:.1%}" for prob, label in ranked)

    def to_json(self) -> dict[str, Any]:
        """`{"probs": [...], "labels": [...]}`; with `"set": [...]` where prediction sets were asked for."""
        values = {"probs": self.probs.tolist(), "labels": list(self.labels)}
        return values if self.label_set is None else {**values, "set": list(self.label_set)}


@dataclass(frozen=True)
class ObjectPrediction:
    """The prediction of a detector for one image.

    Attributes:
        labels: class names, in the order of the model's outputs.
        height, width: of the image in pixels.
        objects: the detections, best first; `boxes` in pixels of the image, `scores`, `labels` and `masks`.
    """

    labels: tuple[str, ...]
    height: int
    width: int
    objects: Detections

    @property
    def predicted(self) -> tuple[str, ...]:
        """The class of each object, best first."""
        return tuple(self.labels[label] for label in self.objects.labels.tolist())

    @property
    def label(self) -> str:
        """The number of objects of each class, such as "3 dog, 1 cat"."""
        return ", ".join(f"{count} {label}" for label, count in Counter(self.predicted).most_common())

    @property
    def confidence(self) -> float:
        """The highest score; 0 when there are no objects."""
        return float(self.objects.scores.max(initial=0.0))

    @property
    def figures(self) -> str:
        """The three best objects, for people."""
        best = zip(self.predicted[:3], self.objects.scores[:3].tolist(), strict=True)
        return ", ".join(f"{label} {score:.1%}" for label, score in best)

    def to_json(self) -> dict[str, Any]:
        """`{"boxes": [{"box": {"topX": .., "topY": .., "bottomX": .., "bottomY": ..}, "label": .., "score": ..}]}`.

        All coordinates are fractions of width and height. Objects with masks also have `"polygon": [[x, y, ...], ...]`.
        """
        size = np.array([self.width, self.height] * 2)
        rows = []
        for i, (box, score) in enumerate(zip(self.objects.boxes / size, self.objects.scores.tolist(), strict=True)):
            names = ("topX", "topY", "bottomX", "bottomY")
            row: dict[str, Any] = {
                "box": dict(zip(names, box.tolist(), strict=True)), "label": self.predicted[i], "score": score,
            }  # fmt: skip
            if self.objects.masks is not None:
                row["polygon"] = [self._shares(polygon) for polygon in mask_polygons(self.objects.masks[i])]
            rows.append(row)
        return {"boxes": rows}

    def _shares(self, polygon: Sequence[float]) -> list[float]:
        shares: list[float] = (np.array(polygon).reshape(-1, 2) / [self.width, self.height]).ravel().tolist()
        return shares


AnyPrediction = Prediction | ObjectPrediction
