"""A dataset as what other libraries work with: pandas, supervision, and Hugging Face's `datasets`.

None of them is a dependency: each is imported when it is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.core.late import optional_package
from automl_vision.core.tasks import TASKS, has_objects
from automl_vision.data.labelled_image import LabelledImage
from automl_vision.data.manifest import objects_of, splits_of, targets_of
from automl_vision.data.masks import MaskCode
from automl_vision.data.object import Object
from automl_vision.data.split_names import LEFT_OUT


def to_pandas(table: pa.Table, task: str, classes: Sequence[str]) -> Any:
    """A `pandas.DataFrame` with one row per image.

    Columns: image, width, height, split, group, digest, and labels, a list of class names. For labelled objects,
    labels has the class of each object, and boxes their x1, y1, x2, y2 in pixels, (objects, 4).

    Raises:
        MissingPackageError: pandas is not installed.
    """
    optional_package("pandas")
    labels = targets_of(table, task, classes).to_arrow(tuple(classes))
    columns = ["image", "width", "height", "split", "group", "digest"]
    frame = table.select(columns).append_column("labels", labels).to_pandas()
    frame["split"] = splits_of(table)
    if has_objects(task):
        objects = objects_of(table, classes)
        rows = [slice(each.start, each.stop) for each in map(objects.rows_of, range(len(table)))]
        names = np.asarray(classes, dtype=object)[objects.label]
        frame["labels"] = [names[row].tolist() for row in rows]
        frame["boxes"] = [objects.bbox[row] for row in rows]
    return frame


def to_supervision(images: Sequence[LabelledImage], task: str, classes: Sequence[str]) -> Any:
    """A `supervision.DetectionDataset`, or a `ClassificationDataset` for labels, without images that were left out.

    Masks are decoded, which takes a byte per pixel and object.

    Raises:
        MissingPackageError: supervision is not installed.
        DataError: an image is not a separate file.
    """
    supervision = optional_package("supervision")
    images = [image for image in images if image.split != LEFT_OUT]
    paths = [image.location for image in images]
    if missing := [path for path in paths if not Path(path).is_file()]:
        raise DataError(
            f"supervision reads image files, and {missing[0]} is not one. "
            "Write the dataset to a folder first: automl-vision data convert PATH FOLDER"
        )
    position = {name: i for i, name in enumerate(classes)}
    annotations = {}
    for path, image in zip(paths, images, strict=True):
        if has_objects(task):
            fields = _detections(image, position, with_masks=TASKS[task].needs_masks)
            annotations[path] = supervision.Detections(**fields)
        else:
            annotations[path] = supervision.Classifications(np.array([position[name] for name in image.labels], int))
    kind = supervision.DetectionDataset if has_objects(task) else supervision.ClassificationDataset
    return kind(classes=list(classes), images=paths, annotations=annotations)


def to_huggingface(images: Sequence[LabelledImage], task: str, classes: Sequence[str]) -> Any:
    """A `datasets.Dataset` without images that were left out.

    Local files are read when they are accessed, others now. Boxes are x, y, width, height in pixels, as in COCO.

    Raises:
        MissingPackageError: `datasets` is not installed.
        ImageError: an image that is not a local file cannot be read.
    """
    datasets = optional_package("datasets")
    images = [image for image in images if image.split != LEFT_OUT]
    name = datasets.ClassLabel(names=list(classes))
    features = {"image": datasets.Image(), "split": datasets.Value("string")}
    columns: dict[str, list[Any]] = {
        "image": [_encoded(image) for image in images],
        "split": [image.split for image in images],
    }
    if has_objects(task):
        features["objects"] = {
            "bbox": datasets.Sequence(datasets.Sequence(datasets.Value("float32"), length=4)),
            "categories": datasets.Sequence(name),
            "iscrowd": datasets.Sequence(datasets.Value("bool")),
            "segmentation": datasets.Sequence(datasets.Sequence(datasets.Sequence(datasets.Value("float32")))),
            "rle": datasets.Sequence(datasets.Value("string")),
        }
        columns["objects"] = [_coco_columns(image.objects) for image in images]
    elif TASKS[task].one_label:  # an image without a label is among the left out
        features["label"], columns["label"] = name, [image.labels[0] for image in images]
    else:
        features["labels"], columns["labels"] = datasets.Sequence(name), [list(image.labels) for image in images]
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def _encoded(image: LabelledImage) -> dict[str, Any]:
    """An image for `datasets.Image`: the path of a local file, else the bytes."""
    path = image.location
    return {"path": path, "bytes": None if Path(path).is_file() else image.read()}


def _coco_columns(objects: Sequence[Object]) -> dict[str, list[Any]]:
    """Objects as columns; boxes are x, y, width, height, which is what `datasets` and its models expect."""
    boxes = [value.bbox or (0.0, 0.0, 0.0, 0.0) for value in objects]
    return {
        "bbox": [[x1, y1, x2 - x1, y2 - y1] for x1, y1, x2, y2 in boxes],
        "categories": [value.label for value in objects],
        "iscrowd": [value.iscrowd for value in objects],
        "segmentation": [[list(segment) for segment in value.segments] for value in objects],
        "rle": [value.rle for value in objects],
    }


def _detections(image: LabelledImage, position: dict[str, int], *, with_masks: bool) -> dict[str, Any]:
    """Arguments of supervision's `Detections`: xyxy (n, 4), class_id (n,) and mask (n, height, width)."""
    objects = image.objects
    fields: dict[str, Any] = {
        "xyxy": np.array([value.bbox for value in objects], np.float32).reshape(-1, 4),
        "class_id": np.array([position[value.label] for value in objects], int),
        "data": {"iscrowd": np.array([value.iscrowd for value in objects], bool)},
    }
    if with_masks:
        masks = [_mask(value, image.size) for value in objects]
        fields["mask"] = np.array(masks, bool).reshape(-1, image.size[1], image.size[0])
    return fields


def _mask(value: Object, size: tuple[int, int]) -> NDArray[np.bool_]:
    """(height, width), the area of an object."""
    if value.rle is not None:
        return MaskCode.from_text(value.rle).decode()
    from PIL import Image, ImageDraw

    area = Image.new("1", size)
    pen = ImageDraw.Draw(area)
    for segment in value.segments:
        pen.polygon(list(segment), fill=1)
    return np.asarray(area, bool)
