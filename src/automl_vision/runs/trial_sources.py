"""Where the trials of a run come from; the next one depends on the trials so far and on nothing else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from automl_vision.core.numbers import finite
from automl_vision.core.records import Evaluation, Ranking, TrialStatus
from automl_vision.recipes.checking import check_hyperparameters
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.search.policies import Curve
from automl_vision.search.samplers import Proposal, Sampler, Sampling


@dataclass
class TrialState:
    """What the controller knows of a trial while its run is active.

    Attributes:
        number: in the run, from 0.
        planned: the configuration.
        status: as in the run folder.
        reports: the score of the primary metric, of which higher is better, by epoch.
        score: of a trial that has a result, higher is better; None if it is not a finite number.
        seconds: of work.
        lost: how often its machine went away.
        reason: why it failed.
    """

    number: int
    planned: PlannedTrial
    status: TrialStatus = TrialStatus.NOT_STARTED
    reports: dict[int, float | None] = field(default_factory=dict)
    score: float | None = None
    seconds: float = 0.0
    lost: int = 0
    reason: str = ""

    def add(self, evaluations: Iterable[Evaluation], ranking: Ranking) -> None:
        """Take the primary metric of further evaluations."""
        for evaluation in evaluations:
            value = evaluation.metrics.get(ranking.metric)
            self.reports[evaluation.epoch] = None if value is None else ranking.score(value)
            self.seconds = evaluation.seconds

    @property
    def curve(self) -> Curve:
        """The learning curve over epochs of training, without the probe at epoch 0."""
        return Curve(
            [self.reports[epoch] for epoch in sorted(self.reports) if epoch > 0], finished=self.status.is_final
        )

    @property
    def best(self) -> float | None:
        """The best reported value."""
        values = [finite(value) for value in self.reports.values()]
        return max((value for value in values if value is not None), default=None)


class TrialSource(Protocol):
    """Proposes trials."""

    def next(self, trials: Sequence[TrialState]) -> PlannedTrial | None:
        """Return the next trial, or None.

        After None the source is asked again when a running trial has ended; if none is running, the run is over.

        Args:
            trials: all so far, in order.
        """

    def has(self, planned: PlannedTrial) -> bool:
        """Whether a trial of the run, which was interrupted, is one of these."""


@dataclass(frozen=True)
class FixedTrials:
    """A list of trials, which may have another order when a run is resumed."""

    planned: Sequence[PlannedTrial]

    def next(self, trials: Sequence[TrialState]) -> PlannedTrial | None:
        """Return the first trial that was not proposed yet; one that is planned twice is proposed twice."""
        left = list(self.planned)
        for trial in trials:
            if trial.planned in left:
                left.remove(trial.planned)
        return left[0] if left else None

    def has(self, planned: PlannedTrial) -> bool:
        """Whether a trial is on the list."""
        return planned in self.planned


class SampledTrials:
    """Trials that a sampler proposes.

    Args:
        sampling: search space and sampling method.
        base: the trial that the samples vary.
        arguments: fixed hyperparameters of every trial.
        task: the product's name of the task.
        iterations: maximum number of trials.
    """

    def __init__(
        self, sampling: Sampling, base: PlannedTrial, arguments: Mapping[str, Any], task: str, iterations: int
    ) -> None:
        self._base, self._arguments, self._task, self._iterations = base, dict(arguments), task, iterations
        self._sampler = Sampler(sampling, accept=lambda values: self._checked(values) is not None)
        self._known = 0
        self._recorded: set[int] = set()

    def next(self, trials: Sequence[TrialState]) -> PlannedTrial | None:
        """Pass the results so far to the sampler and return its next sample."""
        for trial in trials[self._known :]:  # from before an interruption
            self._sampler.recall(Proposal(trial.number, trial.planned.sampled, trial.planned.point))
        self._known = len(trials)
        for trial in trials:
            if trial.status.is_final and trial.number not in self._recorded:
                self._sampler.tell(trial.number, trial.score)
                self._recorded.add(trial.number)
        proposal = self._sampler.ask() if len(trials) < self._iterations else None
        planned = None if proposal is None else self._checked(proposal.values)
        if proposal is None or planned is None:
            return None
        self._known += 1
        return planned.model_copy(update={"sampled": proposal.values, "point": proposal.point})

    def has(self, planned: PlannedTrial) -> bool:  # noqa: ARG002 - one sampler proposes all trials of its run
        """Every trial of the run is one of these."""
        return True

    def _checked(self, sampled: Mapping[str, Any]) -> PlannedTrial | None:
        """The trial with sampled hyperparameters, or None if they are not allowed."""
        settings = {**self._arguments, **sampled}
        name = str(settings.pop("model_name", self._base.model_name))
        checked, _ = check_hyperparameters(self._task, settings, name)
        if checked is None:
            return None
        return PlannedTrial(model_name=name, hyperparameters=checked, start_from=self._base.start_from)
