"""The last trial of AutoMode: the mean of the best networks' calibrated logits, chosen on the validation images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.records import TrialResult, TrialStatus
from automl_vision.core.tasks import has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.doubt import Judged, in_doubt_the_first
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.evaluation.scoring.scoring import Scoring, create_scoring
from automl_vision.recipes.joint_input import BETWEEN, joint_input, label_sizes
from automl_vision.recipes.scoring_settings import scoring_settings
from automl_vision.runs.automode import Opinion
from automl_vision.runs.budget import Timing
from automl_vision.runs.spec import RunSpec
from automl_vision.runs.trial_sources import TrialState
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.workspace.run_folder import RunFolder

_MOST_MEMBERS = 3  # a further one slows predictions down and hardly adds anything
_START_SECONDS = 5.0  # of a process
_PACKAGING_SECONDS = 8.0  # more for each further network of an average
_LATE = 1.5  # times the seconds that the members needed for their own last predictions
_FEATURES = 0.3  # of the seconds before the first epoch, for the features of a frozen network with as many operations
_PREDICTIONS = 1 / 6  # of what a trial keeps for its end: it compares weights too
_MOST_KEPT = 1 / 3  # of the time for trials; in less time the default recipe alone is worth more
_FEW_EPOCHS = 5  # with which fine-tuning is hardly better than its probe: docs/decisions/0070


@dataclass(frozen=True)
class DefaultSeconds:
    """What parts of the default recipe take, in seconds, by which those of other networks are estimated.

    Attributes:
        setup: before the first epoch, the probe included.
        epoch: an epoch with its validation.
        end: after the last epoch.
        predictions: the last predictions of validation and test images, which are a part of that.
    """

    setup: float
    epoch: float
    end: float
    predictions: float

    @staticmethod
    def of(timing: Timing, result: TrialResult | None = None) -> DefaultSeconds:
        """From the first steps of the default recipe, and from its result once there is one."""
        predictions = _PREDICTIONS * timing.finish if result is None else result.final_seconds
        return DefaultSeconds(timing.setup, timing.epoch, timing.finish, predictions)

    def of_opinion(self, opinion: Opinion) -> float:
        """Seconds for the head of another network."""
        return _START_SECONDS + opinion.cost * (_FEATURES * self.setup + self.predictions)

    def of_average(self, opinions: Sequence[Opinion]) -> float:
        """Seconds for averaging networks with the default recipe's, and for packaging that; 0 if there are none."""
        operations = 1 + sum(opinion.cost for opinion in opinions)
        more = _PACKAGING_SECONDS * len(opinions)
        return _START_SECONDS + more + _LATE * operations * self.predictions if opinions else 0.0

    def kept(self, opinions: Sequence[Opinion], seconds: float) -> float:
        """Seconds to keep for second opinions and their average while the default recipe is trained.

        They may take a third of the time. Where there is hardly time for fine-tuning, they are the better use of all of
        it. As many opinions count as that allows, the quickest first.

        Args:
            opinions: the networks.
            seconds: for all trials.
        """
        training = seconds - self.setup - self.end
        allowed = training if training < _FEW_EPOCHS * self.epoch else _MOST_KEPT * seconds
        sums = [
            sum(map(self.of_opinion, opinions[:count])) + self.of_average(opinions[:count])
            for count in range(1, len(opinions) + 1)
        ]
        return max((needed for needed in sums if needed <= allowed), default=0.0)


def needed_seconds(folder: RunFolder, planned: PlannedTrial) -> float:
    """Seconds that the average of some trials takes.

    Args:
        folder: of the run.
        planned: as `planned_average` made it.
    """
    results = [folder.trial(number).result() for number in planned.members]
    predicting = sum(result.final_seconds for result in results if result is not None)
    return _START_SECONDS + _LATE * predicting + _PACKAGING_SECONDS * (len(results) - 1)


def members_of_average(
    folder: RunFolder, spec: RunSpec, dataset: Dataset, trials: Sequence[TrialState]
) -> tuple[int, ...]:
    """The numbers of the trials that go together best, fine-tuned ones first, for a retraining goes on with the first.

    One number means that a trial alone is clearly better, none that there are not two to be averaged.

    Args:
        folder: of the run.
        spec: of the run; only classifiers are averaged.
        dataset: of the run.
        trials: all so far.
    """
    if has_objects(spec.task):
        return ()
    done = {trial.number: trial for trial in trials if trial.status is TrialStatus.COMPLETED}
    predicted = {number: found for number in done if (found := _predicted(folder, number)) is not None}
    if len(predicted) < 2:
        return ()
    scoring = create_scoring(spec.task, dataset, scoring_settings(spec.trials[0].hyperparameters, spec.primary_metric))
    outputs = {number: found.logits / found.calibration.temperature for number, found in predicted.items()}
    members = chosen_members(outputs, scoring, next(iter(predicted.values())).rows)
    return tuple(sorted(members, key=lambda number: (done[number].planned.head_only, number)))


def planned_average(members: Sequence[TrialState]) -> PlannedTrial:
    """The trial that averages others.

    Args:
        members: at least two, in their order.
    """
    planned, numbers = [trial.planned for trial in members], [trial.number for trial in members]
    shown = joint_input([label_sizes(each.hyperparameters) for each in planned])
    sizes = {"validation_resize_size": shown.resize, "validation_crop_size": shown.crop}
    *first, last = map(str, numbers)
    return PlannedTrial(
        model_name=BETWEEN.join(each.model_name for each in planned),
        hyperparameters=planned[0].hyperparameters.model_copy(update=sizes),
        members=tuple(numbers),
        role=f"average of trials {', '.join(first)} and {last}",
    )


def chosen_members(
    outputs: Mapping[int, NDArray[Any]], scoring: Scoring[Any], rows: NDArray[np.intp]
) -> tuple[int, ...]:
    """The numbers of the trials to average, best first.

    They are added one by one, each time the one that leaves the least loss (Caruana et al. 2004), up to three. In doubt
    all of them stay, and fewer only where those are clearly better.

    Args:
        outputs: calibrated logits (images, classes) of the validation images, by trial.
        scoring: of the task.
        rows: of the images.
    """

    def judge(members: Sequence[int]) -> Judged:
        return Judged(*scoring.judged(np.mean([outputs[number] for number in members], axis=0), rows))

    members: list[int] = []
    while len(members) < min(_MOST_MEMBERS, len(outputs)):
        found = {number: judge([*members, number]).quality for number in outputs if number not in members}
        members.append(max(found, key=lambda each: found[each]))
    return in_doubt_the_first([tuple(members[:count]) for count in range(len(members), 0, -1)], judge)


def _predicted(folder: RunFolder, number: int) -> Predictions | None:
    """What a trial answered for the validation images; None if it left no answers."""
    file = folder.trial(number).path / PREDICTIONS_FILE
    return Predictions.load(file).of_split("val") if file.exists() else None
