"""The labelling queue: what is added, corrected and taken out again, and how it becomes a dataset."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from PIL import Image

from automl_vision import Dataset
from automl_vision.core.errors import DataError, ImageError
from automl_vision.workspace.datasets import DatasetRegistry
from automl_vision.workspace.label_queue import LabelQueue, QueuedPhoto

CLASSES = ["cat", "dog"]
BOX = {"topX": 0.25, "topY": 0.25, "bottomX": 0.75, "bottomY": 0.5}


def photo(shade: int, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (40, 20), (shade, 100, 100)).save(buffer, kind)
    return buffer.getvalue()


def add(queue: LabelQueue, data: bytes, name: str = "", **changes: object) -> QueuedPhoto:
    fields: dict[str, object] = {
        "model": "pets:1",
        "task": "image-classification",
        "classes": CLASSES,
        "prediction": {"probs": [0.9, 0.1], "labels": CLASSES},
        "predicted": ["cat"],
        **changes,
    }
    return queue.add(data, queue.describe(data, name=name, **fields))


def test_photos_are_kept_with_what_was_said(tmp_path: Path):
    queue = LabelQueue(tmp_path / "queue")
    assert queue.photos() == []
    first, second = add(queue, photo(1), "<b>one</b>.png"), add(queue, photo(2, "JPEG"))
    found = queue.photos()
    assert [each.id for each in found] == [second.id, first.id]
    assert (found[1].name, found[1].width, found[1].height, found[1].predicted) == ("<b>one</b>.png", 40, 20, ["cat"])
    assert (tmp_path / "queue" / first.file).read_bytes() == photo(1)
    assert [Path(each.file).suffix for each in found] == [".jpg", ".png"]
    assert LabelQueue(tmp_path / "queue").get(first.id) == first, "another process reads the same"


def test_the_same_photo_again_replaces_what_was_known(tmp_path: Path):
    queue = LabelQueue(tmp_path)
    add(queue, photo(1))
    again = add(queue, photo(1), model="pets:2", predicted=["dog"])
    assert [each.model for each in queue.photos()] == ["pets:2"]
    assert queue.get(again.id).label == "dog"


def test_corrections_and_removals(tmp_path: Path):
    queue = LabelQueue(tmp_path)
    kept, gone = add(queue, photo(1)), add(queue, photo(2))
    assert queue.correct(kept.id, "dog", note="at night").correction == "dog"
    queue.remove(gone.id)
    assert not (tmp_path / gone.file).exists()
    assert [(each.label, each.note) for each in queue.photos("corrected")] == [("dog", "at night")]
    assert queue.photos("waiting") == []
    queue.correct(kept.id, None)
    assert [each.label for each in queue.photos("waiting")] == ["cat"]
    for call in (queue.get, queue.remove):
        with pytest.raises(DataError, match="no photo"):
            call(gone.id)


@pytest.mark.parametrize(
    ("task", "label", "rule"),
    [
        ("image-classification", ["cat"], "the name of a class"),
        ("image-classification", " ", "the name of a class"),
        ("image-classification-multi-label", "cat", "a list of names"),
        ("image-object-detection", [{"topX": 0}], "a list of objects"),
    ],
)
def test_a_label_of_another_kind_is_refused(tmp_path: Path, task: str, label: object, rule: str):
    queue = LabelQueue(tmp_path)
    added = add(queue, photo(1), task=task)
    with pytest.raises(DataError, match=rule):
        queue.correct(added.id, label)
    assert queue.get(added.id).correction is None


def test_what_is_no_image_is_not_kept(tmp_path: Path):
    with pytest.raises(ImageError):
        add(LabelQueue(tmp_path), b"not an image")
    assert list(tmp_path.iterdir()) == []


def test_labels_of_images_become_a_dataset(tmp_path: Path):
    queue = LabelQueue(tmp_path / "queue")
    for shade in range(12):
        added = add(queue, photo(shade), predicted=[] if shade == 11 else ["cat"])
        if shade < 4:
            queue.correct(added.id, "dog")
    folder = queue.export(tmp_path / "out", "image-classification", "all")
    dataset = Dataset.open(folder)
    assert (len(dataset), dataset.classes) == (11, ("cat", "dog")), "the one without an answer has no label"
    registry = DatasetRegistry(tmp_path / "datasets")
    version = queue.register(registry, "pets", "image-classification", "all")
    queue.remove(added.id)
    assert len(Dataset.load(version)) == 11
    assert Dataset.load(version)[0].image().size == (40, 20), "the version has its own copies"
    few = queue.register(registry, "dogs", "image-classification")
    assert (len(Dataset.load(few)), Dataset.load(few).classes) == (4, ("dog",)), "as few as there are"
    with pytest.raises(DataError, match="no corrected photo of image-object-detection"):
        queue.export(tmp_path / "none", "image-object-detection")


def test_objects_become_a_dataset(tmp_path: Path):
    queue = LabelQueue(tmp_path / "queue")
    said = {"boxes": [{"box": BOX, "label": "cat", "score": 0.9}]}
    task = "image-object-detection"
    for shade in range(10):
        added = add(queue, photo(shade), task=task, prediction=said)
    queue.correct(added.id, [{"label": "dog", "isCrowd": 0, **BOX}])
    text, photos = queue.lines(task, "all")
    assert len(photos) == 10 and {json.loads(line)["label"][0]["label"] for line in text.splitlines()} == {"cat", "dog"}
    dataset = Dataset.open(queue.export(tmp_path / "out", task, "all"), task=task)
    assert dataset[0].objects[0].bbox == (10.0, 5.0, 30.0, 10.0)
