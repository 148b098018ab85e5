"""The beginning of a dataset without any label: images, and the classes that people will choose from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike

from automl_vision.core.tasks import TASKS, normalize_task
from automl_vision.core.text import composed
from automl_vision.data.dataset import Dataset
from automl_vision.data.report import ImportReport
from automl_vision.data.scan import Progress
from automl_vision.formats.listing import list_images
from automl_vision.labeling.records import LabelingError
from automl_vision.labeling.wanted import scan_pool
from automl_vision.workspace.datasets import DatasetRegistry


def unlabelled_start(
    images: str | PathLike[str] | None, classes: Sequence[str], task: str | None, *, progress: Progress | None = None
) -> tuple[Dataset, Dataset]:
    """A dataset that has no image yet, and the images that wait for its first labels.

    Args:
        images: folder, list, archive or URL; all images there count, whatever their folders are called.
        classes: that people choose from.
        task: its name or an alias.
        progress: called with (images done, images in all).

    Raises:
        LabelingError: one of the three is missing, or the classes are no usable names.
        DataError: there are no images.
    """
    if images is None or not classes or task is None:
        parts = {"--images": images is not None, "--classes": bool(classes), "--task": task is not None}
        raise LabelingError(
            "a project is made of labelled data, or of images with the classes that people choose from and the task; "
            f"name --data, or add {' and '.join(name for name, is_there in parts.items() if not is_there)}"
        )
    try:
        name = normalize_task(task)
    except ValueError as error:
        raise LabelingError(str(error)) from None
    names = _usable(classes, name)
    pool = scan_pool(list_images(images, labels=False), name, progress=progress)
    return without_images(pool, names), pool


def without_images(pool: Dataset, classes: Sequence[str]) -> Dataset:
    """The dataset that images wait for: it has their place and their task, and none of them yet."""
    return replace(pool, table=pool.table.slice(0, 0), classes=tuple(classes), report=ImportReport())


def require_new_dataset(registry: DatasetRegistry, name: str) -> None:
    """Raise `LabelingError` if a dataset of a name is registered, which would be continued by mistake."""
    if registry.versions(name):
        raise LabelingError(
            f'a dataset is registered as "{name}" already; label its images with --data {name}, or choose another name'
        )


def require_no_classes(classes: Sequence[str], task: str | None) -> None:
    """Raise `LabelingError` if classes or a task are named for data, which has its own."""
    if classes or task is not None:
        raise LabelingError("labelled data has its own classes and task; leave --classes and --task out")


def _usable(classes: Sequence[str], task: str) -> list[str]:
    names = [composed(name).strip() for name in classes]
    double = sorted({name for name in names if names.count(name) > 1})
    if "" in names or double:
        raise LabelingError(
            "each class has a name of its own" + (f"; {', '.join(double)} is named twice" if any(double) else "")
        )
    if TASKS[task].one_label and len(names) < 2:
        raise LabelingError(f"{task} needs at least 2 classes to choose from, and only {names[0]} is named")
    return names
