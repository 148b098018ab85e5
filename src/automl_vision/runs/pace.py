"""How long a trial of an algorithm takes, from the history of the workspace, or else from the benchmarks."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from automl_vision.compute.local import visible_gpus
from automl_vision.core.records import PastTrial
from automl_vision.core.system import core_count
from automl_vision.core.tasks import TASKS, Kind
from automl_vision.recipes.start_models import start_models
from automl_vision.runs.past_trials import input_sizes
from automl_vision.workspace.workspace import Workspace

_RECENT = 30  # trials that are looked at
_RECORDED_SPREAD, _REFERENCE_SPREAD = 1.5, 3.0  # factors: another program on the cores; another machine

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
        workspace: whose history is looked at, the newest trials.
        task: the product's name of the task.
        model_name: the algorithm.
        hyperparameters: of the trial; only trials with the same sizes of images count, on as many cores and GPUs.
    """
    wanted = (task, model_name, input_sizes(hyperparameters), core_count(), len(visible_gpus()))
    alike = [
        trial
        for trial in workspace.history.usable()
        if (trial.task, trial.model_name, trial.sizes, trial.cores, trial.gpus) == wanted
    ]
    found = [pace for trial in alike[-_RECENT:] if (pace := _pace_of(trial)) is not None]
    if found:
        epoch, rest = (statistics.median(values) for values in zip(*found, strict=True))
        spread = max(_RECORDED_SPREAD, max(pace[0] for pace in found) / epoch, epoch / min(pace[0] for pace in found))
        count = f"{len(found)} trials of {model_name} that" if len(found) > 1 else f"a trial of {model_name} that"
        return Pace(epoch, rest, spread, f"from {count} ran here")
    return _reference(task, model_name)


def _pace_of(trial: PastTrial) -> tuple[float, float] | None:
    """Seconds of an epoch and of the rest, per image of the dataset; None if they are not known."""
    images, epoch = trial.facts.images, trial.epoch_seconds
    if not images or not epoch:
        return None
    return epoch / images, max(0.0, trial.seconds - trial.epochs * epoch) / images


def _reference(task: str, model_name: str) -> Pace | None:
    """The figures of the benchmarks, which are of the light algorithms that runs start from; none on a GPU."""
    light = {row.model for row in start_models(task) if row.source == "package"}
    if model_name not in light or visible_gpus():
        return None
    cores = min(_MOST_CORES, core_count())
    epoch = _CORE_SECONDS[TASKS[task].kind] / cores
    return Pace(epoch, _SETUP_EPOCHS * epoch, _REFERENCE_SPREAD, "from the benchmarks, on another machine")
