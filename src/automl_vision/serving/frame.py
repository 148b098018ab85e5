"""Predictions as a pandas frame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from automl_vision.core.late import optional_package
from automl_vision.serving.predictions import AnyPrediction, ObjectPrediction, Prediction

_OBJECT_COLUMNS = ("image", "label", "score", "x1", "y1", "x2", "y2", "width", "height")


def predictions_to_pandas(predictions: Sequence[AnyPrediction], images: Sequence[object] | None = None) -> Any:
    """Predictions of one model as a `pandas.DataFrame`.

    For a classifier one row per image: `image`, `label`, `confidence`, and for each class its probability as
    `prob_CLASS`. For a detector one row per object, best first: `image`, `label`, `score`, `x1`, `y1`, `x2`, `y2` in
    pixels, `width` and `height` of the image, and with masks `rle`, COCO's run-length code. An image without objects
    has no row.

    Args:
        predictions: as the predictor returns them.
        images: what the column `image` shows for each of them, such as paths; None numbers them from 0.

    Raises:
        MissingPackageError: pandas is not installed.
        ValueError: the numbers of predictions and images differ.
    """
    pandas = optional_package("pandas")
    names = range(len(predictions)) if images is None else images
    rows: list[dict[str, Any]] = []
    columns: list[str] | None = None
    for name, prediction in zip(names, predictions, strict=True):
        if isinstance(prediction, ObjectPrediction):
            rows += [{"image": name, **row} for row in _object_rows(prediction)]
            columns = [*_OBJECT_COLUMNS, *(["rle"] if prediction.objects.masks is not None else [])]
        else:
            rows.append({"image": name, **_label_row(prediction)})
    return pandas.DataFrame(rows, columns=columns)


def _label_row(prediction: Prediction) -> dict[str, Any]:
    probs = zip(prediction.labels, prediction.probs.tolist(), strict=True)
    columns = {f"prob_{label}": prob for label, prob in probs}
    return {"label": prediction.label, "confidence": prediction.confidence, **columns}


def _object_rows(prediction: ObjectPrediction) -> list[dict[str, Any]]:
    found = prediction.objects
    rows = []
    for i, (label, box) in enumerate(zip(prediction.predicted, found.boxes.tolist(), strict=True)):
        row: dict[str, Any] = {"label": label, "score": float(found.scores[i])}
        row |= dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
        row |= {"width": prediction.width, "height": prediction.height}
        rows.append(row if found.masks is None else {**row, "rle": found.masks[i]})
    return rows
