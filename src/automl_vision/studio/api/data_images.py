"""The images of a version: a gallery in pages, one image with its annotations, and its pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import numpy as np
from fastapi import Query
from fastapi.responses import Response
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.data.selection import Order, select
from automl_vision.studio.api.data import VERSION
from automl_vision.studio.images import Side, image_response
from automl_vision.studio.opened import Opened, OpenedWorkspace
from automl_vision.studio.operations import operations
from automl_vision.studio.paging import MAX_ITEMS, Page
from automl_vision.web.problems import NotFoundError

router = operations("data", f"/datasets{VERSION}")

_MOST_POINTS = 24  # of a polygon in a gallery
_MOST_OBJECTS = 80  # drawn on an image of a gallery


class LabelledObject(BaseModel):
    """A labelled object."""

    label: str
    box: list[float] | None = Field(description="x1, y1, x2, y2 in pixels")
    polygons: list[list[float]] = Field(description="each x, y, x, y, ... in pixels; in lists with at most 24 points")
    index: int = Field(description="of the object in the dataset")


class PlacedImage(BaseModel):
    """An image of a version."""

    row: int
    image: str = Field(description="path or URL as in the manifest")
    width: int = Field(description="in pixels, upright")
    height: int
    digest: str = Field(description="of its contents; pass it on with the address of the pixels")


class DataImage(PlacedImage):
    """An image with its labels."""

    split: str
    labels: list[str] = Field(description="of the image; for objects, each class that occurs in it")
    objects: list[LabelledObject] = Field(description="in lists at most 80")
    objects_total: int


class ImageFinding(BaseModel):
    """A finding about an image."""

    check: str
    title: str
    severity: str
    note: str


class DataImageDetails(DataImage):
    """An image with everything that is known of it."""

    columns: dict[str, str | float | None] = Field(description="further columns of the source")
    findings: list[ImageFinding] = Field(description="of the kept report, if there is one")
    location: str = Field(description="where the file is")


class ImageQuery(BaseModel):
    """Which images, and in which order."""

    split: str | None = Field(default=None, description='"train", "val", "test", "left_out", or "unsplit"')
    label: str | None = Field(default=None, description='a class; "" for images without any')
    text: str = Field(default="", max_length=200, description="part of the path")
    finding: str | None = Field(default=None, description="name of a check that found something about them")
    order: Order = "rows"
    descending: bool = False
    limit: int = Field(default=60, ge=1, le=MAX_ITEMS, description="maximum number of items")
    cursor: int = Field(default=0, ge=0, le=10**9, description="where the page begins; `next` of the page before")


@router.get("/images")
def list_images(opened: Opened, name: str, number: int, query: Annotated[ImageQuery, Query()]) -> Page[DataImage]:
    """List images that meet all conditions, and how many there are."""
    dataset = opened.version_dataset(name, number)
    among = None if query.finding is None else found_rows(opened, dataset, query.finding)
    rows = select(
        dataset,
        split=query.split,
        label=query.label,
        text=query.text,
        among=among,
        order=query.order,
        descending=query.descending,
    )
    end = query.cursor + query.limit
    items = data_images(dataset, rows[query.cursor : end].tolist())
    return Page(items=items, total=len(rows), next=end if end < len(rows) else None)


@router.get("/images/{row}")
def get_image(opened: Opened, name: str, number: int, row: int) -> DataImageDetails:
    """Return an image with all of its annotations, further columns and findings."""
    dataset = opened.version_dataset(name, number)
    if not 0 <= row < len(dataset):
        raise NotFoundError(f"the dataset has {len(dataset)} images; there is no row {row}")
    kept = opened.workspace.data_reports.get(dataset)
    findings = [
        ImageFinding(
            check=finding.check,
            title=finding.title,
            severity=finding.severity,
            note=finding.notes[int(at[0])] if int(at[0]) < len(finding.notes) else "",
        )
        for finding in (kept[0].findings if kept else ())
        if len(at := np.flatnonzero(finding.rows == row))
    ]
    return DataImageDetails(
        **_fields(dataset, row, whole=True),
        columns={column: dataset.column(column)[row].as_py() for column in dataset.further},
        findings=findings,
        location=dataset[row].location,
    )


@router.get("/images/{row}/pixels", response_class=Response, responses={200: {"content": {"image/webp": {}}}})
def get_image_pixels(
    opened: Opened,
    name: str,
    number: int,
    row: int,
    side: Side = 256,
    digest: Annotated[str, Query(description="of the contents, so that the address changes with them")] = "",
) -> Response:
    """Return an image as WebP, upright."""
    answer = image_response(opened.version_dataset(name, number), row, side, opened.workspace.cache_path)
    if not digest:
        answer.headers["cache-control"] = "no-cache"
    return answer


def found_rows(opened: OpenedWorkspace, dataset: Dataset, check: str) -> NDArray[np.int64]:
    """The images that a check found something about, worst first; for copies, beside what they are copies of."""
    kept = opened.workspace.data_reports.get(dataset)
    if kept is None:
        raise NotFoundError("the version was not checked yet, or its report was deleted; check it first")
    try:
        finding = kept[0][check]
    except KeyError as error:
        raise DataError(str(error.args[0])) from None
    if not len(finding.partners):
        return finding.rows.astype(np.int64)
    return np.stack([finding.partners, finding.rows], axis=1).ravel().astype(np.int64)


def data_images(dataset: Dataset, rows: Sequence[int]) -> list[DataImage]:
    """Images of a list."""
    return [DataImage(**_fields(dataset, int(row), whole=False)) for row in rows]


def _fields(dataset: Dataset, row: int, *, whole: bool) -> dict[str, Any]:
    image = dataset[row]
    numbers = dataset.objects.rows_of(row) if has_objects(dataset.task) else range(0)
    drawn = [
        LabelledObject(
            label=found.label,
            box=None if found.bbox is None else list(found.bbox),
            polygons=[list(points) if whole else _thinned(points) for points in found.segments],
            index=index,
        )
        for index, found in list(zip(numbers, image.objects, strict=True))[: None if whole else _MOST_OBJECTS]
    ]
    return {
        "row": row,
        "image": image.reference,
        "width": image.size[0],
        "height": image.size[1],
        "digest": dataset.table["digest"][row].as_py() or "",
        "split": image.split,
        "labels": list(image.labels),
        "objects": drawn,
        "objects_total": len(numbers),
    }


def _thinned(points: Sequence[float]) -> list[float]:
    """A polygon with fewer points, enough for a small picture."""
    step = max(1, -(-len(points) // 2 // _MOST_POINTS))
    return [round(value, 1) for i in range(0, len(points) // 2, step) for value in points[2 * i : 2 * i + 2]]
