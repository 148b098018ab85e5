"""The last trial of AutoMode: the mean of the best networks' calibrated logits, over an image and its mirror image."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.records import TrialResult, TrialStatus
from automl_vision.core.tasks import has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.evaluation.doubt import Judged, in_doubt_the_first
from automl_vision.evaluation.predictions import PREDICTIONS_FILE, Predictions
from automl_vision.evaluation.scoring.scoring import Scoring, create_scoring
from automl_vision.recipes.hyperparameters import ClassificationHyperparameters
from automl_vision.recipes.joint_input import BETWEEN, joint_input, label_sizes
from automl_vision.recipes.scoring_settings import scoring_settings
from automl_vision.runs.automode import Opinion
from automl_vision.runs.budget import Timing
from automl_vision.runs.spec import RunSpec
from automl_vision.runs.trial_sources import TrialState
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.workspace.run_folder import RunFolder

FINE_TUNED = 2.0
"""How much more a fine-tuned network counts in an average than a head alone, before any image is looked at."""

_MOST_MEMBERS = 3  # a further one slows predictions down and hardly adds anything
_LEAST_SHARE = 0.05  # of an average; a network with less changes no answer, but takes its time
_TEMPERED = 2.0  # weight of a unit of loss; the number of images would be the weight of all they say
_START_SECONDS = 5.0  # of a process
_PACKAGING_SECONDS = 8.0  # more for each further pass of a network in an average
_LATE = 1.5  # times the seconds that members needed for their own last predictions
_MOST_KEPT = 0.2  # of the time for trials; in less time the default recipe needs it more
_HARDLY_TRAINED = 100  # steps of the optimizer; docs/decisions/0083
_MIRROR_KEPT = 0.1  # of the time for trials, at most, for mirror images alone


@dataclass(frozen=True)
class DefaultTiming(Timing):
    """How long the parts of the default recipe take, by which those of other networks are estimated."""

    @staticmethod
    def of(timing: Timing) -> DefaultTiming:
        """From the first steps of the default recipe."""
        return DefaultTiming(**asdict(timing))

    def corrected(self, result: TrialResult, probed: float) -> DefaultTiming:
        """The same with what the default recipe took in the end.

        Args:
            result: of the default recipe.
            probed: seconds from its start until its probe was validated, all of which another head takes too.
        """
        return replace(self, features=probed, predictions=result.final_seconds)

    def of_opinion(self, opinion: Opinion) -> float:
        """Seconds for the head of another network."""
        return _START_SECONDS + opinion.cost * (self.features + self.predictions)

    def of_average(self, opinions: Sequence[Opinion]) -> float:
        """Seconds for averaging networks with the default recipe's, which sees mirror images too, and for packaging.

        The heads have the largest input, so that what they predicted counts, and the default recipe's network predicts
        again at another size; alone it predicts the mirror images.
        """
        again = 2 if opinions else 1
        return _average_seconds(2 + len(opinions), again * self.predictions)

    def needed(self, opinions: Sequence[Opinion]) -> float:
        """Seconds for the heads of networks and their average with the default recipe's."""
        return sum(map(self.of_opinion, opinions)) + self.of_average(opinions)

    def affordable(self, opinions: Sequence[Opinion], seconds: float) -> list[Opinion]:
        """The opinions to train in some seconds: all, or the last one, which adds more, or the first one, or none.

        Args:
            opinions: the quickest first.
            seconds: for them and their average.
        """
        options = [opinions, opinions[-1:], opinions[:1]]
        return list(next((some for some in options if self.needed(some) <= seconds), []))

    def kept(self, opinions: Sequence[Opinion], seconds: float) -> float:
        """Seconds to keep for second opinions and the average while the default recipe is trained.

        They may take a fifth of the time. Where there is hardly time for fine-tuning, they are the better use of all of
        it. Without them there is time for mirror images, unless so many images are predicted that these would take too
        much.

        Args:
            opinions: the quickest first.
            seconds: for all trials.
        """
        training = seconds - self.setup - self.finish
        steps = self.steps * training / self.epoch
        some = self.affordable(opinions, training if steps < _HARDLY_TRAINED else _MOST_KEPT * seconds)
        kept = self.needed(some)
        return kept if some or kept <= _MIRROR_KEPT * seconds else 0.0


def needed_seconds(folder: RunFolder, planned: PlannedTrial, trials: Sequence[TrialState]) -> float:
    """Seconds that the average of some trials takes.

    Args:
        folder: of the run.
        planned: as `planned_average` made it.
        trials: all so far.
    """
    sizes = {trial.number: label_sizes(trial.planned.hyperparameters) for trial in trials}
    predictions = 0.0
    of_members = planned.mirrored or (False,) * len(planned.members)
    for number, mirrored in zip(planned.members, of_members, strict=True):
        passes = mirrored + (sizes[number] != label_sizes(planned.hyperparameters))
        result = folder.trial(number).result()
        if result is not None:
            predictions += passes * result.final_seconds
    return _average_seconds(len(planned.members) + sum(planned.mirrored), predictions)


def _average_seconds(passes: int, predictions: float) -> float:
    """Seconds for an average and for packaging it.

    Args:
        passes: of its networks, for an image.
        predictions: seconds that what is predicted again took before, each pass counted.
    """
    return _START_SECONDS + _LATE * predictions + _PACKAGING_SECONDS * (passes - 1)


