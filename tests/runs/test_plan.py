"""The plan before the start: what fits into the time, and what is not known."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest

from automl_vision import AutoMLVisionConfig, Experiment, Run, Workspace
from automl_vision.core.files import read_json
from automl_vision.core.records import Evaluation
from automl_vision.experiment.experiment import run_spec
from automl_vision.runs.budget import Budget, few_epochs_seconds
from automl_vision.runs.pace import Pace, find_pace
from automl_vision.runs.plan import Plan, plan_run
from automl_vision.runs.spec import RunSpec
from command_line import run_command
from conftest import SMALL_MODEL, write_shape_folders
from runs_here import small_config, work_here

KNOWN = Pace(epoch=0.01, rest=0.01, spread=1.5, basis="from a trial here")
SPACE = {"space": {"learning_rate": {"type": "loguniform", "low": -9, "high": -3}}}


def spec(tmp_path: Path, **values: Any) -> RunSpec:
    config = AutoMLVisionConfig(task="image-classification", training_data="photos", **values)
    return run_spec(config, Experiment(Workspace(tmp_path / "ws"), "e"), Path("m.parquet"))


def test_a_trial_that_fits_is_ready_before_the_time_is_over(tmp_path: Path):
    plan = plan_run(spec(tmp_path, experiment_timeout_hours=10, model_name="resnet18"), KNOWN, images=1000)
    assert (plan.mode, plan.wanted, plan.epochs, plan.first_epochs) == ("one trial", 1, 40, None)
    assert plan.trial_seconds is not None and plan.seconds is not None
    assert plan.trial_seconds.likely == pytest.approx(10 + 400)
    assert plan.trial_seconds.low < plan.trial_seconds.likely < plan.trial_seconds.high
    assert 410 < plan.seconds.likely < 450
    assert plan.sentence == "One trial of about 7 min"


@pytest.mark.parametrize(("images", "epochs"), [(1_000, None), (4_000, 13), (50_000, 0)])
def test_a_short_time_gets_some_of_the_epochs(tmp_path: Path, images: int, epochs: int | None):
    plan = plan_run(spec(tmp_path, experiment_timeout_hours=600 / 3600, model_name="resnet18"), KNOWN, images=images)
    assert plan.first_epochs == epochs
    assert plan.seconds is not None and plan.seconds.high <= 600


def test_the_time_of_a_refit_is_not_for_trials(tmp_path: Path):
    short = spec(tmp_path, experiment_timeout_hours=600 / 3600, model_name="resnet18", refit_full=True)
    assert plan_run(short, KNOWN, images=4_000).first_epochs == 9  # 13 without it
    hours = spec(tmp_path, experiment_timeout_hours=10, model_name="resnet18", refit_full=True)
    plan = plan_run(hours, KNOWN, images=1000)
    assert plan.seconds is not None and plan.trial_seconds is not None
    assert plan.seconds.likely == pytest.approx(12 + 6 + 1.5 * plan.trial_seconds.likely)


@pytest.mark.parametrize(("sweep", "measuring"), [(False, 0.0), (True, 50.0)])
def test_packaging_measuring_and_refit_keep_their_time(tmp_path: Path, sweep: bool, measuring: float):
    search = {"hyperparameter_sampling": SPACE, "iterations": 2} if sweep else {"model_name": "resnet18"}
    run = spec(tmp_path, experiment_timeout_hours=1000 / 3600, refit_full=True, **search)
    budget = Budget.of(run, spent_before=100.0)
    assert budget.seconds_for_all_trials == pytest.approx(1000 - 12 - measuring - 250)
    assert budget.seconds_for_trials == pytest.approx(900 - 12 - measuring - 250, abs=1.0)
    assert budget.seconds_for_refit == pytest.approx(900 - 12 - measuring, abs=1.0)


def test_a_time_decides_the_number_of_epochs_unless_it_is_given(tmp_path: Path):
    by_time = spec(tmp_path, experiment_timeout_hours=1)
    fixed = spec(tmp_path, experiment_timeout_hours=1, arguments={"number_of_epochs": 3})
    swept = spec(tmp_path, hyperparameter_sampling=SPACE, iterations=2, experiment_timeout_hours=1)
    found = [each.trials[0].hyperparameters.number_of_epochs for each in (by_time, fixed, swept, spec(tmp_path))]
    assert found == [40, 3, 15, 15]
    assert [each.arguments.get("number_of_epochs") for each in (by_time, swept)] == [40, None]


def test_a_sweep_counts_its_trials_and_never_more_than_are_wanted(tmp_path: Path):
    short = plan_run(spec(tmp_path, hyperparameter_sampling=SPACE, iterations=50, experiment_timeout_hours=0.5),
                     KNOWN, images=1000)  # fmt: skip
    assert short.mode == "sweep" and short.trials is not None
    assert short.trials.low < short.trials.likely < short.trials.high <= 50
    lanes = plan_run(spec(tmp_path, hyperparameter_sampling=SPACE, iterations=50, experiment_timeout_hours=0.5),
                     KNOWN, images=1000, lanes=2)  # fmt: skip
    assert lanes.trials is not None and lanes.trials.likely == pytest.approx(2 * short.trials.likely)
    few = plan_run(spec(tmp_path, hyperparameter_sampling=SPACE, iterations=2), KNOWN, images=1000)
    assert few.trials is not None and few.trials.high == 2.0
    assert few.seconds is not None and few.seconds.likely < 600


def test_automode_says_how_wide_it_guesses(tmp_path: Path):
    plan = plan_run(spec(tmp_path, experiment_timeout_hours=1), KNOWN, images=1000)
    assert plan.mode == "AutoMode" and plan.trials is not None
    assert plan.sentence.startswith("AutoMode: about ")
    assert any("factor of 1.5" in reason for reason in plan.reasons)


def test_an_unknown_speed_is_said_to_be_unknown(tmp_path: Path):
    plan = plan_run(spec(tmp_path, experiment_timeout_hours=1, model_name="resnet50"), None, images=1000)
    assert (plan.trials, plan.trial_seconds, plan.seconds) == (None, None, None)
    assert "is not known" in plan.sentence
    assert plan.ready(time.time()).startswith("ready by ")
    assert plan_run(spec(tmp_path), None, images=9).ready(time.time()) == "it ends when its trials have"
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_the_pace_is_that_of_earlier_runs(tmp_path: Path):
    data = write_shape_folders(tmp_path / "data")
    workspace = Workspace(tmp_path / "ws")
    config = small_config(data, epochs=3)
    experiment = Experiment(workspace, "e")
    assert find_pace(workspace, config.task, SMALL_MODEL, config.hyperparameters.model_dump()) is None
    run: Run = work_here(experiment, config)
    run.wait_for_completion()
    pace = find_pace(workspace, config.task, SMALL_MODEL, config.hyperparameters.model_dump())
    assert pace is not None and pace.basis == f"from a trial of {SMALL_MODEL} that ran here"
    took = read_json(run.folder.trial(0).path / "result.json")["seconds"]
    assert 24 * (pace.rest + 3 * pace.epoch) == pytest.approx(took)
    larger = {**config.hyperparameters.model_dump(), "validation_crop_size": 64}
    assert find_pace(workspace, config.task, SMALL_MODEL, larger) is None
    options = ["--training-data", str(data), "--model-name", SMALL_MODEL, "--workspace", str(workspace.path)]
    sized = [f"--set={name}={value}" for name, value in config.arguments.items()]
    told = run_command("train", "--plan", *options, *sized).stdout
    assert "One trial of about" in told and "ready at about" in told
    assert len(workspace.run_ids()) == 1


def test_a_few_epochs_take_what_those_of_another_trial_took():
    start, last = (Evaluation(epoch=n, metrics={}, seconds=20.0 + 30.0 * n, passes=1.5 * n) for n in (0, 2))
    assert few_epochs_seconds([start, last], 4.0, 40) == 20 + 5 * 20 + 4
    assert few_epochs_seconds([start, last], 4.0, 1) == 20 + 20 + 4
    assert few_epochs_seconds([start], 4.0, 40) == math.inf  # it had no time for any
