"""The controller of a run: prepares the data, runs the trials, packages the best, measures all, and records everything.

It runs in its own process (`python -m automl_vision.runs FOLDER`), so that a run outlives the session that submitted
it. Everything it needs to continue after a crash is in the run's folder.
"""

from __future__ import annotations

import os
import shutil
import time
import traceback
from dataclasses import replace
from pathlib import Path

from automl_vision.compute.compute import Compute, Job, Slot
from automl_vision.compute.targets import create_compute
from automl_vision.core.errors import AutoMLVisionError, DataError, RunFailedError
from automl_vision.core.files import read_json, write_json
from automl_vision.core.records import RESULT_FILE, Report, RunStatus
from automl_vision.data.dataset import Dataset
from automl_vision.data.pixel_cache import open_pixels
from automl_vision.data.usability import require_usable
from automl_vision.recipes.detector_input import decide_geometry, kept_size
from automl_vision.runs.automode import default_trial
from automl_vision.runs.automode_search import AutoModeSearch
from automl_vision.runs.board_reader import read_leaderboard
from automl_vision.runs.budget import (
    Budget,
    plan_text,
    time_is_up_text,
)
from automl_vision.runs.costs import Costs, limited
from automl_vision.runs.jobs import Jobs
from automl_vision.runs.limits import within
from automl_vision.runs.measuring import measure_trials, measured_within
from automl_vision.runs.mlflow_observer import PARENT, Publisher, final_metrics, published
from automl_vision.runs.past_trials import past_trials
from automl_vision.runs.plan import wanted_trials
from automl_vision.runs.spec import RunSpec, read_run_spec
from automl_vision.runs.timing import time_first_steps, timing_seconds
from automl_vision.runs.trial_loop import CanceledError, TrialLoop
from automl_vision.runs.trial_sources import FixedTrials, SampledTrials, TrialSource
from automl_vision.runs.waiting import BY_USER
from automl_vision.search.policies import NoTerminationPolicy
from automl_vision.search.samplers import BayesianParameterSampling
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder
from automl_vision.workspace.workspace import Workspace

PRELOAD = (
    "automl_vision.training.trial",
    "automl_vision.packaging.package",
    # what these import when they need it: 1.2 s once per run instead of once per trial and export; names that another
    # version of a library does not have are passed over; none of them starts a thread, as ONNX Runtime does
    "pyarrow.dataset",
    "scipy.optimize",
    "torchvision.transforms.v2",
    "onnxscript.function_libs.torch_lib.ops",
    "torch._functorch.aot_autograd",
    "torch.onnx._internal.exporter._core",
)
"""What the processes of a run's jobs have loaded before they start."""

_SHOWN_REASONS = 5  # of failed trials
_REFIT_GRACE = 15.0  # seconds that a refit, which ends itself, may be late: for its start, and an average's last step
_TIMED_MODELS = 3  # algorithms whose first steps are timed before a sweep


def work_on_run(folder: RunFolder, lock: int | None = None) -> None:
    """Work on a run until it is completed, failed or canceled; finished work is not repeated.

    Args:
        folder: of the run.
        lock: the run's lock, inherited from the process that prepared the run; None takes it here.

    Raises:
        WorkspaceError: another process works on the run.
        RunNotFoundError: the run's folder was deleted meanwhile.
    """
    with folder.lock.hold(lock):
        try:
            spec = read_run_spec(folder.id, folder.spec())
            compute = create_compute(spec.compute_target, PRELOAD)
        except AutoMLVisionError as error:  # nothing has begun
            folder.update(status=RunStatus.FAILED, reason=str(error), ended=time.time())
            return
        with published(folder, spec) as publisher:
            _Controller(folder, spec, compute, publisher).work()


