"""What a completed run leaves in the history of its workspace."""

from __future__ import annotations

import hashlib
import itertools
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np

from automl_vision.compute.local import visible_gpus
from automl_vision.core.files import read_json
from automl_vision.core.numbers import finite
from automl_vision.core.records import SPEC_FILE, DataFacts, EvaluationEvent, PastTrial, TrialStatus
from automl_vision.core.system import core_count
from automl_vision.core.tasks import has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.recipes.detector_input import image_sizes, small_share
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.runs.spec import RunSpec
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder

_SIZES = ("validation_crop_size", "min_size", "image_size", "tile_grid_size", "model_size")


def past_trials(folder: RunFolder, spec: RunSpec, dataset: Dataset) -> list[PastTrial]:
    """The trials of a run that have a result, as lines of a history.

    Args:
        folder: of the run.
        spec: of the run.
        dataset: as it was prepared for the run.
    """
    facts, data = data_facts(dataset), _digest(dataset.fingerprint)
    found = (_past_trial(folder, trial, spec, facts, data) for trial in folder.trials())
    return [trial for trial in found if trial is not None]


def data_facts(dataset: Dataset) -> DataFacts:
    """A dataset in a few numbers, of its training images where they are known.

    Args:
        dataset: with or without splits.
    """
    counts = [sum(of_splits.values()) for of_splits in dataset.class_counts.values()]
    sizes, objects = image_sizes(dataset), dataset.objects if has_objects(dataset.task) else None
    small = None if objects is None else small_share(dataset, sizes, np.isin(dataset.splits, ("train", "")))
    return DataFacts(
        images=len(dataset),
        classes=len(dataset.classes),
        largest_share=max(counts, default=0) / max(1, sum(counts)),
        side=float(np.median(sizes.min(axis=1))) if len(sizes) else 0.0,
        objects=0.0 if objects is None else len(objects.image) / max(1, len(dataset)),
        small_side=small,
    )


def input_sizes(hyperparameters: dict[str, Any]) -> dict[str, Any]:
    """The sizes on which the speed of a trial depends.

    Args:
        hyperparameters: of the trial.
    """
    return {name: hyperparameters.get(name) for name in _SIZES}


def _past_trial(folder: RunFolder, trial: TrialFolder, spec: RunSpec, facts: DataFacts, data: str) -> PastTrial | None:
    plan, result, record = trial.plan(), trial.result(), trial.record()
    if result is None or not record.status.has_result or plan.members:
        return None
    reports, sizes = trial.evaluations(), input_sizes(plan.hyperparameters)
    return PastTrial(
        run=_digest(folder.id),
        trial=trial.number,
        ended=record.ended or time.time(),
        task=spec.task,
        data=data,
        facts=facts,
        model_name=plan.model_name,
        role=plan.role,
        sampled={name: value for name, value in plan.sampled.items() if isinstance(value, int | float)},
        sizes=sizes,
        metric=spec.primary_metric,
        lower_is_better=spec.lower_is_better,
        scores=_scores(reports, spec.primary_metric),
        score=finite(result.score),
        ended_early=record.status is TrialStatus.TERMINATED,
        epochs=reports[-1].passes if reports else 0.0,
        seconds=result.seconds,
        epoch_seconds=_epoch_seconds(reports) or _timed(folder.path / "timing" / plan.model_name, sizes),
        cores=core_count(),
        gpus=len(visible_gpus()),
    )


def _scores(reports: list[EvaluationEvent], metric: str) -> dict[int, float]:
    found = {report.epoch: finite(report.metrics.get(metric)) for report in reports}
    return {epoch: value for epoch, value in found.items() if value is not None}


def _epoch_seconds(reports: list[EvaluationEvent]) -> float | None:
    """Median seconds between two validations, divided by the passes over the training images between them."""
    steps = [
        (after.seconds - before.seconds) / (after.passes - before.passes)
        for before, after in itertools.pairwise(reports)
        if after.seconds > before.seconds and after.passes > before.passes
    ]
    return statistics.median(steps) if steps else None


def _timed(place: Path, sizes: dict[str, Any]) -> float | None:
    """Seconds of an epoch of the trial whose first steps were timed, if its images have the same sizes."""
    timing, spec = place / "timing.json", place / SPEC_FILE
    if not (timing.exists() and spec.exists()):
        return None
    timed = TrialSpec.model_validate(read_json(spec)).hyperparameters.model_dump(mode="json")
    return float(read_json(timing)["epoch"]) if input_sizes(timed) == sizes else None


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
