"""A linear probe of a dataset's frozen features: how good it is by which labels, without any training."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
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

MOST_TRAINING = 5_000  # images; more are left out
LEAST_IMAGES = 16
_STRENGTH = STRENGTHS[1]


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
        chances = self._chances(rows)
        if self.one_label:
            return float(truth[np.arange(len(truth)), chances.argmax(axis=1)].mean())
        return float(label_set_iou(chances >= 0.5, truth).mean())

    def class_f1(self, rows: NDArray[np.int64], label: int) -> float:
        """The F1 of a class by a probe that learned from some rows."""
        if self.one_label:
            found = self._chances(rows).argmax(axis=1) == label
        elif np.array_equal(rows, self.training):
            found = self._chances(rows)[:, label] >= 0.5
        else:
            inputs, judged = self.inputs[rows], self.inputs[self.judged]
            found = fit_several(inputs, self.truth[rows][:, [label]], _STRENGTH)(judged)[:, 0] >= 0.5
        true = self.truth[self.judged, label]
        return float(2 * (found & true).sum() / max(found.sum() + true.sum(), 1))

    def _chances(self, rows: NDArray[np.int64]) -> Floats:
        """Probabilities (judged, classes) by a probe that learned from some rows; of all of them it is fitted once."""
        return self._of_all if np.array_equal(rows, self.training) else self._fitted(rows)

    @cached_property
    def _of_all(self) -> Floats:
        return self._fitted(self.training)

    def _fitted(self, rows: NDArray[np.int64]) -> Floats:
        fit = fit_for(one_label=self.one_label)
        return fit(self.inputs[rows], self.truth[rows], _STRENGTH)(self.inputs[self.judged])

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
    if len(training) < LEAST_IMAGES or not len(judged):
        raise DataError(f"a probe needs at least {LEAST_IMAGES} training images, not {len(training)}")
    training = np.sort(np.random.default_rng(0).permutation(training)[:MOST_TRAINING])
    return Probed(inputs, dataset.targets, training, judged, TASKS[dataset.task].one_label)
