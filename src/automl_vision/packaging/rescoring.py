"""A format of a packaged model against the file in single precision, on the same images, read from their files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.core.records import Calibration
from automl_vision.data.boxes import overlaps
from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections
from automl_vision.evaluation.intervals import RESAMPLES, Interval
from automl_vision.evaluation.metric import Metric
from automl_vision.evaluation.paired import comparable, compare
from automl_vision.evaluation.predictions import Predictions, prediction_table
from automl_vision.evaluation.scoring.scoring import ScoringSettings, create_scoring
from automl_vision.recipes.predicted_files import predict_files, predicted_columns
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.objects import MIN_SCORE
from automl_vision.serving.predictions import AnyPrediction, ObjectPrediction, Prediction
from automl_vision.serving.predictor import Predictor

_MOST_TIES = 0.05  # of the answers
_SAME_OBJECT = 0.7  # intersection over union; boxes of small objects move by a pixel or two


@dataclass(frozen=True)
class Rescored:
    """What one format predicts for some images, and how good that is.

    Attributes:
        rows: of the images in the dataset; those that can be read.
        images: their names.
        found: a prediction per image.
        metric: the primary one.
        cases: predictions beside their truth.
    """

    rows: NDArray[np.intp]
    images: list[str]
    found: list[AnyPrediction]
    metric: Metric
    cases: Any

    @cached_property
    def interval(self) -> Interval:
        """The primary metric."""
        return self.metric.interval(self.cases)

    def gain_over(self, other: Rescored) -> Interval:
        """How much better the primary metric is than another format's on the same images; below 0 it is worse."""
        found = compare(comparable(self.metric, other.cases), comparable(self.metric, self.cases))
        if found is None:
            return Interval(float("nan"), float("nan"), float("nan"))
        return found.difference if self.metric.higher_is_better else found.difference.negated

    def expected_loss(self, other: Rescored) -> Interval | None:
        """How much accuracy the answers cost that differ from another format's, by that format's own probabilities.

        Where the answers of two formats differ, the image was nearly a tie: the truth has the probability p of the
        other format's answer, and q of this one's, so that p - q is lost on average. Labels tell the same with far more
        noise: of 133 images that one answer differs moves accuracy by 0.0075, and a tie of 0.52 to 0.48 this by 0.0003.
        It presumes that the probabilities are calibrated, as a packaged model's are. None for anything but accuracy of
        one class per image, and where more than 5 % of the answers differ: those are no ties, and of a model that has
        learned little every answer is one.
        """
        if self.metric.name != "accuracy":
            return None
        mine = [each for each in self.found if isinstance(each, Prediction)]
        theirs = [each for each in other.found if isinstance(each, Prediction)]
        differ = np.array([a.probs.argmax() != b.probs.argmax() for a, b in zip(mine, theirs, strict=True)])
        if differ.mean() > _MOST_TIES:
            return None
        loss = np.array([b.probs.max() - b.probs[a.probs.argmax()] for a, b in zip(mine, theirs, strict=True)])
        random = np.random.default_rng(0)
        means = loss[random.integers(len(loss), size=(RESAMPLES, len(loss)))].mean(axis=1)
        low, high = np.percentile(means, [2.5, 97.5])
        return Interval(float(loss.mean()), float(low), float(high))

    def differences(self, other: Rescored, thresholds: Sequence[float]) -> NDArray[np.float64]:
        """(images,), how far the outputs are from another format's, in [0, 1].

        Of labels the largest difference of a probability; of objects the share of those at or above their thresholds,
        on either side, that have no object of their class in the same place on the other side. Where no object of any
        image reaches its threshold, all that were found are compared: nothing would equal nothing.
        """
        least = np.asarray(thresholds)
        if not any(_shows(each, least) for each in (*self.found, *other.found)):
            least = np.zeros_like(least)
        pairs = zip(self.found, other.found, strict=True)
        return np.array([_difference(mine, theirs, least) for mine, theirs in pairs])


def rescore(folder: Path, dataset: Dataset, rows: NDArray[np.intp], *, runtime: str) -> Rescored:
    """Predict images with one format of a model, and score the predictions.

    Args:
        folder: of the model.
        dataset: with the classes of the model in their order.
        rows: of the images.
        runtime: that loads the format.

    Raises:
        ModelFolderError: the format cannot be loaded.
        DataError: no image can be read.
    """
    return rescored(Predictor(folder, score_threshold=MIN_SCORE, runtime=runtime), dataset, rows)


def rescored(predictor: Predictor, dataset: Dataset, rows: NDArray[np.intp]) -> Rescored:
    """Predict images with a predictor, and score the predictions.

    Args:
        predictor: of a model; a detector's should return objects of low scores too.
        dataset: with the classes of the model in their order.
        rows: of the images.

    Raises:
        DataError: no image can be read.
    """
    description = ModelDescription.load(predictor.folder)  # a predictor may show more than the model does
    found, problems = predict_files(predictor, dataset, rows)
    if not found:
        raise DataError(
            f"none of {len(rows)} images can be read, such as: {next(iter(problems.values()), 'none given')}"
        )
    rows = np.array([row for row in rows.tolist() if row not in problems], np.intp)
    scoring = create_scoring(description.task, dataset, ScoringSettings(**description.scoring))
    calibration = Calibration(temperature=description.temperature, thresholds=description.thresholds)
    images = dataset.table["image"].take(rows).combine_chunks()
    table = prediction_table("val", rows, images, predicted_columns(found))
    predictions = Predictions(table, description.task, description.classes, calibration)
    cases = scoring.cases(scoring.from_predictions(predictions.of_split("val")), rows, calibration)
    return Rescored(rows, images.to_pylist(), found, scoring.primary, cases)


def _shows(prediction: AnyPrediction, thresholds: NDArray[np.float64]) -> bool:
    """Whether something of it is compared."""
    if not isinstance(prediction, ObjectPrediction):
        return True
    objects = prediction.objects
    return bool((objects.scores >= thresholds[objects.labels]).any())


def _difference(mine: AnyPrediction, theirs: AnyPrediction, thresholds: NDArray[np.float64]) -> float:
    if isinstance(mine, Prediction) and isinstance(theirs, Prediction):
        return float(np.abs(mine.probs - theirs.probs).max())
    assert isinstance(mine, ObjectPrediction)
    assert isinstance(theirs, ObjectPrediction)
    pairs = ((mine.objects, theirs.objects), (theirs.objects, mine.objects))
    counts = np.array([_unmatched(one, other, thresholds) for one, other in pairs]).sum(axis=0)
    return float(counts[0] / counts[1]) if counts[1] else 0.0


def _unmatched(one: Detections, other: Detections, thresholds: NDArray[np.float64]) -> tuple[int, int]:
    """How many shown objects have no equal on the other side, and how many are shown."""
    shown = one.take(one.scores >= thresholds[one.labels])
    if not len(shown):
        return 0, 0
    if not len(other):
        return len(shown), len(shown)
    same = (overlaps(shown.boxes[:, None], other.boxes) >= _SAME_OBJECT) & (shown.labels[:, None] == other.labels)
    return int((~same.any(axis=1)).sum()), len(shown)
