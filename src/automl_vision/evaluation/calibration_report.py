"""How far a model's probabilities or scores can be trusted, as a report."""

from __future__ import annotations

from dataclasses import dataclass

from automl_vision.evaluation.conformal import PredictionSets
from automl_vision.evaluation.intervals import Interval


@dataclass(frozen=True)
class SetsReport:
    """What a classifier's prediction sets hold.

    Attributes:
        error_rate: share of the truth that the sets may miss.
        threshold: a label is in a set if its probability is at least this.
        covered: share of the truth that the sets hold.
        mean_size: labels in a set.
        images: on which this was measured; the threshold was fitted on others.
    """

    error_rate: float
    threshold: float
    covered: Interval
    mean_size: float
    images: int

    @staticmethod
    def of(sets: PredictionSets) -> SetsReport:
        """The report of some sets."""
        return SetsReport(sets.error_rate, sets.threshold, sets.covered, sets.mean_size, len(sets.members))

    @property
    def text(self) -> str:
        """The report in a sentence."""
        return (
            f"with at most {self.error_rate:.0%} errors asked for, they hold {self.covered.text(4)} of the truth on "
            f"{self.images} images that they were not fitted on; {self.mean_size:.2f} labels on average, with a "
            f"probability of at least {self.threshold:.4f}"
        )


@dataclass(frozen=True)
class CalibrationReport:
    """How far a classifier's probabilities, or a detector's scores, can be trusted.

    Attributes:
        split: of the images.
        images: how many there are.
        method: that calibrates.
        error_before, error_after: expected calibration error, before and after calibration; of a detector the mean
            distance between score and precision.
        loss_before, loss_after: log loss, likewise; of a detector that of its detections being right.
        reliability: points of the reliability diagram after calibration, as `calibration.reliability` makes them.
        sets: what prediction sets hold; None for a detector, which has none.
    """

    split: str
    images: int
    method: str
    error_before: Interval
    error_after: Interval
    loss_before: Interval
    loss_after: Interval
    reliability: tuple[dict[str, float], ...]
    sets: SetsReport | None

    @property
    def text(self) -> str:
        """The report in a few lines."""
        return "\n".join(
            (
                f"{self.images} images ({self.split})",
                f"expected calibration error  {self.error_before.text(4)} before {self.method}, "
                f"{self.error_after.text(4)} after",
                f"log loss                    {self.loss_before.text(4)} before, {self.loss_after.text(4)} after",
                "prediction sets             "
                + (self.sets.text if self.sets is not None else "none: they are of labels of whole images"),
            )
        )
