"""What is kept of a labelling project, and what is reported of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.core.records.record import Record
from automl_vision.labeling.agreement import Agreement


class LabelingError(AutoMLVisionError):
    """A labelling project does not exist, or cannot be what was asked for."""


class ProjectRecord(Record):
    """A labelling project, as its file has it."""

    name: str
    id: str = Field(description="by which the project is found again on the server, in its description")
    server: str = Field(description="address of Label Studio")
    number: int | None = Field(default=None, description="of the project there; none while it is being made")
    task: str
    classes: list[str]
    dataset: str = Field(description="name whose next version a pull registers")
    version: str = Field(description="that the project was made from, such as `clothing:2`; empty without any labels")
    files: str = Field(description="folder below which Label Studio serves files")
    roots: list[str] = Field(default_factory=list, description="folders of images; of no others files are served")
    model: str | None = Field(default=None, description="that predicts, such as `clothing@champion`, or a folder")
    is_whole: bool = Field(default=True, description="whether it has all images of the dataset, not those of a queue")


class WantedImage(Record):
    """An image that a project shows."""

    digest: str = Field(description="of its contents")
    image: str = Field(description="as in the dataset, or where it is")
    location: str = Field(description="independent of any root")
    width: int
    height: int
    split: str = ""
    group: str = ""
    reason: str = Field(default="", description="why it is labelled")
    score: float | None = Field(default=None, description="of the queue")
    labels: list[Any] = Field(default_factory=list, description="results of the label that it has in the dataset")


@dataclass(frozen=True)
class Pushed:
    """What a push changed on the server.

    Attributes:
        tasks: images that were added.
        predictions: that were added to images which were there.
        renewed: links that were signed anew.
        problems: the reason by image that cannot be shown.
    """

    tasks: int = 0
    predictions: int = 0
    renewed: int = 0
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class ProjectStatus:
    """How far a project is.

    Attributes:
        name: of the project.
        url: of it on the server.
        images: that it shall show.
        tasks: that are on the server.
        submitted: tasks that somebody has labelled.
        drafts: tasks that somebody has begun, and nobody submitted.
        skipped: tasks that were skipped, and nobody submitted.
        unpulled: submitted tasks whose labels are not in the dataset yet.
        disputed: tasks on which people do not agree.
        foreign: tasks on the server that this project did not make.
        agreement: of people who labelled the same images.
    """

    name: str
    url: str
    images: int
    tasks: int
    submitted: int
    drafts: int
    skipped: int
    unpulled: int
    disputed: int
    foreign: int
    agreement: Agreement

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**vars(self), "agreement": self.agreement.to_json()}


@dataclass(frozen=True)
class Pulled:
    """What a pull brought.

    Attributes:
        version: id of the dataset's version that has the labels, such as `clothing:3`; None while a project that began
            without labels has too few for a first version.
        is_new: whether it was made by this pull.
        changed: images whose label in the dataset changed.
        added: images that are new in the dataset.
        status: of the project.
        problems: the reason by place of what could not be used.
    """

    version: str | None
    is_new: bool
    changed: int
    added: int
    status: ProjectStatus
    problems: dict[str, str]

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return {**vars(self), "status": self.status.to_json()}
