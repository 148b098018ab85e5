"""What the studio keeps of a trial's predictions on one split, and of two trials, while they are looked at."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from automl_vision.web.problems import NotFoundError

if TYPE_CHECKING:
    from automl_vision.evaluation.intervals import Interval
    from automl_vision.experiment.compared import Compared
    from automl_vision.experiment.decisions import DecisionTables
    from automl_vision.experiment.evaluated import Evaluated
    from automl_vision.experiment.figures import Figures
    from automl_vision.experiment.image_cases import ImageCases
    from automl_vision.experiment.trial import Trial


class OpenedEvaluation:
    """Predictions with everything that was computed from them.

    Attributes:
        evaluated: the predictions beside their truth.
        lock: to be held while something is asked for, so that several threads do not compute the same.
    """

    def __init__(self, evaluated: Evaluated) -> None:
        self.evaluated = evaluated
        self.lock = threading.RLock()

    @staticmethod
    def of(trial: Trial, split: str | None) -> OpenedEvaluation:
        """The predictions of a trial.

        Raises:
            NotFoundError: no image of the split was predicted.
            RunFailedError: the trial has not finished, or an earlier version trained it.
        """
        try:
            return OpenedEvaluation(trial.evaluated(split))
        except KeyError as error:
            raise NotFoundError(str(error.args[0])) from None

    @cached_property
    def cases(self) -> ImageCases:
        """The images, to be filtered."""
        from automl_vision.experiment.image_cases import ImageCases

        return ImageCases(self.evaluated)

    @cached_property
    def figures(self) -> Figures:
        """The figures of the predictions, each of which is drawn once."""
        return self.evaluated.figures()

    @cached_property
    def metrics(self) -> dict[str, Interval]:
        """Every metric with its interval."""
        return self.evaluated.metrics()

    @cached_property
    def decisions(self) -> DecisionTables:
        """What thresholds decide."""
        from automl_vision.experiment.decisions import decision_tables

        return decision_tables(self.evaluated)

    @cached_property
    def attributes(self) -> dict[str, Any]:
        """What is known of the images, brightness and the like included, for which each is read once."""
        from automl_vision.evaluation.slices import image_attributes

        read = self.evaluated.pixel_statistics()
        return dict(image_attributes(self.evaluated.dataset, self.evaluated.rows, read))


@dataclass(frozen=True)
class OpenedComparison:
    """Two trials on the same images.

    Attributes:
        first, second: their predictions.
        compared: the paired test, and what only one of them gets right.
    """

    first: OpenedEvaluation
    second: OpenedEvaluation
    compared: Compared

    @staticmethod
    def of(first: OpenedEvaluation, second: OpenedEvaluation) -> OpenedComparison:
        """Compare two trials.

        Raises:
            DataError: they were not evaluated on the same images with the same labels.
        """
        from automl_vision.experiment.compared import compare_trials

        with first.lock, second.lock:
            return OpenedComparison(first, second, compare_trials(first.evaluated, second.evaluated))
