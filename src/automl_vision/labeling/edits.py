"""Changes that people make to labels: another class, an image left out, a box drawn, moved or deleted.

An edit names its image by the digest of the contents and its objects by their number in the version that it was made
on, so that edits do not depend on each other's order, but for boxes that were drawn before.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field, FiniteFloat

from automl_vision.core.errors import DataError
from automl_vision.core.records.record import Record
from automl_vision.core.tasks import TASKS, has_objects
from automl_vision.core.text import did_you_mean
from automl_vision.data.dataset import Dataset

Action = Literal["relabel", "exclude", "draw", "move", "delete"]
Box = tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat]
_LEAST_SIDE = 1.0  # pixels


class Change(Record):
    """What is to be changed in one image.

    `relabel` gives an image other `labels`, or one object another; `exclude` takes the image out of its split; `draw`
    adds an object with one label; `move` gives one another place; `delete` removes it.
    """

    action: Action
    image: str = Field(description="its path, as in the dataset")
    object: int | str | None = Field(
        default=None, description="number of the object in its image, from 0; or id of the edit that drew it"
    )
    labels: tuple[str, ...] = Field(default=(), description="classes of the image, or the one of the object")
    bbox: Box | None = Field(default=None, description="x1, y1, x2, y2 in pixels of the upright image")
    polygon: tuple[FiniteFloat, ...] = Field(
        default=(), description="x, y, x, y, ... in pixels, where masks are labelled"
    )


class LabelEdit(Change):
    """A change with who made it, when and why."""

    id: str = Field(description="of the edit")
    digest: str = Field(description="of the image's contents")
    time: float = Field(description="seconds since 1970")
    author: str = Field(description="who made it")
    reason: str = Field(description="why")
    verdict: Literal["open", "accepted", "rejected"] = Field(default="open", description="of the review")
    reviewer: str = Field(default="", description="who reviewed it")


def find_rows(dataset: Dataset, changes: Sequence[Change]) -> list[int]:
    """The row of each change's image: of its path, or for an edit of an image with the same contents.

    Raises:
        DataError: the dataset has no such image.
    """
    digests = [change.digest if isinstance(change, LabelEdit) and change.digest else None for change in changes]
    named = _first_rows(dataset, "image", [change.image for change in changes])
    alike = _first_rows(dataset, "digest", digests)
    known = dataset.table["digest"]
    found = []
    for change, digest, by_name, by_digest in zip(changes, digests, named, alike, strict=True):
        is_named = by_name is not None and (by_digest is None or known[by_name].as_py() == digest)
        row = by_name if is_named else by_digest
        if row is None:
            near = did_you_mean(change.image, dataset.table["image"].to_pylist())
            raise DataError(f'the dataset has no image "{change.image}".{near}')
        found.append(row)
    return found


def _first_rows(dataset: Dataset, column: str, values: Sequence[str | None]) -> list[int | None]:
    """The first row that has each value in a column; None for a value that none has, and for None."""
    known = dataset.table[column].combine_chunks()
    found: list[int | None] = pc.index_in(pa.array(values, pa.string()), value_set=known, skip_nulls=True).to_pylist()
    return found


def require_fit(dataset: Dataset, change: Change, row: int, *, new_classes: bool = False) -> None:
    """Raise `DataError` if a change does not suit a dataset's task, classes or the size of its image.

    Args:
        dataset: that it changes.
        change: of one image.
        row: of the image.
        new_classes: whether a label may be a class that the dataset does not have yet.
    """
    objects = has_objects(dataset.task)
    of_object = change.action in ("draw", "move", "delete") or change.object is not None
    if of_object != objects and change.action != "exclude":
        what = "objects" if objects else "whole images"
        raise DataError(f'{dataset.task} labels {what}; "{change.action}" of {change.image} changes the other kind')
    if change.action in ("move", "delete") and change.object is None:
        raise DataError(f'"{change.action}" needs the number of the object in {change.image}')
    one = objects or TASKS[dataset.task].one_label
    if change.action in ("relabel", "draw") and one and len(change.labels) != 1:
        raise DataError(f'"{change.action}" of {change.image} needs exactly 1 label, not {len(change.labels)}')
    for label in () if new_classes else change.labels:
        if label not in dataset.classes:
            near = did_you_mean(label, dataset.classes)
            raise DataError(f'the data has no class "{label}".{near} A new class has to be allowed with new_classes')
    if change.action in ("draw", "move"):
        _require_place(dataset, change, row)


def _require_place(dataset: Dataset, change: Change, row: int) -> None:
    needs_polygon = dataset.kind == "masks"
    if needs_polygon and (len(change.polygon) < 6 or len(change.polygon) % 2):
        raise DataError(f"an object of {dataset.task} needs a polygon of at least 3 points: x, y, x, y, ...")
    if not needs_polygon and change.bbox is None:
        raise DataError(f'"{change.action}" of {change.image} needs a box: x1, y1, x2, y2 in pixels')
    width, height = dataset.sizes[row].tolist()
    x1, y1, x2, y2 = box_of(change, width, height)
    if x2 - x1 < _LEAST_SIDE or y2 - y1 < _LEAST_SIDE:
        raise DataError(
            f"a box has x1 < x2 and y1 < y2 and at least {_LEAST_SIDE:g} pixel of it lies in the image of "
            f"{width} x {height} pixels, not {change.bbox or change.polygon}"
        )


def box_of(change: Change, width: int, height: int) -> Box:
    """The box of a change, cut off at the borders of the image."""
    given = change.bbox
    if change.polygon:
        xs, ys = change.polygon[::2], change.polygon[1::2]
        given = (min(xs), min(ys), max(xs), max(ys))
    assert given is not None
    x1, y1, x2, y2 = given
    return max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))
