"""A trial that only reports; in a module of its own, so that its process imports nothing heavy."""

from __future__ import annotations

import os
import time
from pathlib import Path

from automl_vision.core.errors import StorageError
from automl_vision.core.files import append_json_line, write_json
from automl_vision.core.records import EvaluationEvent, TrialResult
from automl_vision.workspace.trial_folder import TrialFolder


def report_trial(
    folder: str, scores: list[float], pause: float = 0.0, then: str = "", metric: str = "accuracy"
) -> None:
    """A trial that reports the given scores and does nothing else; what was reported before is not repeated."""
    trial = TrialFolder(Path(folder))
    append_json_line(trial.path / "starts.jsonl", os.getpid())
    done = len(trial.evaluations())
    for epoch, score in list(enumerate(scores, start=1))[done:]:
        time.sleep(pause)
        trial.events.append(EvaluationEvent(epoch=epoch, metrics={metric: score}, seconds=epoch * pause))
        if trial.stop_reason():
            break
    if then == "raise":
        raise ValueError("a bad value")
    if then == "full":
        raise StorageError("no space is left")
    if then == "hang":
        time.sleep(600)
    write_result(trial, max(scores[: len(trial.evaluations())]), seconds=pause * len(scores))


def write_result(trial: TrialFolder, score: float, *, seconds: float = 0.0) -> None:
    """Leave a result in a trial's folder."""
    result = TrialResult(
        best_epoch=1,
        fine_tuned_share=1.0,
        epochs=1,
        primary_metric="accuracy",
        score=score,
        stopped=trial.stop_reason(),
        seconds=seconds,
        weights_source="none",
    )
    write_json(trial.path / "result.json", result.model_dump())
