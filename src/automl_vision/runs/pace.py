"""How long a trial of an algorithm takes, from what earlier runs of the workspace recorded, or from the benchmarks."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from automl_vision.compute.local import visible_gpus
from automl_vision.core.files import read_json
from automl_vision.core.system import core_count
from automl_vision.core.tasks import TASKS, Kind
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder
from automl_vision.workspace.workspace import Workspace

_RECENT_RUNS = 30  # that are looked at
_RECORDED_SPREAD, _REFERENCE_SPREAD = 1.5, 3.0  # factors: another program on the cores; another machine
_SIZES = ("validation_crop_size", "min_size", "image_size", "tile_grid_size", "model_size")

# seconds of one core per training image and epoch of the default recipe: docs/benchmarks.md (7.8 and 8.0 images/s with
# two threads) and decision 0003 (37 images/s on two cores), with a quarter more for the validation
_CORE_SECONDS: dict[Kind, float] = {"label": 0.07, "labels": 0.07, "boxes": 0.32, "masks": 0.32}
_MOST_CORES = 8  # beyond which a trial was not measured to become faster
_SETUP_EPOCHS, _LEAST_SETUP = 1.5, 8.0  # linear probe, last predictions; 8 s are the start of the processes


@dataclass(frozen=True)
class Pace:
    """How fast an algorithm trains.

    Attributes:
        epoch: seconds of an epoch with its validation, per image of the dataset.
        rest: seconds of a trial besides its epochs, per image of the dataset.
        spread: the factor by which the true time may be shorter or longer.
        basis: where this is known from, in a sentence.
    """

    epoch: float
    rest: float
    spread: float
    basis: str

    def trial(self, images: int, epochs: int) -> float:
        """Seconds of a trial of so many epochs on so many images."""
        return max(_LEAST_SETUP, images * self.rest) + epochs * images * self.epoch


def find_pace(workspace: Workspace, task: str, model_name: str, hyperparameters: dict[str, Any]) -> Pace | None:
    """How fast an algorithm trains here; None if nothing is known of it.

    Args:
        workspace: whose runs are looked at, the newest ones.
        task: the product's name of the task.
        model_name: the algorithm.
        hyperparameters: of the trial; only trials with the same sizes of images count.
    """
    size = _size(hyperparameters)
    found = []
    for run_id in reversed(workspace.run_ids()[-_RECENT_RUNS:]):
        run = RunFolder(workspace.runs_path / run_id)
        if run.outline().task == task and run.manifest.exists():
            found += list(_recorded(run, model_name, size))
    if found:
        epoch, rest = (statistics.median(values) for values in zip(*found, strict=True))
        spread = max(_RECORDED_SPREAD, max(pace[0] for pace in found) / epoch, epoch / min(pace[0] for pace in found))
        count = f"{len(found)} trials of {model_name} that" if len(found) > 1 else f"a trial of {model_name} that"
        return Pace(epoch, rest, spread, f"from {count} ran here")
    return _reference(task, model_name)


def _recorded(run: RunFolder, model_name: str, size: dict[str, Any]) -> Iterator[tuple[float, float]]:
    """Seconds of an epoch and of the rest, per image, of a run's trials of an algorithm."""
    images = pq.read_metadata(run.manifest).num_rows
    for trial in run.trials():
        plan, result = trial.plan(), trial.result()
        if plan.model_name != model_name or _size(plan.hyperparameters) != size or result is None or not images:
            continue
        epoch = _epoch_seconds(trial)
        if epoch is not None:
            yield epoch / images, max(0.0, result.seconds - result.epochs * epoch) / images
            continue
        timing = _timing(run.path / "timing" / model_name / "timing.json")
        if timing is not None:
            yield timing["epoch"] / images, (timing["setup"] + timing["finish"]) / images


def _epoch_seconds(trial: TrialFolder) -> float | None:
    """Median seconds between two validations, divided by the epochs between them."""
    reports = trial.evaluations()
    steps = [
        (after.seconds - before.seconds) / (after.epoch - before.epoch)
        for before, after in itertools.pairwise(reports)
        if after.seconds > before.seconds
    ]
    return statistics.median(steps) if steps else None


def _timing(file: Path) -> dict[str, float] | None:
    return read_json(file) if file.exists() else None


def _size(hyperparameters: dict[str, Any]) -> dict[str, Any]:
    return {name: hyperparameters.get(name) for name in _SIZES}


def _reference(task: str, model_name: str) -> Pace | None:
    """The figures of the benchmarks, which are of the default algorithms on other cores; none on a GPU."""
    if model_name != TASKS[task].default_model or visible_gpus():
        return None
    cores = min(_MOST_CORES, core_count())
    epoch = _CORE_SECONDS[TASKS[task].kind] / cores
    return Pace(epoch, _SETUP_EPOCHS * epoch, _REFERENCE_SPREAD, "from the benchmarks, on another machine")
