"""Where a sweep's trials come from; what is next depends on the trials so far and on nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from automl_vision.core.numbers import finite
from automl_vision.recipes.checking import check_hyperparameters
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.search.policies import Curve
from automl_vision.search.samplers import Proposal, Sampler, Sampling
from automl_vision.workspace.run_folder import FINAL, WITH_RESULT


@dataclass
class TrialState:
    """What is known of a trial while its sweep runs.

    Attributes:
        number: in the run, from 0.
        planned: what was proposed.
        status: as in the run folder.
        reports: the primary metric by epoch.
        score: of a trial that has a result; None where it is no finite number.
        seconds: of work.
        lost: how often its machine went away.
        reason: why it failed.
    """

    number: int
    planned: PlannedTrial
    status: str = "NotStarted"
    reports: dict[int, float | None] = field(default_factory=dict)
    score: float | None = None
    seconds: float = 0.0
    lost: int = 0
    reason: str = ""

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will come of it."""
        return self.status in FINAL or self.status in WITH_RESULT

    @property
    def has_result(self) -> bool:
        """Whether it left weights and metrics."""
        return self.status in WITH_RESULT

    @property
    def curve(self) -> Curve:
        """The validations after epochs of training; the probe, epoch 0, is no interval."""
        return Curve([self.reports[epoch] for epoch in sorted(self.reports) if epoch > 0], finished=self.has_ended)

    @property
    def best(self) -> float | None:
        """The best value reported."""
        values = [finite(value) for value in self.reports.values()]
        return max((value for value in values if value is not None), default=None)


class TrialSource(Protocol):
    """Proposes trials."""

    def next(self, trials: Sequence[TrialState]) -> PlannedTrial | None:
        """What to try now, or None.

        After None the source is asked again when a running trial has ended; with none running, the sweep is over.

        Args:
            trials: all so far, in order.
        """


@dataclass(frozen=True)
class FixedTrials:
    """A list of trials, one after the other."""

    planned: Sequence[PlannedTrial]

    def next(self, trials: Sequence[TrialState]) -> PlannedTrial | None:
        """The first one that was not proposed yet."""
        return self.planned[len(trials)] if len(trials) < len(self.planned) else None


class SampledTrials:
    """Trials that a sampler proposes.

    Args:
        sampling: space and how it is sampled.
        base: the trial that the draws vary.
        arguments: fixed hyperparameters of every trial.
        task: the product's name of the task.
        iterations: most trials.
    """

    def __init__(
        self, sampling: Sampling, base: PlannedTrial, arguments: Mapping[str, Any], task: str, iterations: int
    ) -> None:
        self._base, self._arguments, self._task, self._iterations = base, dict(arguments), task, iterations
        self._sampler = Sampler(sampling, accept=lambda drawn: self._checked(drawn) is not None)
        self._known = 0
        self._told: set[int] = set()

    def next(self, trials: Sequence[TrialState]) -> PlannedTrial | None:
        """The sampler's next draw, once it was told how the others ended."""
        for trial in trials[self._known :]:  # from before an interruption
            self._sampler.recall(Proposal(trial.number, trial.planned.drawn, trial.planned.point))
        self._known = len(trials)
        for trial in trials:
            if trial.has_ended and trial.number not in self._told:
                self._sampler.tell(trial.number, trial.score)
                self._told.add(trial.number)
        proposal = self._sampler.ask() if len(trials) < self._iterations else None
        planned = None if proposal is None else self._checked(proposal.values)
        if proposal is None or planned is None:
            return None
        self._known += 1
        return planned.model_copy(update={"drawn": proposal.values, "point": proposal.point})

    def _checked(self, drawn: Mapping[str, Any]) -> PlannedTrial | None:
        """The trial of a draw, or None when it is not allowed."""
        settings = {**self._arguments, **drawn}
        name = str(settings.pop("model_name", self._base.model_name))
        checked, _ = check_hyperparameters(self._task, settings, name)
        if checked is None:
            return None
        return PlannedTrial(model_name=name, hyperparameters=checked, start_from=self._base.start_from)
