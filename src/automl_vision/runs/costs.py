"""What the networks of a run would take on this machine, where their latency or size is limited.

The network of the default recipe is measured before anything is trained; those of others follow from it by the table in
`recipes.network_costs`. After training each finished one is measured itself.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from automl_vision.core.files import read_json, write_json
from automl_vision.core.records import SPEED_FILE, Speed, read_record
from automl_vision.core.tasks import has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.recipes.detector_input import decide_geometry, tile_grid
from automl_vision.recipes.hyperparameters import (
    ClassificationHyperparameters,
    DetectorHyperparameters,
    OneStageHyperparameters,
)
from automl_vision.recipes.network_costs import network_costs, relative_latency
from automl_vision.runs.jobs import Jobs
from automl_vision.runs.limits import Limits
from automl_vision.runs.spec import RunSpec
from automl_vision.search.planned_trial import PlannedTrial, planned_trial
from automl_vision.search.portfolio import with_input
from automl_vision.workspace.trial_folder import TrialFolder

_STEP = 32  # pixels; networks halve their input five times
_LEAST_SIDE, _LEAST_DETECTOR_SIDE = 96, 160  # of the input, in pixels; below them hardly anything is recognised
_AIM = 0.92  # of the limit, since time does not quite follow the pixels
_TRIES = 3  # sizes that are measured


@dataclass(frozen=True)
class Costs:
    """Estimates of latency and size.

    Attributes:
        limits: of the run.
        base: the trial whose network was measured.
        speed: of that.
        dataset: of the run, by which a detector's input is decided.
    """

    limits: Limits
    base: PlannedTrial
    speed: Speed
    dataset: Dataset

    def latency(self, planned: PlannedTrial) -> float | None:
        """Milliseconds that the network of a trial takes for an image; None if it cannot be told."""
        base, measured = self.base, self.speed.image_ms(1)
        share = relative_latency(planned.model_name, self._pixels(planned), base.model_name, self._pixels(base))
        return None if measured is None or share is None else measured * share

    def size(self, planned: PlannedTrial) -> float | None:
        """Megabytes of the network of a trial; None if it cannot be told."""
        if planned.model_name == self.base.model_name:
            return self.speed.megabytes
        known = network_costs().get(planned.model_name)
        return None if known is None else known.megabytes

    def may_fit(self, *planned: PlannedTrial) -> bool:
        """Whether one network of those of some trials may keep the limits: what is known of its parts does.

        A trial that is named twice sees an image and its mirror image.
        """
        networks = {id(each): each for each in planned}.values()
        latency = sum(self.latency(each) or 0.0 for each in planned)
        size = sum(self.size(each) or 0.0 for each in networks)
        return self.limits.allow(latency, size)

    def note(self, trial: TrialFolder) -> None:
        """Give the default recipe's trial the speed that its network had before training, for weights do not change it.

        Args:
            trial: of the network that was measured; one without a result, or with a speed of its own, stays as it is.
        """
        if trial.result() is not None and trial.speed() is None:
            self.speed.save(trial.path)

    def text(self, planned: PlannedTrial) -> str:
        """A trial with its estimates."""
        parts = [(self.latency(planned), "ms"), (self.size(planned), "MB")]
        known = ", ".join(f"about {value:.3g} {unit}" for value, unit in parts if value is not None)
        return f"{planned.role or planned.model_name} ({known})"

    def _pixels(self, planned: PlannedTrial) -> int:
        """Pixels that a trial's network sees of an image, those of its tiles included."""
        settings = planned.hyperparameters
        grid = tile_grid(settings) if isinstance(settings, DetectorHyperparameters) else None
        return (1 if grid is None else grid.views) * math.prod(_input_size(self.dataset, planned))


def limited(jobs: Jobs) -> tuple[RunSpec, Costs | None]:
    """A run whose default recipe keeps the limits, by a smaller input if need be; and what networks would take.

    What was decided is kept in the run's folder for a run that is resumed.

    Args:
        jobs: of the run.

    Raises:
        CanceledError: the user asked to end the run.
    """
    spec, folder = jobs.spec, jobs.folder
    if not spec.limits.are_set:
        return spec, None
    place = folder.path / "costs"
    file = place / "default.json"
    if not file.exists():
        number, planned = _chosen(jobs, place)
        write_json(file, {"number": number, "trial": planned.model_dump(by_alias=True)})
    values = read_json(file)
    base, speed = planned_trial(spec.task, values["trial"]), _speed(place / str(values["number"]))
    spec = spec.model_copy(update={"trials": [base]})
    return spec, None if speed is None else Costs(spec.limits, base, speed, jobs.dataset)


def _chosen(jobs: Jobs, place: Path) -> tuple[int, PlannedTrial]:
    """The default recipe at the largest input that keeps the limits, and the number of its measurement."""
    spec, say = jobs.spec, jobs.folder.message
    planned = spec.trials[0]
    for number in range(_TRIES):
        jobs.folder.progress("measuring the network", number, _TRIES)
        reason = jobs.finish(jobs.measure_network(place / str(number), planned))
        speed = _speed(place / str(number))
        if speed is None:
            say(f"{planned.model_name} could not be measured before training: {reason}")
            return number, planned
        network = f"{planned.model_name} at {_side(jobs, planned)} px"
        took = f"{network}: {speed.text} on this machine; wanted: {spec.limits.text}"
        if spec.limits.allow(speed.image_ms(1), speed.megabytes):
            say(took)
            return number, planned
        smaller = _smaller(jobs, planned, speed) if number < _TRIES - 1 else None
        if smaller is None:
            say(f"{took}, which no smaller input reaches; it is trained all the same")
            return number, planned
        say(f"{took}, so its input becomes {_side(jobs, smaller)} px")
        planned = smaller
    raise AssertionError("the last try returns")


def _smaller(jobs: Jobs, planned: PlannedTrial, speed: Speed) -> PlannedTrial | None:
    """The same recipe with an input that should keep the limit of latency; None where there is no such input."""
    spec, limit, measured = jobs.spec, jobs.spec.limits.max_latency_ms, speed.image_ms(1)
    if limit is None or measured is None or measured <= limit:
        return None
    side = _side(jobs, planned)
    least = _LEAST_DETECTOR_SIDE if has_objects(spec.task) else _LEAST_SIDE
    wanted = max(least, _STEP * math.floor(side * math.sqrt(_AIM * limit / measured) / _STEP))
    wanted = min(wanted, side - _STEP)
    return None if wanted < least else with_input(spec.trials[0], spec.task, spec.arguments, wanted)


def _side(jobs: Jobs, planned: PlannedTrial) -> int:
    """Pixels of the side that `with_input` changes."""
    size = _input_size(jobs.dataset, planned)
    return max(size) if isinstance(planned.hyperparameters, OneStageHyperparameters) else min(size)


def _input_size(dataset: Dataset, planned: PlannedTrial) -> tuple[int, int]:
    """Height and width in pixels of what a trial's network sees."""
    settings = planned.hyperparameters
    if isinstance(settings, ClassificationHyperparameters):
        return settings.validation_crop_size, settings.validation_crop_size
    geometry = decide_geometry(dataset, settings)
    assert geometry is not None
    return geometry.size


def _speed(folder: Path) -> Speed | None:
    speed = read_record(folder / SPEED_FILE, Speed)
    return speed if speed is not None and speed.batches else None
