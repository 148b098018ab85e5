"""The runs of a workspace in short: listed, filtered and sorted, and grouped by experiment."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from pydantic import Field

from automl_vision.core.errors import RunNotFoundError
from automl_vision.core.records import MetricInterval, Record, RunStatus
from automl_vision.experiment.run import Run
from automl_vision.workspace.workspace import Workspace

RunOrder = Literal["created", "ended", "id", "experiment", "task", "status", "trials", "best", "seconds"]
"""By what runs are sorted."""

_NEEDS_CARE = (RunStatus.FAILED, RunStatus.INTERRUPTED)


class RunSummary(Record):
    """A run in a list."""

    id: str
    experiment: str
    task: str
    status: RunStatus
    created: float | None = Field(description="seconds since 1970, as are the other times")
    started: float | None
    ended: float | None
    budget_seconds: float
    seconds: float = Field(description="spent on the run, over all interruptions")
    metric: str = Field(description="that ranks its trials")
    lower_is_better: bool = Field(default=False, description="direction of the metric")
    trials: int = Field(description="that were started")
    finished: int = Field(default=0, description="of these, how many have a result; a resumed run keeps them")
    best: MetricInterval | None = Field(description="of the best trial")
    best_trial: int | None
    reason: str | None = Field(description="why it failed or was canceled")


class ExperimentSummary(Record):
    """The runs of an experiment, counted."""

    name: str
    runs: int
    active: int = Field(description="runs that wait or work")
    needs_care: int = Field(description="runs that failed or were interrupted")
    last: float | None = Field(description="when its newest run was made, in seconds since 1970")


@dataclass(frozen=True)
class RunQuery:
    """Which runs are wanted, and in which order; what is left empty does not matter.

    Attributes:
        statuses: one of them.
        experiment: name of the experiment.
        task: its name.
        text: words that id, experiment, task or reason contain, in any case.
        order: by what they are sorted; equal ones, and those without a value at the end, are the newest first.
        descending: whether the greatest come first.

    Raises:
        ValueError: there is no such order.
    """

    statuses: frozenset[RunStatus] = frozenset()
    experiment: str | None = None
    task: str | None = None
    text: str = ""
    order: RunOrder = "created"
    descending: bool = True

    def __post_init__(self) -> None:
        if self.order not in get_args(RunOrder):
            raise ValueError(f'runs cannot be sorted by "{self.order}"; choose one of {", ".join(get_args(RunOrder))}')

    def select(self, runs: Iterable[RunSummary]) -> list[RunSummary]:
        """The runs that are wanted, sorted.

        Args:
            runs: in any order.
        """
        found = sorted((run for run in runs if self._wants(run)), key=lambda run: (run.created or 0.0, run.id))
        found.reverse()
        known = [run for run in found if _sort_value(run, self.order) is not None]
        unknown = [run for run in found if _sort_value(run, self.order) is None]
        known.sort(key=lambda run: _sort_value(run, self.order) or (), reverse=self.descending)
        return known + unknown

    def _wants(self, run: RunSummary) -> bool:
        words = self.text.lower().split()
        text = f"{run.id} {run.experiment} {run.task} {run.reason or ''}".lower()
        return (
            (not self.statuses or run.status in self.statuses)
            and self.experiment in (None, run.experiment)
            and self.task in (None, run.task)
            and all(word in text for word in words)
        )


def _sort_value(run: RunSummary, order: RunOrder) -> tuple[Any, ...] | None:
    """What a run is sorted by; None where it has no such value. Values of a metric compare within the metric."""
    if order == "best":
        if run.best is None:
            return None
        return run.metric, -run.best.value if run.lower_is_better else run.best.value
    value = getattr(run, order)
    return None if value is None else (value,)


def summary(run: Run) -> RunSummary:
    """A run in short, as it is now."""
    record, outline, board = run.folder.record(), run.folder.outline(), run.leaderboard()
    best = next((row for row in board if row.score is not None), None)
    return RunSummary(
        id=run.id,
        experiment=record.experiment,
        task=outline.task,
        status=record.status,
        created=record.created,
        started=record.started,
        ended=record.ended,
        budget_seconds=outline.budget_seconds,
        seconds=record.seconds,
        metric=outline.primary_metric,
        lower_is_better=outline.lower_is_better,
        trials=len(board),
        finished=sum(row.status.has_result for row in board),
        best=best.score if best else None,
        best_trial=best.trial if best else None,
        reason=record.reason,
    )


class RunList:
    """The runs of a workspace in short, for readers that ask again and again.

    A run that has ended is read once, and again when its record has changed; any number of threads may ask.

    Args:
        workspace: whose runs.
    """

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._lock = threading.Lock()
        self._ended: dict[str, tuple[tuple[int, int], RunSummary]] = {}
        self._open: dict[str, Run] = {}

    def all(self) -> list[RunSummary]:
        """All runs, the newest first."""
        with self._lock:
            ids = self._workspace.run_ids()
            for gone in (self._ended.keys() | self._open.keys()) - set(ids):
                self._ended.pop(gone, None)
                self._open.pop(gone, None)
            return [found for run_id in reversed(ids) if (found := self._read(run_id)) is not None]

    def select(self, query: RunQuery) -> list[RunSummary]:
        """The runs that a query wants."""
        return query.select(self.all())

    def experiments(self) -> list[ExperimentSummary]:
        """The experiments, the one with the newest run first."""
        return by_experiment(self.all())

    def _read(self, run_id: str) -> RunSummary | None:
        """A run in short; None if it was deleted just now."""
        try:
            state = (self._workspace.runs_path / run_id / "status.json").stat()
            changed = (state.st_mtime_ns, state.st_size)
            known = self._ended.get(run_id)
            if known is not None and known[0] == changed:
                return known[1]
            run = self._open.setdefault(run_id, Run(self._workspace, run_id))
            found = summary(run)
        except (FileNotFoundError, RunNotFoundError):
            return None
        if found.status.is_final:
            self._ended[run_id] = (changed, found)
            self._open.pop(run_id)
        return found


def by_experiment(runs: Sequence[RunSummary]) -> list[ExperimentSummary]:
    """Count runs by experiment, the one with the newest run first.

    Args:
        runs: in any order.
    """
    groups: dict[str, list[RunSummary]] = {}
    for run in runs:
        groups.setdefault(run.experiment, []).append(run)
    found = [
        ExperimentSummary(
            name=name,
            runs=len(group),
            active=sum(not run.status.is_at_rest for run in group),
            needs_care=sum(run.status in _NEEDS_CARE for run in group),
            last=max((run.created for run in group if run.created is not None), default=None),
        )
        for name, group in groups.items()
    ]
    return sorted(found, key=lambda experiment: experiment.last or 0.0, reverse=True)
