"""The whole way of a label, with the real Label Studio and with what it once answered."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from labeling_story import TASKS, tell, tell_start
from recorded_exchange import START, START_TASK, replaying
from reverse_proxy import below_a_path

from automl_vision import Dataset, Workspace
from automl_vision.labeling.project import LabelingProject
from automl_vision.web.label_studio import LabelStudio, LabelStudioError
from label_studio_server import LabelStudioServer, label_studio, signed_up, token_of
from processes import free_port


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
def test_the_stories_with_the_server_below_a_path_of_a_proxy(label_studio_program: Path, tmp_path: Path) -> None:
    port, files = free_port(), tmp_path / "files"
    photos = files / "unlabelled-image-classification"
    with (
        below_a_path(port, "/labels") as url,
        label_studio(label_studio_program, tmp_path / "label-studio", files, port=port, public_url=url) as server,
        signed_up(server, "ada@example.com") as browser,
    ):
        assert server.url == url and url.endswith("/labels")
        tell_start("image-classification", f"{url}/", server.token, files, tmp_path / "first")
        tell("image-object-detection", url, token_of(browser, personal=True), files, tmp_path / "second")
        project = LabelingProject("start", workspace=tmp_path / "first" / "workspace", token=server.token)
        assert project.status().url == f"{url}/projects/{project.record.number}"
        with LabelStudio(url, server.token) as connection:
            for task in connection.pages("/api/tasks/", project=project.record.number, fields="all"):
                shown = browser.get(f"{url.removesuffix('/labels')}{task['data']['image']}")  # as a page of the host
                assert shown.content == (photos / task["data"]["reference"]).read_bytes()


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
