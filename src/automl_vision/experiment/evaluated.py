"""A trial's predictions beside the labels of its images: what metrics, slices and charts are computed from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import DataError
from automl_vision.core.files import read_json, write_json
from automl_vision.core.records import SPEC_FILE, Calibration
from automl_vision.core.tasks import has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.data.drawing import class_colours, draw_grid
from automl_vision.data.object import Object
from automl_vision.data.previews import image_tile
from automl_vision.data.scan import Progress
from automl_vision.data.score_map import ScoreMap
from automl_vision.doctor.near_copies import near_copies
from automl_vision.doctor.pixel_statistics import PixelStatistics, pixel_statistics
from automl_vision.evaluation.calibration import reliability
from automl_vision.evaluation.calibration_report import CalibrationReport, SetsReport
from automl_vision.evaluation.classification import ClassificationCases
from automl_vision.evaluation.conformal import PredictionSets, prediction_sets
from automl_vision.evaluation.copies import NearDuplicates
from automl_vision.evaluation.detection import DetectionCases
from automl_vision.evaluation.goals import cost_matrix, goals_of
from automl_vision.evaluation.intervals import Floats, Interval
from automl_vision.evaluation.metric import Metric, find_metric, metrics_of
from automl_vision.evaluation.mistakes import Mistake, find_mistakes
from automl_vision.evaluation.operating import OperatingPoints, choose_operating_points, decide_by_cost
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.evaluation.score_calibration import CALIBRATION_ERROR, LOG_LOSS, fit_score_map
from automl_vision.evaluation.scoring.scoring import Scoring, ScoringSettings, create_scoring
from automl_vision.evaluation.slices import Slice, find_slices, image_attributes
from automl_vision.evaluation.suspects import MEASURED
from automl_vision.evaluation.weighted import resample_weights
from automl_vision.recipes.scoring_settings import scoring_settings
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder

if TYPE_CHECKING:
    from automl_vision.experiment.figures import Figures

EVALUATION_FILE = "evaluation.json"
_MANIFEST, _STATISTICS = "manifest.parquet", "pixel_statistics.arrow"


@dataclass(frozen=True)
class Evaluated:
    """One split of a model's predictions beside the labels of its images; each figure is computed when it is asked for.

    Attributes:
        dataset: whose rows the predictions name, with the classes of the model in their order.
        predictions: of all splits; those of the validation images fit thresholds and prediction sets.
        split: that is shown, such as "val" or "test".
        settings: what counts as right, and the metric that ranks.
        name: of the model, for people, such as "trial 3 of run shapes-1".
        statistics_file: keeps what was read of the images' pixels; None keeps nothing.

    Raises:
        KeyError: no image of the split was predicted.
    """

    dataset: Dataset
    predictions: Predictions
    split: str
    settings: ScoringSettings = field(default_factory=ScoringSettings)
    name: str = "model"
    statistics_file: Path | None = None

    def __post_init__(self) -> None:
        self.predictions.of_split(self.split)

    @staticmethod
    def of(folder: TrialFolder, predictions: Predictions, split: str) -> Evaluated:
        """Join the predictions of a trial with the labels of its run.

        Raises:
            KeyError: no image of the split was predicted.
        """
        spec = TrialSpec.model_validate(read_json(folder.path / SPEC_FILE))
        run = RunFolder(folder.path.parents[1])
        settings = scoring_settings(spec.hyperparameters, spec.primary_metric)
        name = f"trial {folder.number} of run {run.path.name}"
        return Evaluated(Dataset.load(run.manifest), predictions, split, settings, name, run.pixel_statistics)

    def save(self, folder: str | PathLike[str]) -> Path:
        """Keep the evaluation in a folder, from which `load` reads it; the images stay where they are.

        Returns:
            The folder.
        """
        place = Path(folder)
        place.mkdir(parents=True, exist_ok=True)
        self.dataset.save(place / _MANIFEST)
        self.predictions.save(place / PREDICTIONS_FILE)
        write_json(place / EVALUATION_FILE, {"split": self.split, "settings": asdict(self.settings), "name": self.name})
        return place

    @staticmethod
    def load(folder: str | PathLike[str]) -> Evaluated:
        """Read what `save` wrote.

        Raises:
            DataError: the folder holds no evaluation.
        """
        place = Path(folder)
        try:
            facts = read_json(place / EVALUATION_FILE)
            dataset, predictions = Dataset.load(place / _MANIFEST), Predictions.load(place / PREDICTIONS_FILE)
        except FileNotFoundError as error:
            raise DataError(
                f"{folder} holds no evaluation ({Path(str(error.filename)).name} is missing); "
                "make one with: automl-vision evaluate MODEL DATA --out FOLDER"
            ) from error
        settings = ScoringSettings(**facts["settings"])
        return Evaluated(dataset, predictions, facts["split"], settings, facts["name"], place / _STATISTICS)

    @cached_property
    def rows(self) -> NDArray[np.intp]:
        """(images,), of the dataset."""
        return self.predictions.of_split(self.split).rows

    @property
    def primary(self) -> Metric:
        """The metric that ranks the run's trials."""
        return self._scoring.primary

    @cached_property
    def cases(self) -> Any:
        """Predictions beside their truth, as the metrics of the task take them."""
        return self._cases(self.split, self.predictions.calibration)

    @cached_property
    def uncalibrated(self) -> Any:
        """The same without temperature scaling."""
        return self._cases(self.split, self.predictions.calibration.model_copy(update={"temperature": 1.0}))

    @cached_property
    def fitting(self) -> Any:
        """The cases that thresholds are fitted on: the validation images, or this split where there are none."""
        is_other = "val" in self.predictions.splits and self.split != "val"
        return self._cases("val", self.predictions.calibration) if is_other else self.cases

    @cached_property
    def _scoring(self) -> Scoring[Any]:
        return create_scoring(self.predictions.task, self.dataset, self.settings)

    def _cases(self, split: str, calibration: Calibration) -> Any:
        part = self.predictions.of_split(split)
        return self._scoring.cases(self._scoring.from_predictions(part), part.rows, calibration)

    def metrics(self) -> dict[str, Interval]:
        """Every metric of the task with its interval, by name."""
        return {name: self.interval(name) for name in metrics_of(self.predictions.task)}

    def interval(self, name: str | None = None) -> Interval:
        """A metric with its interval; without a name the primary one. It is computed once.

        Raises:
            ValueError: the task has no such metric.
        """
        metric = self.metric(name)
        if metric.name not in self._intervals:
            self._intervals[metric.name] = metric.interval(self.cases)
        return self._intervals[metric.name]

    @cached_property
    def _intervals(self) -> dict[str, Interval]:
        return {}

    def per_class(self) -> list[dict[str, Any]]:
        """The figures of each class, as JSON values."""
        return self._scoring.per_class(self.cases)

    def figures(self) -> Figures:
        """The figures of these predictions by name, such as `figures()["confusion"]`, which show in a notebook."""
        from automl_vision.experiment.figures import PredictedSplit, prediction_figures

        return prediction_figures(
            PredictedSplit(self.dataset.task, self.dataset.classes, self.cases, lambda: self.uncalibrated)
        )

    @property
    def class_figure(self) -> str:
        """Name of the figure of one class by which models are compared, such as "f1"."""
        return self._scoring.CLASS_FIGURE

    def class_figures(self) -> Floats:
        """That figure of each class on all images, then on each resample of them, (1 + resamples, classes)."""
        return self._scoring.class_figures(self.cases, resample_weights(len(self.rows)))

    def slices(
        self,
        metric: str | None = None,
        attributes: dict[str, Any] | None = None,
        *,
        pixels: bool = True,
        progress: Progress | None = None,
    ) -> list[Slice]:
        """A metric on parts of the images, the worst first.

        Args:
            metric: name; None for the primary one.
            attributes: further ones by name, the value of each image of the dataset as text.
            pixels: whether images are also told apart by brightness, contrast and sharpness, for which each is read
                once.
            progress: called with (images done, images in all) while images are read.
        """
        own = {name: np.asarray(column, dtype=object)[self.rows] for name, column in (attributes or {}).items()}
        read = self.pixel_statistics(progress=progress) if pixels else None
        return find_slices(self.cases, self.metric(metric), {**image_attributes(self.dataset, self.rows, read), **own})

    def pixel_statistics(self, *, progress: Progress | None = None) -> PixelStatistics:
        """Brightness, contrast and sharpness of the images of the split.

        Args:
            progress: called with (images done, images in all) while images are read.
        """
        return self._statistics(self.rows, progress)

    def _statistics(self, rows: NDArray[np.intp], progress: Progress | None) -> PixelStatistics:
        images, digests = (self.dataset.table[name].take(pa.array(rows)).to_pylist() for name in ("image", "digest"))
        root, range_ = self.dataset.root, self.dataset.value_range
        return pixel_statistics(root, images, digests, value_range=range_, file=self.statistics_file, progress=progress)

    def near_duplicates(self, metric: str | None = None, *, progress: Progress | None = None) -> NearDuplicates:
        """A metric with and without the images that have a near-duplicate among the training images.

        Near-duplicates are found as by the doctor's `near-leak`; all training images are read once for it. Without
        training images in the dataset no image has one.

        Args:
            metric: name; None for the primary one.
            progress: called with (images done, images in all) while images are read.
        """
        train = np.flatnonzero(self.dataset.splits == "train")
        rows = np.concatenate([self.rows, train])
        figures = self._statistics(rows, progress)
        digests = self.dataset.table["digest"].take(pa.array(rows)).to_pylist()
        copied = near_copies(digests, figures.small, figures.readable, np.arange(len(rows)) >= len(self.rows))
        copied = copied[: len(self.rows)]
        used, others = self.metric(metric), self.cases.take(np.flatnonzero(~copied))
        on_all, on_others = self.interval(metric), used.interval(others)
        return NearDuplicates(self.split, len(self.rows), copied, used.name, on_all, on_others)

    def mistakes(self) -> list[Mistake]:
        """The images that the model gets wrong, the worst first."""
        return list(self._mistakes)

    @cached_property
    def _mistakes(self) -> tuple[Mistake, ...]:
        return tuple(find_mistakes(self.cases, self.dataset.classes))

    @property
    def suspicion(self) -> str:
        """How far the suspicions against labels were right where it was measured, in a sentence."""
        return MEASURED[has_objects(self.dataset.task)]

    def image(self, mistake: Mistake) -> str:
        """Path of a mistake's image, as in the dataset."""
        path: str = self.dataset.table["image"][int(self.rows[mistake.image])].as_py()
        return path

    def read(self, mistake: Mistake) -> bytes:
        """The file of a mistake's image.

        Raises:
            ImageError: it cannot be read.
        """
        return self.dataset[int(self.rows[mistake.image])].read()

    def draw_mistakes(self, most: int = 24) -> Image.Image:
        """A grid of the worst mistakes: truth solid, predictions dashed.

        Args:
            most: how many are drawn.
        """
        tiles = [
            image_tile(
                self.dataset[int(self.rows[mistake.image])],
                ("label wrong? " if mistake.suspected else "") + f"{mistake.truth} → {mistake.predicted}",
                self.image(mistake),
                self.found_objects(mistake.image),
            )
            for mistake in self.mistakes()[:most]
        ]
        return draw_grid(tiles, class_colours(self.dataset.classes))

    def found_objects(self, image: int) -> list[Object]:
        """The detections in an image at the operating threshold; none for labels of whole images.

        Args:
            image: position among the split's images.
        """
        if not isinstance(self.cases, DetectionCases):
            return []
        found = self.cases.found.of_image(image).above(self.cases.thresholds.score)
        return [
            Object(label=self.dataset.classes[label], bbox=tuple(box))
            for label, box in zip(found.labels.tolist(), found.boxes.tolist(), strict=True)
        ]

    def calibration(self, error_rate: float = 0.1) -> CalibrationReport:
        """How far the probabilities or scores can be trusted, before and after calibration, and by prediction sets.

        Of a classifier before and after temperature scaling; of a detector before and after the map of its scores that
        `score_map` fits, on images that it was not fitted on.

        Args:
            error_rate: share of the truth that prediction sets may miss.

        Raises:
            ValueError: the error rate is not between 0 and 1.
        """
        if isinstance(self.cases, DetectionCases):
            return self._score_calibration()
        sets = self.prediction_sets(error_rate)
        error, loss = "expected_calibration_error", "log_loss"
        return CalibrationReport(
            split=self.split,
            images=len(self.rows),
            method="temperature scaling",
            error_before=self.metric(error).interval(self.uncalibrated),
            error_after=self.interval(error),
            loss_before=self.metric(loss).interval(self.uncalibrated),
            loss_after=self.interval(loss),
            reliability=tuple(self.cases.reliability()),
            sets=SetsReport.of(sets),
        )

    @cached_property
    def score_map(self) -> ScoreMap:
        """From a detector's scores to the probability that a detection is right, fitted as prediction sets are.

        Raises:
            TypeError: the task is of labels of whole images, whose probabilities are calibrated already.
        """
        fitted, _ = self._fitted_and_measured()
        if not isinstance(fitted, DetectionCases):
            raise TypeError("probabilities of labels are calibrated already; only a detector's scores can be mapped")
        return fit_score_map(fitted.candidates)

    def _score_calibration(self) -> CalibrationReport:
        before = self._fitted_and_measured()[1].candidates
        after = before.mapped(self.score_map)
        return CalibrationReport(
            split=self.split,
            images=len(before),
            method=f"calibration of scores ({self.score_map.words})",
            error_before=CALIBRATION_ERROR.interval(before),
            error_after=CALIBRATION_ERROR.interval(after),
            loss_before=LOG_LOSS.interval(before),
            loss_after=LOG_LOSS.interval(after),
            reliability=tuple(reliability(after.score, after.right)),
            sets=None,
        )

    def operating_points(
        self,
        *,
        precision: float | None = None,
        recall: float | None = None,
        cost: Mapping[str, Any] | None = None,
        per_class: bool = True,
        cautious: bool = False,
        calibrated: bool = False,
    ) -> OperatingPoints:
        """Choose thresholds for a precision, a recall, the least cost, or without any of them the best F1.

        They are chosen on the validation images and measured on this split; for the validation split itself, and where
        no validation images were predicted, on one half of the split and the other. What each figure means by task is
        said in `evaluation.operating`.

        Args:
            precision: at least this, with the highest recall.
            recall: at least this, with the highest precision.
            cost: with one class per image, costs of taking a true class for another, `{"VIRUS": {"NORMAL": 5}}` (any
                other mistake costs 1); the class of least expected cost is answered. Otherwise the costs of a wrong
                answer and of a missed one, `{"false": 1, "missed": 5}`, also by class.
            per_class: whether each class has its own threshold.
            cautious: whether the lower end of the 95 % interval must reach the precision or recall.
            calibrated: whether a detector's scores become probabilities first.

        Raises:
            ValueError: several are wanted, or a share, cost or class cannot be.
            TypeError: scores shall be calibrated, and the task is of labels of whole images.
        """
        fitted, measured = self._fitted_and_measured()
        classes, score_map = self.dataset.classes, self.score_map if calibrated else None
        by_matrix = cost is not None and isinstance(measured, ClassificationCases)
        goals = goals_of(classes, precision=precision, recall=recall, cost={} if by_matrix else cost, cautious=cautious)
        if by_matrix and cost is not None:
            found = decide_by_cost(measured, cost_matrix(cost, classes), classes)
        else:
            found = choose_operating_points(fitted, measured, goals, classes, per_class=per_class, score_map=score_map)
        return replace(found, split=self.split)

    def prediction_sets(self, error_rate: float = 0.1) -> PredictionSets:
        """Sets of labels that hold the truth in all but `error_rate` of the cases (conformal prediction).

        The threshold is fitted on the validation images. For the validation split itself, and where no validation
        images were predicted, it is fitted on one half of the split and the sets are made for the other half.

        Args:
            error_rate: share of the truth that the sets may miss, between 0 and 1.

        Raises:
            ValueError: the error rate is not between 0 and 1.
            TypeError: the task is of objects.
        """
        return prediction_sets(*self._fitted_and_measured(), error_rate)

    def _fitted_and_measured(self) -> tuple[Any, Any]:
        """Cases to fit thresholds on, and others to measure them on."""
        return (self.fitting, self.cases) if self.fitting is not self.cases else self._halves

    @cached_property
    def _halves(self) -> tuple[Any, Any]:
        """The cases of this split in two random halves."""
        halves = np.random.default_rng(0).permutation(len(self.cases))
        middle = len(halves) // 2
        return self.cases.take(np.sort(halves[:middle])), self.cases.take(np.sort(halves[middle:]))

    def metric(self, name: str | None = None) -> Metric:
        """A metric of the task; without a name the primary one.

        Raises:
            ValueError: the task has no such metric.
        """
        return self.primary if name is None else find_metric(self.dataset.task, name)
