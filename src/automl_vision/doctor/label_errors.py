"""Finds outliers and wrong labels from a network's features of the images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.data.targets import Targets
from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.image_checks import BLANK_SPREAD
from automl_vision.doctor.listing import Found, check, plural

NEIGHBOURS = 20  # enough that a handful of similar outliers do not make each other look normal
UNLIKE = 2.5  # robust standard deviations above the median distance; outliers of five real datasets have 2 to 25
_MIN_IMAGES = 50  # with fewer images, neighbourhoods are not reliable
_FOLDS = 5
_MIN_OF_CLASS = 2 * _FOLDS  # images a class must have to be checked
_COMPONENTS = 128  # on 1,280 features of 1,370 photos, 64 and 256 were no better, and no reduction was worse
_STRENGTH = 0.01  # inverse of the L2 penalty; a strongly regularized model does not memorize wrong labels
_STEPS = 200
_SURE_OF_SET = 0.8  # for multi-label data; lower thresholds gave more false alarms than hits on the dataset tried
_FIT_IMAGES = 20_000  # maximum per fold
_BLOCK = 2048


@check(
    "outlier",
    "hint",
    title="Images unlike all others",
    advice="Check whether they belong here; outliers often come from a wrong folder.",
    actions=("none", "exclude"),
    needs="features",
)
def outlier(evidence: Evidence) -> Found | None:
    """Images whose 20th nearest neighbour in the features of a network is far away.

    The local outlier factor (distances relative to those of the neighbours) and centred features did worse on five
    datasets.
    """
    features = evidence.features
    if features is None:
        return None
    shows = evidence.stats.spread >= BLANK_SPREAD  # blank images have their own check
    (rows,) = np.nonzero(evidence.usable & shows & np.isfinite(features).all(axis=1))
    if len(rows) < _MIN_IMAGES:
        return None
    distance = neighbour_distance(features[rows], NEIGHBOURS)
    middle = np.median(distance)
    unlike = (distance - middle) / max(1.4826 * float(np.median(np.abs(distance - middle))), 1e-6)
    order = np.argsort(-unlike, kind="stable")
    order = order[unlike[order] > UNLIKE]
    notes = tuple(f"{value:.1f} standard deviations from the rest" for value in unlike[order].tolist())
    return Found(f"{plural(len(order), 'image')} unlike all others", rows=rows[order], notes=notes)


@check(
    "wrong-label",
    "warning",
    title="Labels that are probably wrong",
    advice="Look at each of them; relabel it if the suggested class is right.",
    actions=("none", "relabel", "exclude"),
    needs="features",
)
def wrong_label(evidence: Evidence) -> Found | None:
    """Labels that contradict a linear probe trained on other images, as judged by confident learning.

    C. Northcutt, L. Jiang, I. Chuang (2021): Confident Learning, in the implementation of cleanlab.
    """
    features = evidence.features
    if features is None or evidence.has_objects:
        return None
    targets = evidence.data.labelled.rows(evidence.usable & np.isfinite(features).all(axis=1))
    rows = np.unique(targets.row)
    several = len(targets.row) > len(rows) or evidence.data.task.endswith("multi-label")
    find = _wrong_sets if several else _wrong_single
    return find(evidence, targets, features)


def _wrong_single(evidence: Evidence, targets: Targets, features: NDArray[np.float32]) -> Found | None:
    """Images whose single label is probably wrong."""
    judged = np.flatnonzero(targets.counts >= _MIN_OF_CLASS)
    kept = np.isin(targets.label, judged)
    rows, labels = targets.row[kept], np.searchsorted(judged, targets.label[kept])
    if len(judged) < 2:
        return None
    chances = out_of_fold(features[rows], labels, len(judged), _copies(evidence, rows))
    order = contradicted_labels(labels, chances)
    best = chances[order].argmax(axis=1)
    names = [evidence.data.classes[i] for i in judged.tolist()]
    suggestions = tuple(names[i] for i in best.tolist())
    notes = tuple(
        f"labelled {names[label]}, looks like {names[i]} ({share:.0%})"
        for label, i, share in zip(labels[order].tolist(), best.tolist(), chances[order].max(axis=1), strict=True)
    )
    summary = f"{plural(len(order), 'label')} probably wrong"
    return Found(summary, rows=rows[order], suggestions=suggestions, notes=notes)


def _wrong_sets(evidence: Evidence, targets: Targets, features: NDArray[np.float32]) -> Found:
    """Images with a missing or superfluous label, checked class by class."""
    (rows,) = np.nonzero(evidence.usable & np.isfinite(features).all(axis=1))
    truth = targets.take(rows).dense()
    changes: dict[int, list[tuple[float, str]]] = {}
    fold_keys = _copies(evidence, rows)
    for position, name in enumerate(evidence.data.classes):
        labels = truth[:, position].astype(np.int64)
        if min(labels.sum(), (1 - labels).sum()) < _MIN_OF_CLASS:
            continue
        chances = out_of_fold(features[rows], labels, 2, fold_keys)
        for i in contradicted_decisions(labels, chances).tolist():
            verb = "lacks" if not labels[i] else "has"
            share = float(chances[i, 1 - labels[i]])
            says = f"{verb} {name}, which it probably {'shows' if not labels[i] else 'does not show'} ({share:.0%})"
            changes.setdefault(i, []).append((share, says))
    order = sorted(changes, key=lambda i: -max(changes[i])[0])
    notes = tuple("; ".join(says for _, says in sorted(changes[i], reverse=True)) for i in order)
    return Found(f"{plural(len(order), 'image')} with labels that are probably wrong", rows=rows[order], notes=notes)


def judged_classes(labels: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """The classes that have enough images to be judged."""
    return np.flatnonzero(np.bincount(labels, minlength=classes) >= _MIN_OF_CLASS)


def contradicted_labels(labels: NDArray[np.int64], chances: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions of labels that chances contradict, by confident learning, the most suspicious first.

    Args:
        labels: (images,), each class occurs.
        chances: (images, classes), of a model that was not trained on these images.
    """
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    wrong: Any = find_label_issues(labels, chances, filter_by="both", n_jobs=1)
    order: Any = np.argsort(get_label_quality_scores(labels, chances, method="normalized_margin"), kind="stable")
    found: NDArray[np.int64] = order[wrong[order]]
    return found


