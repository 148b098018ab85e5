"""A run folder as version 0.1.0 wrote it is read, shown and updated without losing anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from automl_vision import Run, Trial, Workspace
from automl_vision.core.errors import RunFailedError
from automl_vision.core.records import EvaluationEvent, Message, MetricInterval, Progress, RunStatus, TrialStatus
from automl_vision.search.planned_trial import planned_trial
from automl_vision.workspace.run_folder import RunFolder

FILES = {
    "spec.json": """{"version": "0.1.0", "experiment": "shapes", "task": "image-classification",
        "manifest": "m.parquet", "data_version": null, "max_bad_share": 0.2, "primary_metric": "accuracy", "trials": [],
        "budget_seconds": 518400.0, "seed": 0, "compute_target": "local", "threads": 1, "processes": 1,
        "workspace": "w", "arguments": {}, "iterations": 2, "concurrent": 1, "sampling": null, "policy": null,
        "automode": true}""",
    "status.json": """{"status": "Completed", "created": 1795905878.5, "experiment": "shapes", "started": 1795905879.8,
        "reason": null, "pid": 12061, "seconds": 36.28, "seconds_at": 1795905916.17,
        "mlflow": {"run": "39f82c2f", "trial 0": "ad73bac5"}, "probes": {"efficientnet_lite1": 0.5},
        "decision": {"trial": 1, "reason": "trial 1 replaces the default recipe", "comparison": {"difference":
        {"value": 0.17, "low": 0.02, "high": 0.3}, "p_value": 0.01, "test": "McNemar's exact test", "images": 200}},
        "best_trial": 1, "ended": 1795905916.17}""",
    "events.jsonl": """{"event": "progress", "time": 1795905881.2, "phase": "decoding", "done": 24, "total": 24}
{"event": "message", "time": 1795905881.3, "text": "3 classes, images: 18 train, 6 val"}
{"event": "a kind of a later version", "time": 1795905882.0}
""",
    "trials/0/spec.json": '{"model_name": "resnet18"}',
    "trials/0/planned.json": """{"model_name": "resnet18", "hyperparameters": {"number_of_epochs": 2},
        "start_from": null, "role": "default recipe", "drawn": {}, "point": {}}""",
    "trials/0/status.json": """{"status": "Terminated", "started": 1795905890.5, "reason": "below 0.6", "log": null,
        "ended": 1795905895.1}""",
    "trials/1/spec.json": '{"model_name": "resnet18"}',
    "trials/1/planned.json": """{"model_name": "resnet18", "hyperparameters": {"number_of_epochs": 2,
        "learning_rate": 0.005}, "start_from": null, "role": "", "drawn": {"learning_rate": 0.005},
        "point": {"learning_rate": 0.51}}""",
    "trials/1/status.json": """{"status": "Completed", "started": 1795905899.5, "reason": null, "log": null,
        "ended": 1795905903.1}""",
    "trials/1/published.json": '{"offset": 3743, "ended": true}',
    "trials/1/result.json": """{"best_epoch": 1, "fine_tuned_share": 0.25, "epochs": 2, "primary_metric": "accuracy",
        "score": 0.5, "stopped": null, "seconds": 3.9, "weights_source": "random: none", "weights_licence": null,
        "parameters": 0, "precision": "fp32 channels_last", "batch_size": 8, "processes": 1,
        "learning_rate": 0.004}""",
    "trials/1/metrics.json": """{"calibration": {"temperature": 7.66, "thresholds": []}, "splits": {"val": {
        "metrics": {"accuracy": 0.5, "log_loss": NaN}, "intervals": {"accuracy":
        {"value": 0.5, "low": 0.19, "high": 0.81}}, "per_class": [{"class": "circle", "recall": 0.0, "images": 2}],
        "charts": {"confusion_matrix": [[0, 2], [0, 2]]}}}}""",
    "trials/1/events.jsonl": """{"event": "message", "time": 1795905898.3, "text": "precision fp32"}
{"event": "evaluation", "time": 1795905898.4, "epoch": 0, "metrics": {"accuracy": 0.3}, "validation_loss": 1.1, \
"train_loss": null, "train_metrics": {}, "learning_rate": 0.0, "images_per_second": null, "seconds": 3.3}
{"event": "progress", "time": 1795905898.5, "phase": "epoch 1/2", "done": 8, "total": 18, "loss": NaN, \
"images_per_second": 160.6, "seconds_left": 0.2}
{"event": "evaluation", "time": 1795905898.7, "epoch": 1, "metrics": {"accuracy": NaN}, "validation_loss": NaN, \
"train_loss": 2.1, "train_metrics": {}, "learning_rate": 0.005, "images_per_second": 133.6, "seconds": 3.6}
""",
}  # as 0.1.0 wrote them, with fewer figures and hyperparameters


@pytest.fixture
def run(tmp_path: Path) -> Run:
    workspace = Workspace(tmp_path)
    for name, text in FILES.items():
        file = workspace.runs_path / "shapes-1" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Run(workspace, "shapes-1")


def written(folder: RunFolder, name: str) -> Any:
    return json.loads((folder.path / name).read_text())


def test_the_run_is_read(run: Run):
    record = run.folder.record()
    assert (record.status, record.best_trial, record.pid) == (RunStatus.COMPLETED, 1, 12061)
    assert record.decision is not None
    assert record.decision.comparison is not None
    assert record.decision.comparison.difference == MetricInterval(value=0.17, low=0.02, high=0.3)
    assert run.get_details() == json.loads(FILES["status.json"])
    assert [type(event) for event in run.folder.events.read()[0]] == [Progress, Message]


def test_the_leaderboard_is_as_before(run: Run):
    first, second = run.leaderboard().to_json()
    measured = ("latency_ms", "batch_latency_ms", "size_mb", "measured_on", "not_measurable")
    assert [first.pop(name) for name in measured] == [None] * len(measured)
    assert first.pop("on_front") is False
    assert first == {
        "rank": 1, "trial": 1, "model_name": "resnet18", "status": "Completed",
        "score": {"value": 0.5, "low": 0.19, "high": 0.81}, "test_score": None, "best_epoch": 1, "epochs": 2,
        "seconds": 3.9, "parameters": 0, "reason": None, "drawn": {"learning_rate": 0.005}, "role": "",
    }  # fmt: skip
    assert (second["rank"], second["status"], second["reason"]) == (None, "Terminated", "below 0.6")
    (run.folder.trial(1).path / "metrics.json").unlink()
    assert run.leaderboard().to_json()[0]["score"] == {"value": 0.3}


def test_an_update_keeps_all_that_is_on_disk(run: Run):
    trial = run.folder.trial(1)
    file = run.folder.path / "status.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "novelty": [1]}))
    before = [written(run.folder, name) for name in ("status.json", "trials/1/status.json", "trials/1/published.json")]
    run.folder.update(status=RunStatus.RUNNING)
    trial.update(status=TrialStatus.RUNNING)
    trial.update_published(offset=4000)
    after = [written(run.folder, name) for name in ("status.json", "trials/1/status.json", "trials/1/published.json")]
    changes = [{"status": "Running"}, {"status": "Running"}, {"offset": 4000}]
    assert after == [{**old, **change} for old, change in zip(before, changes, strict=True)]


def test_a_resume_reads_the_sampled_hyperparameters_and_writes_them_back(run: Run):
    plan = run.folder.trial(1).plan().model_dump(by_alias=True, exclude_unset=True)
    assert plan == json.loads(FILES["trials/1/planned.json"])
    planned = planned_trial("image-classification", plan)
    assert (planned.sampled, planned.point) == ({"learning_rate": 0.005}, {"learning_rate": 0.51})
    assert planned.model_dump()["drawn"] == {"learning_rate": 0.005}


def test_a_child_has_metrics_status_details_and_files(run: Run, tmp_path: Path):
    best = run.get_best_child()
    assert isinstance(best, Trial)
    assert [trial.number for trial in run.get_children_sorted_by_primary_metric()] == [1, 0]
    assert [trial.get_status() for trial in run.get_children()] == ["Terminated", "Completed"]
    assert (best.number, best.model_name, best.hyperparameters["learning_rate"]) == (1, "resnet18", 0.005)
    assert best.get_metrics()["val"]["accuracy"] == run.get_metrics()["val"]["accuracy"] == 0.5
    assert run.get_children()[0].get_metrics() == {}
    assert [(type(e), e.epoch) for e in best.get_evaluations()] == [(EvaluationEvent, 0), (EvaluationEvent, 1)]
    details = best.get_details()
    assert (details["status"], details["sampled"], details["result"]["best_epoch"]) == (
        "Completed", {"learning_rate": 0.005}, 1,
    )  # fmt: skip
    assert "metrics.json" in best.get_file_names()
    assert best.download_file("metrics.json", tmp_path / "m.json").read_text() == FILES["trials/1/metrics.json"]
    best.download_files("p", tmp_path / "copies")
    assert sorted(file.name for file in (tmp_path / "copies").iterdir()) == ["planned.json", "published.json"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("metric.json", r'trial 1 has no file "metric\.json"\. Did you mean "metrics\.json"'),
        ("../../status.json", "trial 1 has no file"),
        ("/etc/hostname", "trial 1 has no file"),
    ],
)
def test_a_child_has_only_its_own_files(run: Run, tmp_path: Path, name: str, message: str):
    with pytest.raises(RunFailedError, match=message):
        run.get_children()[1].download_file(name, tmp_path / "out")
    assert not (tmp_path / "out").exists()
