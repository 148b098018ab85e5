"""Edits of labels: proposed, taken back and reviewed by people, and the version that comes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal

from fastapi import Query, Request
from pydantic import BaseModel, Field, FiniteFloat

from automl_vision.core.account import account_name
from automl_vision.core.errors import DataError
from automl_vision.data.dataset import Dataset
from automl_vision.data.object import Object
from automl_vision.labeling.edit_log import LabelEdits, Verdict, counting, edits_behind, undo_edits
from automl_vision.labeling.edited_images import EditedImage, apply_edits, edited_images
from automl_vision.labeling.edits import Action, Box, Change, LabelEdit, find_rows
from automl_vision.studio.access import Access
from automl_vision.studio.api.data import VERSION, registered_version
from automl_vision.studio.api.data_fixes import ChangeCounts, change_counts
from automl_vision.studio.api.data_images import PlacedImage
from automl_vision.studio.api.data_uploads import RegisteredVersion
from automl_vision.studio.opened import UNREGISTERED, Opened, OpenedWorkspace
from automl_vision.studio.operations import operations
from automl_vision.studio.paging import Cursor, Limit, Page, page_of
from automl_vision.web.problems import NotFoundError

router = operations("data", f"/datasets{VERSION}/edits")

Person = Annotated[str, Field(min_length=1, max_length=100, pattern=r"\S", description="who does it", examples=["Ada"])]
Reason = Annotated[str, Field(min_length=1, max_length=1000, pattern=r"\S", description="why, for people")]


class NewChange(BaseModel):
    """What is to be changed in one image."""

    action: Action
    image: str = Field(max_length=4000, description="its path, as in the dataset")
    object: int | str | None = Field(
        default=None, description="number of the object in its image, from 0; or id of the edit that drew it"
    )
    labels: list[str] = Field(
        default_factory=list, max_length=1000, description="classes of the image, or the one of the object"
    )
    bbox: Box | None = Field(default=None, description="x1, y1, x2, y2 in pixels of the upright image")
    polygon: list[FiniteFloat] = Field(
        default_factory=list, max_length=20_000, description="x, y, x, y, ... in pixels, where masks are labelled"
    )


class NewEdits(BaseModel):
    """Changes that belong together: all of them are proposed, or none."""

    changes: list[NewChange] = Field(min_length=1, max_length=500)
    author: Person
    reason: Reason
    new_classes: bool = Field(
        default=False, description="whether a label may be a class that the dataset does not have"
    )


class Withdrawal(BaseModel):
    """Who takes an edit back."""

    author: Person


class EditReview(BaseModel):
    """What somebody thinks of edits."""

    edits: list[str] = Field(min_length=1, max_length=10_000, description="ids")
    verdict: Verdict
    reviewer: Person


class VersionOfEdits(BaseModel):
    """The accepted edits that are to make the next version."""

    edits: list[str] = Field(
        max_length=100_000, description="ids of all accepted edits, as they were shown; others are refused"
    )
    author: Person
    reason: str = Field(default="", max_length=1000, description="kept with the version; empty: those of the edits")


class TakenBack(BaseModel):
    """Edits of a version that are to be taken back."""

    edits: list[str] | None = Field(default=None, description="ids; null takes all of them back")


class ImageObject(BaseModel):
    """A labelled object of an image."""

    key: int | str = Field(description="its number in the image of the version; or the id of the edit that drew it")
    label: str
    box: list[float] | None = Field(description="x1, y1, x2, y2 in pixels; null if it follows from the mask")
    polygons: list[list[float]] = Field(description="each x, y, x, y, ... in pixels")


class ImageLabels(BaseModel):
    """What an image is labelled with."""

    split: str
    labels: list[str] = Field(description="of the image; empty where objects are labelled")
    objects: list[ImageObject]


class EditSummary(BaseModel):
    """A change with who made it, when and why."""

    id: str
    action: Action
    object: int | str | None
    what: str = Field(description="what it does", examples=["moved helmet"])
    author: str
    time: float = Field(description="seconds since 1970")
    reason: str
    verdict: Verdict
    reviewer: str


class ImageEdits(PlacedImage):
    """An image with its edits, as it is in the version and as it would be."""

    before: ImageLabels
    after: ImageLabels = Field(description="with all edits that stand and were not rejected")
    edits: list[EditSummary] = Field(description="that stand, oldest first")


class EditDraft(BaseModel):
    """The edits of a version that stand."""

    version: str = Field(description="that they change", examples=["helmets:2"])
    number: int
    newest: int = Field(description="number of the newest version of this name")
    task: str
    kind: Literal["label", "labels", "boxes", "masks"] = Field(description="what is labelled")
    classes: list[str] = Field(description="of the version, then those that edits add")
    account: str = Field(description="who runs the studio, if only this machine can ask; a suggestion for the author")
    verdicts: dict[Verdict, int] = Field(description="how many edits stand, by the verdict of their review")
    accepted: list[str] = Field(description="ids of the edits that the next version is made with")
    open: list[str] = Field(description="ids of the edits that nobody has reviewed")
    images: Page[ImageEdits] = Field(description="in the order of their first edit")


class UndoneEdits(BaseModel):
    """Edits that do not stand any more."""

    edits: list[str] = Field(description="ids: of the edit, and of later ones of a box that it drew")


class MadeVersion(RegisteredVersion):
    """The version that edits have made."""

    edits: int = Field(description="that it was made with")
    waiting: int = Field(description="edits without a review that go on with it")
    changes: ChangeCounts


class VersionEdits(BaseModel):
    """The edits that a version was made with."""

    parent: str = Field(description="id of the version before; empty if the version was not made by edits")
    images: Page[ImageEdits]


@router.get("")
def list_edits(
    opened: Opened, request: Request, name: str, number: int, limit: Limit = 50, cursor: Cursor = 0
) -> EditDraft:
    """List the edits of a version that stand, by image, before and after."""
    edits = _edits(opened, name, number)
    standing = edits.standing()
    verdicts = Counter(edit.verdict for edit in standing)
    access: Access = request.app.state.access
    added = [label for edit in counting(standing) for label in edit.labels]
    return EditDraft(
        version=edits.version.id,
        number=number,
        newest=opened.workspace.datasets.get(name).number,
        task=edits.dataset.task,
        kind=edits.dataset.kind,
        classes=list(dict.fromkeys([*edits.dataset.classes, *added])),
        account=account_name() if access.is_open else "",
        verdicts={verdict: verdicts[verdict] for verdict in ("open", "accepted", "rejected")},
        accepted=[edit.id for edit in counting(standing, ("accepted",))],
        open=[edit.id for edit in standing if edit.verdict == "open"],
        images=_images(edits.dataset, standing, cursor, limit),
    )


@router.get("/image")
def get_edited_image(
    opened: Opened,
    name: str,
    number: int,
    row: Annotated[int | None, Query(ge=0, description="of the image; or else name it by `image`")] = None,
    image: Annotated[str, Query(max_length=4000, description="its path")] = "",
    digest: Annotated[str, Query(max_length=100, description="of its contents, if its path may be another one")] = "",
) -> ImageEdits:
    """Return an image with its edits, before and after."""
    edits = _edits(opened, name, number)
    if row is None:
        return _image(edits, _row_of(edits.dataset, image, digest))
    if row >= len(edits.dataset):
        raise NotFoundError(f"the dataset has {len(edits.dataset)} images; there is no row {row}")
    return _image(edits, row)


@router.post("", status_code=201)
def add_edits(opened: Opened, name: str, number: int, wanted: NewEdits) -> list[ImageEdits]:
    """Propose changes, all or none of them, and return their images with all edits."""
    edits = _edits(opened, name, number)
    changes = [Change(**change.model_dump()) for change in wanted.changes]
    made = edits.add_all(changes, reason=wanted.reason, author=wanted.author.strip(), new_classes=wanted.new_classes)
    rows = dict.fromkeys(find_rows(edits.dataset, made))
    return [_image(edits, row) for row in rows]


@router.post("/{edit_id}/undo")
def undo_edit(opened: Opened, name: str, number: int, edit_id: str, wanted: Withdrawal) -> UndoneEdits:
    """Take an edit back, and with it later edits of a box that it drew."""
    return UndoneEdits(edits=_edits(opened, name, number).undo(edit_id, author=wanted.author.strip()))


@router.post("/reviews")
def review_edits(opened: Opened, name: str, number: int, wanted: EditReview) -> dict[Verdict, int]:
    """Accept or reject edits, or open their review again; return how many edits stand, by verdict."""
    edits = _edits(opened, name, number)
    edits.review_all(list(dict.fromkeys(wanted.edits)), wanted.verdict, reviewer=wanted.reviewer.strip())
    found = Counter(edit.verdict for edit in edits.standing())
    return {verdict: found[verdict] for verdict in ("open", "accepted", "rejected")}


@router.get("/preview")
def preview_edits(opened: Opened, name: str, number: int) -> ChangeCounts:
    """Return what the accepted edits come to, without making a version."""
    edits = _edits(opened, name, number)
    accepted = counting(edits.standing(), ("accepted",))
    return change_counts(edits.dataset, apply_edits(edits.dataset, accepted, new_classes=True))


@router.post("/version", status_code=201)
def make_version_of_edits(opened: Opened, name: str, number: int, wanted: VersionOfEdits) -> MadeVersion:
    """Make the accepted edits the next version of the dataset, and return what it changes."""
    edits = _edits(opened, name, number)
    made = edits.make_version(description=wanted.reason, author=wanted.author.strip(), edit_ids=wanted.edits)
    dataset = opened.version_dataset(made.name, made.number)
    further = LabelEdits(opened.workspace.datasets, made.id, dataset=dataset).standing()
    return MadeVersion(
        name=made.name,
        number=made.number,
        id=made.id,
        edits=len(wanted.edits),
        waiting=sum(edit.verdict == "open" for edit in further),
        changes=change_counts(edits.dataset, dataset),
    )


@router.get("/made")
def list_edits_behind(opened: Opened, name: str, number: int, limit: Limit = 50, cursor: Cursor = 0) -> VersionEdits:
    """List the edits that a version was made with, by image, before and after."""
    opened.version_dataset(name, number)
    version = registered_version(opened, name, number)
    made_with = edits_behind(version) if version else []
    if version is None or not made_with:
        return VersionEdits(parent="", images=Page(items=[], total=0, next=None))
    parent, _, before = version.parent.rpartition(":")
    dataset = opened.version_dataset(parent, int(before))
    return VersionEdits(parent=version.parent, images=_images(dataset, made_with, cursor, limit))


@router.post("/take-back", status_code=201)
def take_edits_back(opened: Opened, name: str, number: int, wanted: TakenBack) -> RegisteredVersion:
    """Make the version before anew with what is left of a version's edits; all taken back is the version before."""
    edits = _edits(opened, name, number)
    made = undo_edits(opened.workspace.datasets, edits.version.id, wanted.edits)
    return RegisteredVersion(name=made.name, number=made.number, id=made.id)


