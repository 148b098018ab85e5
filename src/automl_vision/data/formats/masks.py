"""PNG masks: a class-coloured or id-coloured mask an image, or one mask an instance.

Three layouts are told apart. In `masks/IMAGE.png` every value other than 0 is an object: of the class of that number
when a list of classes is beside the masks (`classes.txt`), else an instance of the one class "object". In
`masks/IMAGE/CLASS_1.png`, or `masks/CLASS/IMAGE_1.png`, every file is one instance.
"""

from __future__ import annotations

import io
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from automl_vision.core.errors import DataError, ImageError
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format
from automl_vision.data.images import open_image
from automl_vision.data.masks import encode_mask
from automl_vision.data.names import split_of_path
from automl_vision.data.objects import Object
from automl_vision.data.source import Source, folder_of

_FOLDERS = frozenset({"masks", "mask", "instances", "instance_masks", "segmentation", "segmentations", "labels"})
_SUFFIXES = ("_mask", "-mask", "_instances", "_seg")
_MAX_VALUES = 1000  # objects in a mask; more is a photo, not a mask
_BACKGROUND = 0
_BOUNDARY = 255  # of Pascal VOC's masks: neither object nor background


def _masks(source: Source) -> dict[str, list[str]]:
    """The masks of each image."""
    found: dict[str, list[str]] = defaultdict(list)
    masks = [path for path in source.images if path.endswith((".png", ".tif", ".tiff", ".bmp")) and _folder(path)]
    if not masks:
        return found
    pictures: dict[str, list[str]] = defaultdict(list)
    for path in source.images:
        if not _folder(path):
            pictures[path.rpartition("/")[2].rpartition(".")[0]].append(path)
    for mask in masks:
        for name in _names(mask):
            candidates = pictures.get(name, [])
            same_split = [path for path in candidates if _split(path) == _split(mask)]
            chosen = same_split if len(candidates) > 1 else candidates
            if len(chosen) == 1:
                found[chosen[0]].append(mask)
                break
    return found


def _split(path: str) -> str | None:
    return split_of_path(f"{folder_of(path)}/-")


def _folder(path: str) -> str:
    """The path's part below its folder of masks; empty when it lies in none."""
    parts = path.split("/")
    for i, part in enumerate(parts[:-1]):
        if part.lower() in _FOLDERS:
            return "/".join(parts[i + 1 :])
    return ""


def _names(mask: str) -> list[str]:
    """Names of the image, without suffix, that a mask may belong to."""
    folder, _, name = _folder(mask).rpartition("/")
    stem = name.rpartition(".")[0]
    names = [stem, *(stem.removesuffix(suffix) for suffix in _SUFFIXES), folder.rpartition("/")[2]]
    return [*names, stem.rpartition("_")[0], stem.partition("_")[0]]


@dataset_format(
    "masks",
    layout="images/IMAGE.jpg and masks/IMAGE.png (a value an object, or a class with classes.txt), "
    "masks/IMAGE/CLASS_1.png or masks/CLASS/IMAGE_1.png",
    detect=lambda source, _: not source.main and bool(_masks(source)),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - masks have no columns
    """Read every mask; images without one have no objects."""
    annotations = Annotations("masks")
    classes = _classes(source)
    masks = _masks(source)
    for image in source.images:
        if _folder(image):
            continue
        objects: list[Object] = []
        for mask in masks.get(image, []):
            try:
                found = _objects(source.read(mask), mask, image, classes)
            except (DataError, ImageError, ValueError) as error:
                annotations.reject(mask, str(error), "bad annotation")
                continue
            annotations.report.total += len(found)
            objects += found
        annotations.add(Record(image, image, objects=objects, split=_split(image)))
    return annotations


def _classes(source: Source) -> dict[int, str]:
    """Class by value, from `classes.txt` or `labels.txt`: one name a line, the first of value 1 unless it is the
    background's.
    """
    for path in source.files:
        if path.rpartition("/")[2].lower() in ("classes.txt", "labels.txt", "labelmap.txt"):
            lines = [line.split(":")[0].strip() for line in source.read_text(path).splitlines()]
            names = [line for line in lines if line and not line.startswith("#")]
            first = 0 if names and names[0].lower() in ("background", "__background__", "_background_") else 1
            return {i: name for i, name in enumerate(names, start=first) if i > 0}
    return {}


def _objects(data: bytes, path: str, image: str, classes: dict[int, str]) -> list[Object]:
    """The objects of one mask.

    Raises:
        ImageError: it is no image.
        ValueError: it is no mask.
    """
    values = _values(data)
    found = [value for value in np.unique(values).tolist() if value != _BACKGROUND]
    if len(found) > _MAX_VALUES:
        raise ValueError(f"a mask with {len(found)} values is no mask")
    below = _folder(path)
    if len(found) == 1 and not classes:
        return [Object(_label(below, image), rle=encode_mask(values != _BACKGROUND).to_text())]
    if classes:
        found = [value for value in found if value != _BOUNDARY or value in classes]
        unknown = [value for value in found if value not in classes]
        if unknown:
            raise ValueError(f"the mask has the value {unknown[0]}, the list of classes {len(classes)} names")
    names = {value: classes.get(value) or _label(below, image) for value in found}
    return [Object(names[value], rle=encode_mask(values == value).to_text()) for value in found]


def _values(data: bytes) -> NDArray[np.int64]:
    """(height, width), one number a pixel: grey or palette values as they are, colours as one number."""
    opened = open_image(data)
    if opened.mode in ("RGB", "RGBA"):
        with Image.open(io.BytesIO(data)) as picture:
            colours = np.asarray(picture.convert("RGB")).astype(np.int64)
        return colours[..., 0] + 256 * colours[..., 1] + 65536 * colours[..., 2]
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture).astype(np.int64).reshape(picture.size[1], picture.size[0])


def _label(below: str, image: str) -> str:
    """The class of an instance, from its file's name or folder; "object" when they say nothing."""
    folder, _, name = below.rpartition("/")
    stem = name.rpartition(".")[0]
    picture = image.rpartition("/")[2].rpartition(".")[0]
    top = folder.partition("/")[0]
    if top and top != picture and split_of_path(f"{top}/-") is None:
        return top
    words = stem.removeprefix(picture).replace("-", "_").split("_")
    kept = [word for word in words if word and not word.isdecimal() and word not in ("mask", "instances", "seg")]
    return "_".join(kept) or "object"
