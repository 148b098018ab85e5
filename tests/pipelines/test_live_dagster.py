"""Dagster's daemon runs a pipeline by itself: schedule, sensor, freshness, and what is done after a crash."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from live_dagster import LiveDagster, live_dagster, messages, tag, worker

from automl_vision import Dataset, Workspace
from automl_vision.workspace.run_folder import RunFolder
from conftest import SMALL_MODEL, write_shape_folders
from processes import is_alive, wait_for

FILE = f"""
name: shapes
task: image-classification
data: shapes
test_share: 0.3
training:
  model_name: {SMALL_MODEL}
  arguments:
    number_of_epochs: 60
    training_crop_size: 32
    validation_resize_size: 32
    validation_crop_size: 32
    training_batch_size: 8
    precision: fp32
    pretrained: false
gates:
  data: {{max_errors: 100}}
  promotion: {{margin: 0.5, worst_class_margin: 0.9, worst_slice_margin: null, min_images: 15}}
endpoint: shapes
"""
SCHEDULE = """
triggers:
  new_version_minutes: null
  schedule: "* * * * *"
  fresh_days: 0.001
"""
SENSOR = """
triggers:
  new_version_minutes: 0.1
"""


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_the_daemon_schedules_senses_retries_and_watches_freshness(tmp_path: Path):
    workspace = Workspace(tmp_path / "workspace")
    photos = write_shape_folders(tmp_path / "photos", per_class=40)
    workspace.datasets.register(Dataset.open(photos), "shapes")
    file = tmp_path / "pipeline.yaml"
    file.write_text(FILE + SCHEDULE)
    with live_dagster(file, workspace.path) as dagster:
        check_the_schedule_and_a_worker_that_dies(dagster, workspace)
        check_that_nothing_new_is_not_run_again_and_grows_old(dagster, workspace)
    write_shape_folders(photos, per_class=45)
    assert workspace.datasets.register(Dataset.open(photos), "shapes").number > 1
    file.write_text(FILE + SENSOR)
    with live_dagster(file, workspace.path) as dagster:
        check_the_sensor_and_a_training_that_dies(dagster, workspace)


def check_the_schedule_and_a_worker_that_dies(dagster: LiveDagster, workspace: Workspace) -> None:
    """The schedule starts a run; the process of its steps is killed, and the daemon's next run follows the training."""
    training = begun_training(workspace, 1)
    (first,) = dagster.runs()
    assert [tick["runIds"] for tick in dagster.ticks("schedule") if tick["status"] == "SUCCESS"] == [[first["runId"]]]
    os.kill(worker(first), signal.SIGKILL)
    wait_for(lambda: len(dagster.runs()) == 2, 300)
    wait_for(lambda: dagster.runs()[0]["status"] in ("SUCCESS", "FAILURE"), 600)
    again, first = dagster.runs()
    assert (first["status"], again["status"]) == ("FAILURE", "SUCCESS"), messages(again)
    assert tag(again, "dagster/parent_run_id") == first["runId"]
    assert [folder.id for folder in trainings(workspace)] == [training.id], "it was followed, not begun anew"
    assert workspace.models.get("shapes@champion").lineage.run == training.id


def check_that_nothing_new_is_not_run_again_and_grows_old(dagster: LiveDagster, workspace: Workspace) -> None:
    known = len(dagster.runs())
    wait_for(lambda: dagster.freshness("endpoint") == "HEALTHY", 120)
    wait_for(lambda: any("nothing has changed" in (tick["skipReason"] or "") for tick in dagster.ticks("schedule")))
    wait_for(lambda: dagster.freshness("endpoint") == "DEGRADED", 300)
    assert len(dagster.runs()) == known and len(trainings(workspace)) == 1


def check_the_sensor_and_a_training_that_dies(dagster: LiveDagster, workspace: Workspace) -> None:
    """The sensor sees the new version; the training's process is killed, and the step resumes it."""
    training = begun_training(workspace, 2)
    run = dagster.runs()[0]
    assert tag(run, "dagster/sensor_name") == "shapes_new_version"
    assert run["runId"] in [each for tick in dagster.ticks("sensor") for each in tick["runIds"]]
    os.kill(training.record().pid or 0, signal.SIGKILL)
    wait_for(lambda: dagster.runs()[0]["status"] in ("SUCCESS", "FAILURE"), 900)
    run = dagster.runs()[0]
    assert run["status"] == "SUCCESS", messages(run)
    assert f"run {training.id} was Interrupted and is resumed" in messages(run)
    assert len(trainings(workspace)) == 3, "from the champion's weights and from the start weights"
    assert workspace.models.get("shapes@champion").id == "shapes:2"
    ticks: list[dict[str, Any]] = dagster.ticks("sensor")
    assert [tick["error"] for tick in ticks if tick["error"]] == []


def trainings(workspace: Workspace) -> list[RunFolder]:
    return [workspace.run_folder(each.name) for each in sorted(workspace.runs_path.iterdir())]


def begun_training(workspace: Workspace, number: int) -> RunFolder:
    """The run of this number, from 1, once its first trial has something to resume from."""

    def begun() -> bool:
        known = trainings(workspace) if workspace.runs_path.exists() else []
        return len(known) == number and (known[-1].path / "trials" / "0" / "checkpoint.pt").exists()

    wait_for(begun, 600)
    found = trainings(workspace)[-1]
    assert is_alive(found.record().pid or 0)
    return found
