"""The controller of a run: prepares the data, runs the trials, packages the best, and records all of it.

It runs in a process of its own (`python -m automl_vision.sweeps FOLDER`), so that a run outlives the session that
submitted it. Whatever it needs to go on is in the run's folder: after a crash it is started again and continues.
"""

from __future__ import annotations

import logging
import math
import os
import sys
import time
import traceback
from pathlib import Path

from automl_vision.compute.compute import Job, Slot
from automl_vision.compute.targets import create_compute
from automl_vision.core.errors import AutoMLVisionError, DataError, RunFailedError
from automl_vision.core.files import read_json, write_json
from automl_vision.data.dataset import Dataset
from automl_vision.data.pixel_cache import open_pixels
from automl_vision.models.names import has_bundled_weights
from automl_vision.sweeps.automode.portfolio import planned_candidate, portfolio, probed_candidates
from automl_vision.sweeps.automode.promotion import decide
from automl_vision.sweeps.automode.search import AutoModeTrials, automode_policy
from automl_vision.sweeps.budget import Budget, Timing, note_packaging, packaging_seconds, plan_text
from automl_vision.sweeps.leaderboard import read_leaderboard
from automl_vision.sweeps.loop import CanceledError, TrialLoop
from automl_vision.sweeps.policies import NoTerminationPolicy, Policy
from automl_vision.sweeps.publish import PARENT, Publisher, final_metrics, published
from automl_vision.sweeps.samplers import BayesianParameterSampling, search_space
from automl_vision.sweeps.sources import FixedTrials, SampledTrials, TrialSource
from automl_vision.sweeps.space import most_configurations
from automl_vision.sweeps.spec import PlannedTrial, SweepSpec
from automl_vision.tasks.detector_input import kept_size
from automl_vision.training.spec import TrialSpec
from automl_vision.workspace.run_folder import WITH_RESULT, RunFolder, TrialFolder
from automl_vision.workspace.workspace import Workspace

PRELOAD = ("automl_vision.training.trial", "automl_vision.packaging.package")

_POLL = 0.1  # seconds
_PROBING_SHARE = 0.15  # of the time that is left after the default recipe
_PROBING_SECONDS = 60.0  # for all probes, if the default recipe was quicker than that
_TIMED_MODELS = 3  # algorithms whose first steps are timed before a sweep


def run_sweep(folder: RunFolder) -> None:
    """Work on a run until it is completed, failed or canceled; what was done before is not done again.

    Raises:
        WorkspaceError: another process works on the run.
    """
    with folder.hold():
        spec = SweepSpec.model_validate(folder.spec())
        with published(folder, spec) as publisher:
            _Controller(folder, spec, publisher).work()