def _edits(opened: OpenedWorkspace, name: str, number: int) -> LabelEdits:
    dataset = opened.version_dataset(name, number)
    if name.startswith(UNREGISTERED):
        raise DataError("only the labels of registered data can be edited; give the data a name first")
    return LabelEdits(opened.workspace.datasets, f"{name}:{number}", dataset=dataset)


def _row_of(dataset: Dataset, image: str, digest: str) -> int:
    wanted = LabelEdit(action="exclude", image=image, id="", digest=digest, time=0, author="", reason="")
    try:
        return find_rows(dataset, [wanted])[0]
    except DataError as error:
        raise NotFoundError(str(error)) from None


def _image(edits: LabelEdits, row: int) -> ImageEdits:
    standing = edits.standing()
    own = [edit for edit, of in zip(standing, find_rows(edits.dataset, standing), strict=True) if of == row]
    return _image_edits(edits.dataset, row, own)


def _images(dataset: Dataset, edits: Sequence[LabelEdit], cursor: int, limit: int) -> Page[ImageEdits]:
    by_row: dict[int, list[LabelEdit]] = {}
    for edit, row in zip(edits, find_rows(dataset, edits), strict=True):
        by_row.setdefault(row, []).append(edit)
    page = page_of(list(by_row), cursor, limit)
    items = [_image_edits(dataset, row, by_row[row]) for row in page.items]
    return Page(items=items, total=page.total, next=page.next)


def _image_edits(dataset: Dataset, row: int, edits: Sequence[LabelEdit]) -> ImageEdits:
    before = EditedImage(dataset, row)
    after = edited_images(dataset, counting(edits), new_classes=True).get(row, before)
    return ImageEdits(
        row=row,
        image=dataset.table["image"][row].as_py(),
        width=before.size[0],
        height=before.size[1],
        digest=dataset.table["digest"][row].as_py() or "",
        before=_labels(before),
        after=_labels(after),
        edits=[
            EditSummary(
                what=after.done.get(edit.id, edit.action),
                **{name: getattr(edit, name) for name in EditSummary.model_fields if name != "what"},
            )
            for edit in edits
        ],
    )


def _labels(image: EditedImage) -> ImageLabels:
    return ImageLabels(split=image.split or "", labels=image.labels, objects=list(_objects(image.objects.items())))


def _objects(found: Iterable[tuple[int | str, Object]]) -> Iterable[ImageObject]:
    for key, value in found:
        box = None if value.bbox is None else list(value.bbox)
        yield ImageObject(key=key, label=value.label, box=box, polygons=[list(points) for points in value.segments])
