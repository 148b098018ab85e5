"""Predictions for one image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.late import optional_package
from automl_vision.data.detections import Detections
from automl_vision.data.masks import MaskCode
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

    def to_row(self) -> dict[str, Any]:
        """The same with `"predicted": [...]`, the labels that are predicted."""
        return {**self.to_json(), "predicted": list(self.predicted)}

    def to_supervision(self) -> Any:
        """`supervision.Classifications`: `class_id` (classes,) and `confidence` (classes,), in the order of `labels`.

        Raises:
            MissingPackageError: supervision is not installed.
        """
        supervision = optional_package("supervision")
        return supervision.Classifications(class_id=np.arange(len(self.labels)), confidence=self.probs)


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

    def to_row(self) -> dict[str, Any]:
        """The same with `"predicted": [...]`, the class of each object."""
        return {**self.to_json(), "predicted": list(self.predicted)}

    def to_supervision(self) -> Any:
        """`supervision.Detections` of n objects, best first.

        `xyxy` (n, 4) in pixels, float32; `confidence` (n,), float32; `class_id` (n,), positions in `labels`;
        `data["class_name"]` (n,); and with masks `mask` (n, height, width), bool, a byte per pixel and object.

        Raises:
            MissingPackageError: supervision is not installed.
        """
        supervision = optional_package("supervision")
        found = self.objects
        fields: dict[str, Any] = {
            "xyxy": found.boxes.astype(np.float32),
            "confidence": found.scores.astype(np.float32),
            "class_id": found.labels.astype(int),
            "data": {"class_name": np.array(self.predicted, dtype=str)},
        }
        if found.masks is not None:
            masks = [MaskCode.from_text(text).decode() for text in found.masks]
            fields["mask"] = np.array(masks, bool).reshape(-1, self.height, self.width)
        return supervision.Detections(**fields)

    def to_coco(self, image_id: int, category_ids: Mapping[str, int] | None = None) -> list[dict[str, Any]]:
        """The objects as COCO results, best first; those of all images in one JSON list are a results file.

        Each has `image_id`, `category_id`, `bbox` (x, y, width, height in pixels), `score`, and with masks
        `segmentation` as compressed run-length code.

        Args:
            image_id: of the image in the annotations that the results belong to.
            category_ids: id of each class there; None counts from 1 in the order of `labels`, as `export_dataset` does.

        Raises:
            KeyError: `category_ids` lacks a class that was found.
        """
        ids = category_ids or {label: number for number, label in enumerate(self.labels, start=1)}
        found, rows = self.objects, []
        for i, (label, (x1, y1, x2, y2)) in enumerate(zip(self.predicted, found.boxes.tolist(), strict=True)):
            row: dict[str, Any] = {"image_id": image_id, "category_id": ids[label]}
            row |= {"bbox": [x1, y1, x2 - x1, y2 - y1], "score": float(found.scores[i])}
            if found.masks is not None:
                code = MaskCode.from_text(found.masks[i])
                row["segmentation"] = {"size": [code.height, code.width], "counts": code.counts}
            rows.append(row)
        return rows

    def _shares(self, polygon: Sequence[float]) -> list[float]:
        shares: list[float] = (np.array(polygon).reshape(-1, 2) / [self.width, self.height]).ravel().tolist()
        return shares


AnyPrediction = Prediction | ObjectPrediction
