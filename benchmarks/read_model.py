"""How long it takes to read the leaderboard of a run with many trials: first, again, and after one trial changed.

    python benchmarks/read_model.py [--trials 1000] [--classes 20]

Each trial has the files of a finished one: plan, specification, status, result, ten evaluations, and metrics with a
confusion matrix. The verdict compares all of them with the best on 1,000 validation images.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from automl_vision.core.files import write_json
from automl_vision.core.records import (
    Calibration,
    EvaluationEvent,
    MetricInterval,
    Report,
    TrialMetrics,
    TrialResult,
    TrialStatus,
)
from automl_vision.evaluation.metric import metrics_of
from automl_vision.runs.board_reader import BoardReader
from automl_vision.runs.verdict import judge
from automl_vision.workspace.run_folder import RunFolder

TASK, IMAGES = "image-classification", 1000


def make_trial(folder: RunFolder, number: int, classes: int) -> None:
    """Write the files of a finished trial."""
    random = np.random.default_rng(number)
    right = random.random(IMAGES) < 0.7 + 0.1 * random.random()
    score = float(right.mean())
    trial = folder.trial(number)
    trial.write_plan({"model_name": "efficientnet_lite0", "sampled": {"learning_rate": float(random.random())}})
    trial.write_spec({})
    for epoch in range(10):
        trial.events.append(EvaluationEvent(epoch=epoch, metrics=dict.fromkeys(metrics_of(TASK), score), seconds=epoch))
    report = Report(
        metrics=dict.fromkeys(metrics_of(TASK), score),
        intervals={"accuracy": MetricInterval(value=score, low=score - 0.02, high=score + 0.02)},
        per_class=[{"class": f"class {i}", "precision": score, "recall": score, "f1": score} for i in range(classes)],
        charts={"confusion_matrix": [[0] * classes for _ in range(classes)]},
    )
    metrics = TrialMetrics(calibration=Calibration(), splits={"val": report, "test": report})
    write_json(trial.path / "metrics.json", metrics.model_dump())
    result = TrialResult(
        best_epoch=5, fine_tuned_share=1.0, epochs=9, primary_metric="accuracy", score=score, seconds=60.0,
        weights_source="none", parameters=int(random.integers(1e6, 9e6)),
    )  # fmt: skip
    write_json(trial.path / "result.json", result.model_dump())
    np.savez(trial.path / "comparison.npz", scores=right.astype(np.float64))
    trial.update(status=TrialStatus.COMPLETED)


def milliseconds(function: Callable[[], Any], repeats: int = 1) -> float:
    """Median over some calls."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        function()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--classes", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as root:
        folder = RunFolder(Path(root) / "run")
        folder.create({"task": TASK, "primary_metric": "accuracy"})
        for number in range(options.trials):
            make_trial(folder, number, options.classes)
        reader = BoardReader(folder)
        print(f"{options.trials} trials, {options.classes} classes")
        print(f"  first read           {milliseconds(reader.read):8.1f} ms")
        time.sleep(1.1)  # trials that changed within the last second are always read again
        reader.read()
        print(f"  again, no change     {milliseconds(reader.read, 20):8.1f} ms")
        make_trial(folder, 3, options.classes)
        print(f"  after one changed    {milliseconds(reader.read):8.1f} ms")
        board = reader.read()
        print(f"  verdict by all tests {milliseconds(lambda: judge(folder, board)):8.1f} ms")


if __name__ == "__main__":
    main()