def contradicted_decisions(labels: NDArray[np.int64], chances: NDArray[np.float64]) -> NDArray[np.int64]:
    """Positions where chances contradict whether an image has a label.

    Args:
        labels: (images,), 0 or 1; both occur often enough (`judged_classes`).
        chances: (images, 2).
    """
    from cleanlab.filter import find_label_issues

    wrong: Any = find_label_issues(labels, chances, filter_by="both", n_jobs=1)
    return np.flatnonzero(wrong & (chances[np.arange(len(labels)), 1 - labels] > _SURE_OF_SET))


def neighbour_distance(features: NDArray[np.float32], neighbours: int) -> NDArray[np.float32]:
    """(images,), cosine distance to the k-th nearest other image, computed in blocks."""
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
    distance = np.zeros(len(unit), np.float32)
    for start in range(0, len(unit), _BLOCK):
        alike = unit[start : start + _BLOCK] @ unit.T
        at = np.arange(len(alike))
        alike[at, at + start] = -np.inf
        distance[start : start + _BLOCK] = 1 + np.partition(-alike, neighbours - 1, axis=1)[:, neighbours - 1]
    return distance


def out_of_fold(
    features: NDArray[np.float32], labels: NDArray[np.int64], classes: int, keys: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(images, classes), the probability of each class by logistic regression on the other folds.

    Args:
        features: (images, features).
        labels: (images,); each class must occur at least once per fold.
        classes: number of classes.
        keys: (images,), images with the same key are in the same fold.
    """
    from sklearn.linear_model import LogisticRegression

    inputs = principal_components(features)
    folds = _folds(labels, keys)
    chances = np.zeros((len(labels), classes))
    for fold in range(_FOLDS):
        (train,) = np.nonzero(folds != fold)
        train = np.random.default_rng(fold).permutation(train)[:_FIT_IMAGES]
        model = LogisticRegression(C=_STRENGTH, max_iter=_STEPS, tol=1e-3)
        model.fit(inputs[train], labels[train])
        (test,) = np.nonzero(folds == fold)
        if len(test):
            chances[np.ix_(test, model.classes_)] = model.predict_proba(inputs[test])
    return chances


def principal_components(features: NDArray[np.float32]) -> NDArray[np.float64]:
    """The first principal components of features, scaled to a mean square of 1, (images, components).

    Args:
        features: (images, features), finite.
    """
    unit = features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-6)
    centred = (unit - unit.mean(axis=0)).astype(np.float64)
    sample = centred[np.random.default_rng(0).permutation(len(centred))[:_FIT_IMAGES]]
    _, axes = np.linalg.eigh(sample.T @ sample)
    parts: NDArray[np.float64] = centred @ axes[:, ::-1][:, :_COMPONENTS]
    return parts / max(float(np.sqrt(np.square(parts).mean())), 1e-9)


def _folds(labels: NDArray[np.int64], keys: NDArray[np.int64]) -> NDArray[np.int64]:
    """(images,), the fold of each image, stratified by class; images with the same key share a fold."""
    random = np.random.default_rng(0)
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    fold_of_key = np.zeros(len(first), np.int64)
    for label in np.unique(labels[first]).tolist():
        members = random.permutation(np.flatnonzero(labels[first] == label))
        fold_of_key[members] = (np.arange(len(members)) + random.integers(_FOLDS)) % _FOLDS
    return fold_of_key[inverse]


def _copies(evidence: Evidence, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """(rows,), the same number for exact and near copies, which must not confirm each other's label."""
    from automl_vision.doctor.near_duplicates import clusters

    first = evidence.first_copy
    pairs = np.concatenate([evidence.near_pairs, np.stack([np.arange(len(first)), first], axis=1)])
    return clusters(pairs, len(first))[rows]
