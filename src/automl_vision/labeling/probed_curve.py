"""Learning curves without training: a linear probe on frozen features, fitted on parts of the labels."""

from __future__ import annotations

import numpy as np

from automl_vision.experiment.probed import LEAST_IMAGES, Probed
from automl_vision.labeling.learning_curve import LEVEL, Curve, LearningCurve, sizes_of
from automl_vision.labeling.power_law import Measurement, class_misfit

REPEATS = 6
"""Subsamples of each size but the largest."""

_LEAST_OF_CLASS = 12  # labels of a class, and with the probe's parts at least 3 of them
_LEAST_JUDGED = 10  # images of a class that its F1 is measured on
_CLASS_STEPS, _CLASS_REPEATS = (0.25, 0.5), 3
_MOST_CLASSES = 40


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
    for size in sizes_of(len(images.training), least=max(LEAST_IMAGES // 2, images.truth.shape[1])):
        rows_of = images.parts(size, REPEATS, seed)
        values = tuple(images.score(rows) for rows in rows_of)
        points.append(Measurement(round(float(np.mean([len(rows) for rows in rows_of]))), values))
    return Curve("", images.metric, tuple(points), level, "labelled images")


def class_curve(images: Probed, label: int, name: str, *, level: float = LEVEL) -> Curve | None:
    """The F1 of a class by number of its own labels, all other images as they are; None for a class with too few."""
    has = images.truth[images.training, label]
    own, others = images.training[has], images.training[~has]
    judged = int(images.truth[images.judged, label].sum())
    if len(own) < _LEAST_OF_CLASS or judged < _LEAST_JUDGED or not len(others):
        return None
    points = []
    for size in sizes_of(len(own), least=3, steps=_CLASS_STEPS):
        repeats = 1 if size == len(own) else _CLASS_REPEATS
        random = [np.random.default_rng(repeat) for repeat in range(repeats)]
        values = (
            images.class_f1(np.sort(np.concatenate([others, each.permutation(own)[:size]])), label) for each in random
        )
        points.append(Measurement(size, tuple(values)))
    return Curve(name, f"F1 of {name}", tuple(points), level, misfit=class_misfit(judged))
