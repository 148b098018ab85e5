"""Stories of labelling, told to the real Label Studio and to one that was recorded.

A project is made, people label, skip and only begin, and the dataset gets its next version. Or there are only images
and the names of classes, and the dataset gets its first version.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from automl_vision import Dataset, Workspace
from automl_vision.data.annotations import Annotations, Record
from automl_vision.data.manifest import build_manifest
from automl_vision.data.masks import encode_mask
from automl_vision.data.object import Object
from automl_vision.data.scan import ImageFacts, digest_of
from automl_vision.formats.tools.label_studio_results import label_results, object_results
from automl_vision.labeling.project import LabelingProject
from automl_vision.web.label_studio import LabelStudio

TASKS = {
    "image-classification": "label",
    "image-classification-multi-label": "labels",
    "image-object-detection": "boxes",
    "image-instance-segmentation": "masks",
}
_SIZE = (40, 30)
_IMAGES = 6  # the last one is new
_UNLABELLED = 12


def _write_images(folder: Path, count: int = _IMAGES) -> list[str]:
    """Bitmaps, whose bytes depend on no library."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [f"{number}.bmp" for number in range(count)]
    for number, name in enumerate(names):
        Image.new("RGB", _SIZE, (40 * number % 256, (200 - 30 * number) % 256, 90)).save(folder / name)
    return names


def _objects(kind: str, number: int) -> list[Object]:
    x = 2.5 * number
    box = (x + 1.25, 2.0, x + 11.5, 20.75)
    if kind == "boxes":
        return [Object("cat", box, difficult=number == 1), Object("a & b", (0.0, 0.0, 40.0, 30.0))][: number % 3]
    mask = np.zeros((_SIZE[1], _SIZE[0]), bool)
    mask[5:20, 3 + number : 20] = True
    mask[8:10, 10:12] = False  # a hole, which no polygon has
    parts = ((x, 1.0, x + 9.0, 1.0, x + 4.0, 12.0), (x, 20.0, x + 9.0, 20.0, x + 4.0, 29.0))
    return [
        Object("cat", segments=parts[:1]), Object("a & b", rle=encode_mask(mask).to_text(), iscrowd=True),
        Object("cat", segments=parts),
    ]  # fmt: skip


def dataset_of(task: str, folder: Path) -> Dataset:
    """Five labelled images of six that lie in a folder."""
    kind = TASKS[task]
    names = _write_images(folder)[:-1]
    annotations = Annotations(kind)  # type: ignore[arg-type]
    for number, name in enumerate(names):
        labels = {"label": (("cat", "a & b")[number % 2],), "labels": ("cat", "a & b", "dog")[: number % 3 + 1]}
        objects = _objects(kind, number) if kind in ("boxes", "masks") else []
        split = ("train", "train", "val", "test", "train")[number]
        annotations.add(Record(name, name, labels.get(kind, ()), objects, split))
    facts = [ImageFacts(name, *_SIZE, digest_of((folder / name).read_bytes())) for name in names]
    table, classes = build_manifest(annotations, facts, task)
    return Dataset(table, str(folder), task, classes, "story")


def _label(server: LabelStudio, task: dict[str, Any], results: list[dict[str, Any]], **more: Any) -> None:
    server.send("POST", f"/api/tasks/{task['id']}/annotations/", {"result": results, **more})


