"""The controller of a run: prepares the data, runs the trials, packages the best, and records all of it.

It runs in a process of its own (`python -m automl_vision.sweeps.run FOLDER`), so that a run outlives the session that
submitted it. Whatever it needs to go on is in the run's folder: after a crash it is started again and continues.
"""

from __future__ import annotations

import logging
import sys
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from automl_vision.compute.compute import Job, RunningJob
from automl_vision.compute.local import LocalCompute
from automl_vision.core.errors import AutoMLVisionError, RunFailedError
from automl_vision.core.files import write_json
from automl_vision.data.dataset import Dataset
from automl_vision.data.pixel_cache import open_pixels
from automl_vision.sweeps.leaderboard import read_leaderboard
from automl_vision.sweeps.spec import PlannedTrial, SweepSpec
from automl_vision.training.spec import TrialSpec
from automl_vision.workspace.run_folder import RunFolder, TrialFolder
from automl_vision.workspace.tracking import Tracking
from automl_vision.workspace.workspace import Workspace

PRELOAD = ("automl_vision.training.trial", "automl_vision.packaging.package")

_POLL = 0.1  # seconds
_PACKAGING_SECONDS = 15.0  # measured for efficientnet_lite0 on two cores: 10 s
_PARENT = "run"  # key of the run itself in the tracking store


class _CanceledError(Exception):
    """The user asked to end the run."""


def run_sweep(folder: RunFolder) -> None:
    """Work on a run until it is completed, failed or canceled; what was done before is not done again.

    Raises:
        WorkspaceError: another process works on the run.
    """
    with folder.hold():
        spec = SweepSpec.model_validate(folder.spec())
        with _tracked(folder, spec) as tracking:
            _Controller(folder, spec, tracking).work()


