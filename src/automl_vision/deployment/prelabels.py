"""Predictions as the labels of a data set version, for people to correct."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from automl_vision.core.errors import DataError
from automl_vision.core.tasks import TASKS
from automl_vision.data.annotations import Annotations, Record
from automl_vision.data.dataset import Dataset
from automl_vision.data.image_list import ImageList
from automl_vision.data.manifest import build_manifest
from automl_vision.data.object import Object
from automl_vision.data.open_options import OpenOptions
from automl_vision.data.scan import Progress, scan_images
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.storage.access import open_storage
from automl_vision.workspace.datasets import DatasetRegistry, DatasetVersion

_ROWS = 4096  # that are in memory at a time


def predicted_dataset(
    scored: Path,
    images: ImageList,
    description: ModelDescription,
    *,
    min_confidence: float = 0.0,
    progress: Progress | None = None,
) -> Dataset:
    """A dataset whose labels are predictions; the headers of the images are read for it.

    Args:
        scored: Parquet that `score` wrote.
        images: that were scored.
        description: of the model.
        min_confidence: labels of lower probability and objects of lower score are dropped; an image that needs exactly
            one label and then has none is left out and reported.
        progress: called with (images done, images in all).

    Raises:
        DataError: no image has a label.
    """
    annotations = Annotations(TASKS[description.task].kind, classes=list(description.classes), reads_all=True)
    for batch in pq.ParquetFile(scored).iter_batches(_ROWS):
        for row in batch.to_pylist():
            labels, objects = _content(row, description.classes, min_confidence)
            annotations.add(Record(row["image"], row["image"], labels, objects))
    storage = open_storage(images.root, allow_outside=True)  # the list was checked when it was made
    options = OpenOptions(allow_outside=True)
    facts = list(scan_images(annotations.images, annotations.sizes, storage, options, progress=progress))
    table, classes = build_manifest(annotations, facts, description.task, exif="annotated-upright")
    if not classes:
        raise DataError(
            f"no prediction in {scored} is as confident as {min_confidence:g}, so that no image has a label"
        )
    range_ = description.preprocessing.value_range
    return Dataset(table, images.root, description.task, classes, "predictions", annotations.report, range_)


def _content(
    row: dict[str, Any], classes: tuple[str, ...], min_confidence: float
) -> tuple[tuple[str, ...], list[Object]]:
    """Labels or objects of an image that are confident enough."""
    if "objects" in row:
        chosen = (found for found in row["objects"] if found["score"] >= min_confidence)
        return (), [Object(found["label"], tuple(found["bbox"]), rle=found["rle"]) for found in chosen]
    labels = row["labels"] if "labels" in row else [label for label in (row["label"],) if label is not None]
    probability = dict(zip(classes, row["probabilities"], strict=True))
    return tuple(label for label in labels if probability[label] >= min_confidence), []


def register_predictions(
    dataset: Dataset, registry: DatasetRegistry, name: str, *, description: str = ""
) -> DatasetVersion:
    """Register predicted labels as the next version of a name; no image is put into a split.

    Raises:
        DataError: the name is not one.
    """
    return registry.register(dataset, name, description=description, split_ratio=None)
