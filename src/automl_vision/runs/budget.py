"""The time of a run: what is left for trials, whether another one fits, and the plan that is shown before the start."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from automl_vision.core.records import Evaluation, TrialStatus
from automl_vision.core.tasks import has_objects
from automl_vision.core.text import rough_duration
from automl_vision.runs.spec import RunSpec
from automl_vision.runs.trial_sources import TrialState

_FEW_EPOCHS = 5  # that another trial needs to be compared with the default recipe

_LABELS_EXPORTED, _OBJECTS_EXPORTED = 12.0, 25.0  # seconds; 10 and 19 were measured on one core
_RESERVED_SHARE, _MOST_RESERVED = 0.05, 120.0  # of a sweep's time for measuring; 2 min are a dozen exports
_MEASURING_SHARE, _LEAST_MEASURING = 0.1, 30.0  # of the work so far; 30 s are three exports
_REFIT_SHARE = 0.25  # a third of the epochs, each with a quarter more images, where trials take the rest
_GRACE = 5.0  # seconds that trials may overrun once another has a result
_HARD_GRACE = 300.0  # the same while none has a result; such a trial ends itself unless it never got to work
_MIN_SECONDS = 5.0  # no trial can produce anything in less
_USEFUL_SHARE = 0.5  # of the fastest trial's time; a trial with less would only be cut short


@dataclass
class Budget:
    """The wall-clock budget of a run, over interruptions.

    Attributes:
        total: seconds for everything.
        spent_before: seconds of work before an interruption.
        packaging: seconds to reserve for exporting the best trial; trials themselves keep time for its predictions.
        measuring: seconds to reserve for measuring the other trials' networks.
        ensemble: seconds to reserve for a second network and for averaging.
        refit: seconds to reserve for training the best one on the validation images too.
    """

    total: float
    spent_before: float = 0.0
    packaging: float = _LABELS_EXPORTED
    measuring: float = 0.0
    ensemble: float = 0.0
    refit: float = 0.0
    _start: float = field(default_factory=time.monotonic)

    @staticmethod
    def of(spec: RunSpec, *, spent_before: float = 0.0) -> Budget:
        """The budget of a run, with what is reserved for the steps after its trials.

        Args:
            spec: of the run.
            spent_before: seconds of work before an interruption.
        """
        total = spec.budget_seconds
        return Budget(
            total,
            spent_before,
            packaging=_OBJECTS_EXPORTED if has_objects(spec.task) else _LABELS_EXPORTED,
            measuring=measuring_seconds(total) if spec.is_sweep else 0.0,
            refit=_REFIT_SHARE * total if spec.refit_full else 0.0,
        )

    @property
    def spent(self) -> float:
        """Seconds of work on this run."""
        return self.spent_before + time.monotonic() - self._start

    @property
    def left(self) -> float:
        """Seconds to the deadline."""
        return self.total - self.spent

    @property
    def reserved(self) -> float:
        """Seconds for the steps after the trials."""
        return self.packaging + self.measuring + self.refit

    @property
    def seconds_for_trials(self) -> float:
        """Seconds until trials must have ended, so that the best one can be packaged and the others measured."""
        return self.left - self.reserved - self.ensemble

    @property
    def seconds_for_all_trials(self) -> float:
        """Seconds that all trials may take, from the start of the run; the same after an interruption."""
        return self.total - self.reserved

    @property
    def seconds_for_refit(self) -> float:
        """Seconds that training on the validation images too may take now; at or below 0 there are none."""
        return self.left - self.packaging - self.measuring

    @property
    def seconds_for_measuring(self) -> float:
        """Seconds that measuring may take now: a tenth of the work so far, half a minute at least, and what is left."""
        return max(0.0, min(self.left, max(_LEAST_MEASURING, _MEASURING_SHARE * self.spent)))

    def is_over_without(self, trials: Sequence[TrialState]) -> bool:
        """Whether running trials must be stopped now: because another has a result to package, or none will finish."""
        if any(trial.status.has_result for trial in trials):
            return self.seconds_for_trials < -_GRACE
        return self.left < -max(_HARD_GRACE, self.total)


def measuring_seconds(total: float) -> float:
    """Seconds of a sweep's time to reserve for measuring its trials."""
    return min(_MOST_RESERVED, _RESERVED_SHARE * total)


