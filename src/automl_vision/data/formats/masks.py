"""PNG masks: a class-coloured or id-coloured mask an image, or one mask an instance.

Four layouts are told apart. In `masks/IMAGE.png` every value other than 0 is an object: of the class of that number or
colour when a list of classes is beside the masks (`classes.txt`, `labelmap.txt`), else an instance of the one class
"object". In `masks/IMAGE/CLASS_1.png`, or `masks/CLASS/IMAGE_1.png`, every file is one instance; also in `masks/*.png`
beside `images/` with a single image. In `SegmentationObject/IMAGE.png` every value is an instance, whose class
`SegmentationClass/IMAGE.png` tells.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError, ImageError
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format
from automl_vision.data.masks import encode_mask, mask_values
from automl_vision.data.names import split_of_path
from automl_vision.data.object import Object
from automl_vision.data.source import Source, folder_of

_FOLDERS = frozenset({
    "masks", "mask", "instances", "instance_masks", "segmentation", "segmentations", "labels", "segmentationobject",
    "segmentationclass",
})  # fmt: skip
_FOLDER_ENDS = ("masks", "_mask")
_SUFFIXES = ("_mask", "-mask", "_masks", "_instances", "_seg", "_segmentation", "_label")
_CLASS_FILES = ("classes.txt", "labels.txt", "labelmap.txt")
_MAX_VALUES = 1000  # objects in a mask; more is a photo, not a mask
_BACKGROUND = 0
_BOUNDARY = (255, 0xC0E0E0)  # of Pascal VOC's masks, as number and as colour: neither object nor background
_ANY = "object"


def _masks(source: Source) -> dict[str, list[str]]:
    """The masks of each image."""
    found: dict[str, list[str]] = defaultdict(list)
    masks = [path for path in source.images if path.lower().endswith((".png", ".tif", ".tiff", ".bmp", ".gif"))]
    masks = [path for path in masks if _below(path)]
    if not masks:
        return found
    pictures: dict[str, list[str]] = defaultdict(list)
    alone: dict[str, list[str]] = defaultdict(list)  # by the folder above `images/`
    for path in source.images:
        if not _below(path):
            pictures[path.rpartition("/")[2].rpartition(".")[0]].append(path)
            alone[folder_of(folder_of(path))].append(path)
    for mask in masks:
        image = _image_of(mask, pictures, alone)
        if image is not None:
            found[image].append(mask)
    return found


def _image_of(mask: str, pictures: dict[str, list[str]], alone: dict[str, list[str]]) -> str | None:
    """The image that a mask belongs to, by its name, or the only one beside the folder of masks."""
    above = mask.removesuffix(_below(mask)).rstrip("/")
    for name in _names(mask):
        candidates = pictures.get(name, [])
        for chosen in (
            candidates,
            [path for path in candidates if _split(path) == _split(mask)],
            [path for path in candidates if path.startswith(f"{folder_of(above)}/")],
        ):
            if len(chosen) == 1:
                return chosen[0]
    beside = alone.get(folder_of(above), [])
    return beside[0] if len(beside) == 1 and folder_of(above) else None


def _split(path: str) -> str | None:
    return split_of_path(f"{folder_of(path)}/-")


def _below(path: str) -> str:
    """The path's part below its folder of masks; empty when it lies in none."""
    parts = path.split("/")
    for i, part in enumerate(parts[:-1]):
        if part.lower() in _FOLDERS or part.lower().endswith(_FOLDER_ENDS):
            return "/".join(parts[i + 1 :])
    return ""


def _names(mask: str) -> list[str]:
    """Names of the image, without suffix, that a mask may belong to."""
    folder, _, name = _below(mask).rpartition("/")
    stem = name.rpartition(".")[0]
    names = [stem, *(stem.removesuffix(suffix) for suffix in _SUFFIXES), folder.rpartition("/")[2]]
    while "_" in stem:
        stem = stem.rpartition("_")[0]
        names.append(stem)
    return names


