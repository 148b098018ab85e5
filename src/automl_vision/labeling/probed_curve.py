"""Learning curves without training: a linear probe on frozen features, fitted on parts of the labels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import TASKS
from automl_vision.data.dataset import Dataset
from automl_vision.data.scan import Progress
from automl_vision.data.splits import holdout
from automl_vision.data.targets import Targets
from automl_vision.doctor.features import FeatureStore
from automl_vision.doctor.label_errors import principal_components
from automl_vision.evaluation.multi_label import label_set_iou
from automl_vision.experiment.linear_probe import STRENGTHS, Floats, Truth, fit_for, fit_several
from automl_vision.labeling.learning_curve import LEVEL, Curve, LearningCurve, sizes_of
from automl_vision.labeling.power_law import Measurement

REPEATS = 6
"""Subsamples of each size but the largest."""

MOST_TRAINING = 5_000  # images; more are left out, and the curve ends there
_STRENGTH = STRENGTHS[1]
_LEAST_IMAGES = 16
_LEAST_OF_CLASS = 12  # labels of a class, and with the probe's parts at least 3 of them
_LEAST_JUDGED = 10  # images of a class that its F1 is measured on
_CLASS_STEPS, _CLASS_REPEATS = (0.25, 0.5), 3
_MOST_CLASSES = 40


@dataclass(frozen=True)
class Probed:
    """Images with features and labels.

    Attributes:
        inputs: (images, components).
        truth: (images, classes).
        training, judged: rows to learn from, and to measure on.
        one_label: whether each image has exactly one class.
    """

    inputs: Floats
    truth: Truth
    training: NDArray[np.int64]
    judged: NDArray[np.int64]
    one_label: bool

    @property
    def metric(self) -> str:
        """Name of the metric."""
        return "accuracy" if self.one_label else "iou"

    def score(self, rows: NDArray[np.int64]) -> float:
        """The metric of a probe that learned from some rows."""
        truth = self.truth[self.judged]
        if self.one_label and self.truth[rows].any(axis=0).sum() < 2:
            return float(truth[:, self.truth[rows].any(axis=0)].mean())  # the only class is said of each image
        chances = fit_for(one_label=self.one_label)(self.inputs[rows], self.truth[rows], _STRENGTH)(
            self.inputs[self.judged]
        )
        if self.one_label:
            return float(truth[np.arange(len(truth)), chances.argmax(axis=1)].mean())
        return float(label_set_iou(chances >= 0.5, truth).mean())

    def class_f1(self, rows: NDArray[np.int64], label: int) -> float:
        """The F1 of a class by a probe that learned from some rows."""
        inputs, judged = self.inputs[rows], self.inputs[self.judged]
        if self.one_label:
            chances = fit_for(one_label=True)(inputs, self.truth[rows], _STRENGTH)(judged)
            found = chances.argmax(axis=1) == label
        else:
            found = fit_several(inputs, self.truth[rows][:, [label]], _STRENGTH)(judged)[:, 0] >= 0.5
        true = self.truth[self.judged, label]
        return float(2 * (found & true).sum() / max(found.sum() + true.sum(), 1))

    def parts(self, size: int, repeats: int, seed: int) -> list[NDArray[np.int64]]:
        """Random parts of the training images of a size, with the classes in their proportions."""
        rows = self.training
        if size >= len(rows):
            return [rows]
        targets = Targets.from_dense(self.truth[rows])
        names = [str(i) for i in range(len(rows))]
        return [
            rows[holdout(targets, names, size / len(rows), seed=seed + repeat)] for repeat in range(repeats)
        ]  # fmt: skip


def probed(dataset: Dataset, *, cache: Path | None = None, progress: Progress | None = None) -> Probed:
    """The features of a dataset's images, and which of them are learned from.

    Raises:
        DataError: objects are labelled, or too few images have a label.
        FeaturesUnavailableError: features cannot be computed on this machine.
    """
    if dataset.kind not in ("label", "labels"):
        raise DataError(f"a probe judges labels of whole images, not {dataset.task}; name a model to train")
    if not (dataset.splits == "val").any():
        dataset = dataset.with_validation(0.25)
    used = np.isin(dataset.splits, ("train", "val"))
    digests = [digest if use else "" for digest, use in zip(dataset.table["digest"].to_pylist(), used, strict=True)]
    features = FeatureStore(cache).features(
        dataset.root, dataset.table["image"].to_pylist(), digests, value_range=dataset.value_range, progress=progress
    )
    known = used & np.isfinite(features).all(axis=1)
    parts = principal_components(features[known])
    inputs = np.zeros((len(dataset), parts.shape[1]))
    inputs[known] = parts
    training, judged = (np.flatnonzero(known & (dataset.splits == split)) for split in ("train", "val"))
    if len(training) < _LEAST_IMAGES or not len(judged):
        raise DataError(f"a curve needs at least {_LEAST_IMAGES} training images, not {len(training)}")
    training = np.sort(np.random.default_rng(0).permutation(training)[:MOST_TRAINING])
    return Probed(inputs, dataset.targets, training, judged, TASKS[dataset.task].one_label)


def probed_curve(images: Probed, classes: tuple[str, ...], *, level: float = LEVEL, seed: int = 0) -> LearningCurve:
    """The learning curves of a linear probe.

    Args:
        images: with features.
        classes: names.
        level: of the intervals.
        seed: of the subsamples.
    """
    how = f"a linear probe on frozen features, on up to {REPEATS} parts of each size"
    return LearningCurve(
        overall_curve(images, level=level, seed=seed),
        {
            name: curve
            for i, name in enumerate(classes[:_MOST_CLASSES])
            if (curve := class_curve(images, i, name, level=level))
        },
        how,
        len(images.judged),
    )


def overall_curve(images: Probed, *, level: float = LEVEL, seed: int = 0) -> Curve:
    """The metric of a probe by number of labelled training images."""
    points = []
    for size in sizes_of(len(images.training), least=max(_LEAST_IMAGES // 2, images.truth.shape[1])):
        rows_of = images.parts(size, REPEATS, seed)
        values = tuple(images.score(rows) for rows in rows_of)
        points.append(Measurement(round(float(np.mean([len(rows) for rows in rows_of]))), values))
    return Curve("", images.metric, tuple(points), level, "labelled images")


def class_curve(images: Probed, label: int, name: str, *, level: float = LEVEL) -> Curve | None:
    """The F1 of a class by number of its own labels, all other images as they are; None for a class with too few."""
    has = images.truth[images.training, label]
    own, others = images.training[has], images.training[~has]
    if len(own) < _LEAST_OF_CLASS or images.truth[images.judged, label].sum() < _LEAST_JUDGED or not len(others):
        return None
    points = []
    for size in sizes_of(len(own), least=3, steps=_CLASS_STEPS):
        repeats = 1 if size == len(own) else _CLASS_REPEATS
        random = [np.random.default_rng(repeat) for repeat in range(repeats)]
        values = (
            images.class_f1(np.sort(np.concatenate([others, each.permutation(own)[:size]])), label) for each in random
        )
        points.append(Measurement(size, tuple(values)))
    return Curve(name, f"F1 of {name}", tuple(points), level)