class _Controller:
    """A run at work; `work` calls the steps in order."""

    def __init__(self, folder: RunFolder, spec: SweepSpec, tracking: Tracking) -> None:
        self.folder, self.spec, self.tracking = folder, spec, tracking
        self.workspace = Workspace(spec.workspace)
        self.compute = LocalCompute(PRELOAD)
        status = folder.status()
        self._spent_before = float(status.get("seconds", 0.0))
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Of work on this run, with that before an interruption."""
        return self._spent_before + time.monotonic() - self._start

    def work(self) -> None:
        """Prepare, train, package; record how it ended."""
        self.folder.update_status(started=time.time(), reason=None)
        self.tracking.start(_PARENT, name=self.folder.id, tags={"automl_vision.run": self.folder.id})
        try:
            self.compute.warm_up()
            self._set_status("Preparing")
            dataset = self._prepare()
            self._set_status("Running")
            for number, planned in enumerate(self.spec.trials):
                self._run_trial(self.folder.trial(number), planned, dataset)
            self._set_status("Finalizing")
            self._package_best()
            self._end("Completed", "FINISHED")
        except _CanceledError:
            self._end("Canceled", "KILLED", reason="canceled by the user")
        except AutoMLVisionError as error:
            self._end("Failed", "FAILED", reason=str(error))
        except Exception as error:
            traceback.print_exc()
            self._end("Failed", "FAILED", reason=f"{type(error).__name__}: {error}")

    def _prepare(self) -> Dataset:
        """Decode every image once, leave out what is broken, and give every image a split."""
        self.tracking.params(_PARENT, {"task": self.spec.task, "budget_seconds": self.spec.budget_seconds})
        if self.folder.manifest.exists():
            return Dataset.load(self.folder.manifest)
        opened = Dataset.load(self.spec.manifest)
        hyperparameters = self.spec.trials[0].hyperparameters

        def progress(done: int, total: int) -> None:
            if self.folder.cancel_requested():
                raise _CanceledError
            if done == total or done % 64 == 0:
                self.folder.progress("decoding", done, total)

        pixels = open_pixels(
            opened, hyperparameters.validation_resize_size, self.workspace.cache_path, progress=progress
        )
        dataset = opened.excluding(pixels.problems)
        dataset.require_usable(max_bad_share=self.spec.max_bad_share)
        dataset = dataset.with_validation(hyperparameters.split_ratio, seed=self.spec.seed)
        dataset.save(self.folder.manifest)
        write_json(self.folder.path / "left_out.json", dataset.report.to_json())
        counts = ", ".join(f"{count} {split}" for split, count in dataset.summary()["images"].items())
        self.folder.message(f"{len(dataset.classes)} classes, images: {counts}; {dataset.report}")
        self.tracking.artifacts(_PARENT, self.folder.manifest)
        self.tracking.artifacts(_PARENT, self.folder.path / "left_out.json")
        return dataset

    def _run_trial(self, trial: TrialFolder, planned: PlannedTrial, dataset: Dataset) -> None:
        """Run one trial to its end, unless it has ended already; a failed one stops nothing."""
        if trial.status()["status"] in ("Completed", "Failed"):
            return
        remaining = self.spec.budget_seconds - self.seconds - _PACKAGING_SECONDS
        spec = TrialSpec(
            task=self.spec.task,
            manifest=str(self.folder.manifest),
            fingerprint=dataset.fingerprint,
            model_name=planned.model_name,
            hyperparameters=planned.hyperparameters,
            folder=str(trial.path),
            cache=str(self.workspace.cache_path),
            seed=self.spec.seed,
            budget_seconds=max(1.0, remaining),
            device=self.spec.device,
            threads=self.spec.threads,
            start_from=planned.start_from,
        )
        trial.write_spec(spec.model_dump())
        key = f"trial {trial.number}"
        self.tracking.start(key, name=f"{self.folder.id}_{trial.number}", parent=_PARENT)
        parameters = {"model_name": spec.model_name, **spec.hyperparameters.model_dump()}
        self.tracking.params(key, {name: value for name, value in parameters.items() if value is not None})
        trial.update_status(status="Running", started=time.time(), reason=None, log=None)
        job = self.compute.submit(Job("automl_vision.training.job:run_trial", {"spec": spec.model_dump()}, trial.path))
        self._watch(job, trial, key)
        failure = job.failure()
        if failure is not None:
            trial.update_status(status="Failed", ended=time.time(), reason=failure.reason, log=failure.log)
            self.folder.message(f"trial {trial.number} failed: {failure.reason}")
        else:
            trial.update_status(status="Completed", ended=time.time())
            self.tracking.metrics(key, _final_metrics(trial), step=0, when=time.time())
        for name in ("metrics.json", "result.json", "log.txt"):
            self.tracking.artifacts(key, trial.path / name)
        self.tracking.end(key, "FAILED" if failure else "FINISHED")

    def _watch(self, job: RunningJob, trial: TrialFolder, key: str) -> None:
        """Publish what a trial reports while it runs.

        Raises:
            _CanceledError: the user asked to end the run; the trial is ended first.
        """
        offset = int(trial.status().get("published", 0))
        running = True
        while running:
            running = job.is_running()
            events, end = trial.events(offset)
            for event in events:
                if event["event"] == "evaluation":
                    self.tracking.metrics(key, _epoch_metrics(event), step=event["epoch"], when=event["time"])
            if end != offset:
                offset = end
                trial.update_status(published=offset)
                self.folder.update_status(seconds=self.seconds)
            if self.folder.cancel_requested():
                job.cancel()
                trial.update_status(status="Canceled", ended=time.time())
                self.tracking.end(key, "KILLED")
                raise _CanceledError
            if running:
                time.sleep(_POLL)

    def _package_best(self) -> None:
        """Turn the best trial into the run's model folder.

        Raises:
            RunFailedError: no trial completed, or the model could not be packaged.
        """
        done = [row for row in read_leaderboard(self.folder) if row.status == "Completed"]
        if not done:
            reasons = "; ".join(f"trial {t.number}: {t.status().get('reason')}" for t in self.folder.trials())
            raise RunFailedError(f"no trial completed ({reasons})")
        best = self.folder.trial(done[0].trial)
        provenance = {"experiment": self.spec.experiment, "run": self.folder.id, "trial": best.number}
        arguments = {
            "trial": str(best.path), "destination": str(self.folder.model), "provenance": provenance,
        }  # fmt: skip
        if not self.folder.model.exists():
            self.folder.progress("packaging", 0, 1)
            job = self.compute.submit(
                Job("automl_vision.packaging.job:run_package", arguments, self.folder.path / "packaging")
            )
            while job.is_running():
                if self.folder.cancel_requested():
                    job.cancel()
                    raise _CanceledError
                time.sleep(_POLL)
            failure = job.failure()
            if failure is not None:
                raise RunFailedError(f"the best trial could not be packaged: {failure.reason}")
        self.folder.update_status(best_trial=best.number)
        self.tracking.metrics(_PARENT, _final_metrics(best), step=0, when=time.time())
        self.tracking.artifacts(_PARENT, self.folder.model, under="model")

    def _set_status(self, status: str) -> None:
        self.folder.update_status(status=status, seconds=self.seconds)

    def _end(self, status: str, tracked: str, *, reason: str | None = None) -> None:
        if reason:
            self.folder.message(f"the run ended: {reason}")
        self.tracking.end(_PARENT, tracked)
        self.folder.clear_cancel()
        self.folder.update_status(status=status, reason=reason, ended=time.time(), seconds=self.seconds)


@contextmanager
def _tracked(folder: RunFolder, spec: SweepSpec) -> Iterator[Tracking]:
    """The run's publisher; its MLflow ids are kept in the run's folder."""
    tracking = Workspace(spec.workspace).tracking(
        spec.experiment,
        known=folder.status().get("mlflow", {}),
        on_ids=lambda ids: folder.update_status(mlflow=ids),
        on_failure=folder.message,
    )
    try:
        yield tracking
    finally:
        tracking.close()


def _epoch_metrics(event: dict[str, Any]) -> dict[str, float]:
    """What MLflow shows over epochs."""
    names = ("validation_loss", "train_loss", "learning_rate", "images_per_second")
    values = {name: event[name] for name in names if event.get(name) is not None}
    return {**event["metrics"], **{f"train_{k}": v for k, v in event["train_metrics"].items()}, **values}


def _final_metrics(trial: TrialFolder) -> dict[str, float]:
    """Metrics by split and the ends of their intervals, named for MLflow."""
    values: dict[str, float] = {}
    for split, report in (trial.metrics() or {"splits": {}})["splits"].items():
        values |= {f"final_{split}_{name}": value for name, value in report["metrics"].items()}
        for name, interval in report["intervals"].items():
            values |= {f"final_{split}_{name}_{end}": interval[end] for end in ("low", "high")}
    return values


def main() -> None:
    """Work on the run whose folder is the first argument."""
    logging.basicConfig(level=logging.WARNING)
    run_sweep(RunFolder(Path(sys.argv[1])))


if __name__ == "__main__":
    main()
