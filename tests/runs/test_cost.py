"""Latency and size on the leaderboard: the front, the limits, and which of equal trials is recommended."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from automl_vision import Run, Workspace
from automl_vision.core.files import write_json
from automl_vision.core.records import (
    BatchLatency,
    Calibration,
    MetricInterval,
    Report,
    Speed,
    TrialMetrics,
    TrialResult,
    TrialStatus,
)
from automl_vision.runs.front import on_front
from automl_vision.runs.leaderboard import Leaderboard, Row
from automl_vision.runs.limits import Limits, within
from automl_vision.runs.verdict import recommend
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder
from command_line import run_command

NAN = float("nan")


@pytest.mark.parametrize(
    ("costs", "expected"),
    [
        ([], []),
        ([(1.0, 1.0)], [True]),
        ([(1, 3), (2, 2), (3, 1)], [True, True, True]),
        ([(1, 1), (2, 2), (1, 2)], [True, False, False]),
        ([(2, 2), (1, 1)], [False, True]),
        ([(1, 2), (1, 2), (1, 3)], [True, True, False]),  # equal ones are on it together
        ([(NAN, 0), (1, 1)], [False, True]),  # an unknown cost beats nothing
        ([(None, 0), (1, 1), (2, None)], [False, True, False]),
        ([(float("-inf"), 0), (1, 1)], [False, True]),
        ([(None,), (NAN,)], [False, False]),
        ([(-0.9, 7, 4), (-0.8, 7, 4), (-0.8, 5, 9), (-0.9, 8, 4)], [True, False, True, False]),
    ],
)
def test_the_front_of_several_costs(costs: list[tuple[float | None, ...]], expected: list[bool]):
    assert on_front(costs) == expected


def test_the_front_is_what_its_definition_says():
    costs = np.random.default_rng(0).integers(0, 6, (120, 3)).astype(float)
    beaten = [any((other <= one).all() and (other < one).any() for other in costs) for one in costs]
    assert on_front(costs.tolist()) == [not each for each in beaten]
    assert 0 < sum(beaten) < len(costs)


def row(trial: int, ms: float | None = None, mb: float | None = None, **values: object) -> Row:
    values = {"parameters": None, "not_measurable": None, **values}
    return Row(
        trial=trial, model_name="m", status=TrialStatus.COMPLETED, score=MetricInterval(value=1.0 - trial / 100),
        test_score=None, best_epoch=1, epochs=1, seconds=1.0, reason=None, latency_ms=ms, size_mb=mb, **values,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("rows", "trial", "reason"),
    [
        ([row(0)], 0, "Smallest of these: trial 0"),
        ([row(0, parameters=9_000_000), row(1, parameters=5_000_000)], 1,
         "Smallest of these: trial 1 (5 million weights)"),
        ([row(0, 9, 20), row(1, 5, 30)], 1, "Fastest of these: trial 1 (5 ms per image, 30 MB)"),
        ([row(0, 9, 20), row(1, 5, 10)], 1, "Smallest and fastest of these: trial 1 (5 ms per image, 10 MB)"),
        # within the noise of the latency the file decides, and then the score
        ([row(0, 5.4, 10), row(1, 5, 30)], 0, "Smallest and fastest of these: trial 0 (5.4 ms per image, 10 MB)"),
        ([row(0, 5.6, 10), row(1, 5, 30)], 1, "Fastest of these: trial 1 (5 ms per image, 30 MB)"),
        ([row(0, 5, 10), row(1, 5, 10)], 0, "Smallest and fastest of these: trial 0 (5 ms per image, 10 MB)"),
        # a figure says nothing beside an unknown one
        ([row(0, 9, 20, parameters=9_000_000), row(1, parameters=10_000_000)], 0,
         "Smallest of these: trial 0 (9 million weights)"),
        # what cannot be exported is no way out
        ([row(0, 9, 20), row(1, not_measurable="no such operator", parameters=1)], 0,
         "Smallest and fastest of these: trial 0 (9 ms per image, 20 MB)"),
        ([row(0, not_measurable="no such operator")], 0, "Smallest of these: trial 0"),
    ],
)  # fmt: skip
def test_of_equal_trials_the_fastest_or_smallest_is_recommended(rows: list[Row], trial: int, reason: str):
    assert recommend(rows) == (trial, reason)


BOARD = [row(0, 20, 40), row(1, 7.1, 4.3), row(2), row(3, 5, 50), row(4, not_measurable="no such operator")]


@pytest.mark.parametrize(
    ("limits", "kept", "note"),
    [
        (Limits(10, None), [1, 3], "best with at most 10 ms per image: trial 1 (7.1 ms per image, 4.3 MB)"),
        (Limits(None, 45), [0, 1], "best with at most 45 MB: trial 0 (20 ms per image, 40 MB)"),
        (Limits(6, 60), [3], "best with at most 6 ms per image and 60 MB: trial 3 (5 ms per image, 50 MB)"),
        (Limits(5, None), [3], "best with at most 5 ms per image: trial 3 (5 ms per image, 50 MB)"),
        (Limits(6, 45), [], "no measured trial has at most 6 ms per image and 45 MB: "
         "trial 3 has 5 ms per image, 50 MB; trial 1 has 7.1 ms per image, 4.3 MB"),
        (Limits(1, None), [], "no measured trial has at most 1 ms per image: "
         "trial 3 has 5 ms per image, 50 MB; trial 1 has 7.1 ms per image, 4.3 MB"),
    ],
)  # fmt: skip
def test_limits_keep_the_trials_within_and_name_the_others(limits: Limits, kept: list[int], note: str):
    board = within(Leaderboard("accuracy", BOARD), limits)
    assert [each.trial for each in board] == kept
    assert board.note == f"{note}; not measured: 2; cannot be exported: 4"
    assert repr(board).endswith(board.note)
    assert board.note in board._repr_html_()


def test_without_measured_trials_limits_say_so():
    board = within(Leaderboard("accuracy", [row(2), row(3)]), Limits(10, None))
    assert (len(board), board.note) == (
        0,
        "no trial has at most 10 ms per image, for none is measured; not measured: 2, 3",
    )
    assert within(Leaderboard("accuracy", []), Limits(10, None)).note == (
        "no trial has at most 10 ms per image, for none is measured"
    )


@pytest.mark.parametrize("limit", [0, -1, NAN, float("inf")])
def test_a_limit_is_a_positive_number(limit: float):
    with pytest.raises(ValueError, match="max_latency_ms must be a positive number"):
        Limits(limit)


def finished(folder: RunFolder, number: int, right: np.ndarray, ms: float | None, size: int) -> TrialFolder:
    """A trial with a result, and what was measured of it."""
    trial = folder.trial(number)
    trial.write_plan({"model_name": f"model-{number}"})
    trial.write_spec({})
    accuracy = float(right.mean())
    report = Report(metrics={"accuracy": accuracy}, intervals={}, per_class=[])
    write_json(
        trial.path / "metrics.json", TrialMetrics(calibration=Calibration(), splits={"val": report}).model_dump()
    )
    result = TrialResult(
        best_epoch=1, fine_tuned_share=1.0, epochs=2, primary_metric="accuracy", score=accuracy, seconds=1.0,
        weights_source="none", parameters=1000 * size,
    )  # fmt: skip
    write_json(trial.path / "result.json", result.model_dump())
    np.savez(trial.path / "comparison.npz", scores=right.astype(float))
    if ms is not None:
        batches = {n: BatchLatency(median_ms=n * ms, p95_ms=2 * n * ms, repetitions=9) for n in (1, 8)}
        Speed(runtime="onnx", batches=batches, bytes=size * 1_000_000, cpu="a CPU", cores=2).save(trial.path)
    trial.update(status=TrialStatus.COMPLETED)
    return trial


@pytest.fixture
def run(tmp_path: Path) -> Run:
    workspace = Workspace(tmp_path / "workspace")
    folder = RunFolder(workspace.path / "runs" / "costs-1")
    folder.create({"task": "image-classification", "primary_metric": "accuracy"})
    random = np.random.default_rng(0)
    for number, (share, ms, size) in enumerate([(0.9, 20, 40), (0.89, 7.1, 4), (0.5, 3, 2), (0.88, None, 9)]):
        finished(folder, number, random.permutation(200) < 200 * share, ms, size)
    return Run(workspace, "costs-1")


def test_the_board_shows_costs_and_the_front(run: Run):
    board = run.leaderboard()
    assert board.columns()[4:8] == ["ms per image", "in batches of 8", "MB", "front"]
    assert [cells[4:8] for cells in board.cells()] == [
        ["20", "20", "40", "front"],
        ["7.1", "7.1", "4", "front"],
        ["", "", "", ""],
        ["3", "3", "2", "front"],
    ]
    assert board.measured_on == "latency of the network alone: onnx, 1 thread, a CPU (2 cores)"
    first = board.to_json()[0]
    assert (first["latency_ms"], first["size_mb"], first["on_front"]) == (20, 40, True)
    Speed(problem="no such operator").save(run.folder.trial(3).path)
    assert run.leaderboard().cells()[2][-1] == "Completed; cannot be measured: no such operator"


def test_a_speed_that_is_written_later_is_seen(run: Run):
    before = run.leaderboard()
    assert before[2].latency_ms is None
    assert run.verdict().sentence.endswith("Smallest of these: trial 1 (0.004 million weights)")
    run.folder.trial(1).speed().save(run.folder.trial(3).path)
    assert run.leaderboard()[2].latency_ms == pytest.approx(7.1)
    assert run.verdict().sentence.endswith("Smallest and fastest of these: trial 1 (7.1 ms per image, 4 MB)")


def test_the_verdict_within_limits_is_about_these_trials(run: Run):
    assert run.verdict(max_latency_ms=10).best == 1
    assert run.verdict(max_latency_ms=10).not_distinguishable == ()
    assert run.verdict(max_latency_ms=1) is None


def test_the_command_filters_and_names_what_is_not_measured(run: Run):
    where = ("--workspace", run.workspace.path)
    shown = run_command("leaderboard", run.id, "--max-ms", 10, "--max-mb", 20, *where)
    assert shown.returncode == 0
    assert (
        "best with at most 10 ms per image and 20 MB: trial 1 (7.1 ms per image, 4 MB); not measured: 3" in shown.stdout
    )
    assert "of these, trial 1 is better than every other one" in shown.stdout
    assert "model-0" not in shown.stdout
    found = run_command("leaderboard", run.id, "--max-ms", 10, "--json", *where)
    assert [each["trial"] for each in json.loads(found.stdout)] == [1, 2]
    assert "not measured: 3" in found.stderr
    wrong = run_command("leaderboard", run.id, "--max-ms", 0, *where)
    assert wrong.returncode == 2
    assert "must be a positive number" in wrong.stderr