class _Controller:
    """A run at work; `work` calls the steps in order."""

    def __init__(self, folder: RunFolder, spec: SweepSpec, publisher: Publisher) -> None:
        self.folder, self.spec, self.publisher = folder, spec, publisher
        self.tracking = publisher.tracking
        self.workspace = Workspace(spec.workspace)
        self.compute = create_compute(spec.compute_target, PRELOAD)
        self.budget = Budget(
            spec.budget_seconds,
            float(folder.status().get("seconds", 0.0)),
            packaging_seconds(self.workspace.cache_path, spec.task),
        )

    def work(self) -> None:
        """Prepare, train, package; record how it ended."""
        self.folder.update_status(started=time.time(), reason=None, pid=os.getpid())
        try:
            self.publisher.run_started(self.spec)
            self.compute.warm_up()
            self._set_status("Preparing")
            dataset = self._prepare()
            self._set_status("Running")
            self._run_trials(dataset)
            self._set_status("Finalizing")
            self._package_best()
            self.publisher.finish("FINISHED")
            self._end("Completed")
        except CanceledError:
            self.tracking.end(PARENT, "KILLED")
            self._end("Canceled", reason="canceled by the user")
        except AutoMLVisionError as error:
            self.tracking.end(PARENT, "FAILED")
            self._end("Failed", reason=str(error))
        except Exception as error:
            traceback.print_exc()
            self.tracking.end(PARENT, "FAILED")
            self._end("Failed", reason=f"{type(error).__name__}: {error}")
        finally:
            self.compute.close()

    def _prepare(self) -> Dataset:
        """Decode every image once, leave out what is broken, and give every image a split."""
        if self.folder.manifest.exists():
            return Dataset.load(self.folder.manifest)
        opened = Dataset.load(self.spec.manifest)
        hyperparameters = self.spec.trials[0].hyperparameters

        def progress(done: int, total: int) -> None:
            if self.folder.cancel_requested():
                raise CanceledError
            if done == total or done % 64 == 0:
                self.folder.progress("decoding", done, total)

        pixels = open_pixels(opened, kept_size(opened, hyperparameters), self.workspace.cache_path, progress=progress)
        dataset = opened.excluding(pixels.problems)
        dataset.require_usable(max_bad_share=self.spec.max_bad_share)
        if (opened.splits == "val").any() and not (dataset.splits == "val").any():
            raise DataError(f"no validation image can be used; {dataset.report}")
        dataset = dataset.with_validation(hyperparameters.split_ratio, seed=self.spec.seed)
        dataset.save(self.folder.manifest)
        write_json(self.folder.path / "left_out.json", dataset.report.to_json())
        counts = ", ".join(f"{count} {split}" for split, count in dataset.summary()["images"].items())
        version = f"{self.spec.data_version}: " if self.spec.data_version else ""
        self.folder.message(f"{version}{len(dataset.classes)} classes, images: {counts}; {dataset.report}")
        self.tracking.artifacts(PARENT, self.folder.manifest)
        self.tracking.artifacts(PARENT, self.folder.path / "left_out.json")
        return dataset

    def _run_trials(self, dataset: Dataset) -> None:
        """Run every trial to its end; a failed one stops nothing."""
        if self.spec.automode:
            self._search(dataset)
            return
        slots = self._slots(self.spec.concurrent)
        if self.spec.is_sweep and not self.folder.planned_trials():
            self._tell_plan(dataset, slots)
        ends_early = not isinstance(self.spec.termination, NoTerminationPolicy)
        if ends_early and isinstance(self.spec.search, BayesianParameterSampling):
            self.folder.message("note: Bayesian sampling takes the score of a trial that is ended early for its best")
        self._loop(dataset, self._source(), self.spec.termination, slots)

    def _slots(self, wanted: int) -> list[Slot]:
        return self.compute.slots(wanted, threads=self.spec.threads, processes=self.spec.processes)

    def _search(self, dataset: Dataset) -> None:
        """AutoMode: the default recipe with all of the machine, then the portfolio if there is time, then the test."""
        alone = self._slots(1)
        if not self.folder.planned_trials():
            self._tell_plan(dataset, alone)
        policy = automode_policy(self.spec)
        loop = self._loop(dataset, AutoModeTrials(self.spec, {}, None), policy, alone)
        result = self.folder.trial(0).result()
        if result is not None and not loop.time_is_up and self.spec.iterations > 1:
            slots = self._slots(self.spec.concurrent)
            probes = self._probe(dataset, alone[0], float(result["seconds"]))
            loop = self._loop(dataset, AutoModeTrials(self.spec, probes, result["learning_rate"]), policy, slots)
        decision = decide(self.folder, loop.trials, self.spec.primary_metric)
        if decision is not None:
            self.folder.message(decision.reason)
            self.folder.update_status(decision=decision.to_json())

    def _probe(self, dataset: Dataset, slot: Slot, default_seconds: float) -> dict[str, float]:
        """Scores of linear probes on the candidates' frozen features, as far as a share of the time goes."""
        file = self.folder.path / "probes.json"
        if file.exists():
            known: dict[str, float] = read_json(file)
            return known
        base, scores = self.spec.trials[0], {}
        candidates = probed_candidates(base, self.spec.task, self.spec.arguments)
        hub = True
        end = self.budget.spent + min(
            _PROBING_SHARE * self.budget.seconds_for_trials, max(_PROBING_SECONDS, default_seconds)
        )
        for number, candidate in enumerate(candidates):
            planned = planned_candidate(candidate, base, self.spec.task, self.spec.arguments)
            if (
                planned is None
                or self.budget.spent > end
                or (not hub and not has_bundled_weights(candidate.model_name))
            ):
                continue
            self.folder.progress(f"probing {candidate.key}", number, len(candidates))
            folder = self.folder.path / "probes" / str(number)
            spec = self._trial_spec(folder, planned, slot, dataset, max(1.0, end - self.budget.spent)).model_dump()
            job = Job("automl_vision.training.job:probe_trial", {"spec": spec}, folder)
            reason = self._finish_job(job, slot, seconds=end - self.budget.spent)
            if reason is None:
                scores[candidate.key] = float(read_json(folder / "probe.json")["score"])
                self.folder.message(f"probe of {candidate.key}: {self.spec.primary_metric} {scores[candidate.key]:.4f}")
            else:
                hub = hub and "hub" not in reason
        write_json(file, scores)
        return scores

    def _loop(self, dataset: Dataset, source: TrialSource, policy: Policy, slots: list[Slot]) -> TrialLoop:
        """Run a source's trials to their ends."""

        def make_job(trial: TrialFolder, planned: PlannedTrial, slot: Slot, seconds: float) -> Job:
            evaluations = trial.evaluations()
            seconds += evaluations[-1]["seconds"] if evaluations else 0.0  # a trial counts its own earlier work too
            spec = self._trial_spec(trial.path, planned, slot, dataset, seconds)
            return Job("automl_vision.training.job:run_trial", {"spec": spec.model_dump()}, trial.path)

        loop = TrialLoop(
            task=self.spec.task,
            folder=self.folder,
            compute=self.compute,
            slots=slots,
            source=source,
            policy=policy,
            metric=self.spec.primary_metric,
            make_job=make_job,
            budget=self.budget,
            observer=self.publisher,
        )
        loop.run()
        if self.spec.is_sweep and loop.time_is_up:
            self.folder.message(f"trials: {len(loop.trials)}; no further one fits into the time that is left")
        return loop

    def _source(self) -> TrialSource:
        base = self.spec.trials[0]
        if self.spec.automode:
            return AutoModeTrials(self.spec, {}, None)
        if self.spec.search is None:
            return FixedTrials(self.spec.trials)
        return SampledTrials(self.spec.search, base, self.spec.arguments, self.spec.task, self.spec.iterations)

    @property
    def _wanted(self) -> int:
        """How many trials there are at most."""
        base, search = self.spec.trials[0], self.spec.search
        if search is not None:
            return most_configurations(search_space(search), self.spec.iterations)
        probes = {c.key: 0.0 for c in probed_candidates(base, self.spec.task, self.spec.arguments)}
        return min(self.spec.iterations, 1 + len(portfolio(base, self.spec.task, self.spec.arguments, probes)))

    def _trial_spec(
        self, folder: Path, planned: PlannedTrial, slot: Slot, dataset: Dataset, seconds: float
    ) -> TrialSpec:
        return TrialSpec(
            task=self.spec.task,
            manifest=str(self.folder.manifest),
            fingerprint=dataset.fingerprint,
            model_name=planned.model_name,
            hyperparameters=planned.hyperparameters,
            folder=str(folder),
            cache=str(self.workspace.cache_path),
            seed=self.spec.seed,
            budget_seconds=seconds,
            device=self.compute.device,
            threads=slot.threads,
            processes=self.spec.processes,
            start_from=planned.start_from,
        )

    def _tell_plan(self, dataset: Dataset, slots: list[Slot]) -> None:
        """Time the first steps of the first algorithms that will be tried, and say what fits into the time."""
        source, planned = self._source(), []
        for _ in range(_TIMED_MODELS):
            trial = source.next([])
            planned += [] if trial is None else [trial]
        timings: dict[str, Timing] = {}
        for trial in planned:
            if trial.model_name in timings:
                continue
            folder = self.folder.path / "timing" / trial.model_name
            self.folder.progress("timing", len(timings), len(planned))
            spec = self._trial_spec(folder, trial, slots[0], dataset, 1.0)
            self._finish_job(
                Job("automl_vision.training.job:time_trial", {"spec": spec.model_dump()}, folder), slots[0]
            )
            if (folder / "timing.json").exists():  # an algorithm that cannot be timed fails as a trial, with its reason
                timings[trial.model_name] = Timing(**read_json(folder / "timing.json"))
        if timings:
            epochs = planned[0].hyperparameters.number_of_epochs
            text = plan_text(
                timings,
                epochs=epochs,
                wanted=self._wanted,
                at_once=len(slots),
                seconds=self.budget.seconds_for_trials,
            )
            self.folder.message(text)

    def _finish_job(self, job: Job, slot: Slot | None = None, *, seconds: float = math.inf) -> str | None:
        """Run a job to its end, or end it after some seconds; gives the reason when it failed.

        Raises:
            CanceledError: the user asked to end the run.
        """
        running, end = self.compute.submit(job, slot), time.monotonic() + seconds
        while running.is_running():
            if time.monotonic() > end:
                running.cancel()
                return f"it took more than {seconds:.0f} s"
            if self.folder.cancel_requested():
                running.cancel()
                raise CanceledError
            self.compute.wait([running], _POLL)
        failure = running.failure()
        return None if failure is None else failure.reason

    def _package_best(self) -> None:
        """Turn the best trial into the run's model folder.

        Raises:
            RunFailedError: no trial completed, or the model could not be packaged.
        """
        done = [row for row in read_leaderboard(self.folder) if row.status in WITH_RESULT]
        if not done:
            reasons = "; ".join(f"trial {t.number}: {t.status().get('reason')}" for t in self.folder.trials())
            raise RunFailedError(f"no trial completed ({reasons})")
        decision = self.folder.status().get("decision")
        best = self.folder.trial(done[0].trial if decision is None else decision["trial"])
        provenance = {"experiment": self.spec.experiment, "run": self.folder.id, "trial": best.number}
        arguments = {
            "trial": str(best.path), "destination": str(self.folder.model), "provenance": provenance,
        }  # fmt: skip
        if self._packaged_trial() != best.number:
            self.folder.progress("packaging", 0, 1)
            start = time.monotonic()
            reason = self._finish_job(
                Job("automl_vision.packaging.job:run_package", arguments, self.folder.path / "packaging")
            )
            if reason is not None:
                raise RunFailedError(f"the best trial could not be packaged: {reason}")
            note_packaging(self.workspace.cache_path, self.spec.task, time.monotonic() - start)
        self.folder.update_status(best_trial=best.number)
        self.tracking.metrics(PARENT, final_metrics(best), step=0, when=time.time())
        self.tracking.artifacts(PARENT, self.folder.model, under="model")

    def _packaged_trial(self) -> int | None:
        """The trial that the run's model folder holds."""
        file = self.folder.model / "model.json"
        return read_json(file).get("provenance", {}).get("trial") if file.exists() else None

    def _set_status(self, status: str) -> None:
        self.folder.update_status(status=status, seconds=self.budget.spent)

    def _end(self, status: str, *, reason: str | None = None) -> None:
        if reason:
            self.folder.message(f"the run ended: {reason}")
        self.folder.clear_cancel()
        self.folder.update_status(status=status, reason=reason, ended=time.time(), seconds=self.budget.spent)


def main() -> None:
    """Work on the run whose folder is the first argument."""
    logging.basicConfig(level=logging.WARNING)
    run_sweep(RunFolder(Path(sys.argv[1])))