def fits_another(trials: Sequence[TrialState], seconds: float) -> bool:
    """Whether another trial can be trained in the seconds that are left, by those that were; one is always tried.

    Args:
        trials: of the run; heads alone and averages take a fraction of the time of a training.
        seconds: that are left.
    """
    if not any(trial.status.is_final for trial in trials):
        return True
    trained = [trial for trial in trials if not (trial.planned.head_only or trial.planned.members)]
    whole = [trial.seconds for trial in trained if trial.status is TrialStatus.COMPLETED]
    done = whole or [trial.seconds for trial in trained if trial.status.has_result]
    return seconds >= max(_MIN_SECONDS, _USEFUL_SHARE * min(done, default=0.0))


def few_epochs_seconds(evaluations: Sequence[Evaluation], final_seconds: float, wanted: int) -> float:
    """Seconds of a trial with a few epochs, or as many as are wanted, by what another trial took.

    Args:
        evaluations: of that trial, beginning with its start.
        final_seconds: of its last predictions.
        wanted: epochs of a full trial.

    Returns:
        The seconds; infinite if it was not trained.
    """
    start, passes = evaluations[0].seconds, evaluations[-1].passes
    if not passes:
        return math.inf
    return start + min(_FEW_EPOCHS, wanted) * (evaluations[-1].seconds - start) / passes + final_seconds


def time_is_up_text(trials: Sequence[TrialState]) -> str:
    """Say that the search ends for want of time."""
    return f"trials: {len(trials)}; no further one fits into the time that is left"


@dataclass(frozen=True)
class Timing:
    """How long the parts of a trial take, measured by its first steps.

    Attributes:
        setup: seconds before the first epoch, the probe included.
        epoch: seconds of an epoch with its validation.
        finish: seconds after the last epoch.
        features: seconds of the setup for the features of all training images.
        predictions: seconds of the finish for the last predictions.
        steps: of the optimizer, in an epoch.
    """

    setup: float
    epoch: float
    finish: float
    features: float = 0.0
    predictions: float = 0.0
    steps: int = 1

    def trial(self, epochs: int) -> float:
        """Seconds of a trial."""
        return self.setup + epochs * self.epoch + self.finish


def plan_text(timings: dict[str, Timing], *, epochs: int, wanted: int, at_once: int, seconds: float) -> str:
    """Say in a sentence which trials fit into the time.

    Args:
        timings: by name of the algorithm.
        epochs: of a full trial.
        wanted: number of trials asked for.
        at_once: number of concurrent trials.
        seconds: for all trials.
    """
    each = ", ".join(f"{name} {rough_duration(timing.trial(epochs))}" for name, timing in timings.items())
    mean = sum(timing.trial(epochs) for timing in timings.values()) / len(timings)
    fitting = int(at_once * seconds / mean)
    plan = f"a trial of {epochs} epochs takes about: {each}; {at_once} at once; {rough_duration(seconds)} for trials"
    if fitting >= wanted:
        return f"plan: {plan}; all {wanted} trials fit, in about {rough_duration(wanted * mean / at_once)}"
    if fitting >= 1:
        return f"plan: {plan}; about {fitting} of {wanted} trials fit in full, or more where some are ended early"
    quickest = min(timings.values(), key=lambda timing: timing.trial(epochs))
    short = max(0, int((seconds - quickest.setup - quickest.finish) / quickest.epoch))
    return f"plan: {plan}; no trial fits in full: the first one gets about {short} of {epochs} epochs"
