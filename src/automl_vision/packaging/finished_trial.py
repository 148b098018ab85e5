"""A finished trial as packaging needs it: its network, its records, and files of its validation images."""

from __future__ import annotations

from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import ImageError, PackagingError
from automl_vision.core.files import read_json
from automl_vision.core.records import (
    METRICS_FILE,
    RESULT_FILE,
    SPEC_FILE,
    SomeRecord,
    TrialMetrics,
    TrialResult,
    read_record,
)
from automl_vision.core.tasks import TASKS
from automl_vision.data.dataset import Dataset
from automl_vision.data.scan import digest_of, is_content_digest
from automl_vision.evaluation.conformal import ERROR_RATES, PredictionSets, prediction_sets
from automl_vision.evaluation.goals import Precision
from automl_vision.evaluation.labeling_cost import labeling_cost
from automl_vision.evaluation.operating import choose_operating_points
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, REFIT, Predictions
from automl_vision.models.model import Model
from automl_vision.models.networks import load_model
from automl_vision.packaging.exporters import Exported, Exporter
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.serving.model_folder import LabelingThreshold, ModelDescription, PrecisionThreshold, SetThreshold
from automl_vision.storage.access import read_image_bytes
from automl_vision.tasks.task import Task, create_task

_PRECISIONS = (0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995)


@dataclass(frozen=True)
class FinishedTrial:
    """A trial that has a result.

    Attributes:
        folder: of the trial.
        spec: everything that it depended on.
        dataset: as it was prepared for the run.
        task: with the trial's hyperparameters.
        model: the trained network, built from `network.json`.
        metrics: its final evaluation.
        result: how it ended.
    """

    folder: Path
    spec: TrialSpec
    dataset: Dataset
    task: Task[Any]
    model: Model
    metrics: TrialMetrics
    result: TrialResult

    def export(self, exporter: Exporter, folder: Path, *, exact: bool = False) -> Path:
        """Write the network into a model folder and return the file.

        Args:
            exporter: writes it.
            folder: of the model.
            exact: whether to avoid operators that the runtime only approximates.

        Raises:
            PackagingError: the network has an operation that the format does not know.
        """
        return exporter.export(to_export(self.task, self.model, exact=exact), folder)

    def describe(self, provenance: dict[str, Any]) -> ModelDescription:
        """The contents of `model.json`, without what is measured of the export."""
        return ModelDescription(
            task=self.task.name,
            classes=self.dataset.classes,
            preprocessing=replace(
                self.task.deployment.preprocessing(self.model.normalization), value_range=self.dataset.value_range
            ),
            temperature=self.metrics.calibration.temperature,
            thresholds=self.metrics.calibration.thresholds,
            objects=self.task.deployment.object_settings,
            model_name=self.model.description.algorithm,
            architecture=self.model.description.architecture,
            metrics=self.metrics.model_dump()["splits"],
            data={
                "fingerprint": self.spec.fingerprint,
                "format": self.dataset.format,
                "images": self.dataset.summary()["images"],
            },
            weights={"source": self.result.weights_source, "licence": self.result.weights_licence},
            provenance={
                **provenance,
                "best_epoch": self.result.best_epoch,
                "fine_tuned_share": self.result.fine_tuned_share,
                **({} if self.result.refit_epochs is None else {"refit_epochs": self.result.refit_epochs}),
                "parameters": self.result.parameters,
                "created": datetime.now(UTC).isoformat(timespec="seconds"),
                "versions": {name: version(name) for name in ("automl-vision", "torch", "timm", "onnxruntime")},
            },
            scoring=asdict(self.task.scoring.settings),
        )

    def set_thresholds(self) -> tuple[SetThreshold, ...]:
        """The thresholds of a classifier's prediction sets, and what they hold on the test images, if there are any."""
        if self.task.deployment.object_settings is not None:
            return ()
        cases = self.cases
        is_measured = "test" in cases
        return tuple(
            _set_threshold(prediction_sets(cases["val"], cases["test" if is_measured else "val"], rate), is_measured)
            for rate in ERROR_RATES
        )

    def precision_thresholds(self) -> tuple[PrecisionThreshold, ...]:
        """The lowest threshold for each of some precisions that validation images reach, and what it does on test."""
        cases = self.cases
        measured, found = cases.get("test"), []
        for wanted in _PRECISIONS:
            goals = [Precision(wanted)] * len(self.dataset.classes)
            points = choose_operating_points(
                cases["val"], measured or cases["val"], goals, self.dataset.classes, per_class=False
            )
            if not points.classes[0].is_chosen:
                break
            figures = {"precision": points.overall.precision.to_json(), "recall": points.overall.recall.to_json()}
            found.append(
                PrecisionThreshold(wanted, points.thresholds[0], points.fitted_on, figures if measured else None)
            )
        return tuple(found)

    def labeling_threshold(self) -> LabelingThreshold | None:
        """The score from which a detector spares people most work, on validation images; None for labels of images."""
        info = TASKS[self.dataset.task]
        if not info.labels_objects:
            return None
        goal, cases = labeling_cost(info.kind), self.cases["val"]
        points = choose_operating_points(
            cases, cases, [goal] * len(self.dataset.classes), self.dataset.classes, per_class=False
        )
        return LabelingThreshold(points.thresholds[0], goal.false, goal.missed, points.fitted_on)

    @cached_property
    def predictions(self) -> Predictions:
        """What the trial recorded of its validation and test images."""
        return Predictions.load(self.folder / PREDICTIONS_FILE)

    @property
    def listed(self) -> Path:
        """Folder of the trial on the leaderboard: of a refit, the trial before it, whose network does the same work."""
        return Path(self.spec.refit_of or self.folder)

    @property
    def own_predictions(self) -> Predictions:
        """What the network itself answers for the validation images, which it may have been trained on in the end."""
        return self.predictions.own("val")

    @cached_property
    def cases(self) -> dict[str, Any]:
        """The predictions of the trial beside their truth, by split."""
        scoring = self.task.scoring
        parts = {split: self.predictions.of_split(split) for split in self.predictions.splits if split != REFIT}
        return {
            split: scoring.cases(scoring.from_predictions(part), part.rows, self.metrics.calibration)
            for split, part in parts.items()
        }

    def validation_files(self, count: int) -> dict[int, bytes]:
        """The files of at most so many validation images by row, of as many shapes as there are.

        Raises:
            PackagingError: none of them is as it was in training.
        """
        rows = np.flatnonzero(self.dataset.splits == "val")
        return _unchanged_files(self.dataset, _varied(self.dataset, rows, count))


