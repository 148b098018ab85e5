"""Predictions as Label Studio shows them to people who label."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automl_vision.core.tasks import TASKS
from automl_vision.data.object import Object
from automl_vision.formats.tools.label_studio_results import label_results, object_results
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.predictions import AnyPrediction, Prediction
from automl_vision.serving.predictor import Predictor


def shown_prediction(prediction: AnyPrediction, task: str, model_version: str) -> dict[str, Any]:
    """A prediction as Label Studio's JSON: `result`, `score` and `model_version`.

    The score is the lowest probability or score of what is shown; with nothing shown 1 less the highest probability, of
    a detector 0.

    Args:
        prediction: of a model for the task.
        task: its name.
        model_version: that people see beside it.
    """
    if isinstance(prediction, Prediction):
        probability = dict(zip(prediction.labels, prediction.probs.tolist(), strict=True))
        score = min((probability[label] for label in prediction.predicted), default=1 - prediction.confidence)
        return {"result": label_results(prediction.predicted), "score": score, "model_version": model_version}
    found = prediction.objects
    masks = [None] * len(found) if found.masks is None else list(found.masks)
    objects = [
        Object(label, (x1, y1, x2, y2), rle=mask)
        for label, (x1, y1, x2, y2), mask in zip(prediction.predicted, found.boxes.tolist(), masks, strict=True)
    ]
    size, scores = (prediction.width, prediction.height), found.scores.tolist()
    result = object_results(objects, TASKS[task].kind, size, scores)
    return {"result": result, "score": min(scores, default=0.0), "model_version": model_version}


def labeling_predictor(folder: Path) -> Predictor:
    """A predictor for people who label.

    A detector shows objects from the score at which the work of people is least; see `ModelDescription.labeling`.

    Raises:
        ModelFolderError: the folder is not a usable model folder.
    """
    return Predictor(folder, score_threshold=labeling_threshold(ModelDescription.load(folder)))


def labeling_threshold(description: ModelDescription) -> float | None:
    """The score from which a detector shows objects to people who label; None for the model's own decisions."""
    return None if description.labeling is None else description.labeling.threshold
