"""The jobs of a run: trials to train, to time and to probe; and waiting for a job that the run needs to go on."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from automl_vision.compute.compute import Compute, Failure, Job, Slot
from automl_vision.core.files import read_json, write_json
from automl_vision.core.records import SPEC_FILE
from automl_vision.data.dataset import Dataset
from automl_vision.recipes.detector_input import decide_geometry
from automl_vision.recipes.trial_spec import TrialSpec
from automl_vision.runs.spec import RunSpec
from automl_vision.runs.trial_loop import CanceledError
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder

_POLL = 0.1  # seconds
_PACKAGED_IMAGES = 120  # that packaging predicts: to prove the export, to measure it, and for the reference


@dataclass(frozen=True)
class Jobs:
    """Makes the jobs of a run, and runs single ones.

    Attributes:
        spec: of the run.
        folder: of the run.
        compute: where jobs run.
        dataset: as it was prepared: with its splits, without broken images. Each trial's geometry is decided from it.
        cache: folder of pixel caches and device measurements.
    """

    spec: RunSpec
    folder: RunFolder
    compute: Compute
    dataset: Dataset
    cache: Path

    def train(self, trial: TrialFolder, planned: PlannedTrial, slot: Slot, seconds: float) -> Job:
        """Train a trial, or go on with it, in the seconds that are left."""
        evaluations = trial.evaluations()
        seconds += evaluations[-1].seconds if evaluations else 0.0  # a trial counts its own earlier work too
        return self._job("run_trial", trial.path, planned, slot, seconds)

    def measure(self, folder: Path, planned: PlannedTrial, slot: Slot) -> Job:
        """Time the first steps of a trial; its spec is kept beside the times."""
        job = self._job("time_trial", folder, planned, slot, 1.0)
        write_json(folder / SPEC_FILE, job.arguments["spec"])
        return job

    def probe(self, folder: Path, planned: PlannedTrial, slot: Slot, seconds: float) -> Job:
        """Score a trial's pretrained features by a linear probe."""
        return self._job("probe_trial", folder, planned, slot, max(1.0, seconds))

    def refit(self, trial: TrialFolder, seconds: float) -> Job:
        """Train the network of a finished trial on the validation images too; it becomes a trial in `refit_folder`."""
        folder = self.refit_folder(trial)
        earlier = TrialSpec.model_validate(read_json(trial.path / SPEC_FILE))
        changes = {"folder": str(folder), "refit_of": str(trial.path), "budget_seconds": seconds}
        spec = earlier.model_copy(update=changes).model_dump()
        write_json(folder / SPEC_FILE, spec)
        return Job("automl_vision.training.job:refit_trial", {"spec": spec}, folder)

    def refit_folder(self, trial: TrialFolder) -> Path:
        """Where the network of a trial is trained on the validation images too."""
        return self.folder.path / "refit" / str(trial.number)

    def measure_network(self, folder: Path, planned: PlannedTrial) -> Job:
        """Measure latency and size of the network that a trial would train; leaves `speed.json` in a folder."""
        spec = self._spec(folder, planned, Slot(0), 1.0)
        arguments = {"spec": spec.model_dump(), "scratch": str(folder / "model")}
        return Job("automl_vision.packaging.job:run_measure_planned", arguments, folder)

    def finish(self, job: Job, slot: Slot | None = None, *, seconds: float = math.inf) -> str | None:
        """Run a job to its end, or cancel it after some seconds; returns the reason if it failed.

        Raises:
            CanceledError: the user asked to end the run.
            RunNotFoundError: the run's folder was deleted.
        """
        failure = self.failure_of(job, slot, seconds=seconds)
        return None if failure is None else failure.reason

    def failure_of(self, job: Job, slot: Slot | None = None, *, seconds: float = math.inf) -> Failure | None:
        """Run a job to its end, or cancel it after some seconds, which is a `TimeoutError`; returns why it failed.

        Raises:
            CanceledError: the user asked to end the run.
            RunNotFoundError: the run's folder was deleted.
        """
        running, end = self.compute.submit(job, slot), time.monotonic() + seconds
        try:
            while running.is_running():
                if time.monotonic() > end:
                    return Failure(f"it took more than {seconds:.0f} s", "", TimeoutError.__name__)
                self.folder.require()
                if self.folder.cancel_request.is_set():
                    raise CanceledError
                self.compute.wait([running], _POLL)
        finally:
            if running.is_running():
                running.cancel()
        return running.failure()

    def _job(self, function: str, folder: Path, planned: PlannedTrial, slot: Slot, seconds: float) -> Job:
        spec = self._spec(folder, planned, slot, seconds)
        return Job(f"automl_vision.training.job:{function}", {"spec": spec.model_dump()}, folder)

    def _spec(self, folder: Path, planned: PlannedTrial, slot: Slot, seconds: float) -> TrialSpec:
        return TrialSpec(
            task=self.spec.task,
            primary_metric=self.spec.primary_metric,
            manifest=str(self.folder.manifest),
            fingerprint=self.dataset.fingerprint,
            model_name=planned.model_name,
            hyperparameters=planned.hyperparameters,
            folder=str(folder),
            cache=str(self.cache),
            seed=self.spec.seed,
            budget_seconds=seconds,
            packaged_images=_PACKAGED_IMAGES,
            device=self.compute.device,
            threads=slot.threads,
            processes=self.spec.processes,
            geometry=decide_geometry(self.dataset, planned.hyperparameters),
            start_from=planned.start_from,
            head_only=planned.head_only,
            members=tuple(str(self.folder.trial(number).path) for number in planned.members),
            shares=planned.shares,
            mirrored=planned.mirrored,
        )
