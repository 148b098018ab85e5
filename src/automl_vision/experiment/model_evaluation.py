"""A packaged model on any labelled images: its predictions beside their labels, kept in a folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.core.errors import DataError, ScoringError
from automl_vision.core.records import Calibration
from automl_vision.data.dataset import Dataset
from automl_vision.data.scan import Progress
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.deployment.batch import ScoreReport
from automl_vision.deployment.rows import outputs_of
from automl_vision.deployment.writers import predicted_rows
from automl_vision.evaluation.metric import find_metric
from automl_vision.evaluation.predictions import Predictions, prediction_table
from automl_vision.evaluation.scoring.scoring import ScoringSettings
from automl_vision.experiment.evaluated import Evaluated
from automl_vision.recipes.predicted_files import predict_files, predicted_columns
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.objects import MIN_SCORE
from automl_vision.serving.predictor import Predictor
from automl_vision.serving.runtimes import REFERENCE

ALL = "all"
"""Name of the split that holds every image of a dataset."""


def evaluate(
    model: str | PathLike[str],
    data: Dataset | str | PathLike[str],
    *,
    split: str | None = None,
    settings: ScoringSettings | None = None,
    classes: Sequence[str] | None = None,
    threads: int = 0,
    progress: Progress | None = None,
) -> Evaluated:
    """Predict labelled images with a packaged model, and return the predictions beside the labels.

    Labels that the model does not know are left out and reported, and so are images that cannot be read.

    Args:
        model: the model folder.
        data: a dataset, or what `Dataset.open` takes.
        split: "train", "val", "test" or "all"; None for the test images if there are any, and otherwise all.
        settings: what counts as right, and the metric that ranks; None for the task's own.
        classes: in which it is measured, its own among them; of others it finds nothing. None for its own.
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
    predictor = Predictor(Path(model), threads=threads, score_threshold=MIN_SCORE, runtime=REFERENCE)
    dataset, name, rows = _opened(description, data, split, classes)
    found, problems = predict_files(predictor, dataset, rows, progress)
    if not found:
        raise DataError(f"none of {len(rows)} images can be read, such as: {next(iter(problems.values()))}")
    kept = np.array([row for row in rows.tolist() if row not in problems], np.intp)
    predictions = _predictions(description, dataset, name, kept, predicted_columns(found))
    if classes is not None:
        predictions = predictions.in_classes(classes)
    title = _title(description, model)
    return Evaluated(dataset.excluding(problems), predictions, name, settings, title)


def evaluate_scored(
    report: ScoreReport,
    data: Dataset | str | PathLike[str],
    *,
    split: str | None = None,
    settings: ScoringSettings | None = None,
) -> Evaluated:
    """Compare what a batch scoring predicted with the labels of the data; nothing is predicted again.

    Args:
        report: of `score` with `keep_outputs=True`, whose parts are still there.
        data: the labelled data that was scored, or what `Dataset.open` takes.
        split: see `evaluate`.
        settings: see `evaluate`.

    Raises:
        ScoringError: the parts are gone, or were written without outputs.
        DataError: the data cannot be opened, has no label that the model knows, or no image in the split was predicted.
    """
    plan = None if report.parts is None else report.parts.plan()
    if report.parts is None or plan is None or not plan.keep_outputs:
        raise ScoringError(f"{report.path} was scored without keep_outputs=True; use evaluate, or score again")
    description = ModelDescription.load(Path(plan.model))
    dataset, name, rows = _opened(description, data, split)
    row_of = dict(zip(dataset.table["image"].take(rows).to_pylist(), rows.tolist(), strict=True))
    kept: list[int] = []
    chunks: list[pa.Table] = []
    for table in predicted_rows(report.parts.tables(plan)):
        chosen = [row_of.get(image, -1) for image in table["image"].to_pylist()]
        if max(chosen, default=-1) >= 0:
            kept += [row for row in chosen if row >= 0]
            chunks.append(outputs_of(table).filter(pa.array([row >= 0 for row in chosen])))
    if not kept:
        raise DataError(f'no image of the split "{name}" was predicted')
    found = pa.concat_tables(chunks)
    columns = {column: found[column].combine_chunks() for column in found.column_names}
    predictions = _predictions(description, dataset, name, np.array(kept, np.intp), columns)
    return Evaluated(dataset, predictions, name, settings or ScoringSettings(), _title(description, plan.model))


def scored_metrics(
    report: ScoreReport, data: Dataset | str | PathLike[str], *, split: str | None = None
) -> dict[str, Any]:
    """The metrics of a batch scoring of labelled data, which are recorded beside it; its parts are dropped.

    Args:
        report: of `score` with `keep_outputs=True`.
        data: see `evaluate_scored`.
        split: see `evaluate`.

    Returns:
        `split` and `values`, each with `value`, `low` and `high`, or the `reason` why there are none; where the parts
        are gone, what an earlier call recorded.
    """
    if report.metrics:
        return report.metrics
    try:
        found = evaluate_scored(report, data, split=split)
        values = {name: asdict(value) for name, value in found.metrics().items()}
        metrics: dict[str, Any] = {"split": found.split, "values": values}
    except (DataError, ScoringError) as error:
        metrics = {"reason": str(error)}
    report.record_metrics(metrics)
    return metrics


def _opened(
    description: ModelDescription,
    data: Dataset | str | PathLike[str],
    split: str | None,
    classes: Sequence[str] | None = None,
) -> tuple[Dataset, str, NDArray[np.intp]]:
    """The data with the classes of a model or others, the name of the split, and its rows."""
    dataset = data if isinstance(data, Dataset) else Dataset.open(data, task=description.task)
    dataset = dataset.as_task(description.task).with_classes(classes or description.classes)
    dataset = replace(dataset, value_range=description.preprocessing.value_range)  # pictures show what the model saw
    name = split or ("test" if (dataset.splits == "test").any() else ALL)
    return dataset, name, _rows(dataset, name)


def _predictions(
    description: ModelDescription,
    dataset: Dataset,
    split: str,
    rows: NDArray[np.intp],
    columns: Mapping[str, pa.Array],
) -> Predictions:
    """What a model predicted for some rows, with its calibration."""
    calibration = Calibration(temperature=description.temperature, thresholds=description.thresholds)
    images = dataset.table["image"].take(rows).combine_chunks()
    table = prediction_table(split, rows, images, columns)
    return Predictions(table, description.task, description.classes, calibration)


def _title(description: ModelDescription, model: str | PathLike[str]) -> str:
    """What people call the model."""
    return f"{description.model_name} in {Path(model).resolve()}"


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
