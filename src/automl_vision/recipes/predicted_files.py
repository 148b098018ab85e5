"""A packaged model's predictions for image files of a dataset, in the form in which they are scored."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.core.errors import ImageError
from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections
from automl_vision.data.scan import Progress
from automl_vision.evaluation.predictions import label_columns, object_columns
from automl_vision.serving.predictions import AnyPrediction, ObjectPrediction, Prediction
from automl_vision.serving.predictor import Predictor


def predict_files(
    predictor: Predictor,
    dataset: Dataset,
    rows: NDArray[np.intp],
    progress: Progress | None = None,
) -> tuple[list[AnyPrediction], dict[int, str]]:
    """The predictions in the order of the rows, and why the other images have none, by row.

    Args:
        predictor: of the model.
        dataset: with the images.
        rows: of the images.
        progress: called with (images done, images in all).
    """
    found: list[AnyPrediction] = []
    problems: dict[int, str] = {}
    readers = (dataset[row].read for row in rows.tolist())
    for done, (row, prediction) in enumerate(zip(rows.tolist(), predictor.stream_all(readers), strict=True), start=1):
        if isinstance(prediction, ImageError):
            problems[row] = str(prediction)
        else:
            found.append(prediction)
        if progress is not None:
            progress(done, len(rows))
    return found, problems


def predicted_columns(found: list[AnyPrediction]) -> dict[str, pa.Array]:
    """Predictions of one model, at least one, as the columns of `Predictions`."""
    objects = [prediction.objects for prediction in found if isinstance(prediction, ObjectPrediction)]
    if objects:
        return object_columns(Detections.join(objects))
    return label_columns(np.stack([prediction.logits for prediction in found if isinstance(prediction, Prediction)]))
