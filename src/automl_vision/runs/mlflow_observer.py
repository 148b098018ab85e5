"""Publishes a run to the tracking store; what the store confirmed is recorded, so that an outage loses nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial

from automl_vision.core.errors import TrackingError
from automl_vision.core.records import METRICS_FILE, RESULT_FILE, EvaluationEvent, Event, Report, TrialStatus
from automl_vision.runs.spec import RunSpec
from automl_vision.search.planned_trial import PlannedTrial
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.tracking import Tracking
from automl_vision.workspace.trial_folder import TrialFolder
from automl_vision.workspace.workspace import Workspace

PARENT = "run"
"""Key of the run itself in the tracking store."""

_MLFLOW_STATUS = {
    TrialStatus.COMPLETED: "FINISHED",
    TrialStatus.TERMINATED: "FINISHED",
    TrialStatus.FAILED: "FAILED",
}


class Publisher:
    """Publishes a run and its trials.

    Args:
        folder: of the run.
        tracking: the store.
    """

    def __init__(self, folder: RunFolder, tracking: Tracking) -> None:
        self.folder, self.tracking = folder, tracking

    def run_waits(self, spec: RunSpec, status: str) -> None:
        """The run waits for its turn, or was canceled while it did: `SCHEDULED` or `KILLED`."""
        self.run_started(spec)
        if status == "SCHEDULED":
            self.tracking.status(PARENT, status)
        else:
            self.tracking.end(PARENT, status)

    def run_started(self, spec: RunSpec) -> None:
        """The run starts, or goes on."""
        self.tracking.start(PARENT, name=self.folder.id, tags={"automl_vision.run": self.folder.id})
        data = {"data_version": spec.data_version} if spec.data_version else {}
        self.tracking.params(PARENT, {"task": spec.task, "budget_seconds": spec.budget_seconds, **data})

    def started(self, trial: TrialFolder, planned: PlannedTrial) -> None:
        """A trial starts, or goes on after an interruption."""
        key = _key(trial)
        self.tracking.start(key, name=f"{self.folder.id}_{trial.number}", parent=PARENT)
        parameters = {"model_name": planned.model_name, **planned.hyperparameters.model_dump()}
        self.tracking.params(key, {name: value for name, value in parameters.items() if value is not None})

    def reported(self, trial: TrialFolder, events: Sequence[Event], offset: int) -> None:
        """A trial validated."""
        evaluations = [event for event in events if isinstance(event, EvaluationEvent)]
        for event in evaluations:
            self.tracking.metrics(_key(trial), _epoch_metrics(event), step=event.epoch, when=event.time)
        if evaluations:
            self.tracking.confirm(partial(trial.update_published, offset=offset))

    def ended(self, trial: TrialFolder, status: TrialStatus) -> None:
        """A trial ended."""
        key = _key(trial)
        if status.has_result:
            metrics = trial.metrics()
            self.tracking.metrics(key, final_metrics(metrics.splits if metrics else {}), step=0, when=time.time())
        for name in (METRICS_FILE, RESULT_FILE, "log.txt"):
            self.tracking.artifacts(key, trial.path / name)
        self.tracking.end(key, _MLFLOW_STATUS.get(status, "KILLED"))
        self.tracking.confirm(partial(trial.update_published, ended=status in _MLFLOW_STATUS))

    def check(self) -> None:
        """Check that the store still accepts writes.

        Raises:
            TrackingError: it has not for longer than the patience.
        """
        if self.tracking.problem is not None:
            raise TrackingError(
                f"{self.tracking.problem}; all results are in the run's folder. When MLflow answers again, go on with: "
                f"automl-vision resume {self.folder.id}"
            )

    def finish(self, status: str) -> None:
        """Close the run's own entry once everything is published.

        Raises:
            TrackingError: some of it could not be published.
        """
        self.tracking.end(PARENT, status)
        self.tracking.flush()
        self.check()


@contextmanager
def published(folder: RunFolder, spec: RunSpec) -> Iterator[Publisher]:
    """The run's publisher; its MLflow ids are kept in the run's folder."""
    tracking = Workspace(spec.workspace).tracking(
        spec.experiment,
        known=folder.record().mlflow,
        on_ids=lambda ids: folder.update(mlflow=ids),
    )
    try:
        yield Publisher(folder, tracking)
    finally:
        tracking.close()


def final_metrics(splits: Mapping[str, Report]) -> dict[str, float]:
    """Metrics by split and the ends of their intervals, named for MLflow."""
    values: dict[str, float] = {}
    for split, report in splits.items():
        values |= {f"final_{split}_{name}": value for name, value in report.metrics.items()}
        for name, interval in report.intervals.items():
            ends = {"low": interval.low, "high": interval.high}
            values |= {f"final_{split}_{name}_{end}": value for end, value in ends.items() if value is not None}
    return values


def _key(trial: TrialFolder) -> str:
    return f"trial {trial.number}"


def _epoch_metrics(evaluation: EvaluationEvent) -> dict[str, float]:
    """The values that MLflow shows over epochs."""
    figures = {
        "validation_loss": evaluation.validation_loss,
        "train_loss": evaluation.train_loss,
        "learning_rate": evaluation.learning_rate,
        "images_per_second": evaluation.images_per_second,
    }
    known = {name: value for name, value in figures.items() if value is not None}
    return {**evaluation.metrics, **{f"train_{k}": v for k, v in evaluation.train_metrics.items()}, **known}
