"""PNG masks: a class-coloured or id-coloured mask an image, or one mask an instance.

Four layouts are told apart. In `masks/IMAGE.png` every value other than 0 is an object: of the class of that number or
colour when a list of classes is beside the masks (`classes.txt`, `labelmap.txt`), else an instance of the one class
"object". In `masks/IMAGE/CLASS_1.png`, or `masks/CLASS/IMAGE_1.png`, every file is one instance; also in `masks/*.png`
beside `images/` with a single image, and in `IMAGE_mask.png` beside the image. In `SegmentationObject/IMAGE.png` every
value is an instance, whose class `SegmentationClass/IMAGE.png` tells.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.text import folder_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.masks import encode_mask, mask_values
from automl_vision.data.object import Object
from automl_vision.data.split_names import is_plain_folder, split_of_folder
from automl_vision.formats.masks.classes import MaskClasses, mask_classes
from automl_vision.formats.masks.files import below_masks, has_masks, is_drawn, is_other_drawing, masks_by_image
from automl_vision.formats.masks_aside import masks_aside
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.source import Source

_MAX_VALUES = 1000  # objects in a mask; more is a photo, not a mask
_BACKGROUND = 0
_BOUNDARY = (255, 0xC0E0E0)  # of Pascal VOC's masks, as number and as colour: neither object nor background
_ANY = "object"
_CLASS_FOLDER = "segmentationclass/"
_NO_CLASS = (
    "mask",
    "masks",
    "instances",
    "seg",
    "segmentation",
    "label",
    "gt",
    "L",
)  # words in a mask's name that are no class


@dataset_format(
    "masks",
    "masks",
    rank=Rank.MASK_FOLDERS,
    layout="images/IMAGE.jpg and masks/IMAGE.png (a value an object, or a class with classes.txt or labelmap.txt), "
    "masks/IMAGE/CLASS_1.png, masks/CLASS/IMAGE_1.png, or SegmentationObject/ with SegmentationClass/",
    detect=lambda source, _: (
        not source.main and (source.wants_objects or not masks_aside(source)) and has_masks(source)
    ),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - masks have no columns
    """Read every mask; images without one have no objects, unless no image of their folder has one."""
    annotations = Annotations("masks", reads_all=True)
    classes = mask_classes(source)
    masks = masks_by_image(source)
    annotated = {folder_of(image) for image in masks}
    left: dict[str, int] = defaultdict(int)
    numbered: dict[bool | None, list[str]] = defaultdict(list)
    for image in source.images:
        if is_drawn(source, image):
            continue
        if folder_of(image) not in annotated or (image not in masks and is_other_drawing(source, image)):
            left[image.partition("/")[0]] += 1
            continue
        objects = _objects_of(source, image, masks.get(image, []), classes, annotations, numbered)
        annotations.add(Record(image, image, objects=objects, split=source.split_of(image)))
    if len(odd := numbered[False]) > len(numbered[True]):
        reason = f"the values of {len(odd)} masks are not numbered from 1 on, as objects are; if they are classes"
        way_out = "name them in classes.txt, one a line, the first of value 1"
        annotations.ignore(odd[0], f"{reason}, {way_out}", "odd values")
    for top, count in left.items():
        annotations.ignore(top, f"{count} images have no masks beside them and are left alone", "not annotated")
    used = set().union(*masks.values())
    for mask in source.images:
        if below_masks(mask) and mask not in used and "visualization" not in mask.lower():
            annotations.reject(mask, "no image belongs to the mask", "bad annotation")
    return annotations


def _objects_of(
    source: Source,
    image: str,
    masks: list[str],
    classes: MaskClasses,
    annotations: Annotations,
    numbered: dict[bool | None, list[str]],
) -> list[Object]:
    """The objects of all masks of an image; unusable masks are reported, `numbered` collects how values are given."""
    objects: list[Object] = []
    of_class = [mask for mask in masks if _CLASS_FOLDER in mask.lower()]
    of_object = [mask for mask in masks if "segmentationobject/" in mask.lower()]
    for mask in of_object or masks:
        try:
            labels = _values(source, of_class[0], classes) if of_object and of_class else None
            values = _values(source, mask, classes)
            objects += _objects(values, mask, image, classes.names, labels=labels)
        except (DataError, ImageError, ValueError) as error:
            annotations.reject(mask, str(error), "bad annotation")
            continue
        if labels is None and not classes.names:
            numbered[_are_numbered(values)].append(mask)
    return objects


def _values(source: Source, path: str, classes: MaskClasses) -> NDArray[np.int64]:
    return mask_values(source.read(path), as_colours=classes.are_colours)


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
    _check_values(values, found, classes, labels)
    is_alone = labels is None and len(found) == 1 and _CLASS_FOLDER not in path.lower()
    if is_alone and (not classes or (len(classes) == 1 and found[0] not in classes)):
        name = next(iter(classes.values()), None) or _label(path, image)
        return [Object(name, rle=encode_mask(values != _BACKGROUND).to_text())]
    objects = []
    for value in found:
        if value in _BOUNDARY and value not in classes:
            continue
        mask = values == value
        key = value if labels is None else _most_frequent(labels[mask])
        if classes and key not in classes:
            raise ValueError(f"the mask has the value {key}, which is not in the list of {len(classes)} classes")
        of_class = labels is not None or _CLASS_FOLDER in path.lower()
        label = classes.get(key) or (str(key) if of_class else _label(path, image))
        objects.append(Object(label, rle=encode_mask(mask).to_text()))
    return objects


def _check_values(
    values: NDArray[np.int64], found: list[int], classes: dict[int, str], labels: NDArray[np.int64] | None
) -> None:
    """Raise ValueError when the values are no objects."""
    if len(found) > _MAX_VALUES:
        raise ValueError(f"a mask with {len(found)} values is not a mask")
    if labels is not None and labels.shape != values.shape:
        raise ValueError("the masks of classes and of instances are of different sizes")
    if labels is None and not classes and len(found) > 1 and found[0] == values.min():
        raise ValueError(
            "the mask has no pixel of background (0), so its values seem to be classes and not objects; "
            "name them in classes.txt, one a line, the first of value 1"
        )


def _are_numbered(values: NDArray[np.int64]) -> bool | None:
    """Whether several small values are 1, 2, 3, ...; None where they are few or large, as colours are."""
    found = [value for value in np.unique(values).tolist() if value != _BACKGROUND]
    if len(found) < 2 or found[-1] >= _BOUNDARY[0]:
        return None
    return found == list(range(1, len(found) + 1))


def _most_frequent(values: NDArray[np.int64]) -> int:
    found, counts = np.unique(values, return_counts=True)
    return int(found[counts.argmax()])


def _label(path: str, image: str) -> str:
    """The class of an instance, from its file's name or folder; "object" when they say nothing."""
    below = below_masks(path)
    if not below:
        folder = folder_of(path).rpartition("/")[2]
        return _ANY if is_plain_folder(folder) else folder
    folder, _, name = below.rpartition("/")
    stem = name.rpartition(".")[0]
    picture = image.rpartition("/")[2].rpartition(".")[0]
    top = folder.partition("/")[0]
    if top and top != picture and split_of_folder(top) is None:
        return top
    if not stem.startswith(picture) and folder.rpartition("/")[2] != picture:
        return _ANY  # a name of its own, which says nothing of a class
    words = stem.removeprefix(picture).replace("-", "_").split("_")
    return "_".join(word for word in words if word and not word.isdecimal() and word not in _NO_CLASS) or _ANY
