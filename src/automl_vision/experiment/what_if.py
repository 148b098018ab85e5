"""What would a change of the data bring? A linear probe with and without it, on the same validation images, in seconds.

The probe is the logistic regression on frozen features with which trials start. It says which way a change goes before
anything is trained; a network that is trained further may gain more or less.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import TASKS
from automl_vision.data.changes import matched_rows
from automl_vision.data.dataset import Dataset
from automl_vision.data.defaults import SPLIT_RATIO
from automl_vision.data.scan import Progress
from automl_vision.data.splits import stable_order
from automl_vision.doctor.features import FeatureStore
from automl_vision.doctor.label_errors import principal_components
from automl_vision.evaluation.intervals import Interval, percentile_interval
from automl_vision.evaluation.multi_label import label_set_iou
from automl_vision.evaluation.paired import SCORES, Comparison, compare
from automl_vision.evaluation.weighted import resample_weights
from automl_vision.experiment.linear_probe import Floats, Truth, choose_strength, fit_for

MOST_TRAINING = 20_000  # images of each version; the same ones of both


@dataclass(frozen=True)
class ChangedValidation:
    """Validation images whose labels the change touches: which labels the probes agree with says nothing of gain.

    Attributes:
        images: how many.
        old_labels: metric of the probe (before, after) by the labels before the change.
        new_labels: the same by the labels after it.
    """

    images: int
    old_labels: tuple[float, float]
    new_labels: tuple[float, float]


@dataclass(frozen=True)
class WhatIf:
    """The effect of a change on a linear probe.

    Attributes:
        metric: "accuracy", or "iou" of the classes in each image where an image can have several.
        before, after: the metric without and with the change, with 95 % intervals.
        comparison: the paired test of after against before.
        images: validation images that both were judged on: those that are the same in both versions, labels included.
        training: number of training images (before, after).
        relabelled: training images in both with other labels.
        changed: the validation images whose labels differ, apart; None if there are none.
        only_in_one: validation images that only one version has.
        is_subset: whether only the first `MOST_TRAINING` training images were used.
        sees_boxes: False: boxes and masks count only by the classes that occur in an image.
    """

    metric: str
    before: Interval
    after: Interval
    comparison: Comparison
    images: int
    training: tuple[int, int]
    relabelled: int
    changed: ChangedValidation | None
    only_in_one: int
    is_subset: bool
    sees_boxes: bool = False

    @property
    def sentence(self) -> str:
        """What was found, in words."""
        difference, p = self.comparison.difference, self.comparison.p_value
        if self.training[0] == self.training[1] and not self.relabelled:
            return "No training image changes as far as the probe sees, so it cannot tell the two apart."
        told = "no difference can be told" if not p < 0.05 else "better" if difference.value > 0 else "worse"
        ends = f"{difference.value:+.3f} [{difference.low:+.3f}, {difference.high:+.3f}]"
        return (
            f"{told[0].upper()}{told[1:]}: {self.metric} {self.before.value:.3f} without and {self.after.value:.3f} "
            f"with the change, difference {ends}, on the same {self.images} validation images (p = {p:.2g}). "
            "This is the effect on a linear probe."
        )

    def to_json(self) -> dict[str, Any]:
        """The result as JSON values."""
        return {**asdict(self), "sentence": self.sentence}


def what_if(before: Dataset, after: Dataset, *, cache: Path | None = None, progress: Progress | None = None) -> WhatIf:
    """Compare a linear probe on two versions of a dataset, on the validation images that are the same in both.

    Args:
        before: the version to be changed; if it has no validation images, some are held out, in both.
        after: the changed version, such as `before.apply(report)`.
        cache: folder for features; None uses the user's cache, where those of a check are.
        progress: called with (images done, images in all) while features are computed.

    Raises:
        DataError: the tasks differ, or too few images are common to both.
        FeaturesUnavailableError: features cannot be computed on this machine.
    """
    if before.task != after.task:
        raise DataError(f"the versions are for different tasks: {before.task} and {after.task}")
    if not (before.splits == "val").any():
        before = before.with_validation(SPLIT_RATIO)
        after = after.following(before, SPLIT_RATIO)
    classes = list(dict.fromkeys([*before.classes, *after.classes]))
    sides = [_side(data, classes, cache, progress) for data in (before, after)]
    return _compared(sides[0], sides[1], one_label=TASKS[before.task].one_label)


@dataclass(frozen=True)
class _Side:
    """One version.

    Attributes:
        data: the dataset.
        truth: (images, classes), of both versions.
        features: (images, features), NaN where there are none.
    """

    data: Dataset
    truth: Truth
    features: NDArray[np.float32]

    def usable(self, split: str) -> NDArray[np.int64]:
        """The rows of a split that have features."""
        return np.flatnonzero((self.data.splits == split) & np.isfinite(self.features).all(axis=1))

    def training(self) -> NDArray[np.int64]:
        """The training images; of many a part that does not depend on the version."""
        rows = self.usable("train")
        digests = self.data.table["digest"].take(pa.array(rows)).to_pylist()
        return rows[np.argsort(stable_order(digests, 0), kind="stable")[:MOST_TRAINING]]


def _side(data: Dataset, classes: Sequence[str], cache: Path | None, progress: Progress | None) -> _Side:
    used = np.isin(data.splits, ("train", "val"))
    digests = [digest if use else "" for digest, use in zip(data.table["digest"].to_pylist(), used, strict=True)]
    features = FeatureStore(cache).features(
        data.root, data.table["image"].to_pylist(), digests, value_range=data.value_range, progress=progress
    )
    truth = np.zeros((len(data), len(classes)), bool)
    position = np.array([classes.index(name) for name in data.classes], np.int64)
    truth[data.labelled.row, position[data.labelled.label]] = True
    return _Side(data, truth, features)


def _compared(before: _Side, after: _Side, *, one_label: bool) -> WhatIf:
    common = _Common.of(before, after)
    if len(common.same) < 2:
        raise DataError("fewer than 2 validation images are the same in both versions, so nothing can be compared")
    inputs = _inputs(before, after)
    fit = fit_for(one_label=one_label)
    rows = (before.training(), after.training())
    predicts = [
        # each with the penalty that suits it, as a trial's probe has; one for both made a change look larger than it is
        fit(values[chosen], side.truth[chosen], choose_strength(values[chosen], side.truth[chosen], fit))
        for values, side, chosen in zip(inputs, (before, after), rows, strict=True)
    ]
    score = _rightness if one_label else _overlap
    guesses = [predict(inputs[0]) for predict in predicts]  # (images of before, classes), by each probe

    def scores(at: NDArray[np.int64], truth: Truth) -> list[Floats]:
        return [score(guess[at], truth) for guess in guesses]

    judged = scores(common.same, before.truth[common.same])
    comparison = compare({SCORES: judged[0]}, {SCORES: judged[1]})
    if comparison is None:
        raise DataError("the two probes left nothing that can be compared")
    changed = None
    if len(common.changed[0]):
        old, new = (
            scores(common.changed[0], truth)
            for truth in (before.truth[common.changed[0]], after.truth[common.changed[1]])
        )
        changed = ChangedValidation(len(common.changed[0]), _means(old), _means(new))
    return WhatIf(
        metric="accuracy" if one_label else "iou",
        before=_interval(judged[0]),
        after=_interval(judged[1]),
        comparison=comparison,
        images=len(common.same),
        training=(len(before.usable("train")), len(after.usable("train"))),
        relabelled=common.relabelled,
        changed=changed,
        only_in_one=common.only_in_one,
        is_subset=max(len(before.usable("train")), len(after.usable("train"))) > MOST_TRAINING,
    )


@dataclass(frozen=True)
class _Common:
    """Images that both versions have.

    Attributes:
        same: rows of `before` for validation in both, with equal labels.
        changed: rows of both for validation in both, with other labels.
        relabelled: training images in both with other labels.
        only_in_one: validation images that are for validation in one version only.
    """

    same: NDArray[np.int64]
    changed: tuple[NDArray[np.int64], NDArray[np.int64]]
    relabelled: int
    only_in_one: int

    @staticmethod
    def of(before: _Side, after: _Side) -> _Common:
        """The images that are in both."""
        old, new = (np.asarray(rows, np.int64) for rows in matched_rows(before.data.table, after.data.table))
        equal = (before.truth[old] == after.truth[new]).all(axis=1)

        def both(split: str) -> NDArray[np.bool_]:
            return np.isin(old, before.usable(split)) & np.isin(new, after.usable(split))

        validation = both("val")
        return _Common(
            same=old[validation & equal],
            changed=(old[validation & ~equal], new[validation & ~equal]),
            relabelled=int((both("train") & ~equal).sum()),
            only_in_one=len(before.usable("val")) + len(after.usable("val")) - 2 * int(validation.sum()),
        )


def _inputs(before: _Side, after: _Side) -> tuple[Floats, Floats]:
    """The components of all images of both versions in one system, zeros for images without features."""
    both = np.concatenate([before.features, after.features])
    known = np.isfinite(both).all(axis=1)
    found = principal_components(both[known])
    values = np.zeros((len(both), found.shape[1]))
    values[known] = found
    return values[: len(before.features)], values[len(before.features) :]


def _rightness(chances: Floats, truth: Truth) -> Floats:
    return np.asarray(truth[np.arange(len(truth)), chances.argmax(axis=1)], np.float64)


def _overlap(chances: Floats, truth: Truth) -> Floats:
    return label_set_iou(chances >= 0.5, truth)


def _interval(scores: Floats) -> Interval:
    return percentile_interval(resample_weights(len(scores)) @ scores / len(scores))


def _means(scores: list[Floats]) -> tuple[float, float]:
    return float(scores[0].mean()), float(scores[1].mean())