class _Controller:
    """An active run; `work` calls the steps in order."""

    def __init__(self, folder: RunFolder, spec: RunSpec, compute: Compute, publisher: Publisher) -> None:
        self.folder, self.spec, self.compute, self.publisher = folder, spec, compute, publisher
        self.tracking = publisher.tracking
        self.workspace = Workspace(spec.workspace)
        self.budget = Budget.of(spec, spent_before=folder.record().seconds)

    def work(self) -> None:
        """Prepare, train, package, measure; record how it ended.

        Raises:
            RunNotFoundError: the run's folder was deleted.
        """
        self.folder.update(started=time.time(), reason=None, in_line=None, pid=os.getpid())
        if self.spec.version_note is not None:
            self.folder.message(self.spec.version_note)
        try:
            self._work()
            self._end(RunStatus.COMPLETED)
        except CanceledError:
            self.tracking.end(PARENT, "KILLED")
            self._end(RunStatus.CANCELED, reason=BY_USER)
        except AutoMLVisionError as error:
            self.tracking.end(PARENT, "FAILED")
            self._end(RunStatus.FAILED, reason=str(error))
        except Exception as error:
            traceback.print_exc()
            self.tracking.end(PARENT, "FAILED")
            self._end(RunStatus.FAILED, reason=f"{type(error).__name__}: {error}")
        finally:
            self.compute.close()

    def _work(self) -> None:
        """The steps, beginning where the run was interrupted."""
        self.publisher.run_started(self.spec)
        if self.folder.cancel_request.is_set():
            raise CanceledError
        if self._packaged_trial() is None:  # otherwise there may be no job left to run
            self.compute.warm_up()
        self._set_status(RunStatus.PREPARING)
        if self.spec.start_reason and not self.folder.manifest.exists():
            self.folder.message(f"{self.spec.trials[0].model_name} is the default here: {self.spec.start_reason}")
        dataset = self._prepare()
        jobs = Jobs(self.spec, self.folder, self.compute, dataset, self.workspace.cache_path)
        self._set_status(RunStatus.RUNNING)
        self.spec, costs = (self.spec, None) if self.spec.sampling is not None else limited(jobs)
        jobs = replace(jobs, spec=self.spec)
        self._run_trials(jobs, costs)
        self._set_status(RunStatus.FINALIZING)
        self._package_best(jobs)
        measure_trials(self.folder, jobs.finish, seconds=self.budget.seconds_for_measuring)
        self.workspace.history.add(past_trials(self.folder, self.spec, dataset))
        self.publisher.finish("FINISHED")

    def _prepare(self) -> Dataset:
        """Decode every image once, leave out what is broken, and give every image a split."""
        if self.folder.manifest.exists():
            return Dataset.load(self.folder.manifest)
        dataset = self._usable(Dataset.load(self.spec.manifest))
        dataset.save(self.folder.manifest)
        write_json(self.folder.path / "left_out.json", dataset.report.to_json())
        counts = ", ".join(f"{count} {split}" for split, count in dataset.summary()["images"].items())
        version = f"{self.spec.data_version}: " if self.spec.data_version else ""
        self.folder.message(f"{version}{len(dataset.classes)} classes, images: {counts}; {dataset.report}")
        self.tracking.artifacts(PARENT, self.folder.manifest)
        self.tracking.artifacts(PARENT, self.folder.path / "left_out.json")
        return dataset

    def _usable(self, opened: Dataset) -> Dataset:
        """The dataset with its splits and without broken images, each decoded at the size that trials will look for.

        A detector's size follows from the training images, and which of them are broken is known once they are decoded.
        Where the images that are left ask for another size, which is rare, they are decoded again.

        Raises:
            CanceledError: the user asked to end the run.
            DataError: too few images can be used.
        """
        hyperparameters = self.spec.trials[0].hyperparameters

        def progress(done: int, total: int) -> None:
            if self.folder.cancel_request.is_set():
                raise CanceledError
            if done == total or done % 64 == 0:
                self.folder.progress("decoding", done, total)

        dataset, size = opened.with_validation(hyperparameters.split_ratio, seed=self.spec.seed), None
        while size != (wanted := kept_size(hyperparameters, decide_geometry(dataset, hyperparameters))):
            size = wanted
            pixels = open_pixels(opened, size, self.workspace.cache_path, progress=progress)
            dataset = opened.excluding(pixels.problems)
            require_usable(dataset, max_bad_share=self.spec.max_bad_share)
            if (opened.splits == "val").any() and not (dataset.splits == "val").any():
                raise DataError(f"no validation image can be used; {dataset.report}")
            dataset = dataset.with_validation(hyperparameters.split_ratio, seed=self.spec.seed)
        return dataset

    def _run_trials(self, jobs: Jobs, costs: Costs | None) -> None:
        """Run every trial to its end; a failed trial does not stop the others."""
        slots = self._slots(1 if self.spec.automode else self.spec.concurrent)
        if self.spec.is_sweep and not self.folder.trials(planned=True):
            self._show_plan(jobs, slots)
        loop = TrialLoop(
            task=self.spec.task,
            folder=self.folder,
            compute=self.compute,
            ranking=self.spec.ranking,
            make_job=jobs.train,
            budget=self.budget,
            observer=self.publisher,
        )
        if self.spec.automode:
            AutoModeSearch(
                jobs=jobs, loop=loop, workspace=self.workspace, tracking=self.tracking, slots=self._slots, costs=costs
            ).run()
            return
        ends_early = not isinstance(self.spec.termination, NoTerminationPolicy)
        if ends_early and isinstance(self.spec.search, BayesianParameterSampling):
            self.folder.message("note: Bayesian sampling takes the score of a trial that is ended early for its best")
        loop.run(self._source(), slots, policy=self.spec.termination)
        if costs is not None:
            costs.note(self.folder.trial(0))
        if self.spec.sampling is not None and loop.time_is_up:
            self.folder.message(time_is_up_text(loop.trials))

    def _slots(self, wanted: int) -> list[Slot]:
        return self.compute.slots(wanted, threads=self.spec.threads, processes=self.spec.processes)

    def _source(self) -> TrialSource:
        if self.spec.automode:
            return FixedTrials([default_trial(self.spec)])
        if self.spec.search is None:
            return FixedTrials(self.spec.trials)
        return SampledTrials(
            self.spec.search, self.spec.trials[0], self.spec.arguments, self.spec.task, self.spec.iterations
        )

    def _show_plan(self, jobs: Jobs, slots: list[Slot]) -> None:
        """Time the first steps of the first algorithms to be tried, and say what fits into the time."""
        source = self._source()
        planned = [trial for trial in (source.next([]) for _ in range(_TIMED_MODELS)) if trial is not None]
        seconds = timing_seconds(self.budget.seconds_for_trials)
        timings = time_first_steps(jobs, planned, slots[0], seconds)
        if not timings:
            self.folder.message(f"plan: how much fits is not known, because no first step ended within {seconds:.0f} s")
            return
        text = plan_text(
            timings,
            epochs=planned[0].hyperparameters.number_of_epochs,
            wanted=wanted_trials(self.spec),
            at_once=len(slots),
            seconds=self.budget.seconds_for_trials,
        )
        self.folder.message(text)

    def _package_best(self, jobs: Jobs) -> None:
        """Turn the best trial into the run's model folder.

        Raises:
            RunFailedError: no trial completed, or the model could not be packaged.
        """
        done = [row for row in read_leaderboard(self.folder) if row.status.has_result]
        if not done:
            raise RunFailedError(_without_result(self.folder))
        decision, limits = self.folder.record().decision, self.spec.limits
        if decision is None and limits.are_set:
            seconds = self.budget.seconds_for_measuring
            done = list(measured_within(self.folder, limits, jobs.finish, seconds=seconds)) or done
        best = self.folder.trial(done[0].trial if decision is None else decision.trial)
        provenance = {"experiment": self.spec.experiment, "run": self.folder.id, "trial": best.number}
        if self._packaged_trial() != best.number:
            trial, notes = self._refit(jobs, best) if self.spec.refit_full else (best.path, [])
            if limits.are_set:
                notes.insert(0, within(read_leaderboard(self.folder), limits).note)
            self.folder.update(model_notes=notes)
            arguments = {"trial": str(trial), "destination": str(self.folder.model), "provenance": provenance}
            self.folder.progress("packaging", 0, 1)
            reason = jobs.finish(
                Job("automl_vision.packaging.job:run_package", arguments, self.folder.path / "packaging")
            )
            if reason is not None:
                raise RunFailedError(f"the best trial could not be packaged: {reason}")
        self.folder.update(best_trial=best.number)
        self.tracking.metrics(PARENT, final_metrics(self._model_reports()), step=0, when=time.time())
        self.tracking.artifacts(PARENT, self.folder.model, under="model")

    def _refit(self, jobs: Jobs, best: TrialFolder) -> tuple[Path, list[str]]:
        """Train the best network on the validation images too.

        Returns:
            The folder of the trial to package, and what came of it in a sentence.
        """
        folder, place, reason = jobs.refit_folder(best), best.path, None
        if not (folder / RESULT_FILE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            reason = self._train_further(jobs, best)
        if reason is None:
            place, images = folder, int((jobs.dataset.splits == "val").sum())
            has_test = bool((jobs.dataset.splits == "test").any())
            trained = f"the model is trial {best.number}, trained on the {images} validation images too"
            its_own = ", the model card its own of the test images" if has_test else ""
            note = f"{trained}; the board has its figures from before{its_own}"
        else:
            note = f"trial {best.number} was not trained on the validation images too: {reason}"
        self.folder.message(note)
        return place, [note]

    def _train_further(self, jobs: Jobs, best: TrialFolder) -> str | None:
        """Returns the reason if the network could not be trained on the validation images too."""
        seconds = self.budget.seconds_for_refit
        if seconds <= 0:
            return "no time is left for it"
        self.folder.progress("training on validation images too", 0, 1)
        return jobs.finish(jobs.refit(best, seconds), seconds=seconds + _REFIT_GRACE)

    def _packaged_trial(self) -> int | None:
        """The trial that the run's model folder holds."""
        file = self.folder.model / "model.json"
        return read_json(file).get("provenance", {}).get("trial") if file.exists() else None

    def _model_reports(self) -> dict[str, Report]:
        """What the model folder says of its model, by split; a refitted one has its own figures of test images."""
        reports = read_json(self.folder.model / "model.json")["metrics"]
        return {split: Report.model_validate(report) for split, report in reports.items()}

    def _set_status(self, status: RunStatus) -> None:
        self.folder.update(status=status, seconds=self.budget.spent)

    def _end(self, status: RunStatus, *, reason: str | None = None) -> None:
        if reason:
            self.folder.message(f"the run ended: {reason}")
        self.folder.cancel_request.clear()
        self.folder.update(status=status, reason=reason, ended=time.time(), seconds=self.budget.spent)


def _without_result(folder: RunFolder) -> str:
    """Say in a sentence why no trial has a result, with the first of many reasons."""
    failed: dict[str, int] = {}  # the first trial that failed for a reason
    for trial in folder.trials():
        failed.setdefault(trial.record().reason or "it did not end", trial.number)
    if not failed:
        return "no trial was started: the search space gave no configuration that is allowed"
    reasons = "; ".join(f"trial {number}: {reason}" for reason, number in list(failed.items())[:_SHOWN_REASONS])
    more = f"; and {len(failed) - _SHOWN_REASONS} more reasons" if len(failed) > _SHOWN_REASONS else ""
    return f"no trial completed ({reasons}{more})"
