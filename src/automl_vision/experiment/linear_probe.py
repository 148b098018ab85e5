"""Logistic regression on principal components of frozen features: what can be told of labels without training."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.data.splits import holdout
from automl_vision.data.targets import Targets

STRENGTHS = (0.01, 0.1, 1.0)
"""Inverse penalties to choose from, for components with a mean square of 1."""

_HELD_OUT = 0.25
_STEPS = 300

Floats = NDArray[np.float64]
Truth = NDArray[np.bool_]
Predict = Callable[[Floats], Floats]
"""From components (images, components) to probabilities (images, classes)."""
Fit = Callable[[Floats, Truth, float], Predict]


def fit_for(*, one_label: bool) -> Fit:
    """What fits a probe: for images that have exactly one class, or for any number of them."""
    return fit_one if one_label else fit_several


def fit_one(inputs: Floats, truth: Truth, strength: float) -> Predict:
    """A probe for the classes of which an image has one.

    Raises:
        DataError: all images are of one class.
    """
    labels = truth.argmax(axis=1)
    known = np.unique(labels)
    if len(known) < 2:
        raise DataError("the probe needs training images of at least 2 classes")
    model = _regression(strength).fit(inputs, labels)

    def predict(values: Floats) -> Floats:
        chances = np.zeros((len(values), truth.shape[1]))
        chances[:, model.classes_] = model.predict_proba(values)
        return chances

    return predict


def fit_several(inputs: Floats, truth: Truth, strength: float) -> Predict:
    """A probe for each class by itself."""
    models = [
        _regression(strength).fit(inputs, column) if 0 < column.sum() < len(column) else float(column.mean())
        for column in truth.T
    ]

    def predict(values: Floats) -> Floats:
        columns = [
            np.full(len(values), model) if isinstance(model, float) else model.predict_proba(values)[:, 1]
            for model in models
        ]
        return np.stack(columns, axis=1)

    return predict


def _regression(strength: float) -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=strength, max_iter=_STEPS, tol=1e-3)


def choose_strength(inputs: Floats, truth: Truth, fit: Fit) -> float:
    """The penalty whose probe is most certain of held-out training images."""
    held_out = holdout(Targets.from_dense(truth), [str(i) for i in range(len(truth))], _HELD_OUT, seed=0)

    def loss(strength: float) -> float:
        chances = fit(inputs[~held_out], truth[~held_out], strength)(inputs[held_out])
        right = np.where(truth[held_out], chances, 1 - chances)
        return float(-np.log(np.maximum(right, 1e-12)).mean())

    if not 0 < held_out.sum() < len(held_out):
        return STRENGTHS[1]
    return min(STRENGTHS, key=loss)
