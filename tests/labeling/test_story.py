"""The whole way of a label, with the real Label Studio and with what it once answered."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from labeling_story import TASKS, tell, tell_start
from recorded_exchange import START, START_TASK, replaying

from automl_vision import Dataset, Workspace
from automl_vision.labeling.project import LabelingProject
from automl_vision.web.label_studio import LabelStudio, LabelStudioError
from label_studio_server import LabelStudioServer


@pytest.mark.parametrize("task", TASKS)
def test_the_story_with_recorded_answers(task: str, tmp_path: Path) -> None:
    files = tmp_path / "files"
    with replaying(task, files) as url:
        tell(task, url, "0" * 40, files, tmp_path)


def test_the_start_without_labels_with_recorded_answers(tmp_path: Path) -> None:
    files = tmp_path / "files"
    with replaying(START, files) as url:
        tell_start(START_TASK, url, "0" * 40, files, tmp_path)


def test_the_story_with_a_server_that_lies_below_a_path(tmp_path: Path) -> None:
    files, below = tmp_path / "files", "/label-studio"
    with replaying("image-classification", files, below=below) as url:
        tell("image-classification", f"{url}/", "0" * 40, files, tmp_path)
        with LabelStudio(url, "0" * 40) as server, pytest.raises(LabelStudioError, match="is not served by"):
            server.download(f"{below}/../data/a.png")


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_the_story(task: str, real: LabelStudioServer, tmp_path: Path) -> None:
    tell(task, real.url, real.token, real.files, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_the_start_without_labels(task: str, real: LabelStudioServer, tmp_path: Path) -> None:
    tell_start(task, real.url, real.token, real.files, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["clothing", "ppe-labels", "bccd", "car-damage"])
def test_labels_of_real_sets_come_back_as_they_were(
    name: str, real: LabelStudioServer, real_data: Path, tmp_path: Path
) -> None:
    """Each label is taken over by a person; the next version has the same contents, so that it is the same version."""
    place = shutil.copytree(real_data / name, real.files / name)
    workspace = Workspace(tmp_path / "workspace")
    whole = Dataset.open(place)
    whole = whole[:: max(1, len(whole) // 120)]
    version = workspace.datasets.register(whole, name)
    made, pushed = LabelingProject.create(
        name, version.id, files=real.files, server=real.url, token=real.token, workspace=workspace
    )
    assert (pushed.tasks, pushed.problems) == (len(whole), {})
    with LabelStudio(real.url, real.token) as server:
        for task in server.pages("/api/tasks/", project=made.record.number, fields="all", include="id,predictions"):
            results = task["predictions"][0]["result"] if task["predictions"] else []
            server.send("POST", f"/api/tasks/{task['id']}/annotations/", {"result": results})
    pulled = made.pull()
    assert (pulled.version, pulled.problems) == (version.id, {})
    assert pulled.status.submitted == len(whole)
