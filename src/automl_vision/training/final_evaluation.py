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
from automl_vision.core.records import COMPARISON_FILE, METRICS_FILE, RESULT_FILE, TrialMetrics, TrialResult
from automl_vision.evaluation.doubt import Judged, in_doubt_the_first
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, REFIT, Predictions
from automl_vision.evaluation.scoring.scoring import Scoring
from automl_vision.recipes.network import WeightsOrigin
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.tasks.task import Task
from automl_vision.training.loop import Loop, Stopwatch
from automl_vision.training.precision import Precision
from automl_vision.training.reporter import Reporter

SHARES = (0.25, 0.5, 0.75)
"""Of fine-tuning, in the weights between a trial's start and its last epoch that are tried beside both."""

Weights = dict[str, Tensor]

Predict = Callable[[NDArray[np.intp]], Any]
"""From rows of the manifest to the outputs of a network for their images."""


@dataclass(frozen=True)
class Choice:
    """Weights that a trial may keep.

    Attributes:
        epoch: that was trained last for them; 0 is the start.
        share: of the fine-tuned weights, 0 to 1; the rest are the start's.
    """

    epoch: int
    share: float

    def __str__(self) -> str:
        if self.share == 1:
            return f"those of epoch {self.epoch}"
        return (
            f"{self.share:.0%} of the way from the start to epoch {self.epoch}" if self.share else "those of the start"
        )


def interpolated(start: Weights, end: Weights, share: float) -> Weights:
    """Weights at a share of the way from start to end; counters are the end's."""
    return {name: start[name].lerp(value, share) if value.is_floating_point() else value for name, value in end.items()}


def choose_weights(
    weights: Mapping[int, Weights], first: int, loop: Loop, task: Task[Any], rows: NDArray[np.intp]
) -> Choice:
    """Load into the averaged model the weights of a trial that are to be kept.

    Weights between a linear probe and its fine-tuned model may be better than both and keep what the pretrained ones
    knew (WiSE-FT, Wortsman et al. 2022).

    Args:
        weights: by epoch, that of the start, 0, and that of the last among them.
        first: the epoch to keep in doubt.
        loop: whose averaged model gets the weights.
        task: of the trial.
        rows: of the validation images.
    """
    network, last = loop.averaged.network, max(weights)
    epochs = [first, *(epoch for epoch in weights if epoch != first)]
    choices = [Choice(epoch, float(epoch > 0)) for epoch in epochs] + [Choice(last, share) for share in SHARES]

    def put(choice: Choice) -> None:
        network.load_state_dict(interpolated(weights[0], weights[choice.epoch], choice.share))

    def judge(choice: Choice) -> Judged:
        put(choice)
        outputs = loop.outputs(rows.tolist())
        return loop.processes.from_main(lambda: Judged(*task.scoring.judged(outputs, rows)))

    chosen = in_doubt_the_first(choices, judge)
    put(chosen)
    return chosen


def finish(
    loop: Loop,
    task: Task[Any],
    splits: NDArray[Any],
    spec: TrialSpec,
    reporter: Reporter,
    watch: Stopwatch,
    origin: WeightsOrigin,
    *,
    predict: Predict | None = None,
    **training: Any,
) -> TrialResult:
    """Evaluate the kept weights and write the result of a trial; weights and description are in its folder already.

    Args:
        loop: whose averaged model has the weights.
        task: of the trial.
        splits: (images,), the split of each image.
        spec: of the trial; where it refits an earlier one, the validation images are reported as that one saw them.
        reporter: receives progress.
        watch: of the trial.
        origin: of the weights that training started from.
        predict: gives the outputs; by default the loop predicts them in fp32, as the network will be deployed.
        training: the fields of the result that tell how the weights came about.
    """
    folder = Path(spec.folder)
    earlier = None if spec.refit_of is None else Predictions.load(Path(spec.refit_of) / PREDICTIONS_FILE)
    rows = {split: np.flatnonzero(splits == split) for split in ("val", "test")}
    rows = {split: own for split, own in rows.items() if len(own)}
    reporter.progress("final predictions", 0, sum(map(len, rows.values())))
    before, primary = watch.seconds, task.scoring.primary.name
    predict = predict or partial(_in_fp32, loop)
    outputs = {split: predict(own) for split, own in rows.items()}
    if earlier is not None:
        judged = earlier.of_split("val")
        outputs |= {REFIT: outputs["val"], "val": task.scoring.from_predictions(judged)}
        rows |= {REFIT: rows["val"], "val": judged.rows}
    metrics = loop.processes.from_main(
        partial(write_evaluation, task.scoring, outputs, rows, folder, as_jpeg=loop.pixels.as_jpeg)
    )
    result = TrialResult(
        **training,
        primary_metric=primary,
        score=metrics[primary],
        seconds=watch.seconds,
        final_seconds=watch.seconds - before,
        weights_source=f"{origin.source}: {origin.name}",
        weights_licence=origin.licence,
        parameters=sum(parameter.numel() for parameter in loop.model.network.parameters()),
        precision=str(loop.precision),
        processes=loop.processes.count,
    )
    if loop.processes.is_main:
        write_json(folder / RESULT_FILE, result.model_dump())
    return result


def _in_fp32(loop: Loop, rows: NDArray[np.intp]) -> Any:
    return loop.outputs(rows.tolist(), precision=Precision("fp32", loop.plan.channels_last))


def write_evaluation(
    scoring: Scoring[Any], outputs: dict[str, Any], rows: dict[str, NDArray[np.intp]], folder: Path, *, as_jpeg: bool
) -> dict[str, float]:
    """Write outputs, their calibration and their reports; the cases and the resamples are computed once.

    Args:
        scoring: of the task.
        outputs, rows: of a network and of their images, by split, with "val"; those of `REFIT` are kept and not judged.
        folder: gets `metrics.json`, `predictions.arrow` and `comparison.npz`.
        as_jpeg: whether the images came from a cache that keeps JPEGs.

    Returns:
        The metrics on the validation images.
    """
    calibration = scoring.calibrate(outputs["val"], rows["val"])
    judged = [split for split in rows if split != REFIT]
    cases = {split: scoring.cases(outputs[split], rows[split], calibration) for split in judged}
    comparison = scoring.comparison(cases["val"])
    reports = {split: scoring.report(cases[split], comparison if split == "val" else None) for split in judged}
    write_json(folder / METRICS_FILE, TrialMetrics(calibration=calibration, splits=reports).model_dump())
    parts = [scoring.predictions(split, outputs[split], rows[split], calibration) for split in rows]
    predictions = replace(Predictions.join(parts), as_jpeg=as_jpeg)
    persistently(lambda: predictions.save(folder / PREDICTIONS_FILE))
    _save_arrays(folder / COMPARISON_FILE, comparison)
    return reports["val"].metrics


def _save_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays whole or not at all; waits while the disk is full."""

    def write() -> None:
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)

    persistently(write)
