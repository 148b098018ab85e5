"""The leaderboard read again and again, and what paired tests say of its trials."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from automl_vision.core.files import write_json
from automl_vision.core.records import (
    Calibration,
    Decision,
    MetricInterval,
    Report,
    TrialMetrics,
    TrialResult,
    TrialStatus,
)
from automl_vision.evaluation.paired import holm
from automl_vision.runs import board_reader
from automl_vision.runs.board_reader import BoardReader, read_leaderboard
from automl_vision.runs.verdict import judge
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    run = RunFolder(tmp_path / "run")
    run.create({"task": "image-classification", "primary_metric": "accuracy"})
    return run


def finished(folder: RunFolder, number: int, right: np.ndarray, *, parameters: int = 0) -> TrialFolder:
    """A trial with a result, which was right on some validation images."""
    trial = folder.trial(number)
    trial.write_plan({"model_name": f"model-{number}"})
    trial.write_spec({})
    accuracy = float(right.mean())
    report = Report(
        metrics={"accuracy": accuracy, "auc_macro": accuracy / 2},
        intervals={"accuracy": MetricInterval(value=accuracy, low=accuracy - 0.1, high=accuracy + 0.1)},
        per_class=[],
    )
    write_json(
        trial.path / "metrics.json", TrialMetrics(calibration=Calibration(), splits={"val": report}).model_dump()
    )
    result = TrialResult(
        best_epoch=1, fine_tuned_share=1.0, epochs=2, primary_metric="accuracy", score=accuracy, seconds=1.0,
        weights_source="none", parameters=parameters,
    )  # fmt: skip
    write_json(trial.path / "result.json", result.model_dump())
    np.savez(trial.path / "comparison.npz", scores=right.astype(float))
    trial.update(status=TrialStatus.COMPLETED)
    return trial


def settle(folder: RunFolder) -> None:
    """Let the last changes be a minute old."""
    for number, trial in enumerate(folder.trials()):
        os.utime(trial.path, (1e9 + number, 1e9 + number))


def right(share: float, images: int = 200, *, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permutation(images) < share * images


def test_only_trials_whose_files_changed_are_read_again(folder: RunFolder, monkeypatch: pytest.MonkeyPatch):
    for number in range(3):
        finished(folder, number, right(0.5 + 0.1 * number))
    read: list[int] = []
    whole = board_reader.read_row
    monkeypatch.setattr(
        board_reader, "read_row", lambda trial, outline: read.append(trial.number) or whole(trial, outline)
    )
    reader = BoardReader(folder)
    assert [row.trial for row in reader.read()] == [2, 1, 0]
    settle(folder)
    reader.read()
    read.clear()
    reader.read()
    assert read == []
    finished(folder, 0, right(0.9))
    finished(folder, 3, right(0.1))
    board = reader.read()
    assert read == [0, 3]
    assert [(row.rank, row.trial, row.score.value) for row in board] == [
        (1, 0, 0.9),
        (2, 2, 0.7),
        (3, 1, 0.6),
        (4, 3, 0.1),
    ]
    assert [row.trial for row in read_leaderboard(folder)] == [0, 2, 1, 3]


def test_two_changes_within_one_tick_of_the_clock_are_both_seen(folder: RunFolder):
    trial = finished(folder, 0, right(0.5))
    now = trial.path.stat().st_mtime_ns
    reader = BoardReader(folder)
    assert reader.read()[0].score.value == 0.5
    finished(folder, 0, right(0.9))
    os.utime(trial.path, ns=(now, now))
    assert reader.read()[0].score.value == 0.9


def test_a_changed_primary_metric_ranks_anew(folder: RunFolder):
    finished(folder, 0, right(0.5))
    finished(folder, 1, right(0.7))
    reader = BoardReader(folder)
    assert [row.trial for row in reader.read()] == [1, 0]
    folder.create({"task": "image-classification", "primary_metric": "auc_macro", "lower_is_better": True})
    os.utime(folder.path / "spec.json", (1, 1))
    board = reader.read()
    assert (board.metric, [row.trial for row in board]) == ("auc_macro", [0, 1])


def test_any_metric_gets_a_column(folder: RunFolder):
    finished(folder, 0, right(0.5))
    board = BoardReader(folder).read(["auc_macro"])
    assert board.columns()[3:5] == ["accuracy (validation)", "auc_macro (validation)"]
    assert board.cells()[0][3:5] == ["0.5000 [0.4000, 0.6000]", "0.2500"]
    (row,) = board.to_json()
    assert row["metrics"] == {"auc_macro": {"val": {"value": 0.25}}}
    with pytest.raises(ValueError, match=r'no trial has the metric "auc_makro".*Did you mean "auc_macro"'):
        BoardReader(folder).read(["auc_makro"])


def test_a_run_without_trials_has_an_empty_board(folder: RunFolder):
    assert len(read_leaderboard(folder)) == 0
    assert judge(folder, []) is None


def test_trials_that_differ_by_chance_are_named_and_the_smallest_is_recommended(folder: RunFolder):
    finished(folder, 0, right(0.3, seed=1), parameters=1_000_000)
    finished(folder, 1, right(0.9), parameters=4_000_000)
    finished(folder, 2, right(0.89), parameters=2_500_000)
    finished(folder, 3, right(0.88), parameters=3_000_000)
    verdict = judge(folder, read_leaderboard(folder))
    assert verdict is not None
    assert (verdict.best, verdict.not_distinguishable, verdict.recommended) == (1, (2, 3), 2)
    folder.update(decision=Decision(trial=3, reason="AutoMode decided"))
    decided = judge(folder, read_leaderboard(folder))
    assert decided is not None
    assert (decided.best, decided.recommended, decided.sentence) == (1, 3, verdict.sentence)
    assert verdict.sentence == (
        "trial 1 scores best; not distinguishable from it: 2, 3 (paired tests on 200 validation images, "
        "Holm-corrected, level 0.05). Smallest of these: trial 2 (2.5 million weights)"
    )
    assert verdict.to_json()["tests"][2]["adjusted_p_value"] < 0.001


def test_a_clear_winner_is_called_so(folder: RunFolder):
    finished(folder, 0, right(0.3))
    finished(folder, 1, right(0.9))
    verdict = judge(folder, read_leaderboard(folder))
    assert verdict is not None
    assert (verdict.recommended, verdict.not_distinguishable) == (1, ())
    assert verdict.sentence.startswith("trial 1 is better than every other one (paired tests on 200")


def test_a_single_trial_needs_no_verdict(folder: RunFolder):
    finished(folder, 0, right(0.3))
    verdict = judge(folder, read_leaderboard(folder))
    assert verdict is not None
    assert (verdict.best, verdict.sentence) == (0, "")


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [  # as R's p.adjust(method="holm") gives them
        ([], []),
        ([0.04], [0.04]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.6, 0.7], [1.0, 1.0, 1.0]),
        ([0.02, 0.02], [0.04, 0.04]),
    ],
)
def test_holm(p_values: list[float], adjusted: list[float]):
    assert holm(p_values) == pytest.approx(adjusted)


def test_a_test_that_was_not_possible_does_not_count():
    assert holm([float("nan"), 0.03]) == pytest.approx([float("nan"), 0.03], nan_ok=True)


def test_a_board_knows_its_metrics_and_which_settings_differ(folder: RunFolder):
    for number, rate in enumerate((0.1, 0.2)):
        trial = finished(folder, number, right(0.5))
        trial.write_plan({"drawn": {"learning_rate": rate, "optimizer": "sgd", "model_name": "a"}})
    settle(folder)
    board = read_leaderboard(folder)
    assert board.known_metrics == ["accuracy", "auc_macro"]
    assert board.differing == ["learning_rate"]
    finished(folder, 2, right(0.5)).write_plan({"drawn": {"learning_rate": 0.1}})
    assert read_leaderboard(folder).differing == ["learning_rate", "optimizer"]
