"""Runs all checks of a dataset, in one pass over its image files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError, FeaturesUnavailableError
from automl_vision.core.text import did_you_mean
from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections
from automl_vision.data.scan import Progress
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.doctor import (
    class_checks,
    duplicate_checks,
    image_checks,
    label_errors,
    object_checks,
    prediction_checks,
)
from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.examples import examples_of
from automl_vision.doctor.features import FeatureStore
from automl_vision.doctor.findings import SEVERITIES, Cases, Finding
from automl_vision.doctor.image_stats import read_image_stats
from automl_vision.doctor.listing import CHECKS, Check, Found
from automl_vision.doctor.prediction_checks import require_fit
from automl_vision.doctor.report import DataReport

FAMILIES = (image_checks, duplicate_checks, class_checks, object_checks, label_errors, prediction_checks)
"""The modules that register checks."""


def check_dataset(
    dataset: Dataset,
    *,
    checks: Sequence[str] | None = None,
    features: bool = True,
    predictions: Detections | None = None,
    cache: Path | None = None,
    statistics: Path | None = None,
    progress: Progress | None = None,
) -> DataReport:
    """Find what is wrong or odd in a dataset.

    Args:
        dataset: as opened, with or without splits.
        checks: names of the checks to run; None runs all.
        features: whether checks may use a network's features of the images, which take most of the time.
        predictions: of a detector, for the checks that compare boxes with them.
        cache: folder for features; None uses the user's cache.
        statistics: file that keeps what was read of the images' pixels, as reports do; None keeps nothing.
        progress: called with (images done, images in all); with features, each image counts twice.

    Raises:
        DataError: a check has an unknown name, or the predictions are about other images or classes.
    """
    chosen = _chosen(checks)
    if predictions is not None:
        require_fit(predictions, len(dataset.table), len(dataset.classes))
    lacking = {"features": "features=False was given", "predictions": "it needs predictions= of a detector"}
    (rows,) = np.nonzero(dataset.splits != LEFT_OUT)
    wants_features = features and any(check.needs == "features" for check in chosen)
    steps = 2 if wants_features else 1
    of_reading = _part(progress, 0, steps, len(rows))
    stats = read_image_stats(
        dataset.table, dataset.root, rows, value_range=dataset.value_range, file=statistics, progress=of_reading
    )
    usable = dataset.splits != LEFT_OUT
    usable[list(stats.problems)] = False
    evidence = Evidence(dataset, stats, usable, predictions=predictions)
    if wants_features:
        try:
            evidence = replace(evidence, features=_features(evidence, cache, _part(progress, 1, steps, len(rows))))
        except FeaturesUnavailableError as error:
            lacking["features"] = str(error)
    given = {"": True, "features": evidence.features is not None, "predictions": predictions is not None}
    ran = [check for check in chosen if given[check.needs]]
    found = [(check, result) for check in ran if (result := check.find(evidence)) is not None and result.count]
    findings = sorted((_finding(evidence, *pair) for pair in found), key=lambda f: SEVERITIES.index(f.severity))
    return DataReport(
        root=dataset.root,
        identity=identity_of(dataset),
        counts=_counts(evidence),
        findings=tuple(findings),
        checks=tuple(check.name for check in ran),
        skipped={check.name: lacking[check.needs] for check in chosen if not given[check.needs]},
        value_range=dataset.value_range,
    )


def identity_of(dataset: Dataset) -> str:
    """Digest of what a report's row numbers depend on: contents, annotations and the order of the images."""
    digest = hashlib.blake2b(dataset.fingerprint.encode(), digest_size=16)
    digest.update("".join(f"\n{image}" for image in dataset.table["image"].to_pylist()).encode())
    return digest.hexdigest()


def _chosen(names: Sequence[str] | None) -> list[Check]:
    if names is None:
        return list(CHECKS.values())
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        raise DataError(
            f'no check is named "{unknown[0]}".{did_you_mean(unknown[0], CHECKS)} Checks: {", ".join(CHECKS)}'
        )
    return [check for name, check in CHECKS.items() if name in names]


def _features(evidence: Evidence, cache: Path | None, progress: Progress | None) -> NDArray[np.float32]:
    digests = [d if usable else "" for d, usable in zip(evidence.stats.digests, evidence.usable.tolist(), strict=True)]
    data = evidence.data
    return FeatureStore(cache).features(
        data.root, evidence.images, digests, value_range=data.value_range, progress=progress
    )


def _part(progress: Progress | None, step: int, steps: int, images: int) -> Progress | None:
    """The progress of one of several steps as a part of the whole."""
    if progress is None:
        return None

    def report(done: int, total: int) -> None:
        progress(step * images + done + (images - total), steps * images)

    return report


def _finding(evidence: Evidence, check: Check, found: Found) -> Finding:
    return Finding(
        check=check.name,
        severity=check.severity,
        title=check.title,
        advice=check.advice,
        count=found.count,
        actions=_actions(check, found),
        examples=examples_of(evidence, found),
        **{field.name: getattr(found, field.name) for field in fields(Cases)},
    )


def _actions(check: Check, found: Found) -> tuple[str, ...]:
    """The actions that are possible for these cases, the proposed one first."""
    at_hand = {
        "exclude": len(found.rows),
        "group": len(found.rows),
        "drop": len(found.objects),
        "fit box": len(found.objects),
        "relabel": len(found.suggestions),
        "rename": len(found.renames),
    }
    actions = check.actions if found.proposed is None else (found.proposed, *check.actions)
    return tuple(action for action in dict.fromkeys(actions) if at_hand.get(action, True)) or ("none",)


def _counts(evidence: Evidence) -> dict[str, Any]:
    data = evidence.data
    names, counts = np.unique(data.splits, return_counts=True)
    splits = {str(name) or "no split": int(n) for name, n in zip(names, counts, strict=True)}
    counted: dict[str, Any] = {"task": data.task, "images": len(data.table), "usable": int(evidence.usable.sum())}
    if evidence.has_objects:
        counted["objects"] = len(data.objects)
    return {**counted, "classes": len(data.classes), "splits": splits}
