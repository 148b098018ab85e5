"""The runs of a workspace in short: filtered, sorted, grouped, and read again only when they have changed."""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import pytest

from automl_vision import Workspace
from automl_vision.core.records import MetricInterval, RunStatus
from automl_vision.experiment.run_list import RunList, RunOrder, RunQuery, RunSummary, by_experiment
from written_runs import begun_trial, written_run, written_trial


def summary_of(run_id: str, **values: object) -> RunSummary:
    known: dict[str, object] = {
        "experiment": "chest", "task": "image-classification", "status": RunStatus.COMPLETED, "created": 1.0,
        "started": 1.0, "ended": 2.0, "budget_seconds": 60.0, "seconds": 1.0, "metric": "accuracy", "trials": 1,
        "best": None, "best_trial": None, "reason": None,
    }  # fmt: skip
    return RunSummary.model_validate({"id": run_id, **known, **values})


RUNS = [
    summary_of("a-1", created=1.0, best=MetricInterval(value=0.5), seconds=9.0, trials=3),
    summary_of("b-2", created=2.0, best=MetricInterval(value=0.9), experiment="blood", status=RunStatus.FAILED,
               reason="The disk is full"),
    summary_of("c-3", created=3.0, task="image-object-detection", status=RunStatus.RUNNING, ended=None),
    summary_of("d-4", created=4.0, metric="log_loss", lower_is_better=True, best=MetricInterval(value=0.2)),
    summary_of("e-5", created=5.0, metric="log_loss", lower_is_better=True, best=MetricInterval(value=0.1)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (RunQuery(), "e d c b a"),
        (RunQuery(descending=False), "a b c d e"),
        (RunQuery(frozenset({RunStatus.FAILED, RunStatus.RUNNING})), "c b"),
        (RunQuery(experiment="blood"), "b"),
        (RunQuery(task="image-object-detection"), "c"),
        (RunQuery(text="disk FULL"), "b"),
        (RunQuery(text="disk empty"), ""),
        (RunQuery(text="chest -4"), "d"),
        (RunQuery(order="best"), "e d b a c"),
        (RunQuery(order="best", descending=False), "a b d e c"),
        (RunQuery(order="ended"), "e d b a c"),
        (RunQuery(order="trials"), "a e d c b"),
        (RunQuery(order="experiment", descending=False), "b e d c a"),
        (RunQuery(order="seconds"), "a e d c b"),
    ],
)
def test_runs_are_selected_and_sorted(query: RunQuery, expected: str):
    assert " ".join(run.id[0] for run in query.select(RUNS)) == expected


def test_an_unknown_order_is_refused():
    order: RunOrder = "colour"  # type: ignore[assignment]
    with pytest.raises(ValueError, match='cannot be sorted by "colour"; choose one of created'):
        RunQuery(order=order)


def test_experiments_are_counted():
    chest, blood = by_experiment(RUNS)
    assert (chest.name, chest.runs, chest.active, chest.needs_care, chest.last) == ("chest", 4, 1, 0, 5.0)
    assert (blood.name, blood.runs, blood.active, blood.needs_care) == ("blood", 1, 0, 1)
    assert by_experiment([]) == []


def test_what_is_listed_is_what_the_files_say(tmp_path: Path):
    workspace = Workspace(tmp_path)
    first = written_run(workspace, "first", trials=2, status="Failed", reason="the disk is full")
    time.sleep(0.02)
    written_run(workspace, "second", trials=0, experiment="other", status="Running")
    listed = RunList(workspace)
    second, run = listed.all()
    assert (second.id, second.status, second.trials, second.best) == ("second", "Interrupted", 0, None)
    assert (run.id, run.status, run.reason, run.trials, run.finished) == (
        "first", "Failed", "the disk is full", 2, 2,
    )  # fmt: skip
    assert [experiment.name for experiment in listed.experiments()] == ["other", "shapes"]
    assert [found.id for found in listed.select(RunQuery(experiment="shapes"))] == ["first"]

    begun_trial(first, 2)
    assert listed.all()[1].trials == 2  # a run that has ended is not read again ...
    with first.lock.hold():
        first.update(status="Running", reason=None, ended=None)  # ... unless its record changes
        found = listed.all()[1]
        assert (found.status, found.trials, found.finished) == ("Running", 3, 2)
        best = written_trial(first, 3, share=1.0)
        changed = listed.all()[1]
        assert (changed.best_trial, changed.finished) == (best.number, 3)
    shutil.rmtree(first.path)
    assert [found.id for found in listed.all()] == ["second"]