def _other(results: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a person changes: the class of the first result."""
    first = dict(results[0])
    key = next(name for name in first["value"] if name in ("choices", "rectanglelabels", "polygonlabels"))
    first["value"] = {**first["value"], key: ["dog"]}
    return [first, *results[1:]]


def tell(task: str, url: str, token: str, files: Path, place: Path) -> None:
    """Tell the story.

    Args:
        task: of the dataset.
        url, token: of the server.
        files: folder below which it serves files.
        place: an empty folder for the workspace.
    """
    dataset = dataset_of(task, files / task)
    workspace = Workspace(place / "workspace")
    first = workspace.datasets.register(dataset, "set")
    rows = [
        {"image": f"{i}.bmp", "rank": r, "reason": "unsure", "group": "", "score": 0.5}
        for r, i in enumerate((4, 1, 2, 3, 5))
    ]
    pq.write_table(pa.Table.from_pylist(rows), place / "queue.parquet")
    project, pushed = LabelingProject.create(
        "story", "set:1", images=files / task, only=place / "queue.parquet", files=files, server=url, token=token,
        workspace=workspace,
    )  # fmt: skip
    assert (pushed.tasks, pushed.problems) == (5, {})
    again, pushed = LabelingProject.create(
        "story", "set:1", images=files / task, only=place / "queue.parquet", files=files, server=url, token=token,
        workspace=workspace,
    )  # fmt: skip
    assert (pushed.tasks, pushed.predictions) == (0, 0)

    with LabelStudio(url, token) as server:
        number = project.record.number
        tasks = list(server.pages("/api/tasks/", project=number, fields="all", include="id,data,predictions"))
        assert [each["data"]["reference"].rpartition("/")[2] for each in tasks] == [f"{i}.bmp" for i in (4, 1, 2, 3, 5)]
        shown = [each["predictions"][0]["result"] if each["predictions"] else [] for each in tasks]
        _label(server, tasks[0], shown[0])  # as it was
        _label(server, tasks[1], _other(shown[1]))
        _label(server, tasks[2], [], was_cancelled=True)
        server.send("POST", f"/api/tasks/{tasks[3]['id']}/drafts", {"result": shown[3], "lead_time": 1.0})
        _label(server, tasks[4], _other(shown[1]))  # the new image
    status = project.status()
    assert (status.tasks, status.submitted, status.skipped, status.drafts, status.unpulled) == (5, 3, 1, 1, 3)

    pulled = project.pull()
    assert (pulled.version, pulled.is_new, pulled.changed, pulled.added, pulled.problems) == ("set:2", True, 1, 1, {})
    second = Dataset.load(workspace.datasets.get("set:2"))
    changes = second.changes_since(Dataset.load(first))
    assert changes.relabelled == ["1.bmp"]
    assert [Path(image).name for image in changes.added] == ["5.bmp"]
    assert not changes.moved
    assert second.splits.tolist()[:5] == dataset.splits.tolist()
    assert "dog" in second[1].labels
    assert "dog" in second[5].labels
    assert second.splits[5] in ("train", "val")

    again = project.pull()
    assert (again.version, again.is_new, again.status.unpulled) == ("set:2", False, 0)
    synced, pushed = project.sync()
    assert synced.version == "set:2"
    assert pushed.predictions == 2  # the dataset's labels of both images are others now
    with LabelStudio(url, token) as server:
        interface = server.get(f"/api/projects/{number}/")["label_config"]
    assert interface.count('value="dog"') == (2 if TASKS[task] == "masks" else 1), "a new class can be chosen"


def tell_start(task: str, url: str, token: str, files: Path, place: Path) -> None:
    """Tell the story of images without any label.

    Args:
        task: of the dataset that is to be.
        url, token: of the server.
        files: folder below which it serves files.
        place: an empty folder for the workspace.
    """
    photos, kind = files / f"unlabelled-{task}", TASKS[task]
    _write_images(photos / "2026", _UNLABELLED)
    workspace = Workspace(place / "workspace")
    settings: dict[str, Any] = {
        "images": photos, "classes": ("dog", "cat", "a & b"), "task": task, "files": files, "server": url,
        "token": token, "workspace": workspace,
    }  # fmt: skip
    project, pushed = LabelingProject.create("start", **settings)
    assert (pushed.tasks, pushed.predictions, pushed.problems) == (_UNLABELLED, 0, {})
    pulled, pushed = project.sync()
    assert (pulled.version, pulled.is_new, pulled.added, pushed.tasks) == (None, False, 0, 0)

    def label(first: int, last: int) -> None:
        with LabelStudio(url, token) as server:
            tasks = list(server.pages("/api/tasks/", project=project.record.number, fields="all", include="id,data"))
            for each in tasks[first:last]:
                name = ("cat", "a & b")[int(Path(each["data"]["reference"]).stem) % 2]
                if kind in ("boxes", "masks"):
                    place = (1.25, 2.0, 11.5, 20.75)
                    drawn = Object(name, place) if kind == "boxes" else Object(name, segments=((*place, 3.0, 25.0),))
                    _label(server, each, object_results([drawn], kind, _SIZE))  # type: ignore[arg-type]
                else:
                    _label(server, each, label_results([name]))

    label(0, 9)
    pulled = project.pull()
    assert (pulled.version, pulled.status.unpulled) == (None, 9), "a dataset has ten images or more"
    label(9, 10)
    pulled = project.pull()
    assert (pulled.version, pulled.is_new, pulled.changed, pulled.added) == ("start:1", True, 0, 10)
    assert (pulled.problems, pulled.status.unpulled, project.pull().version) == ({}, 0, "start:1")
    first = Dataset.load(workspace.datasets.get("start:1"))
    assert first.classes == ("cat", "a & b"), "those that occur, in the order in which they were named"
    assert set(first.splits.tolist()) == {"train", "val"}
    for image in first:
        number = int(Path(image.reference).stem)
        assert Path(image.location) == photos / "2026" / f"{number}.bmp" and image.reference == f"2026/{number}.bmp"
        labels = image.labels or tuple(each.label for each in image.objects)
        assert labels == (("cat", "a & b")[number % 2],)

    waiting = {f"2026/{i}.bmp" for i in range(_UNLABELLED)} - {image.reference for image in first}
    rows = [{"image": min(waiting), "rank": 0, "reason": "unsure", "group": "", "score": 0.5}]
    pq.write_table(pa.Table.from_pylist(rows), place / "queue.parquet")
    again, pushed = LabelingProject.create("start", **settings, only=place / "queue.parquet")
    assert (pushed.tasks, again.status().images, again.status().foreign) == (0, _UNLABELLED, 0), "what is shown stays"
    label(10, 12)
    synced, pushed = again.sync()
    assert (synced.version, synced.added) == ("start:2", 2)
    second = Dataset.load(workspace.datasets.get("start:2"))
    assert second.splits.tolist()[:10] == first.splits.tolist()
    assert pushed.predictions == _UNLABELLED, "the labels that the images have by now are shown"