def to_export(task: Task[Any], model: Model, *, exact: bool = False) -> Exported:
    """A network of a task with the size of its input and the names of its outputs.

    Args:
        task: that the network solves.
        model: with the network.
        exact: whether to avoid operators that the runtime only approximates.
    """
    deployment = task.deployment
    size = deployment.preprocessing(model.normalization).input_size
    return Exported(model.description.algorithm, model.network, size, deployment.output_names, exact)


def read_finished_trial(folder: str | Path) -> FinishedTrial:
    """Read a finished trial from its folder.

    Raises:
        PackagingError: the trial is not finished.
        ModelFolderError: the trial does not describe its network, or its weights belong to another one.
    """
    folder = Path(folder)
    spec = TrialSpec.model_validate(_read(folder, SPEC_FILE))
    metrics, result = _record(folder, METRICS_FILE, TrialMetrics), _record(folder, RESULT_FILE, TrialResult)
    dataset, model = Dataset.load(spec.manifest), load_model(folder)
    task = create_task(spec.task, dataset, spec.hyperparameters, model.description.geometry, spec.primary_metric)
    return FinishedTrial(folder, spec, dataset, task, model, metrics, result)


def _read(trial: Path, name: str) -> Any:
    try:
        return read_json(trial / name)
    except FileNotFoundError:
        raise _unfinished(trial, name) from None


def _record(trial: Path, name: str, kind: type[SomeRecord]) -> SomeRecord:
    record = read_record(trial / name, kind)
    if record is None:
        raise _unfinished(trial, name)
    return record


def _unfinished(trial: Path, name: str) -> PackagingError:
    return PackagingError(f"{trial} is not a finished trial: it has no {name}")


def _set_threshold(sets: PredictionSets, is_measured: bool) -> SetThreshold:
    fitted = SetThreshold(sets.error_rate, sets.threshold, sets.fitted_on)
    return replace(fitted, covered=sets.covered.to_json(), mean_size=sets.mean_size) if is_measured else fitted


def _unchanged_files(dataset: Dataset, rows: list[int]) -> dict[int, bytes]:
    """The files of some images by row, without those that are gone or others by now.

    Raises:
        PackagingError: none of them is as it was.
    """
    files = {}
    for row in rows:
        digest = dataset.table["digest"][row].as_py()
        with suppress(ImageError):
            data = read_image_bytes(dataset.root, dataset.table["image"][row].as_py())
            if not is_content_digest(digest) or digest_of(data) == digest:
                files[row] = data
    if not files:
        raise PackagingError(
            f"the exported model must be compared with the trained one on validation images, and none of {len(rows)} "
            f"is as it was in training, such as {dataset.table['image'][rows[0]].as_py()}; put them back"
        )
    return files


def _varied(dataset: Dataset, rows: NDArray[np.intp], count: int) -> list[int]:
    """Some of the validation images, of as many shapes as there are."""
    sizes = [dataset.table[name].to_numpy()[rows].tolist() for name in ("width", "height")]
    seen: Counter[tuple[int, int]] = Counter()
    turns = []
    for size in zip(*sizes, strict=True):
        turns.append(seen[size])
        seen[size] += 1
    chosen: list[int] = rows[np.argsort(turns, kind="stable")][:count].tolist()
    return sorted(chosen)
