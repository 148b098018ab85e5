"""A quick look at data before a job: its format, images, classes, splits and task, and what stands in the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from automl_vision.core.errors import AutoMLVisionError, DataError
from automl_vision.core.records import Record
from automl_vision.core.tasks import TASKS
from automl_vision.data.dataset import Dataset
from automl_vision.data.manifest_file import manifest_facts
from automl_vision.data.scan import Progress
from automl_vision.data.usability import require_usable
from automl_vision.storage.urls import is_url
from automl_vision.workspace.workspace import Workspace

_EXAMPLES = 5
_SHOWN_CLASSES = 12


class LeftOut(Record):
    """A record of the data that cannot be used."""

    place: str
    reason: str


class DataCheck(Record):
    """What a quick look at data found."""

    data: str = Field(description="as it was given")
    version: str | None = Field(description="name and number, if it is a registered version")
    format: str
    task: str = Field(description="that it was opened for")
    tasks: list[str] = Field(description="that it can be used for")
    images: int
    splits: dict[str, int] = Field(description='images by split; "" are those without one')
    classes: int
    largest: dict[str, int] = Field(description="the most frequent classes with their counts")
    left_out: int = Field(description="records that cannot be used")
    examples: list[LeftOut] = Field(description="the first of them")
    problem: str | None = Field(description="why it cannot be trained on, and the way out; null if it can")


def check_data(
    data: str, workspace: Workspace, *, task: str | None = None, progress: Progress | None = None
) -> DataCheck:
    """Open data for a job and say what it is; too few images or classes are its `problem`, not an error.

    Args:
        data: path, URL or registered name.
        workspace: where datasets are registered.
        task: None: as the labels suggest.
        progress: called with (images done, images in all).

    Raises:
        DataError: no known format is there.
    """
    path = workspace.datasets.resolve(str(Path(data).expanduser()) if data.startswith("~") else data)
    dataset = Dataset.open(path, task=task, max_bad_share=1.0, progress=progress)
    version = workspace.datasets.find(dataset.fingerprint) if path != data else None
    counts = Counter({name: sum(splits.values()) for name, splits in dataset.class_counts.items()})
    return DataCheck(
        data=data,
        version=None if version is None else version.id,
        format=dataset.format,
        task=dataset.task,
        tasks=list(_tasks(dataset)),
        images=len(dataset),
        splits=dataset.summary()["images"],
        classes=len(dataset.classes),
        largest=dict(counts.most_common(_SHOWN_CLASSES)),
        left_out=len(dataset.report.problems),
        examples=[LeftOut(place=p.place, reason=p.reason) for p in dataset.report.problems[:_EXAMPLES]],
        problem=_problem(dataset),
    )


def _problem(dataset: Dataset) -> str | None:
    try:
        require_usable(dataset)
    except DataError as error:
        return str(error)
    return None


def _tasks(dataset: Dataset) -> Iterator[str]:
    """The tasks that the labels can be turned into."""
    for task in TASKS:
        try:
            require_usable(dataset.as_task(task), max_bad_share=1.0)
        except AutoMLVisionError:
            continue
        yield task


def recent_data(workspace: Workspace, *, runs: int = 8) -> list[str]:
    """Folders and files of the last runs that had other data than registered versions, the newest first.

    Args:
        workspace: of the runs.
        runs: how many are looked at.
    """
    found: list[str] = []
    for run_id in reversed(workspace.run_ids()[-runs:]):
        spec = workspace.run_folder(run_id).spec()
        root = None if spec.get("data_version") else _root(spec["manifest"])
        if root is not None and root not in found and (is_url(root) or Path(root).exists()):
            found.append(root)
    return found


def _root(manifest: str) -> str | None:
    """Where a run's images are; None if its manifest was deleted."""
    try:
        return str(manifest_facts(manifest)[1]["root"])
    except DataError:
        return None
