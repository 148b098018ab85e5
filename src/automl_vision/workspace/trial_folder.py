"""A trial on disk."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from automl_vision.core.event_log import EventLog
from automl_vision.core.files import atomic_path, write_json
from automl_vision.core.records import (
    METRICS_FILE,
    RESULT_FILE,
    SPEC_FILE,
    SPEED_FILE,
    STOP_FILE,
    EvaluationEvent,
    Published,
    Speed,
    TrialMetrics,
    TrialPlan,
    TrialRecord,
    TrialResult,
    read_record,
)

PLAN_FILE = "planned.json"
_STATUS, _PUBLISHED = "status.json", "published.json"


class TrialFolder:
    """The files of one trial.

    Attributes:
        path: the folder.
        events: what the trial reports.

    Args:
        path: the folder, which need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.events = EventLog(path)

    @property
    def number(self) -> int:
        """The trial's number in its run, from 0."""
        return int(self.path.name)

    def plan(self) -> TrialPlan:
        """The configuration that the trial tries."""
        return read_record(self.path / PLAN_FILE, TrialPlan) or TrialPlan()

    def write_plan(self, plan: dict[str, Any]) -> None:
        """Record the configuration, before anything of the trial runs."""
        write_json(self.path / PLAN_FILE, plan)

    def write_spec(self, spec: dict[str, Any]) -> None:
        """Record everything that the trial depends on; from then on it counts as started."""
        write_json(self.path / SPEC_FILE, spec)

    def record(self) -> TrialRecord:
        """The trial's state."""
        return read_record(self.path / _STATUS, TrialRecord) or TrialRecord()

    def update(self, **values: Any) -> None:
        """Replace fields of the trial's record."""
        record = TrialRecord.model_validate({**self.record().model_dump(exclude_unset=True), **values})
        write_json(self.path / _STATUS, record.model_dump(exclude_unset=True))

    def published(self) -> Published:
        """What the MLflow store is known to hold."""
        return read_record(self.path / _PUBLISHED, Published) or Published()

    def update_published(self, **values: Any) -> None:
        """Record what the MLflow store holds."""
        write_json(self.path / _PUBLISHED, Published.model_validate({**dict(self.published()), **values}).model_dump())

    def request_stop(self, reason: str) -> None:
        """Ask the trial to end early with the weights it has, and tell it why."""
        with atomic_path(self.path / STOP_FILE) as temporary:
            temporary.write_text(reason, encoding="utf-8")

    def stop_reason(self) -> str | None:
        """Why the trial was asked to end early, or None."""
        file = self.path / STOP_FILE
        return file.read_text(encoding="utf-8").strip() if file.exists() else None

    def result(self) -> TrialResult | None:
        """The trial's result, once it has one."""
        return read_record(self.path / RESULT_FILE, TrialResult)

    def metrics(self) -> TrialMetrics | None:
        """The trial's final evaluation, once there is one."""
        return read_record(self.path / METRICS_FILE, TrialMetrics)

    def speed(self) -> Speed | None:
        """What was measured of the trial's exported network; None if nothing was tried yet."""
        return read_record(self.path / SPEED_FILE, Speed)

    def evaluations(self) -> list[EvaluationEvent]:
        """The validations so far, one per epoch."""
        return self.events.evaluations()
