"""What every task has to do."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray

from automl_vision.core.files import read_json, write_json
from automl_vision.core.late import load
from automl_vision.core.records import METRICS_FILE, SPEC_FILE, Calibration, Report, TrialResult
from automl_vision.core.tasks import TASKS, Kind, TaskInfo, normalize_task
from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections
from automl_vision.data.pixel_cache import DecodedOnDemand, Pixels
from automl_vision.evaluation.metric import metrics_of
from automl_vision.evaluation.paired import compare
from automl_vision.evaluation.predictions import Predictions
from automl_vision.evaluation.scoring.detection import DetectionOutputs
from automl_vision.evaluation.scoring.scoring import Scoring, create_scoring
from automl_vision.models.image_model import ImageModel
from automl_vision.models.registry import create_model
from automl_vision.packaging.package import package
from automl_vision.recipes.catalog import family_of, find_algorithm
from automl_vision.recipes.deployment import Deployment
from automl_vision.recipes.detector_input import decide_geometry
from automl_vision.recipes.hyperparameters import Hyperparameters
from automl_vision.recipes.scoring_settings import scoring_settings
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.serving.predictor import Predictor
from automl_vision.tasks.task import Batch, Task, create_task
from automl_vision.testing.layouts import LAYOUTS
from automl_vision.training.reporter import Reporter
from automl_vision.training.trial import train

_LAYOUT_OF: dict[Kind, str] = {"label": "folder", "labels": "roboflow-multilabel", "boxes": "coco", "masks": "masks"}
_NEAR = 1e-4
_SURE = 20.0  # logit of a class that is certain


@dataclass(frozen=True)
class FinishedTrial:
    """A trial that was trained.

    Attributes:
        folder: of the trial.
        result: that `train` returned.
    """

    folder: Path
    result: TrialResult


class TaskConformance:
    """The behaviour of a `TaskInfo` and its three classes: `Task`, `Scoring` and `Deployment`.

    Give the attributes `task` and `model_name`. A task whose outputs are neither logits nor `DetectionOutputs` also
    overrides `perfect` and `wrong`, and one whose labels the drawn images do not suit the fixture `dataset`.

    Attributes:
        task: the product's name of the task.
        model_name: a small algorithm.
        hyperparameters: that make it small.
    """

    task: ClassVar[str]
    model_name: ClassVar[str]
    hyperparameters: ClassVar[Mapping[str, Any]] = {}

    @pytest.fixture(scope="class")
    @classmethod
    def dataset(cls, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
        """Twelve drawn images with two classes and a validation split."""
        folder = tmp_path_factory.mktemp("images")
        LAYOUTS[_LAYOUT_OF[cls.info().kind]].write(folder)
        return replace(Dataset.open(folder), task=cls.task).with_validation(0.34)

    def perfect(self, scoring: Any, rows: NDArray[np.intp]) -> Any:
        """Outputs that are right for all rows."""
        if not self.info().labels_objects:
            return np.where(scoring.targets[rows], _SURE, -_SURE).astype(np.float32)
        truth = scoring.ground_truth(rows)
        return DetectionOutputs(
            Detections(len(rows), truth.image, truth.labels, truth.boxes, np.ones(len(truth)), truth.masks)
        )

    def wrong(self, scoring: Any, rows: NDArray[np.intp]) -> Any:
        """Outputs that are wrong for all rows."""
        right = self.perfect(scoring, rows)
        if not self.info().labels_objects:
            return -right
        found = right.detections
        return DetectionOutputs(replace(found, labels=(found.labels + 1) % len(scoring.classes)))

    @classmethod
    def info(cls) -> TaskInfo:
        """The record of the task."""
        return TASKS[cls.task]

    @classmethod
    def typed(cls) -> Hyperparameters:
        """The hyperparameters in the algorithm's family."""
        values = {"pretrained": False, "precision": "fp32", "number_of_epochs": 1, **cls.hyperparameters}
        return family_of(cls.task, cls.model_name).model_validate(values)

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls, dataset: Dataset) -> Task[Any]:
        """The task on the dataset."""
        return create_task(cls.task, dataset, cls.typed(), decide_geometry(dataset, cls.typed()))

    @pytest.fixture(scope="class")
    @classmethod
    def pixels(cls, dataset: Dataset, made: Task[Any]) -> Pixels:
        """The decoded images."""
        return DecodedOnDemand(dataset, made.pixel_size, {}, False)

    @pytest.fixture(scope="class")
    @classmethod
    def network(cls, dataset: Dataset, made: Task[Any]) -> ImageModel:
        """A network with random weights."""
        torch.manual_seed(0)
        model = create_model(
            cls.model_name,
            task=cls.task,
            classes=len(dataset.classes),
            hyperparameters=cls.typed(),
            geometry=made.geometry,
        )
        return ImageModel(model.network, model.normalization)

    @pytest.fixture(scope="class")
    @classmethod
    def scoring(cls, dataset: Dataset) -> Scoring[Any]:
        """The scoring on the dataset."""
        return create_scoring(cls.task, dataset, scoring_settings(cls.typed()))

    @pytest.fixture(scope="class")
    @classmethod
    def rows(cls, dataset: Dataset) -> NDArray[np.intp]:
        """The validation images."""
        return np.flatnonzero(dataset.splits == "val")

    @pytest.fixture(scope="class")
    @classmethod
    def trial(cls, dataset: Dataset, tmp_path_factory: pytest.TempPathFactory) -> FinishedTrial:
        """A trial of one epoch."""
        root = tmp_path_factory.mktemp("trial")
        manifest, folder = root / "manifest.parquet", root / "trial"
        folder.mkdir()
        dataset.save(manifest)
        spec = TrialSpec(
            task=cls.task,
            primary_metric=None,
            manifest=str(manifest),
            fingerprint=dataset.fingerprint,
            model_name=cls.model_name,
            hyperparameters=cls.typed(),
            folder=str(folder),
            cache=str(root / "cache"),
            seed=0,
            budget_seconds=None,
            device="cpu",
            threads=1,
            start_from=None,
        )
        write_json(folder / SPEC_FILE, spec.model_dump())
        return FinishedTrial(folder, train(spec, Reporter()))

    def test_the_record_is_complete(self) -> None:
        """Title, kind, a primary metric that stands first in its table, and an algorithm that the catalog has."""
        info = self.info()
        assert info.name == self.task
        assert info.title.strip()
        assert info.kind in get_args(Kind)
        assert info.labels_objects == (info.kind in ("boxes", "masks"))
        assert info.primary_metric == next(iter(metrics_of(self.task)))
        assert find_algorithm(info.default_model, self.task)
        assert find_algorithm(self.model_name, self.task)

    def test_its_names_are_its_own(self) -> None:
        """Its name and aliases mean this task, and no other."""
        for name in (self.task, *self.info().aliases):
            assert normalize_task(name) == self.task
            others = [other for other in TASKS.values() if other.name != self.task]
            assert not [other.name for other in others if name == other.name or name in other.aliases]

    def test_its_parts_are_of_their_contracts(self) -> None:
        """They load, and are complete implementations."""
        for reference, contract in (
            (self.info().training, Task), (self.info().scoring, Scoring), (self.info().deployment, Deployment),
        ):  # fmt: skip
            part = load(reference)
            assert issubclass(part, contract)
            assert not part.__abstractmethods__
        assert load(self.info().training).name == self.task

    def test_training_images_depend_on_seed_row_and_repeat_alone(self, made: Task[Any], pixels: Pixels) -> None:
        """So that a trial has the same images in any number of processes, and after an interruption."""
        together = made.train_batch(pixels, [1, 2, 3], seed=(5, 0))
        again = made.train_batch(pixels, [1, 2, 3], seed=(5, 0))
        alone = made.train_batch(pixels, [3], seed=(5, 0))
        repeated = made.train_batch(pixels, [3, 3], seed=(5, 0), repeats=[0, 1])
        assert torch.equal(together.images, again.images)
        assert torch.equal(together.images[2:], alone.images)
        assert torch.equal(repeated.images[:1], alone.images)

    def test_every_training_image_has_a_factor(self, made: Task[Any], dataset: Dataset) -> None:
        """By which it is drawn more often than others, above 0."""
        rows = np.flatnonzero(dataset.splits == "train")
        factors = made.repeat_factors(rows)
        assert factors.shape == rows.shape
        assert np.isfinite(factors).all()
        assert (factors > 0).all()

    def test_batches_have_the_form_that_training_takes(self, made: Task[Any], pixels: Pixels) -> None:
        """Images (n, 3, height, width), uint8, with targets that have a length, slices and `to`."""
        for batch in (made.train_batch(pixels, [0, 1, 2], seed=(0,)), made.evaluation_batch(pixels, [0, 1, 2])):
            assert batch.images.dtype == torch.uint8
            assert batch.images.shape[:2] == (len(batch.targets), 3)
            moved = batch.to(torch.device("cpu"))
            assert isinstance(moved, Batch)
            assert torch.equal(moved.images, batch.images)
            assert len(batch.first(1).targets) == len(batch.first(1).images) == 1

    def test_evaluation_images_are_never_random(self, made: Task[Any], pixels: Pixels) -> None:
        """The deployed model sees the same."""
        first, second = (made.evaluation_batch(pixels, [4, 5]) for _ in range(2))
        assert torch.equal(first.images, second.images)

    def test_the_loss_is_a_finite_scalar_with_gradients(
        self, made: Task[Any], pixels: Pixels, network: ImageModel
    ) -> None:
        """Of the network's parameters."""
        loss = made.loss(network.train(), made.train_batch(pixels, [0, 1, 2, 3], seed=(0,)))
        assert loss.shape == ()
        assert torch.isfinite(loss)
        network.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
        assert any(gradient.abs().sum() > 0 for gradient in gradients)
        assert all(torch.isfinite(gradient).all() for gradient in gradients)

    def test_joined_outputs_are_those_of_one_batch(
        self, made: Task[Any], pixels: Pixels, network: ImageModel, rows: NDArray[np.intp]
    ) -> None:
        """In the order of the batches; their length is the number of images."""
        network.eval()
        with torch.inference_mode():
            whole, *parts = (
                made.predict(network, made.evaluation_batch(pixels, chunk))
                for chunk in (rows[:3].tolist(), rows[:1].tolist(), rows[1:3].tolist())
            )
        joined = made.join(parts)
        assert len(joined) == len(whole) == 3
        mine, theirs = (made.scoring.to_columns(outputs) for outputs in (joined, whole))
        assert set(mine) == set(theirs)
        for name, column in mine.items():
            values, expected = (_numbers(each) for each in (column, theirs[name]))
            assert len(values) == len(expected)
            np.testing.assert_allclose(values, expected, rtol=_NEAR, atol=_NEAR)

    def test_perfect_outputs_have_the_best_metrics(self, scoring: Scoring[Any], rows: NDArray[np.intp]) -> None:
        """The primary metric is at its best for outputs without a mistake, and no metric is better for worse ones."""
        perfect, wrong = (self._metrics(scoring, outputs, rows) for outputs in self._outputs(scoring, rows))
        primary = scoring.primary
        assert perfect[primary.name] == pytest.approx(primary.best)
        assert primary.score(wrong[primary.name]) < primary.score(perfect[primary.name])
        for name, value in perfect.items():
            metric = scoring.METRICS[name]
            assert isinstance(value, float)
            if not math.isnan(value):
                assert metric.low <= value <= metric.high
                assert not metric.score(wrong[name]) > metric.score(value) + _NEAR

    def test_the_figure_of_each_class_is_that_of_its_row(self, scoring: Scoring[Any], rows: NDArray[np.intp]) -> None:
        """For each weighting of the images one value per class, NaN where the class is not among the images."""
        perfect, wrong = (
            scoring.cases(outputs, rows, scoring.calibrate(outputs, rows)) for outputs in self._outputs(scoring, rows)
        )
        figures = scoring.class_figures(perfect, np.stack([np.ones(len(rows)), np.full(len(rows), 2.0)]))
        assert figures.shape == (2, len(scoring.classes))
        np.testing.assert_allclose(figures[0], figures[1], rtol=_NEAR)
        known = np.isfinite(figures[0])
        assert known.any()
        for row, value, is_known in zip(scoring.per_class(perfect), figures[0], known, strict=True):
            assert not is_known or row[scoring.CLASS_FIGURE] == pytest.approx(value)
        worse = scoring.class_figures(wrong, np.ones((1, len(rows))))[0]
        assert np.nanmean(worse) < np.nanmean(figures[0])

    def test_the_validation_loss_is_lower_for_better_outputs(
        self, scoring: Scoring[Any], rows: NDArray[np.intp]
    ) -> None:
        """Or it is not computed from outputs, and NaN."""
        perfect, wrong = (scoring.validation_loss(outputs, rows) for outputs in self._outputs(scoring, rows))
        assert perfect < wrong or (math.isnan(perfect) and math.isnan(wrong))

    def test_metrics_of_no_images_are_defined(self, scoring: Scoring[Any]) -> None:
        """A number or NaN for each metric that there otherwise is, without a warning of NumPy."""
        none = np.zeros(0, np.intp)
        calibration = scoring.calibrate(self.perfect(scoring, np.arange(2)), np.arange(2))
        whole = scoring.metrics(self.perfect(scoring, np.arange(2)), np.arange(2), calibration)
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            metrics = scoring.metrics(self.perfect(scoring, none), none, calibration)
        assert {scoring.primary.name} <= set(metrics) <= set(whole)
        assert all(isinstance(value, float) for value in metrics.values())

    def test_outputs_are_written_and_read(self, scoring: Scoring[Any], rows: NDArray[np.intp], tmp_path: Path) -> None:
        """As columns of a file, one value an image; their metrics stay the same."""
        outputs, file = self.perfect(scoring, rows), tmp_path / "predictions.arrow"
        scoring.predictions("val", outputs, rows, scoring.calibrate(outputs, rows)).save(file)
        again = scoring.from_predictions(Predictions.load(file))
        assert len(again) == len(outputs) == len(rows)
        assert self._metrics(scoring, again, rows) == self._metrics(scoring, outputs, rows)

    def test_the_report_has_the_metrics_with_intervals(self, scoring: Scoring[Any], rows: NDArray[np.intp]) -> None:
        """It is written as JSON; the interval of the primary metric contains its value."""
        outputs = self.perfect(scoring, rows)
        calibration = scoring.calibrate(outputs, rows)
        report = scoring.report(scoring.cases(outputs, rows, calibration))
        again = Report.model_validate(json.loads(json.dumps(report.model_dump())))
        name = scoring.primary.name
        interval = again.interval(name)
        assert interval.value == pytest.approx(report.metrics[name])
        assert interval.low is not None
        assert interval.high is not None
        assert interval.low - _NEAR <= interval.value <= interval.high + _NEAR
        assert len(report.per_class) == len(scoring.classes)

    def test_calibration_has_a_threshold_for_each_class_or_none(
        self, scoring: Scoring[Any], rows: NDArray[np.intp]
    ) -> None:
        """The temperature divides, so it is above 0."""
        calibration = scoring.calibrate(self.perfect(scoring, rows), rows)
        assert isinstance(calibration, Calibration)
        assert calibration.temperature > 0
        assert len(calibration.thresholds) in (0, len(scoring.classes))

    def test_a_model_is_no_better_than_itself(self, scoring: Scoring[Any], rows: NDArray[np.intp]) -> None:
        """By what trials are compared by."""
        outputs = self.perfect(scoring, rows)
        arrays = scoring.comparison(scoring.cases(outputs, rows, scoring.calibrate(outputs, rows)))
        comparison = compare(arrays, arrays)
        assert comparison is not None
        assert comparison.difference.value == 0
        assert comparison.images == len(rows)

    def test_a_small_trial_is_trained(self, trial: FinishedTrial) -> None:
        """It ends with the primary metric and a report of the validation images."""
        assert trial.result.primary_metric == self.info().primary_metric
        assert math.isfinite(trial.result.score)
        report = Report.model_validate(read_json(trial.folder / METRICS_FILE)["splits"]["val"])
        assert report.metrics[trial.result.primary_metric] == pytest.approx(trial.result.score)

    def test_a_small_trial_is_packaged_and_predicts(
        self, trial: FinishedTrial, dataset: Dataset, tmp_path: Path
    ) -> None:
        """The exported model passes the parity gate and answers for files of images, in the dataset's classes."""
        predictor = Predictor(package(trial.folder, tmp_path / "model"))
        assert predictor.description.task == self.task
        files = [Path(dataset.root) / image for image in dataset.table["image"].to_pylist()[:2]]
        predictions = predictor(files)
        assert len(predictions) == len(files)
        for prediction in predictions:
            assert tuple(prediction.labels) == dataset.classes
            assert set(prediction.predicted) <= set(dataset.classes)
            assert json.dumps(prediction.to_json())

    def _outputs(self, scoring: Scoring[Any], rows: NDArray[np.intp]) -> Sequence[Any]:
        return self.perfect(scoring, rows), self.wrong(scoring, rows)

    @staticmethod
    def _metrics(scoring: Scoring[Any], outputs: Any, rows: NDArray[np.intp]) -> dict[str, float]:
        return scoring.metrics(outputs, rows, scoring.calibrate(outputs, rows))


def _numbers(column: pa.Array) -> NDArray[np.float64]:
    """All numbers of a column, however deep in lists; 0 for texts."""
    while not pa.types.is_primitive(column.type) and not pa.types.is_string(column.type):
        column = column.flatten()
    if pa.types.is_string(column.type):
        return np.zeros(len(column))
    return np.asarray(column.to_numpy(zero_copy_only=False), np.float64)
