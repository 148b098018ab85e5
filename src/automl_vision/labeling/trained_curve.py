"""Learning curves of a trained network: a few short trainings on parts of the labels."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.compute.compute import Job
from automl_vision.compute.subprocess_job import run_fresh
from automl_vision.core.errors import DataError, TrialError
from automl_vision.core.records import Report
from automl_vision.core.tasks import TASKS, has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.data.scan import Progress
from automl_vision.data.splits import holdout
from automl_vision.labeling.learning_curve import LEVEL, Curve, LearningCurve
from automl_vision.labeling.power_law import Measurement, class_misfit
from automl_vision.recipes.catalog import family_of, usable_algorithm
from automl_vision.recipes.detector_input import decide_geometry
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.workspace.trial_folder import TrialFolder

PARTS = ((0.25, 2), (0.5, 2), (1.0, 1))
"""Shares of the training images to train on, and how many parts of each."""

EPOCHS = 15
"""Of each training, unless the settings say otherwise; the curve is that of a short training."""

_LEAST_IMAGES = 24
_OF_CLASS = ("average_precision", "f1")
"""What of a class is followed: the first of these that the report has."""


@dataclass(frozen=True)
class _Trained:
    """One training.

    Attributes:
        images: that it learned from.
        counts: labels, or objects, of each class among these.
        report: on the validation images.
    """

    images: int
    counts: Mapping[str, int]
    report: Report


def trained_curve(
    dataset: Dataset,
    model: str,
    *,
    settings: Mapping[str, Any] | None = None,
    level: float = LEVEL,
    seed: int = 0,
    progress: Progress | None = None,
) -> LearningCurve:
    """The learning curves of an algorithm, by five short trainings, one after another.

    The classes' curves count their own labels, while those of all classes grow alike.

    Args:
        dataset: labelled; without validation images some are held out.
        model: name of an algorithm, as `list_models` has it.
        settings: hyperparameters; the number of epochs is `EPOCHS` unless they name it.
        level: of the intervals.
        seed: of the parts and the trainings.
        progress: called with (trainings done, trainings in all).

    Raises:
        UnknownModelError: the task has no such algorithm.
        DataError: there are too few images.
        TrialError: a training failed.
    """
    usable_algorithm(model, dataset.task)
    if not (dataset.splits == "val").any():
        dataset = dataset.with_validation(0.25)
    rows = np.flatnonzero(dataset.splits == "train")
    if len(rows) < _LEAST_IMAGES:
        raise DataError(f"a curve needs at least {_LEAST_IMAGES} training images, not {len(rows)}")
    own = {"number_of_epochs": EPOCHS, **(settings or {})}
    trained: dict[float, list[_Trained]] = defaultdict(list)
    wanted = [(share, part) for share, parts in PARTS for part in range(parts)]
    with tempfile.TemporaryDirectory() as folder:
        for done, (share, part) in enumerate(wanted):
            if progress is not None:
                progress(done, len(wanted))
            chosen = rows if share == 1 else rows[_part(dataset, rows, share, seed + part)]
            trained[share].append(_train(dataset, chosen, model, own, Path(folder), seed + part))
    if progress is not None:
        progress(len(wanted), len(wanted))
    metric = TASKS[dataset.task].primary_metric
    points = [
        Measurement(
            round(float(np.mean([each.images for each in found]))),
            tuple(each.report.metrics[metric] for each in found),
        )
        for found in trained.values()
    ]
    overall = Curve("", metric, tuple(points), level, "labelled images")
    found = {name: curve for name in dataset.classes if (curve := _of_class(trained, name, dataset, level))}
    judged = int((dataset.splits == "val").sum())
    return LearningCurve(
        overall, found, f"{len(wanted)} trainings of {model}, {own['number_of_epochs']} epochs", judged
    )


def _part(dataset: Dataset, rows: NDArray[np.int64], share: float, seed: int) -> NDArray[np.bool_]:
    return holdout(dataset.labelled.take(rows), [str(row) for row in rows.tolist()], share, seed=seed)


def _train(
    dataset: Dataset, rows: NDArray[np.int64], model: str, settings: Mapping[str, Any], folder: Path, seed: int
) -> _Trained:
    """Train on some training images, and measure on the validation images."""
    kept = np.sort(np.concatenate([rows, np.flatnonzero(dataset.splits == "val")]))
    part = dataset[kept]
    place = folder / f"{len(rows)}-{seed}"
    place.mkdir()
    manifest = folder / f"{place.name}.parquet"
    part.save(manifest)
    hyperparameters = family_of(dataset.task, model).model_validate(dict(settings))
    spec = TrialSpec(
        task=dataset.task,
        primary_metric=None,
        manifest=str(manifest),
        fingerprint=part.fingerprint,
        model_name=model,
        hyperparameters=hyperparameters,
        folder=str(place),
        cache=str(folder / "cache"),
        seed=seed,
        budget_seconds=None,
        device="auto",
        threads=0,
        start_from=None,
        geometry=decide_geometry(part, hyperparameters),
    )
    failure = run_fresh(Job("automl_vision.training.job:run_trial", {"spec": spec.model_dump(mode="json")}, place))
    metrics = TrialFolder(place).metrics()
    if failure is not None or metrics is None:
        raise TrialError(f"a training on {len(rows)} images failed: {failure.reason if failure else 'no result'}")
    counts = {name: by_split.get("train", 0) for name, by_split in part.class_counts.items()}
    return _Trained(len(rows), counts, metrics.splits["val"])


def _of_class(trained: Mapping[float, list[_Trained]], name: str, dataset: Dataset, level: float) -> Curve | None:
    """The metric of a class by number of its labels; None where a part has none, or the report does not rate it."""
    points = []
    for found in trained.values():
        rated = [(each.counts.get(name, 0), _value(each.report, name)) for each in found]
        values = tuple(value for _, value in rated if value is not None)
        labels = round(float(np.mean([count for count, _ in rated])))
        if not labels or len(values) < len(rated):
            return None
        points.append(Measurement(labels, values))
    judged = dataset.class_counts[name].get("val", 0)
    unit = "objects" if has_objects(dataset.task) else "labels"
    return Curve(
        name, f"{'AP' if unit == 'objects' else 'F1'} of {name}", tuple(points), level, unit, class_misfit(judged)
    )


def _value(report: Report, name: str) -> float | None:
    row = next((row for row in report.per_class if row.get("class", row.get("label")) == name), {})
    value = next((row[key] for key in _OF_CLASS if row.get(key) is not None), None)
    return None if value is None or not np.isfinite(value) else float(value)
