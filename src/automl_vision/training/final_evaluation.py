"""The end of a trial: the weights to keep, their calibration, and their reports on validation and test images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from automl_vision.core.files import atomic_path, persistently, write_json
from automl_vision.core.records import TrialMetrics
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.evaluation.scoring.scoring import Scoring
from automl_vision.tasks.task import Task
from automl_vision.training.loop import Loop
from automl_vision.training.precision import Precision

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Choice:
    """Weights between a trial's start and its fine-tuned end.

    Attributes:
        share: of the fine-tuned weights, 0 to 1.
        score: primary metric on validation images, higher is better.
        loss: on validation images, after calibration.
    """

    share: float
    score: float
    loss: float


def interpolated(start: Weights, end: Weights, share: float) -> Weights:
    """Weights at a share of the way from start to end; counters are the end's."""
    return {name: start[name].lerp(value, share) if value.is_floating_point() else value for name, value in end.items()}


def choose_share(evaluate: Callable[[float], Choice]) -> Choice:
    """The share of fine-tuning with the least loss among those whose score is not below that of either end.

    Weights between a linear probe and its fine-tuned model are often better than both and keep what the pretrained
    ones knew (WiSE-FT, Wortsman et al. 2022).

    Args:
        evaluate: returns score and loss at a share.
    """
    choices = [evaluate(share) for share in SHARES]
    best = max(choices[0].score, choices[-1].score)
    return min((choice for choice in choices if choice.score >= best), key=lambda choice: choice.loss)


def choose_between(start: Weights, end: Weights, loop: Loop, task: Task[Any], rows: NDArray[np.intp]) -> float:
    """Load into the averaged model the weights between two ends that are best on validation images.

    Args:
        start, end: of the way.
        loop: whose averaged model gets the weights.
        task: of the trial.
        rows: of the validation images.

    Returns:
        The share of the way.
    """
    network, scoring = loop.averaged.network, task.scoring

    def evaluate(share: float) -> Choice:
        network.load_state_dict(interpolated(start, end, share))
        outputs = loop.outputs(rows.tolist())
        return loop.processes.from_main(lambda: Choice(share, *scoring.score_and_loss(outputs, rows)))

    share = choose_share(evaluate).share
    network.load_state_dict(interpolated(start, end, share))
    return share


def write_reports(loop: Loop, task: Task[Any], rows: dict[str, NDArray[np.intp]], folder: Path) -> dict[str, float]:
    """Calibrate the averaged model, predict in fp32 as it will be deployed, and write outputs and reports.

    Args:
        loop: with the weights to report.
        task: of the trial.
        rows: by split, with "val".
        folder: gets `metrics.json`, `predictions.arrow` and `comparison.npz`.

    Returns:
        The metrics on the validation images.
    """
    precision = Precision("fp32", loop.plan.channels_last)
    outputs = {split: loop.outputs(split_rows.tolist(), precision=precision) for split, split_rows in rows.items()}
    return loop.processes.from_main(
        partial(write_evaluation, task.scoring, outputs, rows, folder, as_jpeg=loop.pixels.as_jpeg)
    )


def write_evaluation(
    scoring: Scoring[Any], outputs: dict[str, Any], rows: dict[str, NDArray[np.intp]], folder: Path, *, as_jpeg: bool
) -> dict[str, float]:
    """Write outputs, their calibration and their reports; the cases and the resamples are computed once.

    Args:
        scoring: of the task.
        outputs, rows: of a network and of their images, by split, with "val".
        folder: gets `metrics.json`, `predictions.arrow` and `comparison.npz`.
        as_jpeg: whether the images came from a cache that keeps JPEGs.

    Returns:
        The metrics on the validation images.
    """
    calibration = scoring.calibrate(outputs["val"], rows["val"])
    cases = {split: scoring.cases(outputs[split], rows[split], calibration) for split in rows}
    comparison = scoring.comparison(cases["val"])
    reports = {split: scoring.report(cases[split], comparison if split == "val" else None) for split in rows}
    write_json(folder / "metrics.json", TrialMetrics(calibration=calibration, splits=reports).model_dump())
    parts = [scoring.predictions(split, outputs[split], rows[split], calibration) for split in rows]
    predictions = replace(Predictions.join(parts), as_jpeg=as_jpeg)
    persistently(lambda: predictions.save(folder / PREDICTIONS_FILE))
    _save_arrays(folder / "comparison.npz", comparison)
    return reports["val"].metrics


def _save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays whole or not at all; waits while the disk is full."""

    def write() -> None:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)

    persistently(write)
