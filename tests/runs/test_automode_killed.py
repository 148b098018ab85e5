"""AutoMode killed in each of its stages: the resumed run tries, averages and keeps what an undisturbed one does."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from automl_vision import AutoMLVisionConfig, Experiment, Run, Workspace
from automl_vision.core.records import Progress, RunStatus, TrialStatus
from automl_vision.core.tasks import CLASSIFICATION
from conftest import write_shape_folders
from runs_here import kill_controller, work_here


def stage_of(run: Run) -> str:
    """What a run works on: the role of the trial that is trained, or the step before, between or after trials."""
    folder = run.folder
    if folder.record().status is RunStatus.FINALIZING:
        return "measuring" if (folder.model / "model.json").exists() else "packaging"
    trained = [trial.plan().role for trial in folder.trials() if trial.record().status is TrialStatus.RUNNING]
    if trained:
        return trained[-1]
    phases = [event.phase for event in folder.events.read()[0] if isinstance(event, Progress)]
    return phases[-1].split()[0] if phases else ""


def killed_in_each_stage(run: Run) -> list[str]:
    """Kill the process that works on a run once in each stage, go on each time, and return the stages."""
    killed: list[str] = []
    end = time.monotonic() + 1500
    while not run.folder.record().status.is_final:
        assert time.monotonic() < end, f"not at its end after kills in {killed}"
        stage = stage_of(run)
        if stage and stage not in killed and kill_controller(run):
            killed.append(stage)
            run.resume()
        time.sleep(0.05)
    run.wait_for_completion()
    return killed


def what_came_of_it(run: Run) -> tuple[list[Any], int]:
    """Each trial's plan, status and score, and which trial is kept."""
    trials = [
        (trial.folder.plan(), trial.get_status(), trial.folder.result().score)  # type: ignore[union-attr]
        for trial in run.get_children()
    ]
    return trials, run.get_details()["decision"]["trial"]


@pytest.mark.slow
def test_automode_killed_in_each_stage_ends_like_an_undisturbed_run(tmp_path: Path):
    """With the pretrained weights that are installed; both have one cache, and learn nothing from each other."""
    config = AutoMLVisionConfig(
        task=CLASSIFICATION,
        training_data=write_shape_folders(tmp_path / "data", per_class=12),
        iterations=4,
        arguments={"number_of_epochs": 1, "precision": "fp32"},
        threads=1,
    )
    workspace = Workspace(tmp_path / "workspace")
    workspace.history.switch(on=False)
    undisturbed = work_here(Experiment(workspace, "undisturbed"), config)
    run = Experiment(workspace, "killed").submit(config)
    killed = killed_in_each_stage(run)
    assert {"default recipe", "packaging"} < set(killed)
    assert any("head only" in stage for stage in killed)
    assert any("probing" in stage for stage in killed)
    assert any(stage.startswith("average of") for stage in killed)
    assert what_came_of_it(run) == what_came_of_it(undisturbed)
    assert run.model_path.exists()
