"""Label Studio: the JSON export of a project, a list of tasks with results in percent of width and height."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format
from automl_vision.data.json_file import HEAD_FILES, as_number, as_size, read_json_file, shown, try_json
from automl_vision.data.masks import MAX_MASK_PIXELS, encode_mask
from automl_vision.data.names import normalize_split, split_of_path
from automl_vision.data.object import Object
from automl_vision.data.shapes import bounds, ellipse, rectangle
from automl_vision.data.source import Source, as_text, folder_of

_IMAGE_KEYS = ("image", "img", "image_url", "url", "ocr")
_REGIONS = ("rectanglelabels", "polygonlabels", "ellipselabels", "brushlabels", "labels")


def _tasks(value: Any) -> list[Any]:
    """The tasks of an export; empty when it is something else."""
    if not isinstance(value, list) or not value or not isinstance(value[0], dict):
        return []
    first = value[0]
    is_whole = isinstance(first.get("data"), dict) and ("annotations" in first or "completions" in first)
    is_short = any(key in first for key in _IMAGE_KEYS) and "annotator" in first
    return value if is_whole or is_short else []


@dataset_format(
    "label-studio",
    "label",
    "labels",
    "boxes",
    "masks",
    layout='JSON (or JSON-MIN) export of Label Studio: [{"data": {"image": ...}, "annotations": [{"result": [...]}]}]',
    detect=lambda source, _: any(_tasks(try_json(source, p)) for p in source.with_suffix(".json")[:HEAD_FILES]),
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read every export; of several annotations of a task the last one that was not cancelled counts."""
    annotations = Annotations("boxes", relative=True)
    several = False
    for path in source.with_suffix(".json"):
        try:
            tasks = _tasks(read_json_file(source, path))
        except DataError as error:
            annotations.reject(path, str(error), "bad record")
            continue
        for i, task in enumerate(tasks):
            place = f"{path}: task {task.get('id', i)}" if isinstance(task, dict) else f"{path}: task {i}"
            try:
                data, results = _parts(task)
                image = _image(source, data, columns, folder_of(path))
            except ValueError as error:
                annotations.reject(place, str(error), "bad record")
                continue
            if results is None:
                annotations.ignore(place, "the task has no annotation", "not annotated")
                continue
            labels, objects, size = _contents(results, place, annotations)
            several |= any(isinstance(r, dict) and _has_several(r.get("value")) for r in results)
            split = normalize_split(as_text(data.get(columns.split or "split"))) or split_of_path(path)
            group = as_text(data.get(columns.group or "group")) or None
            annotations.add(Record(image, place, labels, objects, split, group, size))
    annotations.settle_kind(several=several)
    return annotations


def _has_several(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("choices"), list) and len(value["choices"]) > 1


def _parts(task: Any) -> tuple[dict[str, Any], list[Any] | None]:
    """A task's data, and the results of its annotation; None when it has none.

    Raises:
        ValueError: the task has no data.
    """
    if not isinstance(task, dict):
        raise ValueError(f"a task must be an object, not {shown(task)}")
    if not isinstance(task.get("data"), dict):
        return _short(task)
    found = task.get("annotations") or task.get("completions") or []
    kept = [a for a in found if isinstance(a, dict) and not a.get("was_cancelled")] if isinstance(found, list) else []
    if not kept:
        return task["data"], None
    results = kept[-1].get("result")
    return task["data"], results if isinstance(results, list) else []


def _short(task: dict[str, Any]) -> tuple[dict[str, Any], list[Any] | None]:
    """Data and results of a task in the short form (JSON-MIN), where a control's name holds what was chosen."""
    data = {key: value for key, value in task.items() if key in (*_IMAGE_KEYS, "split", "group")}
    results: list[Any] = []
    for key, value in task.items():
        if key in data or key in ("id", "annotator", "annotation_id", "created_at", "updated_at", "lead_time"):
            continue
        if isinstance(value, list):
            results += [{"value": item, **_size_of(item)} for item in value if isinstance(item, dict)]
        elif isinstance(value, dict) and isinstance(value.get("choices"), list):
            results.append({"value": value})
        elif isinstance(value, str):
            results.append({"value": {"choices": [value]}})
    return data, results


def _size_of(value: dict[str, Any]) -> dict[str, Any]:
    return {key: value[key] for key in ("original_width", "original_height") if key in value}


def _image(source: Source, data: dict[str, Any], columns: Columns, folder: str) -> str:
    """The task's image; an uploaded or local file is found by its name.

    Raises:
        ValueError: the task has no image.
    """
    keys = (columns.image,) if columns.image else _IMAGE_KEYS
    text = next((as_text(data.get(key)) for key in keys if as_text(data.get(key))), "")
    if not text:
        text = next((v for k, v in data.items() if isinstance(v, str) and k != "split" and "." in v), "")
    if not text:
        raise ValueError("the task has no image")
    parts = urlsplit(text)
    if parts.path.startswith("/data/"):
        query = parse_qs(parts.query).get("d")
        text = query[0] if query else unquote(parts.path)
        found = source.image(text, folder)
        if found not in source.image_set:  # an upload is named HASH-NAME
            name = text.rpartition("/")[2]
            found = source.image(name.partition("-")[2] or name, folder)
        return found
    return source.image(text, folder)


