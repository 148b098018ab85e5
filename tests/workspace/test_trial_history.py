"""What a workspace remembers of finished trials: kept, exported, taken, forgotten, and without anybody's names."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from automl_vision import Experiment, Workspace
from automl_vision.core.errors import DataError
from automl_vision.core.files import write_json
from automl_vision.core.records import DataFacts, EvaluationEvent, PastTrial
from automl_vision.data.dataset import Dataset
from automl_vision.runs.past_trials import _epoch_seconds, _timed, input_sizes
from automl_vision.workspace.trial_history import TrialHistory
from command_line import run_command
from conftest import SMALL_MODEL, small_hyperparameters, small_trial, write_shape_folders
from runs_here import small_config, work_here

FACTS = DataFacts(images=100, classes=3, largest_share=0.5, side=200.0)


def past(run: str = "a", trial: int = 0, **values: Any) -> PastTrial:
    known = {
        "run": run, "trial": trial, "ended": 10.0 + trial, "task": "image-classification", "data": "d", "facts": FACTS,
        "model_name": "resnet18", "metric": "accuracy", "score": 0.8, "epochs": 3, "seconds": 9.0, "cores": 2,
    }  # fmt: skip
    return PastTrial.model_validate(known | values)


def test_a_trial_that_is_added_again_counts_once(tmp_path: Path):
    history = TrialHistory(tmp_path / "history")
    assert history.trials() == []
    history.add([past(trial=1), past(trial=0, score=None)])
    history.add([past(trial=0, score=0.9)])
    assert [(trial.trial, trial.score) for trial in history.trials()] == [(0, 0.9), (1, 0.8)]


def test_a_line_of_another_version_is_passed_over(tmp_path: Path):
    history = TrialHistory(tmp_path)
    history.add([past()])
    with (tmp_path / "trials.jsonl").open("a") as file:
        file.write('{"run": "b"}\n' + json.dumps({**past("c").model_dump(mode="json"), "later": 1}) + "\n{half")
    assert [trial.run for trial in history.trials()] == ["a", "c"]


def test_what_is_exported_can_be_taken_elsewhere_once(tmp_path: Path):
    here, there = TrialHistory(tmp_path / "here"), TrialHistory(tmp_path / "there")
    here.add([past(), past("b")])
    there.add([past("b", score=0.1)])
    assert here.export(tmp_path / "file.jsonl") == 2
    assert (there.take(tmp_path / "file.jsonl"), there.take(tmp_path / "file.jsonl")) == (1, 0)
    assert {(trial.run, trial.score) for trial in there.trials()} == {("a", 0.8), ("b", 0.1)}
    (tmp_path / "other.jsonl").write_text(past("z").model_dump_json() + '\n{"x": 1}\n')
    with pytest.raises(DataError, match=r"line 2 of .*other.jsonl is not a trial"):
        there.take(tmp_path / "other.jsonl")
    assert len(there.trials()) == 2
    with pytest.raises(DataError, match="no file"):
        there.take(tmp_path / "nothing.jsonl")


def test_a_run_leaves_what_others_learn_from_and_no_names(tmp_path: Path):
    data = write_shape_folders(tmp_path / "secret-folder")
    workspace = Workspace(tmp_path / "ws")
    config = small_config(data, epochs=2)
    run = work_here(Experiment(workspace, "hidden-name"), config)
    (kept,) = workspace.history.trials()
    result = run.folder.trial(0).result()
    assert result is not None
    assert (kept.model_name, kept.epochs, kept.score) == (SMALL_MODEL, 2, result.score)
    assert set(kept.scores) == {0, 1, 2} and kept.epoch_seconds
    assert [report.passes for report in run.folder.trial(0).evaluations()] == [0.0, 1.0, 2.0]
    assert (kept.facts.images, kept.facts.classes, kept.facts.side) == (24, 3, 40.0)
    text = (workspace.history.folder / "trials.jsonl").read_text()
    dataset_words = ["hidden-name", "secret-folder", run.id, str(tmp_path), "circle", "square"]
    assert not [word for word in dataset_words if word in text]
    again = work_here(Experiment(workspace, "hidden-name"), config)
    assert len(workspace.history.trials()) == 2
    workspace.history.switch(on=False)
    work_here(Experiment(workspace, "hidden-name"), config)
    assert len(workspace.history.trials()) == 2 and workspace.history.usable() == []
    assert again.id != run.id


def test_a_quarter_of_an_epoch_takes_a_quarter_of_the_time():
    reports = [
        EvaluationEvent(epoch=0, metrics={}, seconds=2.0),
        EvaluationEvent(epoch=1, passes=0.25, metrics={}, seconds=5.0),
    ]
    assert _epoch_seconds(reports) == 12.0


def test_the_first_steps_tell_of_trials_with_images_of_the_same_size(tmp_path: Path, shapes: Dataset):
    spec = small_trial(tmp_path, shapes)
    write_json(tmp_path / "spec.json", spec.model_dump())
    assert _timed(tmp_path, input_sizes(spec.hyperparameters.model_dump(mode="json"))) is None
    write_json(tmp_path / "timing.json", {"setup": 1.0, "epoch": 7.0, "finish": 1.0})
    for side, seconds in ((32, 7.0), (24, None)):
        assert _timed(tmp_path, input_sizes(small_hyperparameters(validation_crop_size=side).model_dump())) == seconds


def test_the_commands(tmp_path: Path):
    workspace = Workspace(tmp_path / "ws")
    workspace.history.add([past(role="default recipe"), past(trial=1, role="resnet18, 2.5 times the rate")])
    where = ["--workspace", str(workspace.path)]
    shown = run_command("history", "show", *where).stdout
    assert "2.5 times the rate" in shown and "2 trials of 1 runs" in shown
    told = json.loads(run_command("history", "show", "--json", *where).stdout)
    assert told["is_on"] and [trial["trial"] for trial in told["trials"]] == [0, 1]
    file = str(tmp_path / "file.jsonl")
    assert "2 trials were written" in run_command("history", "export", file, *where).stdout
    assert "Nothing was" in run_command("history", "clear", *where).stdout
    assert "2 trials were deleted" in run_command("history", "clear", "--yes", *where).stdout
    assert "2 trials were added" in run_command("history", "import", file, *where).stdout
    run_command("history", "off", *where)
    assert "The history is off" in run_command("history", "show", *where).stdout
    run_command("history", "on", *where)
    assert workspace.history.is_on
