"""Cityscapes: pictures below `leftImg8bit`, and ids of 16 bits below `gtFine`, class * 1000 + number of the object."""

from __future__ import annotations

import numpy as np

from automl_vision.core.errors import DataError, ImageError
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.masks import encode_mask, mask_values
from automl_vision.data.object import Object
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.source import Source

# the classes of things; source: cityscapesscripts/helpers/labels.py
_THINGS = {
    24: "person", 25: "rider", 26: "car", 27: "truck", 28: "bus", 29: "caravan", 30: "trailer", 31: "train",
    32: "motorcycle", 33: "bicycle",
}  # fmt: skip
_END = "_instanceIds.png"
_PICTURE = "_leftImg8bit"


def _masks(source: Source) -> list[str]:
    return [path for path in source.images if path.endswith(_END) and "_gt" in path.rpartition("/")[2]]


@dataset_format(
    "cityscapes",
    "masks",
    rank=Rank.LABEL_FILES + 20,
    layout="leftImg8bit/SPLIT/CITY/IMAGE_leftImg8bit.png and gtFine/SPLIT/CITY/IMAGE_gtFine_instanceIds.png",
    detect=lambda source, _: not source.main and bool(_masks(source)),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the names are fixed by the format
    """Read the objects of all classes of things; a region around several is a crowd."""
    annotations = Annotations("masks", classes=list(_THINGS.values()))
    for path in _masks(source):
        name = path.rpartition("/")[2].rpartition("_gt")[0]
        split = source.split_of(path)
        image = source.listing.named(f"{name}{_PICTURE}", split=split)
        if image is None:
            annotations.reject(path, f"no image {name}{_PICTURE} belongs to the mask", "missing image")
            continue
        try:
            objects = _objects(source.read(path))
        except (DataError, ImageError) as error:
            annotations.reject(path, str(error), "bad annotation")
            continue
        annotations.add(Record(image, path, objects=objects, split=split))
    return annotations


def _objects(data: bytes) -> list[Object]:
    ids = mask_values(data)
    objects = []
    for value in np.unique(ids).tolist():
        is_group = value < 1000  # of a class whose objects were not told apart
        label = _THINGS.get(value if is_group else value // 1000)
        if label is not None:
            objects.append(Object(label, iscrowd=is_group, rle=encode_mask(ids == value).to_text()))
    return objects
