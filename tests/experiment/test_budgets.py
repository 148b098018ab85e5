"""What times would buy, told before anything is trained."""

from __future__ import annotations

import json
from pathlib import Path

from automl_vision import Dataset, Experiment, Workspace
from automl_vision.experiment.budgets import forecast_budgets
from command_line import run_command
from conftest import write_objects, write_shape_folders


def test_a_longer_time_buys_more(tmp_path: Path):
    data = write_shape_folders(tmp_path / "data", per_class=40)
    workspace = Workspace(tmp_path / "ws")
    found = forecast_budgets(Experiment(workspace, "e"), Dataset.open(data), [0.5, 5, 60])
    epochs = [budget.epochs or 0 for budget in found.budgets]
    assert epochs == sorted(epochs) and epochs[-1] == 40
    scores = [budget.score for budget in found.budgets]
    assert all(score is not None and score.low <= score.value <= score.high for score in scores)
    assert workspace.run_ids() == []
    told = run_command("plan", str(data), "--minutes", "0.5", "5", "--workspace", str(workspace.path)).stdout
    assert told.splitlines()[0].startswith("0.5 min: ") and told.splitlines()[1].startswith("5 min: up to ")
    assert "a linear probe on" in told and "accuracy" in told
    as_json = run_command("plan", str(data), "--minutes", "5", "--json", "--workspace", str(workspace.path)).stdout
    assert json.loads(as_json)["budgets"][0]["minutes"] == 5


def test_of_a_detector_only_the_speed_is_told(tmp_path: Path):
    data = Dataset.open(write_objects(tmp_path / "data"))
    found = forecast_budgets(Experiment(Workspace(tmp_path / "ws"), "e"), data, [5])
    assert found.budgets[0].score is None and found.budgets[0].epochs
    assert "known only when it trains" in found.basis[0]
