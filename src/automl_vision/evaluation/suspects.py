"""Images whose labels a model's predictions contradict: the doctor's checks, fed with predictions."""

from __future__ import annotations

from typing import Any

import numpy as np

from automl_vision.doctor.label_errors import contradicted_decisions, contradicted_labels, judged_classes
from automl_vision.doctor.prediction_checks import contradicted_images
from automl_vision.evaluation.classification import ClassificationCases
from automl_vision.evaluation.multi_label import MultiLabelCases
from automl_vision.evaluation.weighted import TINY

MEASURED = {
    False: "where 5 % of the labels of three real sets were changed on purpose, 60 to 77 % of these were found; of all "
    "images marked 12 to 34 % were changed ones, and others may have been wrong before",
    True: "where a box in 5 % of the images of two real sets was changed on purpose, 40 to 90 % of these were found; "
    "of all images marked 7 to 8 % were changed ones, and others may have been wrong before",
}
"""How often suspicions were right where labels were changed, by whether objects are labelled."""


def suspected_images(cases: Any, classes: tuple[str, ...]) -> dict[int, str]:
    """Positions of images whose labels are suspected to be wrong, each with what the model sees instead.

    Labels are judged by confident learning (Northcutt et al. 2021), where a class has at least 10 images; objects by
    the rules of the doctor's `overlooked-object`, `badly-placed-box` and `swapped-class`.

    Args:
        cases: predictions of images that the model was not trained on, beside their labels.
        classes: their names.
    """
    if isinstance(cases, ClassificationCases):
        return _of_labels(cases, classes)
    if isinstance(cases, MultiLabelCases):
        return _of_sets(cases, classes)
    return contradicted_images(cases.true, cases.found, classes)


def _of_labels(cases: ClassificationCases, classes: tuple[str, ...]) -> dict[int, str]:
    judged = judged_classes(cases.truth.astype(np.int64), len(classes))
    rows = np.flatnonzero(np.isin(cases.truth, judged))
    if len(judged) < 2:
        return {}
    chances = cases.probabilities[np.ix_(rows, judged)] + TINY
    chances /= chances.sum(axis=1, keepdims=True)
    found = contradicted_labels(np.searchsorted(judged, cases.truth[rows]), chances)
    best = judged[chances[found].argmax(axis=1)]
    return {
        image: f"looks like {classes[label]}" for image, label in zip(rows[found].tolist(), best.tolist(), strict=True)
    }


def _of_sets(cases: MultiLabelCases, classes: tuple[str, ...]) -> dict[int, str]:
    notes: dict[int, list[str]] = {}
    for position, name in enumerate(classes):
        labels, chance = cases.onehot[:, position].astype(np.int64), cases.probabilities[:, position]
        if len(judged_classes(labels, 2)) < 2:
            continue
        for image in contradicted_decisions(labels, np.stack([1 - chance, chance], axis=1)).tolist():
            notes.setdefault(image, []).append(f"{'does not show' if labels[image] else 'shows'} {name}")
    return {image: ", ".join(texts) for image, texts in notes.items()}
