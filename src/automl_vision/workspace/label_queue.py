"""Photos that wait for a person's label: each with what a model said of it, and the correction.

The queue is a folder: `images/` has the photos by the digest of their contents, and `index.jsonl` one line per change.
Nothing is ever rewritten, so two processes may add at the same time.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from automl_vision.core.errors import DataError
from automl_vision.core.files import append_json_line, atomic_path, read_lines, write_text
from automl_vision.core.numbers import json_text
from automl_vision.core.records.record import Record
from automl_vision.core.tasks import has_objects
from automl_vision.data.image_names import suffix_for
from automl_vision.data.images import open_image, upright_size
from automl_vision.workspace.datasets import DatasetRegistry, DatasetVersion

_INDEX, _IMAGES, _EXPORTS, LINES_FILE = "index.jsonl", "images", "exports", "data.jsonl"

Which = Literal["all", "corrected", "waiting"]


class QueuedPhoto(Record):
    """A photo in the queue."""

    id: str = Field(description="digest of the photo's contents")
    file: str = Field(description="of the photo, below the queue's folder")
    name: str = Field(description="that the photo had, or empty")
    width: int
    height: int
    added: float = Field(description="seconds since 1970")
    model: str = Field(description="that predicted, such as `clothing:2`")
    task: str
    classes: list[str]
    prediction: dict[str, Any] = Field(description="what it said, as `Prediction.to_json` has it")
    predicted: list[str] = Field(description="classes that it answered; empty where it abstained")
    correction: Any = Field(
        default=None,
        description="the true label as a line of training data has it: a name, names, or objects; null: not corrected",
    )
    note: str = ""

    @property
    def label(self) -> Any:
        """The person's label, or else what the model said; None if it said nothing."""
        if self.correction is not None:
            return self.correction
        if has_objects(self.task):
            return [_as_object(found) for found in self.prediction.get("boxes", [])]
        if self.task == "image-classification":
            return self.predicted[0] if self.predicted else None
        return self.predicted


