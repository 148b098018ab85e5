"""Writing a dataset in a format of others: one writer a format, the images copied, linked or left where they are."""

from __future__ import annotations

import shutil
from os import PathLike
from pathlib import Path

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import has_objects
from automl_vision.data.dataset import Dataset
from automl_vision.data.report import ImportReport
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.formats.registry import ExportFormat, find_export_format
from automl_vision.formats.writing import Export

_IMAGES = ("copy", "link", "none")


def export_dataset(dataset: Dataset, folder: str | PathLike[str], format: str, *, images: str = "copy") -> ImportReport:
    """Write a dataset in a format; images that were left out are not written.

    Args:
        dataset: with or without splits.
        folder: new or empty.
        format: "coco", "csv", "folder", "jsonl", "voc" or "yolo".
        images: "copy" writes them below the folder, "link" makes symbolic links, "none" refers to where they are; the
            last two lead out of the folder, so that it must be opened with `allow_outside=True`.

    Returns:
        What the format could not hold; `notes` names each loss.

    Raises:
        DataError: the format is unknown or cannot hold such labels, or the folder is not empty.
    """
    format_ = find_export_format(format)
    if images not in _IMAGES:
        raise DataError(f'images must be one of {", ".join(_IMAGES)}, not "{images}"')
    target = Path(folder).expanduser().absolute()
    if dataset.kind not in format_.kinds:
        holds = ", ".join(sorted(format_.kinds))
        raise DataError(
            f'the format "{format_.name}" cannot hold {dataset.task}: it holds {holds}, the data has {dataset.kind}; '
            "choose another format, or another task with as_task"
        )
    if images == "none" and "references" not in format_.holds:
        raise DataError(f'the format "{format_.name}" needs its images beside it: images="copy" or "link"')
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise DataError(f"{target} is not an empty folder; nothing is overwritten")
    partial = target.with_name(f".{target.name}.part")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        export = Export(dataset, partial, images=images)
        format_.write(export)
        _note_losses(dataset, format_, export.report)
        if target.exists():
            target.rmdir()
        partial.replace(target)
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return export.report


def usual_format(dataset: Dataset) -> str:
    """Name of the format that holds most of a dataset: "csv" for classes, "coco" for objects."""
    return "coco" if has_objects(dataset.task) else "csv"


def _note_losses(dataset: Dataset, format_: ExportFormat, report: ImportReport) -> None:
    """Note the marks that a format cannot hold."""
    kept = dataset.splits != LEFT_OUT
    marks = {"group": int((dataset.table["group"].is_valid().to_numpy() & kept).sum())}
    if has_objects(dataset.task):
        written = kept[dataset.objects.image]
        marks["iscrowd"] = int((dataset.objects.iscrowd & written).sum())
        marks["difficult"] = int((dataset.objects.difficult & written).sum())
    if dataset.further:
        marks["further"] = int(kept.sum())
    if dataset.value_range is not None and dataset.value_range.is_known:
        option = f'value_range="{dataset.value_range.option}"'
        reason = f"no format has a place for the values of black and white; open the export with {option}"
        report.note(format_.name, reason, "lost mark")
    for mark, count in marks.items():
        if count and mark not in format_.holds:
            report.note(format_.name, f'the format has no place for "{mark}", which {count} records had', "lost mark")
