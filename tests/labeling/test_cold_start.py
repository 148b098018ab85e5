"""From a folder of photos that nobody has labelled to a dataset, by the commands of the guides and the real server."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from automl_vision import Dataset, Workspace
from automl_vision.formats.tools.label_studio_results import label_results
from automl_vision.labeling.project import LabelingProject
from automl_vision.labeling.queue import LabelingQueue
from automl_vision.web.label_studio import LabelStudio
from command_line import run_command
from label_studio_server import LabelStudioServer

PHOTOS = 16  # of each class
CLASSES = ("healthy", "bean_rust", "angular_leaf_spot")


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_photos_become_a_dataset_round_by_round(
    real: LabelStudioServer, real_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", real.token)
    monkeypatch.setenv("LABEL_STUDIO_URL", real.url)
    monkeypatch.setenv("AUTOML_VISION_WORKSPACE", str(tmp_path / "workspace"))
    photos = real.files / "leaf-photos"
    photos.mkdir(parents=True)
    for name in CLASSES:
        for number, file in enumerate(sorted((real_data / "bean-leaves" / "train" / name).iterdir())[:PHOTOS]):
            shutil.copy(file, photos / f"{number:02}-{name}.jpg")
    first, second = tmp_path / "first.parquet", tmp_path / "second.parquet"
    create = ["create", "leaves", "--images", photos, "--classes", *CLASSES, "--task", "image-classification"]
    create += ["--files", real.files]

    said("next", photos, "--count", 20, "--out", first)
    queue = LabelingQueue.load(first)
    assert len(queue) == 20 and queue.groups == {"cover": 20}, "without a label all stand for others"
    assert {truth(each.image) for each in queue} == set(CLASSES)
    made = json.loads(said(*create, "--only", first, "--json"))
    assert (made["pushed"]["tasks"], made["pushed"]["problems"]) == (20, {})
    assert "no version yet: the first one needs 10 images" in said("pull", "leaves")
    label(real)
    assert "leaves:1 is new: 0 images with other labels, 20 new images" in said("pull", "leaves")

    said("next", photos, "--labelled", "leaves", "--count", 10, "--out", second)
    following = LabelingQueue.load(second)
    assert not {each.image for each in following} & {each.image for each in queue}
    assert following.groups == {"cover": 5, "unsure": 5}
    assert json.loads(said(*create, "--only", second, "--json"))["pushed"]["tasks"] == 10
    label(real)
    assert "leaves:2 is new: 0 images with other labels, 10 new images" in said("pull", "leaves")
    dataset = Dataset.load(Workspace().datasets.get("leaves"))
    assert dataset.classes == CLASSES and set(dataset.splits.tolist()) == {"train", "val"}
    assert [image.labels for image in dataset] == [(truth(image.reference),) for image in dataset]
    assert {image.reference for image in dataset} == {each.image for each in (*queue, *following)}


def truth(image: str) -> str:
    return Path(image).stem.partition("-")[2]


def said(*arguments: Any) -> str:
    done = run_command("label", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def label(server: LabelStudioServer) -> None:
    """A person labels what is not labelled yet."""
    number = LabelingProject("leaves").record.number
    with LabelStudio(server.url, server.token) as connection:
        for task in list(connection.pages("/api/tasks/", project=number, fields="all", include="id,data,is_labeled")):
            if not task["is_labeled"]:
                body = {"result": label_results([truth(task["data"]["reference"])])}
                connection.send("POST", f"/api/tasks/{task['id']}/annotations/", body)