class LabelQueue:
    """The labelling queue of a workspace.

    Args:
        folder: of the queue; it is made when the first photo comes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def add(self, data: bytes, photo: QueuedPhoto) -> QueuedPhoto:
        """Keep a photo; the same contents again replace what is known of it.

        Args:
            data: of the image file.
            photo: made by `describe`.
        """
        file = self.folder / photo.file
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(file) as temporary:
                temporary.write_bytes(data)
        append_json_line(self.folder / _INDEX, {"event": "added", **photo.model_dump(mode="json")})
        return photo

    @staticmethod
    def describe(data: bytes, *, name: str = "", **fields: Any) -> QueuedPhoto:
        """A photo by its contents; the fields are those of `QueuedPhoto`.

        Raises:
            ImageError: the bytes are not an image.
        """
        image = open_image(data)
        digest = hashlib.blake2b(data, digest_size=12).hexdigest()
        width, height = upright_size(image)
        file = f"{_IMAGES}/{digest}{suffix_for(image.format)}"
        return QueuedPhoto(id=digest, file=file, name=name, width=width, height=height, added=time.time(), **fields)

    def photos(self, which: Which = "all") -> list[QueuedPhoto]:
        """The photos, those that were added last first."""
        found: dict[str, QueuedPhoto] = {}
        for line in self._lines():
            event, photo = line.pop("event"), line["id"]
            if event == "added":
                found.pop(photo, None)
                found[photo] = QueuedPhoto(**line)
            elif event == "removed":
                found.pop(photo, None)
            elif photo in found:
                changes = {"correction": line["correction"], "note": line["note"]}
                found[photo] = found[photo].model_copy(update=changes)
        wanted = (photo for photo in reversed(found.values()) if which in ("all", _state(photo)))
        return list(wanted)

    def get(self, photo_id: str) -> QueuedPhoto:
        """A photo by its id.

        Raises:
            DataError: the queue has none of this id.
        """
        found = next((photo for photo in self.photos() if photo.id == photo_id), None)
        if found is None:
            raise DataError(f'no photo "{photo_id}" is in the queue')
        return found

    def correct(self, photo_id: str, correction: Any, *, note: str = "") -> QueuedPhoto:
        """Keep a person's label of a photo; None takes it back.

        Args:
            photo_id: of the photo.
            correction: a name; for several labels a list of names; for objects a list of `{"label", "topX", "topY",
                "bottomX", "bottomY"}` or `{"label", "polygon"}` in fractions of width and height.
            note: of the person.

        Raises:
            DataError: there is no such photo, or its task takes another kind of label.
        """
        photo = self.get(photo_id)
        if correction is not None:
            _check_label(photo.task, correction)
        line = {"event": "corrected", "id": photo_id, "time": time.time(), "correction": correction, "note": note}
        append_json_line(self.folder / _INDEX, line)
        return photo.model_copy(update={"correction": correction, "note": note})

    def remove(self, photo_id: str) -> None:
        """Take a photo out of the queue, and delete its file.

        Raises:
            DataError: there is no such photo.
        """
        photo = self.get(photo_id)
        append_json_line(self.folder / _INDEX, {"event": "removed", "id": photo_id, "time": time.time()})
        (self.folder / photo.file).unlink(missing_ok=True)

    def lines(
        self, task: str, which: Which = "corrected", *, ids: Container[str] | None = None
    ) -> tuple[str, list[QueuedPhoto]]:
        """The photos of a task as lines of training data, with paths below the queue's folder, and the photos.

        Args:
            task: of the photos.
            which: "corrected" ones, or "all".
            ids: of the photos that are wanted; None for all of them.

        Raises:
            DataError: none of the wanted photos has a label.
        """
        wanted = [photo for photo in self.photos(which) if ids is None or photo.id in ids]
        labelled = [photo for photo in wanted if photo.task == task and photo.label is not None]
        if not labelled:
            what = "corrected " if which == "corrected" else ""
            raise DataError(f"no {what}photo of {task} is in the queue")
        rows = [json_text({"image_url": photo.file, "label": photo.label}) for photo in labelled]
        return "\n".join(rows) + "\n", labelled

    def export(self, folder: Path, task: str, which: Which = "corrected", *, ids: Container[str] | None = None) -> Path:
        """Write the photos of a task as a folder that `Dataset.open` reads: the photos, and their labels as JSON lines.

        Args:
            folder: to make.
            task: of the photos.
            which: "corrected" ones, or "all": the others then have what the model said.
            ids: of the photos that are wanted; None for all of them.

        Raises:
            DataError: none of the wanted photos has a label.
        """
        text, photos = self.lines(task, which, ids=ids)
        (folder / _IMAGES).mkdir(parents=True)
        for photo in photos:
            shutil.copyfile(self.folder / photo.file, folder / photo.file)
        write_text(folder / LINES_FILE, text)
        return folder

    def register(self, registry: DatasetRegistry, name: str, task: str, which: Which = "corrected") -> DatasetVersion:
        """Register the photos of a task as the next version of a dataset; no photo is put into a split.

        Raises:
            DataError: none of the wanted photos has a label, or the name is not one.
        """
        from automl_vision.data.dataset import Dataset

        folder = self.export(self.folder / _EXPORTS / f"{time.time_ns()}", task, which)
        dataset = Dataset.open(folder / LINES_FILE, task=task, is_part=True)  # a queue may be short
        return registry.register(dataset, name, description="from the labelling queue", split_ratio=None)

    def _lines(self) -> Sequence[dict[str, Any]]:
        import json

        return [json.loads(line) for line in read_lines(self.folder / _INDEX)[0]]


def _state(photo: QueuedPhoto) -> Which:
    return "waiting" if photo.correction is None else "corrected"


def _as_object(found: dict[str, Any]) -> dict[str, Any]:
    """An object of a prediction as one of training data."""
    place = {"polygon": found["polygon"]} if found.get("polygon") else found["box"]
    return {"label": found["label"], "isCrowd": 0, **place}


def _check_label(task: str, label: Any) -> None:
    """Raise `DataError` for a label that a task does not take."""
    if task == "image-classification":
        fits, wanted = isinstance(label, str) and label.strip() != "", "the name of a class"
    elif has_objects(task):
        fits = isinstance(label, list) and all(isinstance(each, dict) and each.get("label") for each in label)
        wanted = "a list of objects with labels"
    else:
        fits, wanted = isinstance(label, list) and all(isinstance(each, str) for each in label), "a list of names"
    if not fits:
        raise DataError(f"a label for {task} is {wanted}, not {label!r}")