def _contents(
    results: list[Any], place: str, annotations: Annotations
) -> tuple[tuple[str, ...], list[Object], tuple[int, int] | None]:
    """Labels, objects and image size of one annotation; unusable results are reported, other controls noted."""
    labels: list[str] = []
    objects: list[Object] = []
    size = None
    labelled = {_id(result) for result in results if _region_labels(_value(result))}
    for i, result in enumerate(results, start=1):
        value = _value(result)
        size = as_size(result.get("original_width"), result.get("original_height")) or size if value else size
        if choices := _texts(value.get("choices")):
            labels += choices
            continue
        if not value or (not _region_labels(value) and _id(result) in labelled):
            continue  # a relation between regions; a shape that another result of the same region labels
        is_region = "rle" in value or "points" in value or {"x", "y"} <= set(value)
        if not is_region or "keypointlabels" in value or not {"rle", "points", "width", "radiusX"} & set(value):
            kind = as_text(result.get("type")) or ", ".join(map(str, value))
            annotations.ignore(f"{place}, result {i}", f'a result "{kind}" is no box, polygon or mask', "other shape")
            continue
        try:
            objects.append(_object(value, size))
        except ValueError as error:
            annotations.reject(f"{place}, result {i}", str(error), "bad annotation")
    return tuple(dict.fromkeys(labels)), objects, size


def _value(result: Any) -> dict[str, Any]:
    value = result.get("value") if isinstance(result, dict) else None
    return value if isinstance(value, dict) else {}


def _id(result: Any) -> str:
    return as_text(result.get("id")) if isinstance(result, dict) else ""


def _texts(value: Any) -> list[str]:
    return [item.strip() for item in value if isinstance(item, str) and item.strip()] if isinstance(value, list) else []


def _region_labels(value: dict[str, Any]) -> list[str]:
    return next((found for name in _REGIONS if (found := _texts(value.get(name)))), [])


def _object(value: dict[str, Any], size: tuple[int, int] | None) -> Object:
    """One region, in shares of width and height.

    Raises:
        ValueError: it has no label, or its numbers are none.
    """
    labels = _region_labels(value)
    if not labels:
        raise ValueError("the region has no label")
    if "rle" in value:
        return Object(labels[0], rle=_brush(value["rle"], size))
    if "points" in value:
        points = value["points"]
        if not isinstance(points, list) or len(points) < 3:
            raise ValueError(f"a polygon needs at least 3 points, not {shown(points)}")
        pairs = [pair if isinstance(pair, list) and len(pair) == 2 else [None, None] for pair in points]
        return Object(labels[0], segments=([as_number(number) / 100 for pair in pairs for number in pair],))
    scale = size or (1, 1)  # turned in pixels, for shares of width and height are of different lengths
    x, y = (as_number(value.get(name)) / 100 * side for name, side in zip("xy", scale, strict=True))
    names = ("radiusX", "radiusY") if "radiusX" in value else ("width", "height")
    width, height = (as_number(value.get(name)) / 100 * side for name, side in zip(names, scale, strict=True))
    angle = as_number(value.get("rotation") or 0)
    if "radiusX" in value:
        return Object(labels[0], segments=(_shares(ellipse(x, y, width, height, angle=angle), scale),))
    x1, y1, x2, y2 = _shares(bounds(rectangle(x, y, width, height, angle=angle)), scale)
    return Object(labels[0], (x1, y1, x2, y2))


def _shares(numbers: Sequence[float], scale: tuple[int, int]) -> list[float]:
    """Pixels x, y, x, y, ... as shares of width and height."""
    return [number / scale[i % 2] for i, number in enumerate(numbers)]


def _brush(code: Any, size: tuple[int, int] | None) -> str:
    """A mask painted with the brush, from Label Studio's own run-length code of RGBA values.

    Source: label-studio-converter, `brush.py` (`decode_rle`).

    Raises:
        ValueError: it is no such code of an image of this size.
    """
    if size is None or not isinstance(code, list) or not all(isinstance(v, int) and 0 <= v < 256 for v in code):
        raise ValueError("the brush's code needs a list of bytes and the image's size")
    if size[0] * size[1] > MAX_MASK_PIXELS:
        raise ValueError(f"a mask of {size[0]} x {size[1]} pixels is too large")
    bits = np.unpackbits(np.array(code, np.uint8))
    position = 0

    def take(count: int) -> int:
        nonlocal position
        if position + count > len(bits):
            raise ValueError("the brush's code ends too early")
        value = int("".join(map(str, bits[position : position + count].tolist())) or "0", 2)
        position += count
        return value

    total, word = take(32), take(5) + 1
    lengths = [take(4) + 1 for _ in range(4)]
    if total != size[0] * size[1] * 4:
        raise ValueError("the brush's code does not fit the image's size")
    values = np.zeros(total, np.uint8)
    done = 0
    while done < total:
        is_run = take(1)
        count = take(lengths[take(2)]) + 1
        for _ in range(1 if is_run else count):
            step = count if is_run else 1
            values[done : done + step] = take(word)
            done += step
    return encode_mask(values.reshape(size[1], size[0], 4)[..., 3] > 0).to_text()
