"""COCO JSON: boxes, polygons, run-length codes and crowds; one file or one a split, as Roboflow writes it too.

A file of a million boxes is parsed in pieces straight into columns, so neither time nor memory goes into Python
objects that nobody keeps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import msgspec
import numpy as np

from automl_vision.core.text import folder_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.split_names import split_of_folder, split_of_path
from automl_vision.formats.box_units import check_corners, check_shares
from automl_vision.formats.coco.file import CocoFile, coco_files, pieces_of, read_coco, whole_list
from automl_vision.formats.coco.panoptic import read_segments, things_of
from automl_vision.formats.coco.values import (
    CocoAnnotation,
    RunLengths,
    as_key,
    converted,
    decode_annotations,
    mask_code,
    set_key,
    usable_polygons,
)
from automl_vision.formats.json_file import as_size, shown
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.source import Source, as_text

_NAME_KEYS = ("file_name", "filename", "path", "coco_url")


@dataclass
class _File:
    """One file on its way into the annotations.

    Attributes:
        path: of the file.
        annotations: of all files.
        images, categories: numbers of record and label, by id as it stands and as text.
        things: labels by id, of the categories that panoptic segments are read of.
        whole: place, image and label of annotations that have neither box nor mask.
    """

    path: str
    annotations: Annotations
    images: dict[int | str, int] = field(default_factory=dict)
    categories: dict[int | str, int] = field(default_factory=dict)
    things: dict[int | str, str] = field(default_factory=dict)
    whole: list[tuple[str, int, int]] = field(default_factory=list)


@dataset_format(
    "coco",
    "label",
    "labels",
    "boxes",
    "masks",
    rank=Rank.DOCUMENTS + 10,
    layout='COCO JSON: {"images": [...], "annotations": [...], "categories": [...]}, one file or one a split',
    detect=lambda source, _: any(True for _ in coco_files(source)),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the names are fixed by the format
    """Read every COCO file; its own name, its folder's or the image's folder's is the split.

    Raises:
        DataError: a file is not a COCO file, or its boxes are not given as COCO does.
    """
    annotations = Annotations("boxes", classes=[])
    whole: list[tuple[str, int, int]] = []
    files = coco_files(source)
    first = next(files, None)
    for path in source.with_suffix(".json") if first is None else chain([first], files):
        parsed, file = read_coco(source, path), _File(path, annotations, whole=whole)
        _read_categories(file, whole_list(parsed.categories, path, "categories"))
        _read_images(file, source, whole_list(parsed.images, path, "images"))
        _read_annotations(file, source, parsed)
        annotations.swaps_sizes |= parsed.is_of_label_studio
    check_shares(annotations, source.name)
    check_corners(annotations, source.name)
    _settle_whole(whole, annotations)
    annotations.settle_kind()
    return annotations


def _read_categories(file: _File, values: list[Any]) -> None:
    classes = file.annotations.classes = file.annotations.classes or []
    things = things_of(values)
    for i, value in enumerate(values):
        name = as_text(value.get("name")) if isinstance(value, dict) else ""
        key = as_key(value.get("id")) if isinstance(value, dict) else None
        place = f"{file.path}: categories[{i}]"
        if not name or key is None:
            reason = f"a category needs an id and a name: {shown(value)}"
            file.annotations.reject(place, reason, "bad label")
            continue
        number = file.annotations.objects.name(name)
        if file.categories.get(key, number) != number:
            file.annotations.reject(place, f"another category has the id {shown(key)} too", "bad label")
            continue
        if name not in classes:
            classes.append(name)
        if key in things:
            file.things[key] = name
        set_key(file.categories, key, number)


def _read_images(file: _File, source: Source, values: list[Any]) -> None:
    """Number the records; an image that is named again, here or in another file, is one record."""
    folder, split = folder_of(file.path), split_of_path(file.path)
    for i, value in enumerate(values):
        place = f"{file.path}: images[{i}]"
        try:
            name, key = _image(value)
        except ValueError as error:
            file.annotations.reject(place, str(error), "bad record")
            continue
        stated = value.get("split")
        own = split_of_folder(stated) if isinstance(stated, str) else None
        image = source.image_or_copy(name, folder, own or split)
        own = own or split or (None if stated == "" else source.split_of(image))
        size = as_size(value.get("width"), value.get("height"))
        first = file.images.get(key)
        known = len(file.annotations)
        found = file.annotations.add(Record(image, place, split=own, size=size))
        if found is None or found == first:
            continue
        if first is not None:
            reason = f"several images have the id {shown(key)}, and nothing tells whose the annotations are"
            file.annotations.ambiguous |= {first: reason, found: reason}
            continue
        if found < known and file.annotations.places[found].startswith(f"{file.path}:"):
            reason = f"{image} has more than one id; its annotations are put together"
            file.annotations.ignore(place, reason, "repeated")
        set_key(file.images, key, found)


def _image(value: Any) -> tuple[str, int | str]:
    """An image's file name and id.

    Raises:
        ValueError: one is missing.
    """
    if not isinstance(value, dict):
        raise ValueError(f"an image must be an object, not {shown(value)}")
    name = next((text for key in _NAME_KEYS if (text := as_text(value.get(key)))), "")
    if not name:
        raise ValueError("the image has no file_name")
    key = as_key(value.get("id"))
    if key is None:
        raise ValueError(f"the image has no usable id: {shown(value.get('id'))}")
    return name, key


def _read_annotations(file: _File, source: Source, parsed: CocoFile) -> None:
    for start, piece in pieces_of(parsed.annotations, file.path):
        items = _decoded(piece)
        if items is not None and _add_all(file, items):
            continue
        for i, raw in enumerate(piece):
            place = f"{file.path}: annotations[{start + i}]"
            try:
                if items is not None:
                    _add(file, items[i], place)
                else:
                    _add_value(file, source, msgspec.json.decode(raw), place)
            except ValueError as error:
                file.annotations.reject(place, str(error), "bad annotation")


def _decoded(piece: list[msgspec.Raw]) -> list[CocoAnnotation] | None:
    """The annotations of one piece; None where one of them is unusual."""
    try:
        return decode_annotations(b"[%b]" % b",".join(piece))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _add_all(file: _File, items: list[CocoAnnotation]) -> bool:
    """Add the annotations of one piece at once, when each is a box with or without polygons; returns whether it did."""
    numbers = [file.images.get(item.image_id) for item in items]
    labels = [file.categories.get(item.category_id) for item in items]
    boxes = [item.bbox for item in items if item.bbox and len(item.bbox) == 4]
    segments = [() if item.isbbox else item.segmentation or () for item in items]
    if len(boxes) < len(items) or None in numbers or None in labels:
        return False
    if any(isinstance(s, RunLengths) or any(len(p) < 6 or len(p) % 2 for p in s) for s in segments if s):
        return False
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    flags = [bool(item.iscrowd) + 2 * bool(item.ignore) for item in items]
    file.annotations.objects.extend(numbers, labels, corners, flags, segments)  # type: ignore[arg-type]
    file.annotations.report.count(objects=len(items))
    return True


def _add_value(file: _File, source: Source, value: Any, place: str) -> None:
    """Add one annotation of unusual types.

    Raises:
        ValueError: it cannot be used.
    """
    if not isinstance(value, dict) or "segments_info" not in value:
        _add(file, converted(value), place)
        return
    key = as_key(value.get("image_id"))
    image = None if key is None else file.images.get(key)
    if image is None:
        raise ValueError(f"no image has the image_id {shown(value.get('image_id'))}")
    for found in read_segments(source, file.path, value, file.things):
        file.annotations.report.count(objects=1)
        file.annotations.objects.add(image, found)


def _add(file: _File, item: CocoAnnotation, place: str) -> None:
    """Add one annotation.

    Raises:
        ValueError: it cannot be used.
    """
    image, label = _find(file.images, item.image_id), _find(file.categories, item.category_id)
    if image is None or label is None:
        name, key = ("image_id", item.image_id) if image is None else ("category_id", item.category_id)
        raise ValueError(f"no {'image' if image is None else 'category'} has the {name} {shown(key)}")
    segments, code = _mask(file, item, place)
    if item.bbox and len(item.bbox) == 4:
        x, y, width, height = item.bbox
        bbox = (x, y, x + width, y + height)
    elif item.bbox:
        raise ValueError(f"a box needs 4 numbers: x, y, width, height, not {shown(item.bbox)}")
    elif segments or code is not None:
        bbox = (float("nan"),) * 4
    elif memoryview(item.keypoints):
        file.annotations.ignore(place, "key points are no box, polygon or mask", "other shape")
        return
    else:
        file.whole.append((place, image, label))
        return
    file.annotations.report.count(objects=1)
    flags = bool(item.iscrowd) + 2 * bool(item.ignore)
    file.annotations.objects.add_values(image, label, bbox, flags, segments, code)


def _find(numbers: dict[int | str, int], key: int | str) -> int | None:
    """The number of an id, which one list may write as 3 and another as "3.0"."""
    found = numbers.get(key)
    if found is None and isinstance(key, str) and (other := as_key(key)) is not None:
        return numbers.get(other)
    return found


def _mask(file: _File, item: CocoAnnotation, place: str) -> tuple[list[list[float]], str | None]:
    """Polygons and run-length code of an annotation; polygons of fewer than three points are dropped.

    Raises:
        ValueError: nothing is left, and there is no box either.
    """
    if isinstance(item.segmentation, RunLengths):
        return [], mask_code(item.segmentation)
    if item.isbbox and item.bbox:
        return [], None
    usable, reason = usable_polygons(item.segmentation or [])
    if reason:
        if not usable and not item.bbox:
            raise ValueError(reason)
        file.annotations.ignore(place, reason, "bad polygon")
    return usable, None


def _settle_whole(whole: list[tuple[str, int, int]], annotations: Annotations) -> None:
    """Annotations without box and mask are classes of whole images, unless objects are labelled."""
    for place, image, label in whole:
        if len(annotations.objects):
            annotations.reject(place, "the annotation has neither box nor segmentation", "bad annotation")
        else:
            names = (*annotations.labels[image], annotations.objects.names[label])
            annotations.labels[image] = tuple(dict.fromkeys(names))
