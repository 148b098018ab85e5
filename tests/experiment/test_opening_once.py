"""However a run is started, its training data is opened once: the web server that has it is asked once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from automl_vision import AutoMLVisionConfig, Experiment, Run, Workspace
from command_line import run_command
from conftest import CLASSES, SMALL_MODEL, write_shape_folders
from counting_site import counting_site
from processes import wait_for
from runs_here import start_here

TASK = "image-classification"
SMALL = {"pretrained": 0, "number_of_epochs": 1, "crop_size": 32, "resize_size": 32, "validation_crop_size": 32}


def by_command(data: str, workspace: Workspace, *options: str) -> Run:
    done = run_command(
        "train", "--training-data", data, "--detach", "--model-name", SMALL_MODEL, "--threads", "1",
        "--workspace", str(workspace.path), *options,
        *(part for name, value in SMALL.items() for part in ("--set", f"{name}={value}")),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return Run(workspace, done.stdout.split()[1])


def by_command_with_a_task(data: str, workspace: Workspace) -> Run:
    return by_command(data, workspace, "--task", TASK)


def by_submitting(data: str, workspace: Workspace) -> Run:
    config = AutoMLVisionConfig(task=TASK, training_data=data, model_name=SMALL_MODEL, threads=1, arguments=SMALL)
    return start_here(Experiment(workspace, "shapes"), config)[0]


@pytest.mark.parametrize("start", [by_command, by_command_with_a_task, by_submitting])
def test_the_data_of_a_run_is_opened_once(
    start: Callable[[str, Workspace], Run], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTOML_VISION_CACHE", str(tmp_path / "cache"))
    folder, workspace = write_shape_folders(tmp_path / "site"), Workspace(tmp_path / "workspace")
    images = [f"{name}/{name}-{i}.png" for name in CLASSES for i in range(8)]
    lines = ["image,label", *(f"{image},{image.split('/')[0]}" for image in images)]
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    with counting_site(folder) as (url, reads):
        run = start(f"{url}/labels.csv", workspace)
        run.cancel()
        wait_for(lambda: not run.folder.is_active())
    assert reads["labels.csv"] == 1
    assert {image: reads[image] for image in images} == dict.fromkeys(images, 1)
