"""Prediction sets: labels that hold the truth as often as asked, whatever the model is (conformal prediction).

The threshold is fitted on images that the weights were not trained on, and the coverage is measured on others. The
promise holds when both come from the same source of images.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from automl_vision.evaluation.classification import ClassificationCases
from automl_vision.evaluation.intervals import Floats, Interval, percentile_interval, wilson_interval
from automl_vision.evaluation.multi_label import MultiLabelCases
from automl_vision.evaluation.weighted import mean, resample_weights

_ROUNDING = 1e-12


@dataclass(frozen=True)
class PredictionSets:
    """Sets of labels, one for each image.

    Attributes:
        error_rate: that was asked for.
        threshold: a label is in the set if its probability is at least this.
        members: (images, classes), bool.
        covered: share of the truth that the sets hold, with its interval; for one class an image the share of images
            whose class is in the set, for many labels the mean share of an image's labels.
        fitted_on: number of images that the threshold was fitted on.
    """

    error_rate: float
    threshold: float
    members: NDArray[np.bool_]
    covered: Interval
    fitted_on: int

    @property
    def mean_size(self) -> float:
        """Labels in a set, on average."""
        return float(self.members.sum(axis=1).mean())


def class_threshold(cases: ClassificationCases, error_rate: float) -> float:
    """The probability from which classes belong to a set that holds the true class in 1 - `error_rate` of all images.

    The least ambiguous sets (Sadinle, Lei and Wasserman 2019) by split conformal prediction: 0, and so every class,
    where there are too few images for the promise.

    Args:
        cases: that the threshold is fitted on.
        error_rate: between 0 and 1.
    """
    true = np.sort(cases.probabilities[np.arange(len(cases)), cases.truth])
    allowed = math.floor((len(true) + 1) * error_rate + _ROUNDING)  # images whose class may be left out
    return float(true[allowed - 1]) if allowed >= 1 else 0.0


def label_threshold(cases: MultiLabelCases, error_rate: float) -> float:
    """The probability from which labels belong to a set that misses at most `error_rate` of an image's labels.

    On average over images, by conformal risk control (Angelopoulos et al. 2022) of the share of missed labels.

    Args:
        cases: that the threshold is fitted on.
        error_rate: between 0 and 1.
    """
    with_labels = cases.onehot.any(axis=1)
    probabilities, onehot = cases.probabilities[with_labels], cases.onehot[with_labels]
    images = len(cases)
    share = np.repeat(1 / np.maximum(onehot.sum(axis=1), 1), onehot.sum(axis=1))  # of each true label in its image
    true = probabilities[onehot]
    order = np.argsort(true, kind="stable")
    missed = np.cumsum(share[order])  # by a threshold just above each true label's probability
    risk = (missed + 1) / (images + 1)  # the bound counts one more image, whose labels are all missed
    allowed = int((risk <= error_rate + _ROUNDING).sum())
    if not allowed:
        return 0.0
    return float(true[order][allowed]) if allowed < len(true) else 1.0


ERROR_RATES = (0.01, 0.02, 0.05, 0.1, 0.2)
"""Whose thresholds a model folder keeps."""


def prediction_sets(
    fitted: ClassificationCases | MultiLabelCases, measured: ClassificationCases | MultiLabelCases, error_rate: float
) -> PredictionSets:
    """Fit a threshold on some images and make the sets of others.

    Args:
        fitted: images that the threshold is fitted on.
        measured: images of the sets; none of them may be in `fitted`.
        error_rate: share of the truth that the sets may miss, between 0 and 1.

    Raises:
        ValueError: the error rate is not between 0 and 1.
    """
    if not 0 < error_rate < 1:
        raise ValueError(f"an error rate lies between 0 and 1; {error_rate:g} does not")
    if isinstance(fitted, ClassificationCases) and isinstance(measured, ClassificationCases):
        threshold = class_threshold(fitted, error_rate)
        members = measured.probabilities >= threshold
        held = members[np.arange(len(measured)), measured.truth]
        return PredictionSets(error_rate, threshold, members, wilson_interval(int(held.sum()), len(held)), len(fitted))
    if isinstance(fitted, MultiLabelCases) and isinstance(measured, MultiLabelCases):
        threshold = label_threshold(fitted, error_rate)
        members = measured.probabilities >= threshold
        return PredictionSets(error_rate, threshold, members, _held_labels(members, measured.onehot), len(fitted))
    raise TypeError("prediction sets are of labels of whole images")


def _held_labels(members: NDArray[np.bool_], onehot: NDArray[np.bool_]) -> Interval:
    """Mean share of an image's labels that its set holds; an image without labels misses none."""
    labels = onehot.sum(axis=1)
    held: Floats = np.where(labels > 0, (members & onehot).sum(axis=1) / np.maximum(labels, 1), 1.0)
    return percentile_interval(mean(held, resample_weights(len(held))))