def planned_average(
    folder: RunFolder,
    spec: RunSpec,
    dataset: Dataset,
    trials: Sequence[TrialState],
    may_fit: Callable[..., bool] = lambda *_: True,
) -> PlannedTrial | str | None:
    """The trial that averages those that go together best; or why one alone is kept; None if none can be averaged.

    Networks that were trained on mirror images see an image and its mirror image, also where one stays alone. Heads see
    the image, for they gain less and belong to larger networks. Fine-tuned members come first, since a retraining goes
    on with the first.

    Args:
        folder: of the run.
        spec: of the run; only classifiers are averaged.
        dataset: of the run.
        trials: all so far.
        may_fit: whether one network of those of some planned trials keeps the limits of the run.
    """
    if has_objects(spec.task):
        return None
    done = {trial.number: trial.planned for trial in trials if trial.status is TrialStatus.COMPLETED}
    predicted = {number: found for number in done if (found := _predicted(folder, number)) is not None}
    if not predicted:
        return None
    scoring = create_scoring(spec.task, dataset, scoring_settings(spec.trials[0].hyperparameters, spec.primary_metric))
    outputs = {number: found.logits / found.calibration.temperature for number, found in predicted.items()}
    prior = {number: 1.0 if done[number].head_only else FINE_TUNED for number in outputs}
    rows = next(iter(predicted.values())).rows

    def fits(members: Sequence[int]) -> bool:
        return len(members) < 2 or may_fit(*(done[each] for each in members))

    shares = chosen_shares(outputs, prior, scoring, rows, fits)
    numbers = sorted(shares, key=lambda number: (done[number].head_only, number))
    members = [done[number] for number in numbers]
    mirrored = [is_mirrored(each) for each in members]
    if not may_fit(*members, *(each for each, twice in zip(members, mirrored, strict=True) if twice)):
        mirrored = [False] * len(members)
    if len(numbers) < 2 and not any(mirrored):
        others = [each for number, each in done.items() if number in predicted and number != numbers[0]]
        if others and not any(may_fit(members[0], each) for each in others):
            return f"two networks together would take more than {spec.limits.text}"
        return f"trial {numbers[0]} alone is kept"
    shown = joint_input([label_sizes(each.hyperparameters) for each in members])
    sizes = {"validation_resize_size": shown.resize, "validation_crop_size": shown.crop}
    return PlannedTrial(
        model_name=BETWEEN.join(each.model_name for each in members),
        hyperparameters=members[0].hyperparameters.model_copy(update=sizes),
        members=tuple(numbers),
        shares=tuple(shares[number] for number in numbers),
        mirrored=tuple(mirrored),
        role=_role(numbers, mirrored=any(mirrored)),
    )


def is_mirrored(planned: PlannedTrial) -> bool:
    """Whether a network in an average sees mirror images too: all of it was trained, and on them."""
    settings = planned.hyperparameters
    return (
        isinstance(settings, ClassificationHyperparameters)
        and settings.augmentation != "none"
        and not planned.head_only
    )


def _role(numbers: Sequence[int], *, mirrored: bool) -> str:
    *first, last = map(str, numbers)
    trials = f"trials {', '.join(first)} and {last}" if first else f"trial {last}"
    return f"average of {trials} with mirror images" if mirrored else f"average of {trials}"


def chosen_shares(
    outputs: Mapping[int, NDArray[Any]],
    prior: Mapping[int, float],
    scoring: Scoring[Any],
    rows: NDArray[np.intp],
    fits: Callable[[Sequence[int]], bool] = lambda _: True,
) -> dict[int, float]:
    """The shares of the trials that are averaged, by number; they add up to 1.

    A share is proportional to its prior and to exp(-2 loss) on the validation images, a pseudo-Bayesian weight (Yao et
    al. 2018) that is tempered, since few images tell little. Members are added one by one, each time the one that
    leaves the least loss (Caruana et al. 2004), up to three. In doubt all of them stay, and fewer only where those are
    clearly better.

    Args:
        outputs: calibrated logits (images, classes) of the validation images, by trial.
        prior: how much a trial counts before any image is looked at, by number.
        scoring: of the task.
        rows: of the images.
        fits: whether some trials, by number, may be averaged together.
    """
    losses = {number: -scoring.judged(logits, rows)[0] for number, logits in outputs.items()}
    least = min(losses.values())
    weights = {number: prior[number] * math.exp(-_TEMPERED * (losses[number] - least)) for number in outputs}

    def shares(members: Sequence[int]) -> dict[int, float]:
        whole = sum(weights[number] for number in members)
        return {number: weights[number] / whole for number in members}

    def judge(members: Sequence[int]) -> Judged:
        mean = sum(share * outputs[number] for number, share in shares(members).items())
        return Judged(*scoring.judged(mean, rows))

    members: list[int] = []
    while len(members) < _MOST_MEMBERS:
        others = [number for number in outputs if number not in members and fits([*members, number])]
        found = {number: judge([*members, number]).quality for number in others}
        if not found:
            break
        members.append(max(found, key=lambda each: found[each]))
    kept = shares(in_doubt_the_first([tuple(members[:count]) for count in range(len(members), 0, -1)], judge))
    return shares([number for number, share in kept.items() if share >= _LEAST_SHARE])


def _predicted(folder: RunFolder, number: int) -> Predictions | None:
    """What a trial answered for the validation images; None if it left no answers."""
    file = folder.trial(number).path / PREDICTIONS_FILE
    return Predictions.load(file).of_split("val") if file.exists() else None
