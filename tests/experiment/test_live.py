"""What is shown of a run while it works: lines, curves, JSON lines."""

from __future__ import annotations

import io
import json
import math
import re
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from automl_vision.core.files import append_json_line
from automl_vision.core.numbers import json_text
from automl_vision.core.records import EvaluationEvent, PlaceInLine, Progress
from automl_vision.experiment.live import LiveRun, Position, duration, sparkline
from automl_vision.experiment.progress import show_progress
from automl_vision.runs.board_reader import read_leaderboard
from automl_vision.workspace.run_folder import RunFolder
from automl_vision.workspace.trial_folder import TrialFolder
from reporting import write_result


def write_trial(folder: RunFolder, number: int, curve: list[float], status: str, **record: Any) -> TrialFolder:
    trial = folder.trial(number)
    trial.write_plan({"model_name": "resnet18"})
    trial.write_spec({"model_name": "resnet18"})
    trial.update(status=status, **record)
    file = trial.path / "events.jsonl"
    for epoch, value in enumerate(curve):
        append_json_line(
            file, {"event": "evaluation", "time": time.time(), "epoch": epoch, "metrics": {"accuracy": value},
                   "seconds": 1.0},
        )  # fmt: skip
    append_json_line(
        file, {"event": "progress", "time": time.time(), "phase": f"epoch {len(curve)}/20", "done": 1, "total": 9,
               "seconds_left": 75.5},
    )  # fmt: skip
    return trial


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run with a finished, an ended and a running trial, that has just completed."""
    run = RunFolder(tmp_path / "run")
    run.create({"primary_metric": "accuracy", "budget_seconds": 600.0})
    run.message("8 classes")
    done = write_trial(run, 0, [0.2, 0.5, 0.7], "Completed")
    write_result(done, 0.71)
    write_trial(run, 1, [0.2, 0.3], "Terminated", reason="below 0.6")
    write_trial(run, 2, [0.2, 0.9], "Running")
    run.update(status="Completed", seconds=100.0)
    return run


def shown(folder: RunFolder, *, terminal: bool = False, width: int = 150, **options: Any) -> str:
    stream = io.StringIO()
    show_progress(folder, Console(file=stream, force_terminal=terminal, width=width, color_system=None), **options)
    return stream.getvalue()


def test_where_lower_is_better_the_lowest_trial_leads(folder: RunFolder):
    folder.create({"primary_metric": "accuracy", "lower_is_better": True, "budget_seconds": 600.0})
    run = LiveRun(folder)
    run.update()
    assert run.best is not None
    assert (run.best.trial, [line.value for line in run.lines.values()]) == (1, [0.71, 0.2, 0.2])
    assert [row.trial for row in read_leaderboard(folder)] == [0, 1, 2]
    write_trial(folder, 3, [0.1], "Running")
    assert [row.trial for row in read_leaderboard(folder)] == [3, 0, 1, 2]


def test_what_is_known_of_a_run(folder: RunFolder):
    run = LiveRun(folder)
    events = run.update()
    assert [new.trial for new in events if isinstance(new.event, EvaluationEvent)] == [0, 0, 0, 1, 1, 2, 2]
    assert run.update() == []
    first, second, third = run.lines.values()
    assert (first.status, first.value, first.epoch, first.curve) == ("Completed", 0.71, 2, [0.2, 0.5, 0.7])
    assert (second.status, second.reason, second.seconds_left) == ("Terminated", "below 0.6", None)
    assert (third.status, third.epochs, third.seconds_left, third.value) == ("Running", 20, 75.5, 0.9)
    assert run.best is third
    assert run.budget_left == 500.0
    write_trial(folder, 3, [0.1], "Running")
    assert [type(new.event) for new in run.update()] == [EvaluationEvent, Progress]


def test_a_pipe_gets_plain_lines(folder: RunFolder):
    lines = shown(folder).splitlines()
    assert lines[0] == "8 classes"
    assert "trial 0  probe    accuracy 0.2000  1 s" in lines
    assert "trial 2  epoch  1  accuracy 0.9000  1 s" in lines


def test_machines_get_json_lines(folder: RunFolder):
    values = [json.loads(line) for line in shown(folder, as_json=True).splitlines()]
    assert [value["event"] for value in values] == ["message", "trial", "trial", "trial", "run"]
    assert values[2]["reason"] == "below 0.6"
    assert values[3]["curve"] == [0.2, 0.9]
    assert values[4] == {
        "event": "run", "status": "Completed", "trials": 3, "best": {"trial": 2, "accuracy": 0.9}, "budget_left": 500.0,
    }  # fmt: skip


def test_a_terminal_gets_one_line_a_trial(folder: RunFolder):
    text = shown(folder, terminal=True)
    line = next(line for line in text.splitlines() if "trial 2" in line)
    for part in ("resnet18", "Running", "1/20", "0.9000", "▁█", "1:15 left"):
        assert part in line
    assert "trial 1" in text
    assert "below 0.6" in text
    assert "best 0.9000 (trial 2)" in text
    assert "budget 8:20 left" in text


def test_a_narrow_terminal_keeps_what_matters(folder: RunFolder):
    folder.trial(2).write_plan({"model_name": "fasterrcnn_efficientnet_lite1_fpn"})
    lines = shown(folder, terminal=True, width=60).splitlines()
    line = next(line for line in lines if "trial 2 " in line and "…" in line)
    assert [part in line for part in ("Running", "1/20", "0.9000", "1:15 left")] == [True] * 4
    assert len(line) <= 60


@pytest.fixture
def diverged(folder: RunFolder) -> RunFolder:
    """The run with two more trials whose metric is no number."""
    write_trial(folder, 3, [math.nan, 0.4, math.inf], "Running")
    write_result(write_trial(folder, 4, [math.nan], "Completed"), math.nan)
    return folder


def test_what_is_no_number_does_not_rank(diverged: RunFolder):
    run = LiveRun(diverged)
    run.update()
    assert run.best is not None
    assert run.best.trial == 2
    assert (run.lines[3].value, run.lines[3].curve, run.lines[3].epoch) == (0.4, [0.4], 2)
    assert (run.lines[4].value, run.lines[4].curve) == (None, [])
    for width in (60, 150):
        assert "trial 3 " in shown(diverged, terminal=True, width=width)
    assert "trial 4  probe    accuracy not a number  1 s" in shown(diverged).splitlines()
    rows = read_leaderboard(diverged)
    assert [(row.trial, row.rank) for row in rows] == [(2, 1), (0, 2), (3, 3), (1, 4), (4, None)]


def test_json_holds_only_what_is_json(diverged: RunFolder):
    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    for line in shown(diverged, as_json=True).splitlines():
        json.loads(line, parse_constant=refuse)
    assert json_text({"a": [math.nan, (math.inf, 1.5)], "b": True}) == '{"a": [null, [null, 1.5]], "b": true}'


def test_an_epoch_that_a_resumed_trial_repeats_counts_once(folder: RunFolder):
    event = {"event": "evaluation", "time": time.time(), "epoch": 1, "metrics": {"accuracy": 0.6}, "seconds": 2.0}
    append_json_line(folder.trial(2).path / "events.jsonl", event)
    run = LiveRun(folder)
    run.update()
    assert run.lines[2].curve == [0.2, 0.6]


def test_of_many_trials_those_at_work_and_the_best_are_shown(folder: RunFolder):
    for number in range(3, 40):
        write_trial(folder, number, [0.0, number / 100], "Failed", reason="x")
    text = shown(folder, terminal=True)
    assert "28 more trials" in text
    assert "trial 2 " in text
    assert "trial 39" in text
    assert "trial 3 " not in text


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ""),
        ([0.0, 1.0], "▁█"),
        ([0.5], "▅"),
        ([-1.0, 2.0], "▁█"),
        (list(range(24)), "▁▂▂▃▄▄▅▆▆▇██"),
    ],
)
def test_sparkline(values: list[float], expected: str):
    high = max([1.0, *values[-1:]]) if len(values) > 2 else 1.0
    assert sparkline(values, 0.0, high) == expected


def test_a_flat_curve_is_low():
    assert sparkline([0.3, 0.3], 0.3, 0.3) == "▁▁"


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (75.9, "1:15"), (5999, "99:59"), (7260, "2 h 01")])
def test_durations(seconds: float, text: str):
    assert duration(seconds) == text


def test_a_reader_goes_on_where_another_one_stopped(folder: RunFolder):
    first = LiveRun(folder)
    first.update()
    text = first.position.text
    assert re.fullmatch(r"\d+:3:2=\d+", text)  # the others have results and were read to their ends
    assert Position.parse(text) == first.position

    append_json_line(folder.events.path, {"event": "message", "time": 1.0, "text": "half"})
    with folder.events.path.open("a") as file:
        file.write('{"event": "message", "time": 2.0, "te')  # a line that is being written
    write_trial(folder, 2, [0.4], "Running")
    write_trial(folder, 3, [0.1], "Running")
    second = LiveRun(folder)
    second.update()
    missed = second.events_since(Position.parse(text))
    expected = [new for new in first.update() if not isinstance(new.event, Progress)]
    assert [new for new in missed if not isinstance(new.event, Progress)] == expected
    assert [(type(new.event).__name__, new.trial) for new in expected] == [
        ("Message", None), ("EvaluationEvent", 2), ("EvaluationEvent", 3),
    ]  # fmt: skip
    assert second.events_since(second.position) == []
    assert len(second.events_since(Position())) > len(missed)


@pytest.mark.parametrize("text", ["", "1", "1:2", "1:2:3", "1:2:3=4x", "-1:0:", "1:2:3=4\n", "9" * 40])
def test_a_position_that_cannot_be_read_is_refused(text: str):
    with pytest.raises(ValueError, match="is not a position in the events of a run"):
        Position.parse(text)


def test_a_trial_that_failed_is_followed_again_when_its_run_goes_on(folder: RunFolder):
    failed = write_trial(folder, 4, [0.3], "Failed", reason="a bad value")
    run = LiveRun(folder)
    run.update()
    assert (run.lines[4].status, run.lines[4].reason) == ("Failed", "a bad value")
    failed.update(status="Running", reason=None)
    write_trial(folder, 4, [0.3, 0.6], "Running", reason=None)
    assert {new.trial for new in run.update()} == {4}
    assert (run.lines[4].status, run.lines[4].curve) == ("Running", [0.3, 0.6])


def test_a_queued_run_says_what_it_waits_for_and_keeps_its_time(folder: RunFolder):
    place = PlaceInLine(place=1, run="chest-1", workspace="/ws")
    folder.update(status="Queued", in_line=place, seconds=100.0)
    with folder.lock.hold():
        live = LiveRun(folder)
        live.update()
        assert live.to_json()["status"] == "Queued"
        assert live.to_json()["in_line"] == {"place": 1, "run": "chest-1", "workspace": "/ws"}
        assert live.budget_left == 500.0
    live.update()
    assert (live.status, live.in_line) == ("Interrupted", None)