@dataset_format(
    "masks",
    "masks",
    layout="images/IMAGE.jpg and masks/IMAGE.png (a value an object, or a class with classes.txt or labelmap.txt), "
    "masks/IMAGE/CLASS_1.png, masks/CLASS/IMAGE_1.png, or SegmentationObject/ with SegmentationClass/",
    detect=lambda source, _: not source.main and bool(_masks(source)),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - masks have no columns
    """Read every mask; images without one have no objects."""
    annotations = Annotations("masks", reads_all=True)
    classes = _classes(source)
    masks = _masks(source)
    for image in source.images:
        if _below(image):
            continue
        objects: list[Object] = []
        mine = masks.get(image, [])
        of_class = [mask for mask in mine if "segmentationclass/" in mask.lower()]
        of_object = [mask for mask in mine if "segmentationobject/" in mask.lower()]
        for mask in of_object or mine:
            try:
                labels = mask_values(source.read(of_class[0])) if of_object and of_class else None
                objects += _objects(mask_values(source.read(mask)), mask, image, classes, labels=labels)
            except (DataError, ImageError, ValueError) as error:
                annotations.reject(mask, str(error), "bad annotation")
        annotations.add(Record(image, image, objects=objects, split=_split(image)))
    for mask in sorted(set(filter(_below, source.images)).difference(*masks.values())):
        annotations.reject(mask, "no image belongs to the mask", "bad annotation")
    return annotations


def _classes(source: Source) -> dict[int, str]:
    """Class by value, from a list of one name a line, the first of value 1 unless it is the background's; or by colour.

    A line `name:r,g,b::` gives a colour, as CVAT and Datumaro write it.
    """
    for path in source.files:
        if path.rpartition("/")[2].lower() in _CLASS_FILES:
            lines = [line.strip() for line in source.read_text(path).splitlines()]
            lines = [line for line in lines if line and not line.startswith("#")]
            if colours := _colours(lines):
                return colours
            names = [line.partition(":")[0].strip() for line in lines]
            first = 0 if names and names[0].lower() in ("background", "__background__", "_background_") else 1
            return {i: name for i, name in enumerate(names, start=first) if i > 0}
    return {}


def _colours(lines: list[str]) -> dict[int, str]:
    found = {}
    for line in lines:
        name, _, rest = line.partition(":")
        parts = rest.partition(":")[0].split(",")
        if len(parts) == 3 and all(part.strip().isdecimal() for part in parts):
            red, green, blue = (int(part) & 255 for part in parts)
            found[red + 256 * green + 65536 * blue] = name.strip()
    found.pop(_BACKGROUND, None)
    return found


def _objects(
    values: NDArray[np.int64], path: str, image: str, classes: dict[int, str], *, labels: NDArray[np.int64] | None
) -> list[Object]:
    """The objects of one mask.

    Args:
        values: of the mask.
        path: of the mask.
        image: that it belongs to.
        classes: names by value or colour.
        labels: the mask of classes beside a mask of instances.

    Raises:
        ValueError: it is no mask.
    """
    found = [value for value in np.unique(values).tolist() if value != _BACKGROUND]
    if len(found) > _MAX_VALUES:
        raise ValueError(f"a mask with {len(found)} values is no mask")
    if labels is not None and labels.shape != values.shape:
        raise ValueError("the masks of classes and of instances are of different sizes")
    below = _below(path)
    if labels is None and len(found) == 1 and (not classes or (len(classes) == 1 and found[0] not in classes)):
        name = next(iter(classes.values()), None) or _label(below, image)
        return [Object(name, rle=encode_mask(values != _BACKGROUND).to_text())]
    objects = []
    for value in found:
        if value in _BOUNDARY and value not in classes:
            continue
        mask = values == value
        key = value if labels is None else _most_frequent(labels[mask])
        if classes and key not in classes:
            raise ValueError(f"the mask has the value {key}, which is not in the list of {len(classes)} classes")
        label = classes.get(key) or (str(key) if labels is not None else _label(below, image))
        objects.append(Object(label, rle=encode_mask(mask).to_text()))
    return objects


def _most_frequent(values: NDArray[np.int64]) -> int:
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])


def _label(below: str, image: str) -> str:
    """The class of an instance, from its file's name or folder; "object" when they say nothing."""
    folder, _, name = below.rpartition("/")
    stem = name.rpartition(".")[0]
    picture = image.rpartition("/")[2].rpartition(".")[0]
    top = folder.partition("/")[0]
    if top and top != picture and split_of_path(f"{top}/-") is None:
        return top
    if not stem.startswith(picture) and folder.rpartition("/")[2] != picture:
        return _ANY  # a name of its own, which says nothing of a class
    words = stem.removeprefix(picture).replace("-", "_").split("_")
    kept = [word for word in words if word and not word.isdecimal() and word not in ("mask", "instances", "seg")]
    return "_".join(kept) or _ANY
