"""New data: folders of this machine to choose from, uploads, a quick check, and registration."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import Depends, Query, Request
from pydantic import BaseModel, Field

from automl_vision.core.errors import DataError
from automl_vision.data.dataset import Dataset
from automl_vision.data.defaults import SPLIT_RATIO
from automl_vision.data.exif_readings import Reading
from automl_vision.data.turned_photos import TURNED
from automl_vision.data.usability import require_usable
from automl_vision.data.value_range import AUTO
from automl_vision.studio.api.work import WorkDetails, work_details
from automl_vision.studio.opened import UNREGISTERED, Opened
from automl_vision.studio.operations import operations
from automl_vision.studio.places import AllowedPlaces
from automl_vision.studio.uploads import Upload, Uploads
from automl_vision.studio.work import Background, Progress
from automl_vision.web.problems import NotFoundError

router = operations("new data")


class ServerFolderEntry(BaseModel):
    """A folder, archive or annotation file."""

    name: str
    path: str
    is_folder: bool
    size: int | None = Field(description="in bytes; null for a folder")
    images: int = Field(description="in a folder and in those below it, as far as was looked")
    has_more: bool = Field(description="whether there may be more images than were counted")


class ServerFolder(BaseModel):
    """What is in a folder of the server."""

    path: str
    parent: str | None = Field(description="null at the top of what may be seen")
    roots: list[str] = Field(description="folders below which data may be")
    entries: list[ServerFolderEntry] = Field(description="folders first; without hidden ones and images")
    images: int = Field(description="images in the folder itself")
    here: ServerFolderEntry = Field(description="the folder itself, with the images below it")
    more: int = Field(description="entries that are not listed")


class UploadRequest(BaseModel):
    """What will be sent."""

    name: str = Field(description="of what was chosen", max_length=400)
    bytes: int = Field(ge=0, description="of all files")
    files: int = Field(ge=1)


class UploadState(BaseModel):
    """An upload as far as it has come."""

    id: str
    name: str
    bytes: int
    files: int
    most_bytes: int = Field(description="of one upload")


class FilePart(BaseModel):
    """How far a file has come."""

    length: int = Field(description="of the file now, in bytes")


class ImportRequest(BaseModel):
    """What to look at: a path of this machine or an upload."""

    path: str | None = Field(default=None, min_length=1, description="folder, archive or annotation file")
    upload: str | None = Field(default=None, description="id of an upload")
    task: str | None = Field(default=None, description="null: as the labels suggest")
    exif: Reading = Field(
        default="auto",
        description="how photos with an EXIF rotation were annotated: before it, after it, or as the annotations state",
    )
    value_range: str = Field(
        default=AUTO,
        description="values of black and white in images of more than 8 bits: LOW:HIGH, file for what the files state, "
        "auto for those of the training images",
    )


class QuickCheck(BaseModel):
    """What is in new data."""

    name: str = Field(description='"~" and its fingerprint: its name until it is registered')
    suggested_name: str = Field(description="from the folder or archive")
    task: str
    format: str
    source: str
    images: int
    splits: dict[str, int]
    classes: dict[str, int] = Field(description="images or objects of each")
    records: int
    left_out: dict[str, int] = Field(description="records that cannot be used, by the rule that they break")
    problem: str | None = Field(description="why it cannot be trained on as it is")
    registered_as: str | None = Field(description="a version with the same contents")
    value_range: str | None = Field(
        description="values of black and white in images of more than 8 bits, and where they are from; null without any"
    )
    turned: list[str] = Field(description="how annotations of photos with an EXIF rotation were read")


class RegisterRequest(BaseModel):
    """A name for new data."""

    source: str = Field(description='"~" and the fingerprint')
    name: str = Field(examples=["helmets"])
    description: str = ""
    split_ratio: float = Field(default=SPLIT_RATIO, gt=0, lt=1, description="of images without a split to hold out")


class RegisteredVersion(BaseModel):
    """A version that was registered."""

    name: str
    number: int
    id: str


def _uploads(request: Request, opened: Opened) -> Uploads:
    kept: dict[str, Uploads] = request.app.state.uploads
    if opened.name not in kept:
        kept[opened.name] = Uploads(opened.workspace.path / "uploads", request.app.state.most_upload_bytes)
    return kept[opened.name]


UploadsHere = Annotated[Uploads, Depends(_uploads)]


@router.get("/places")
def list_place(
    places: AllowedPlaces, path: Annotated[str | None, Query(description="absolute; null: the first")] = None
) -> ServerFolder:
    """List what is in a folder of this machine, below those that the studio may read."""
    found = places.listing(path if path is not None else str(places.roots[0]))
    roots = [str(root) for root in places.roots]
    return ServerFolder.model_validate({**asdict(found), "roots": roots})


@router.post("/uploads")
def begin_upload(uploads: UploadsHere, request: UploadRequest) -> UploadState:
    """Make room for files that will be sent."""
    return _state(uploads, uploads.begin(request.name, request.bytes, request.files))


@router.get("/uploads/{upload_id}")
def get_upload(uploads: UploadsHere, upload_id: str) -> UploadState:
    """Return how far an upload has come."""
    return _state(uploads, uploads.get(upload_id))


@router.put(
    "/uploads/{upload_id}/files",
    openapi_extra={
        "requestBody": {"required": True, "content": {"application/octet-stream": {"schema": {"format": "binary"}}}}
    },
)
async def write_upload(
    uploads: UploadsHere,
    upload_id: str,
    request: Request,
    path: Annotated[str, Query(max_length=2000, description="of the file, with forward slashes")],
    offset: Annotated[int, Query(ge=0, le=2**50, description="of the first byte; 0 begins the file anew")] = 0,
) -> FilePart:
    """Write a part of a file: the body of the request, at most 64 MiB."""
    length = await uploads.write(uploads.get(upload_id), path, offset, request.stream())
    return FilePart(length=length)


@router.delete("/uploads/{upload_id}")
def remove_upload(opened: Opened, uploads: UploadsHere, upload_id: str) -> UploadState:
    """Delete the files of an upload that no registered version needs."""
    upload = uploads.get(upload_id)
    registry = opened.workspace.datasets
    for name in registry.names():
        for version in registry.versions(name):
            root = Dataset.load(version).root
            if root.startswith(str(upload.folder)):
                raise DataError(f"the images of {version.id} are in this upload, so it cannot be deleted")
    uploads.remove(upload)
    return _state(uploads, upload)


@router.post("/imports")
def start_import(
    opened: Opened, background: Background, places: AllowedPlaces, uploads: UploadsHere, request: ImportRequest
) -> WorkDetails:
    """Look at new data in the background: its format, task, classes, and what cannot be used.

    What it finds is at `/imports/{work_id}` once the work is done.
    """
    if (request.path is None) == (request.upload is None):
        raise DataError("name either a path or an upload")
    upload = uploads.get(request.upload) if request.upload is not None else None
    path = uploads.data_path(upload) if upload is not None else places.resolve(request.path or "")
    suggested = _suggested_name(upload.name if upload is not None else path.name)

    def look(progress: Progress) -> QuickCheck:
        dataset = Dataset.open(
            path,
            task=request.task,
            max_bad_share=1.0,  # the worst data need the quick check most
            exif=request.exif,
            value_range=request.value_range,
            progress=lambda done, total: progress(done, total, "reading images"),
        )
        opened.workspace.keep_manifest(dataset)
        return _quick_check(opened, dataset, suggested)

    title = f"Look at {upload.name if upload is not None and upload.name else path}"
    return work_details(background.start("import", title, look, light=True, workspace=opened.name))


@router.get("/imports/{work_id}")
def get_import(background: Background, work_id: str) -> QuickCheck:
    """Return what is in new data, once the work that looked at it is done."""
    found = background.get(work_id).result
    if not isinstance(found, QuickCheck):
        raise NotFoundError(f'work "{work_id}" has not looked at data, or it is not done')
    return found


@router.post("/datasets")
def register_dataset(opened: Opened, request: RegisterRequest) -> RegisteredVersion:
    """Register data that was looked at as the next version of a name."""
    dataset = opened.version_dataset(request.source, 0)
    require_usable(dataset)
    version = opened.workspace.datasets.register(
        dataset, request.name, description=request.description, split_ratio=request.split_ratio
    )
    return RegisteredVersion(name=version.name, number=version.number, id=version.id)


def _quick_check(opened: Opened, dataset: Dataset, suggested: str) -> QuickCheck:
    problem = None
    try:
        require_usable(dataset)
    except DataError as error:
        problem = str(error)
    summary = dataset.summary()
    range_ = dataset.value_range
    same = opened.workspace.datasets.find(dataset.fingerprint)
    return QuickCheck(
        name=f"{UNREGISTERED}{dataset.fingerprint}",
        suggested_name=suggested,
        task=dataset.task,
        format=dataset.format,
        source=dataset.root,
        images=len(dataset),
        splits=summary["images"],
        classes={label: sum(counts.values()) for label, counts in summary["classes"].items()},
        records=dataset.report.total,
        left_out=dataset.report.counts(),
        problem=problem,
        registered_as=None if same is None else same.id,
        value_range=f"{range_} ({range_.source})" if range_ is not None and range_.is_known else None,
        turned=[note.reason for note in dataset.report.notes if note.kind == TURNED],
    )


def _suggested_name(text: str) -> str:
    """A name that the registry takes."""
    stem = text.strip().rstrip("/").rpartition("/")[2].split(".")[0]
    return "".join(c if c.isalnum() or c in "-_" else "-" for c in stem).strip("-_")[:40].lower() or "data"


def _state(uploads: Uploads, upload: Upload) -> UploadState:
    return UploadState(
        id=upload.id, name=upload.name, bytes=upload.bytes, files=upload.files, most_bytes=uploads.most_bytes
    )
