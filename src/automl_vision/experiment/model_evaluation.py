"""A packaged model on any labelled images: its predictions beside their labels, kept in a folder."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.core.records import Calibration
from automl_vision.data.dataset import Dataset
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.evaluation.metric import find_metric
from automl_vision.evaluation.predictions import Predictions, prediction_table
from automl_vision.evaluation.scoring.scoring import ScoringSettings
from automl_vision.experiment.evaluated import Evaluated
from automl_vision.recipes.predicted_files import predict_files, predicted_columns
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.objects import MIN_SCORE
from automl_vision.serving.predictor import Predictor

ALL = "all"
"""Name of the split that holds every image of a dataset."""


def evaluate(
    model: str | PathLike[str],
    data: Dataset | str | PathLike[str],
    *,
    split: str | None = None,
    settings: ScoringSettings | None = None,
    threads: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluated:
    """Predict labelled images with a packaged model, and return the predictions beside the labels.

    Labels that the model does not know are left out and reported, and so are images that cannot be read.

    Args:
        model: the model folder.
        data: a dataset, or what `Dataset.open` takes.
        split: "train", "val", "test" or "all"; None for the test images if there are any, and otherwise all.
        settings: what counts as right, and the metric that ranks; None for the task's own.
        threads: cores to use; 0 uses all.
        progress: called with (images done, images in all).

    Raises:
        ModelFolderError: the folder is not a usable model folder.
        DataError: the data cannot be opened, has no label that the model knows, or no image in the split.
        ValueError: the task has no such metric.
    """
    settings = settings or ScoringSettings()
    description = ModelDescription.load(Path(model))
    if settings.primary_metric is not None:
        find_metric(description.task, settings.primary_metric)
    predictor = Predictor(Path(model), threads=threads, score_threshold=MIN_SCORE)
    dataset = data if isinstance(data, Dataset) else Dataset.open(data, task=description.task)
    dataset = dataset.as_task(description.task).with_classes(description.classes)
    name = split or ("test" if (dataset.splits == "test").any() else ALL)
    rows = _rows(dataset, name)
    found, problems = predict_files(predictor, dataset, rows, progress)
    dataset = dataset.excluding(problems)
    kept = np.array([row for row in rows.tolist() if row not in problems], np.intp)
    if not found:
        raise DataError(f"none of {len(rows)} images can be read, such as: {next(iter(problems.values()))}")
    calibration = Calibration(temperature=description.temperature, thresholds=description.thresholds)
    images = dataset.table["image"].take(kept).combine_chunks()
    table = prediction_table(name, kept, images, predicted_columns(found))
    predictions = Predictions(table, description.task, description.classes, calibration)
    return Evaluated(dataset, predictions, name, settings, f"{description.model_name} in {Path(model).resolve()}")


def _rows(dataset: Dataset, split: str) -> NDArray[np.intp]:
    """The rows of a split.

    Raises:
        DataError: there are none.
    """
    splits = dataset.splits
    rows = np.flatnonzero(splits != LEFT_OUT if split == ALL else splits == split)
    if not len(rows):
        known = sorted({name for name in splits.tolist() if name not in ("", LEFT_OUT)} | {ALL})
        raise DataError(f'no usable image is in the split "{split}"; choose from: {", ".join(known)}')
    return rows
