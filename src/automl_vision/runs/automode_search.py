"""AutoMode's search in its stages: the default recipe, a second opinion, the portfolio, the average, the decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from automl_vision.compute.compute import Slot
from automl_vision.core.records import TrialResult
from automl_vision.core.tasks import has_objects
from automl_vision.recipes.advisor import suggestions
from automl_vision.runs.automode import (
    Opinion,
    automode_policy,
    candidate_trials,
    default_trial,
    second_opinion_trials,
)
from automl_vision.runs.averaging import (
    DefaultSeconds,
    needed_seconds,
    planned_average,
)
from automl_vision.runs.budget import Budget, time_is_up_text
from automl_vision.runs.costs import Costs
from automl_vision.runs.default_gate import decide
from automl_vision.runs.jobs import Jobs
from automl_vision.runs.measuring import measured_within
from automl_vision.runs.mlflow_observer import PARENT
from automl_vision.runs.past_trials import data_facts
from automl_vision.runs.probing import PROBES_FILE, probe_candidates, probing_seconds
from automl_vision.runs.spec import RunSpec
from automl_vision.runs.timing import known_timing
from automl_vision.runs.trial_loop import TrialLoop
from automl_vision.runs.trial_sources import FixedTrials, TrialSource, TrialState
from automl_vision.search.experience import experience
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.search.policies import NoTerminationPolicy, Policy
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.tracking import Tracking
from automl_vision.workspace.workspace import Workspace


class RunTrials(Protocol):
    """Runs the trials of a source to their ends."""

    def __call__(
        self, jobs: Jobs, source: TrialSource, policy: Policy, slots: list[Slot], least_seconds: float | None = None
    ) -> TrialLoop:
        """Returns the loop, with the state of every trial of the run.

        Args:
            jobs: of the run.
            source: proposes trials.
            policy: stops poor trials.
            slots: shares of the machine.
            least_seconds: that a trial needs; None judges by the trials so far.
        """


@dataclass
class AutoModeSearch:
    """The stages of a search without a search space; `run` calls them in order, also after an interruption.

    Attributes:
        spec: of the run.
        folder: of the run.
        workspace: its history orders the portfolio.
        jobs: of the run.
        budget: of the run; time for the last stages is reserved in it.
        tracking: gets the probes.
        run_trials: runs the trials of a stage.
        slots: divides the machine into at most so many shares.
        costs: what networks take, where that is limited and known.
    """

    spec: RunSpec
    folder: RunFolder
    workspace: Workspace
    jobs: Jobs
    budget: Budget
    tracking: Tracking
    run_trials: RunTrials
    slots: Callable[[int], list[Slot]]
    costs: Costs | None = None

    def run(self) -> None:
        """Train what there is time for, and record which trial is kept."""
        default, timing = default_trial(self.spec), known_timing(self.folder, self.spec.trials[0].model_name)
        opinions = [each for each in second_opinion_trials(self.spec) if self._may_fit(default, each.planned)]
        seconds = None if timing is None else DefaultSeconds.of(timing)
        if seconds is not None:
            self.budget.ensemble = seconds.kept(opinions, self.budget.seconds_for_all_trials)
        loop = self._stage([default], self.slots(1))
        result = self.folder.trial(0).result()
        if result is not None and self.spec.iterations > 1 and not _is_averaged(loop):
            probed = self.folder.trial(0).evaluations()[0].seconds
            loop = self._second_opinions(loop, opinions, None if seconds is None else seconds.corrected(result, probed))
            if not loop.time_is_up:
                loop = self._portfolio(loop, result)
            if loop.time_is_up:
                self.folder.message(time_is_up_text(loop.trials))
            loop = self._average(loop) if self.spec.ensemble else loop
        decision = decide(
            self.folder, self._allowed(loop.trials), self.spec.ranking, self.spec.gate, trained=loop.trials
        )
        if decision is not None:
            self.folder.message(decision.reason)
            self.folder.update(decision=decision)

    def _may_fit(self, *planned: PlannedTrial) -> bool:
        """Whether one network of those of some trials may keep the limits of the run."""
        return self.costs is None or self.costs.may_fit(*planned)

    def _allowed(self, trials: Sequence[TrialState]) -> Sequence[TrialState]:
        """The finished trials that keep the limits, each measured; all where there are none, or none keeps them."""
        limits = self.spec.limits
        if not limits.are_set:
            return trials
        board = measured_within(self.folder, limits, self.jobs.finish, seconds=self.budget.seconds_for_measuring)
        kept = {row.trial for row in board}
        return [trial for trial in trials if trial.number in kept] or trials

    def _second_opinions(
        self, loop: TrialLoop, opinions: Sequence[Opinion], seconds: DefaultSeconds | None
    ) -> TrialLoop:
        """Train the heads of other networks, as many as there is time for.

        Args:
            loop: of the stage before.
            opinions: the quickest first.
            seconds: of the default recipe, where they are known.
        """
        self.budget.ensemble = 0.0
        if seconds is not None:
            opinions = seconds.affordable(opinions, self.budget.seconds_for_trials)
            self.budget.ensemble = seconds.of_average(opinions)
        for opinion in opinions:
            least = 0.0 if seconds is None else seconds.of_opinion(opinion)
            loop = self._stage(_planned(loop, opinion.planned), self.slots(1), least_seconds=least)
        return loop

    def _average(self, loop: TrialLoop) -> TrialLoop:
        """Average networks, if there are several, none of them is clearly better alone, and there is time.

        Args:
            loop: of the stage before.
        """
        self.budget.ensemble = 0.0
        planned = planned_average(self.folder, self.spec, self.jobs.dataset, loop.trials, self._may_fit)
        if planned is None:
            return loop
        if isinstance(planned, str):
            self.folder.message(f"no networks are averaged: {planned}")
            return loop
        loop = self._stage(_planned(loop, planned), self.slots(1), least_seconds=needed_seconds(self.folder, planned))
        if not _is_averaged(loop):
            self.folder.message(f"no time was left for the {planned.role}")
        return loop

    def _portfolio(self, loop: TrialLoop, result: TrialResult) -> TrialLoop:
        """Probe candidates and train the portfolio in their order.

        Args:
            loop: of the stage before.
            result: of the default recipe.
        """
        default = self.spec.trials[0].hyperparameters
        seconds = probing_seconds(self.budget.seconds_for_trials, result.seconds)
        probes = probe_candidates(self.jobs, self.slots(1)[0], seconds, self._may_fit)
        self.folder.update(probes=probes)
        self.tracking.artifacts(PARENT, self.folder.path / PROBES_FILE)
        dataset = self.jobs.dataset
        suggested = suggestions(dataset, default) if has_objects(self.spec.task) else []
        known = experience(self.workspace.history.usable(), data_facts(dataset), self.spec.task)
        candidates = candidate_trials(self.spec, probes, result.learning_rate, suggested=suggested, known=known)
        planned = [trial for trial in candidates if self._may_fit(trial)]
        if self.costs is not None and len(planned) < len(candidates):
            too_much = "; ".join(self.costs.text(trial) for trial in candidates if trial not in planned)
            self.folder.message(f"not trained, for {self.spec.limits.text} are wanted: {too_much}")
        learnt = known.sentence([trial.role for trial in planned])
        if learnt is not None:
            self.folder.message(learnt)
        policy = automode_policy(self.spec, len(self.folder.trial(0).evaluations()) - 1)
        return self._stage(_planned(loop, *planned)[: self.spec.iterations], self.slots(self.spec.concurrent), policy)

    def _stage(
        self,
        planned: Sequence[PlannedTrial],
        slots: list[Slot],
        policy: Policy | None = None,
        least_seconds: float | None = None,
    ) -> TrialLoop:
        """Run those of some trials that were not run before.

        Args:
            planned: all trials up to the end of the stage.
            slots: shares of the machine.
            policy: stops poor trials; by default none is stopped.
            least_seconds: as for `RunTrials`.
        """
        return self.run_trials(self.jobs, FixedTrials(planned), policy or NoTerminationPolicy(), slots, least_seconds)


def _planned(loop: TrialLoop, *more: PlannedTrial) -> list[PlannedTrial]:
    """The trials so far, and those of some more that are not among them."""
    known = [trial.planned for trial in loop.trials]
    return known + [trial for trial in more if trial not in known]


def _is_averaged(loop: TrialLoop) -> bool:
    """Whether the last stage was reached before an interruption."""
    return any(trial.planned.members for trial in loop.trials)
