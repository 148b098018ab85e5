"""Images with edits applied to them: what becomes of each, and the dataset that comes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pyarrow as pa

from automl_vision.core.errors import ConflictError, DataError
from automl_vision.core.tasks import has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.data.manifest import SCHEMA, with_column, with_rows
from automl_vision.data.object import Object
from automl_vision.data.report import ImportReport
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.labeling.edits import LabelEdit, box_of, find_rows, require_fit

EDITED = "edited label"
"""Kind of the notes that edits leave in a dataset's report."""


class EditedImage:
    """One image of a dataset while edits are applied to it.

    Attributes:
        row: of the image in the dataset.
        split, labels: as in the manifest.
        size: width and height in pixels.
        objects: by their numbers in the dataset's image, or by the ids of the edits that drew them.
        done: what each edit did, by its id.

    Args:
        dataset: that has the image.
        row: of the image.
    """

    def __init__(self, dataset: Dataset, row: int) -> None:
        self.row = row
        self.split: str | None = dataset.table["split"][row].as_py()
        self.labels: list[str] = dataset.table["labels"][row].as_py() or []
        self.size: tuple[int, int] = (int(dataset.sizes[row, 0]), int(dataset.sizes[row, 1]))
        self.objects: dict[int | str, Object] = {}
        if has_objects(dataset.task):
            self.objects = {i: dataset.objects[at] for i, at in enumerate(dataset.objects.rows_of(row))}
        self.done: dict[str, str] = {}
        self._known: set[int | str] = set(self.objects)

    def change(self, edit: LabelEdit) -> str:
        """Apply an edit, and say what it did.

        Raises:
            ConflictError: its object was deleted by another edit.
            DataError: the image never had its object.
        """
        self.done[edit.id] = self._change(edit)
        return self.done[edit.id]

    def _change(self, edit: LabelEdit) -> str:
        if edit.action == "exclude":
            self.split = LEFT_OUT
            return "excluded"
        if edit.action == "draw":
            self.objects[edit.id] = self._drawn(edit, Object(edit.labels[0]))
            self._known.add(edit.id)
            return f"drew {edit.labels[0]}"
        if edit.object is None:
            old, self.labels = self.labels, list(edit.labels)
            return f"relabelled from {_named(old)} to {_named(edit.labels)}"
        return self._change_object(edit, edit.object)

    def _change_object(self, edit: LabelEdit, key: int | str) -> str:
        if key not in self.objects:
            error = ConflictError if key in self._known else DataError
            raise error(f"{edit.image} has no object {key} that can be changed; it may be deleted already")
        found = self.objects[key]
        if edit.action == "delete":
            del self.objects[key]
            return f"deleted {found.label}"
        if edit.action == "move":
            self.objects[key] = self._drawn(edit, found)
            return f"moved {found.label}"
        self.objects[key] = replace(found, label=edit.labels[0])
        return f"relabelled an object from {found.label} to {edit.labels[0]}"

    def _drawn(self, edit: LabelEdit, found: Object) -> Object:
        """An object with the place of an edit."""
        segments = (edit.polygon,) if edit.polygon else ()
        return replace(found, bbox=box_of(edit, *self.size), segments=segments, rle=None)


def edited_images(dataset: Dataset, edits: Sequence[LabelEdit], *, new_classes: bool = False) -> dict[int, EditedImage]:
    """The images that edits change, by their rows.

    Args:
        dataset: the version that the edits were made on, or one with the same images and objects.
        edits: in the order in which they were made.
        new_classes: whether a label may be a class that the dataset does not have yet.

    Raises:
        ConflictError: an edit changes an object that another one deleted.
        DataError: an image, an object or a class is not there, or a change does not suit the task.
    """
    rows = find_rows(dataset, edits)
    images = {row: EditedImage(dataset, row) for row in sorted(set(rows))}
    for edit, row in zip(edits, rows, strict=True):
        require_fit(dataset, edit, row, new_classes=new_classes)
        images[row].change(edit)
    return images


def apply_edits(dataset: Dataset, edits: Sequence[LabelEdit], *, new_classes: bool = False) -> Dataset:
    """The dataset with some edits; each one leaves a note with author and reason in the report.

    Images keep their row numbers: an excluded one only leaves its split. No file is changed.

    Args:
        dataset: as for `edited_images`, as are the others.
        edits: in the order in which they were made.
        new_classes: whether a label may be a class that the dataset does not have yet.

    Raises:
        DataError: as `edited_images` does.
    """
    images = edited_images(dataset, edits, new_classes=new_classes)
    done = {key: what for image in images.values() for key, what in image.done.items()}
    report = dataset.report.joined(ImportReport())
    for edit in edits:
        why = f": {edit.reason}" if edit.reason else ""
        report.note(edit.image, f"{done[edit.id]}, by {edit.author or 'somebody'}{why}", EDITED)
    return _with_images(dataset, images, report)


def carried_edits(dataset: Dataset, made_with: Sequence[LabelEdit], others: Sequence[LabelEdit]) -> list[LabelEdit]:
    """Edits of a dataset as they are on the version that other edits make of it.

    Objects get the numbers that they have there. An edit of an object that is gone there is left out.

    Args:
        dataset: that all of them were made on.
        made_with: the edits that make the version.
        others: that are to go on, in the order in which they were made.
    """
    numbers = {
        row: {key: number for number, key in enumerate(image.objects)}
        for row, image in edited_images(dataset, made_with, new_classes=True).items()
    }
    found, drawn = list[LabelEdit](), set[int | str]()
    for edit, row in zip(others, find_rows(dataset, others), strict=True):
        known = numbers.get(row)
        if edit.object is None or edit.object in drawn or (known is None and isinstance(edit.object, int)):
            found.append(edit)
        elif known is not None and edit.object in known:
            found.append(edit.model_copy(update={"object": known[edit.object]}))
        if edit.action == "draw":
            drawn.add(edit.id)
    return found


def _named(labels: Sequence[str]) -> str:
    return ", ".join(labels) or "no label"


def _with_images(dataset: Dataset, images: Mapping[int, EditedImage], report: ImportReport) -> Dataset:
    """The dataset with other values in some rows."""
    values = {
        "split": [image.split for image in images.values()],
        "labels": [image.labels for image in images.values()],
        "objects": [[_row(value) for value in image.objects.values()] for image in images.values()],
    }
    rows = list(images)
    new = dataset.table.take(pa.array(rows, pa.int64()))
    for name, column in values.items():
        new = with_column(new, name, pa.array(column, SCHEMA.field(name).type))
    table = with_rows(dataset.table, rows, new)
    used = dict.fromkeys(
        label for image in images.values() for label in (*image.labels, *(o.label for o in image.objects.values()))
    )
    classes = (*dataset.classes, *(label for label in used if label not in dataset.classes))
    return replace(dataset, table=table, classes=classes, report=report)


def _row(value: Object) -> dict[str, object]:
    return {**vars(value), "segments": [list(part) for part in value.segments]}
