"""Runs written as their processes write them, without training anything: as many, and as large, as a test needs."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np

from automl_vision.core.files import write_json
from automl_vision.core.records import (
    BatchLatency,
    Calibration,
    EvaluationEvent,
    MetricInterval,
    Progress,
    Report,
    Speed,
    TrialMetrics,
    TrialResult,
    TrialStatus,
)
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder
from automl_vision.workspace.workspace import Workspace

IMAGES = 200  # of the validation split
MODELS = ("efficientnet_lite0", "mobilenetv3_small_100", "resnet18", "resnet50")


def written_run(
    workspace: Workspace,
    run_id: str,
    *,
    trials: int,
    experiment: str = "shapes",
    status: str = "Completed",
    **record: object,
) -> RunFolder:
    """A run with finished trials, each of which sampled two settings."""
    folder = RunFolder(workspace.runs_path / run_id)
    spec = {"task": "image-classification", "primary_metric": "accuracy", "budget_seconds": 3600.0}
    folder.create(spec, experiment=experiment)
    folder.message("plan: about 14 trials")
    for number in range(trials):
        written_trial(folder, number)
    now = time.time()
    folder.update(**{"status": status, "started": now - 60, "ended": now, "seconds": 60.0, "best_trial": 0, **record})
    return folder


def written_trial(folder: RunFolder, number: int, *, share: float | None = None) -> TrialFolder:
    """A finished trial; it was right on a share of the validation images."""
    random = np.random.default_rng(number)
    share = 0.6 + 0.35 * float(random.beta(4, 2)) if share is None else share
    right = np.random.default_rng(7).random(IMAGES) < share
    flipped = random.random(IMAGES) < 0.05
    scores = np.where(flipped, ~right, right).astype(float)
    trial = begun_trial(folder, number)
    accuracy = float(scores.mean())
    evaluate(trial, 0, accuracy / 2)
    evaluate(trial, 1, accuracy)
    half = 1.96 * (accuracy * (1 - accuracy) / IMAGES) ** 0.5
    report = Report(
        metrics={"accuracy": accuracy, "f1_macro": accuracy - 0.01},
        intervals={"accuracy": MetricInterval(value=accuracy, low=accuracy - half, high=min(1.0, accuracy + half))},
        per_class=[],
    )
    write_json(
        trial.path / "metrics.json",
        TrialMetrics(calibration=Calibration(), splits={"val": report, "test": report}).model_dump(),
    )
    result = TrialResult(
        best_epoch=1, fine_tuned_share=1.0, epochs=1, primary_metric="accuracy", score=accuracy, seconds=4.0,
        weights_source="none", parameters=1_000_000 + number,
    )  # fmt: skip
    write_json(trial.path / "result.json", result.model_dump())
    np.savez(trial.path / "comparison.npz", scores=scores)
    latency = 4 + 30 * float(random.random())
    Speed(
        runtime="onnxruntime", threads=1, cpu="a processor", cores=2, bytes=int(1e6 * (4 + number % 40)),
        batches={1: BatchLatency(median_ms=latency, p95_ms=latency, repetitions=20)},
    ).save(trial.path)  # fmt: skip
    trial.update(status=TrialStatus.COMPLETED, started=time.time() - 5, ended=time.time())
    return trial


def begun_trial(folder: RunFolder, number: int) -> TrialFolder:
    """A trial that was started."""
    random = np.random.default_rng(1000 + number)
    trial = folder.trial(number)
    sampled = {"learning_rate": float(10 ** random.uniform(-4, -1)), "optimizer": ("sgd", "adamw")[number % 2]}
    model = MODELS[number % len(MODELS)]
    trial.write_plan({"model_name": model, "hyperparameters": sampled, "drawn": sampled})
    trial.write_spec({"model_name": model})
    trial.update(status=TrialStatus.RUNNING, started=time.time())
    return trial


def evaluate(trial: TrialFolder, epoch: int, accuracy: float) -> None:
    """Let a trial report a validation, and how far it is."""
    trial.events.append(EvaluationEvent(epoch=epoch, metrics={"accuracy": accuracy}, seconds=1.0))
    trial.events.append(Progress(phase=f"epoch {epoch + 1}/15", done=1, total=9, seconds_left=75.5))


def many_runs(path: Path, *, runs: int, trials: int) -> Workspace:
    """A workspace with a run of many trials and further ones of three."""
    workspace = Workspace(path)
    written_run(workspace, "large-1", trials=trials, experiment="large")
    for number in range(runs - 1):
        status, reason = ("Failed", "the disk is full") if number % 10 == 9 else ("Completed", None)
        written_run(
            workspace, f"small-{number}", trials=3, experiment=f"small {number % 4}", status=status, reason=reason
        )
    return workspace
