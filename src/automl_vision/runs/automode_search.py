"""AutoMode's search in its stages: the default recipe, a second opinion, the portfolio, the average, the decision."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    DefaultTiming,
    needed_seconds,
    planned_average,
)
from automl_vision.runs.budget import few_epochs_seconds, fits_another, time_is_up_text
from automl_vision.runs.costs import Costs
from automl_vision.runs.default_gate import decide
from automl_vision.runs.jobs import Jobs
from automl_vision.runs.measuring import measured_within
from automl_vision.runs.mlflow_observer import PARENT
from automl_vision.runs.past_trials import data_facts
from automl_vision.runs.probing import PROBES_FILE, probe_candidates, probing_seconds
from automl_vision.runs.timing import known_timing
from automl_vision.runs.trial_loop import TrialLoop
from automl_vision.runs.trial_sources import FixedTrials, TrialState
from automl_vision.search.experience import experience
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.workspace.tracking import Tracking
from automl_vision.workspace.workspace import Workspace


@dataclass(kw_only=True)
class AutoModeSearch:
    """The stages of a search without a search space; `run` calls them in order, also after an interruption.

    Attributes:
        jobs: of the run.
        loop: runs the trials of each stage.
        workspace: its history orders the portfolio.
        tracking: gets the probes.
        slots: divides the machine into this many shares, or fewer.
        costs: what networks take, where that is limited and known.
    """

    jobs: Jobs
    loop: TrialLoop
    workspace: Workspace
    tracking: Tracking
    slots: Callable[[int], list[Slot]]
    costs: Costs | None = None

    def __post_init__(self) -> None:
        self.spec, self.folder, self.budget = self.jobs.spec, self.jobs.folder, self.loop.budget
        self._averages = self.spec.ensemble and not has_objects(self.spec.task) and self.spec.iterations > 1

    def run(self) -> None:
        """Train what there is time for, and record which trial is kept."""
        default, timed = default_trial(self.spec), known_timing(self.folder, self.spec.trials[0].model_name)
        opinions = [each for each in second_opinion_trials(self.spec) if self._may_fit(default, each.planned)]
        timing = None if timed is None else DefaultTiming.of(timed)
        if timing is not None and self._averages:
            self.budget.ensemble = timing.kept(opinions, self.budget.seconds_for_all_trials)
        self.loop.run(FixedTrials([default]), self.slots(1))
        if self.costs is not None:
            self.costs.note(self.folder.trial(0))
        result = self.folder.trial(0).result()
        if result is not None and self.spec.iterations > 1:
            average = next((trial.planned for trial in self.loop.trials if trial.planned.members), None)
            if average is None:
                probed = self.folder.trial(0).evaluations()[0].seconds
                self._second_opinions(opinions, None if timing is None else timing.corrected(result, probed))
                self._portfolio(result)
                average = self._planned_average()
            if average is not None:
                self._average(average)
        trials = self.loop.trials
        decision = decide(self.folder, self._allowed(trials), self.spec.ranking, self.spec.gate, trained=trials)
        if decision is not None and decision != self.folder.record().decision:  # a resumed run has said it
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

    def _second_opinions(self, opinions: Sequence[Opinion], timing: DefaultTiming | None) -> None:
        """Train the heads of other networks, as many as there is time for.

        Args:
            opinions: the quickest first.
            timing: of the default recipe, where it is known.
        """
        self.budget.ensemble = 0.0
        if timing is not None and self._averages:
            opinions = timing.affordable(opinions, self.budget.seconds_for_trials)
            self.budget.ensemble = timing.of_average(opinions)
        for opinion in opinions:
            least = 0.0 if timing is None else timing.of_opinion(opinion)
            self.loop.run(FixedTrials([opinion.planned]), self.slots(1), least_seconds=least)

    def _portfolio(self, result: TrialResult) -> None:
        """Probe candidates and train the portfolio, if there is time for one and the run wants more trials.

        Args:
            result: of the default recipe.
        """
        loop, begun = self.loop, [trial for trial in self.loop.trials[1:] if not trial.planned.head_only]
        more = max(0, self.spec.iterations - len(loop.trials))
        if not more and all(trial.status.is_final for trial in begun):
            return
        seconds = self.budget.seconds_for_trials
        evaluations, wanted = self.folder.trial(0).evaluations(), self.spec.trials[0].hyperparameters.number_of_epochs
        least = few_epochs_seconds(evaluations, result.final_seconds, wanted)
        fits = seconds >= least and fits_another(loop.trials, seconds)
        if fits:
            planned = [trial.planned for trial in begun]
            planned += [each for each in self._candidates(result) if each not in planned][:more]
            policy = automode_policy(self.spec, len(evaluations) - 1)
            loop.run(FixedTrials(planned), self.slots(self.spec.concurrent), policy=policy)
        if loop.time_is_up or not fits:
            self.folder.message(time_is_up_text(loop.trials))

    def _candidates(self, result: TrialResult) -> list[PlannedTrial]:
        """The portfolio, in the order of probes, of what the data suggest and of earlier trials.

        Args:
            result: of the default recipe.
        """
        default, dataset = self.spec.trials[0].hyperparameters, self.jobs.dataset
        seconds = probing_seconds(self.budget.seconds_for_trials, result.seconds)
        probes = probe_candidates(self.jobs, self.slots(1)[0], seconds, self._may_fit)
        self.folder.update(probes=probes)
        self.tracking.artifacts(PARENT, self.folder.path / PROBES_FILE)
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
        return planned

    def _planned_average(self) -> PlannedTrial | None:
        """The average of the best networks; None if none is wanted, or one network is clearly better alone."""
        if not self._averages:
            return None
        planned = planned_average(self.folder, self.spec, self.jobs.dataset, self.loop.trials, self._may_fit)
        if isinstance(planned, str):
            self.folder.message(f"no networks are averaged: {planned}")
            return None
        return planned

    def _average(self, planned: PlannedTrial) -> None:
        """Average networks, if there is time.

        Args:
            planned: what is averaged.
        """
        self.budget.ensemble = 0.0
        least = needed_seconds(self.folder, planned, self.loop.trials)
        self.loop.run(FixedTrials([planned]), self.slots(1), least_seconds=least)
        if self.loop.time_is_up:
            self.folder.message(f"no time was left for the {planned.role}")
