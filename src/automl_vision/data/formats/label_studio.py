"""Label Studio: the JSON export of a project, a list of tasks with results in percent of width and height."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import numpy as np

from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format
from automl_vision.data.json_file import HEAD_FILES, as_number, as_size, read_json_file, shown, try_json
from automl_vision.data.masks import encode_mask
from automl_vision.data.names import normalize_split, split_of_path
from automl_vision.data.objects import Object
from automl_vision.data.source import Source, as_text, folder_of

_IMAGE_KEYS = ("image", "img", "image_url", "url", "ocr")


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
    layout='JSON (or JSON-MIN) export of Label Studio: [{"data": {"image": ...}, "annotations": [{"result": [...]}]}]',
    detect=lambda source, _: any(_tasks(try_json(source, p)) for p in source.with_suffix(".json")[:HEAD_FILES]),
)
def read(source: Source, columns: Columns) -> Annotations:
    """Read every export; of several annotations of a task the last one that was not cancelled counts."""
    annotations = Annotations("boxes", relative=True)
    counts = {"boxes": 0, "masks": 0, "labels": 0, "several": 0}
    for path in source.with_suffix(".json"):
        for i, task in enumerate(_tasks(read_json_file(source, path))):
            place = f"{path}: task {task.get('id', i)}" if isinstance(task, dict) else f"{path}: task {i}"
            try:
                data, results = _parts(task)
                image = _image(source, data, columns, folder_of(path))
            except ValueError as error:
                annotations.reject(place, str(error), "bad record")
                continue
            labels, objects, size = _contents(results, place, annotations, counts)
            if not results and not data.get("_annotated"):
                annotations.reject(place, "the task has no annotation", "not annotated")
                continue
            split = normalize_split(as_text(data.get(columns.split or "split"))) or split_of_path(path)
            group = as_text(data.get(columns.group or "group")) or None
            annotations.add(Record(image, place, labels, objects, split, group, size))
    if counts["labels"] and not counts["boxes"] + counts["masks"]:
        annotations.kind = "labels" if counts["several"] else "label"
    elif counts["masks"] >= max(1, counts["boxes"]):
        annotations.kind = "masks"
    return annotations


def _parts(task: Any) -> tuple[dict[str, Any], list[Any]]:
    """A task's data, and the results of its annotation.

    Raises:
        ValueError: the task has no data.
    """
    if not isinstance(task, dict):
        raise ValueError(f"a task must be an object, not {shown(task)}")
    if not isinstance(task.get("data"), dict):
        return _short(task)
    data = dict(task["data"])
    found = task.get("annotations") or task.get("completions") or []
    kept = [a for a in found if isinstance(a, dict) and not a.get("was_cancelled")] if isinstance(found, list) else []
    if not kept:
        return data, []
    results = kept[-1].get("result")
    return {**data, "_annotated": True}, results if isinstance(results, list) else []


def _short(task: dict[str, Any]) -> tuple[dict[str, Any], list[Any]]:
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
    return {**data, "_annotated": True}, results


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
    results: list[Any], place: str, annotations: Annotations, counts: dict[str, int]
) -> tuple[tuple[str, ...], list[Object], tuple[int, int] | None]:
    """Labels, objects and image size of one annotation; unusable results are reported."""
    labels: list[str] = []
    objects: list[Object] = []
    size = None
    for i, result in enumerate(results, start=1):
        value = result.get("value") if isinstance(result, dict) else None
        if not isinstance(value, dict):
            continue  # a relation between regions
        size = as_size(result.get("original_width"), result.get("original_height")) or size
        try:
            choices = _texts(value.get("choices"))
            found = None if choices else _object(value, size)
        except ValueError as error:
            annotations.reject(f"{place}, result {i}", str(error), "bad annotation")
            continue
        if found is None:
            labels += choices
            counts["labels"] += 1
            counts["several"] += len(choices) > 1
            continue
        annotations.report.total += 1
        counts["masks" if found.segments or found.rle else "boxes"] += 1
        objects.append(found)
    return tuple(dict.fromkeys(labels)), objects, size


def _texts(value: Any) -> list[str]:
    return [item.strip() for item in value if isinstance(item, str) and item.strip()] if isinstance(value, list) else []


def _object(value: dict[str, Any], size: tuple[int, int] | None) -> Object:
    """One region, in shares of width and height.

    Raises:
        ValueError: it has no label, or is no rectangle, polygon, ellipse or brush.
    """
    kinds = ("rectanglelabels", "polygonlabels", "ellipselabels", "brushlabels", "labels")
    labels = next((found for kind in kinds if (found := _texts(value.get(kind)))), [])
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
    x, y = as_number(value.get("x")) / 100, as_number(value.get("y")) / 100
    angle = np.deg2rad(as_number(value.get("rotation", 0)))
    aspect = size[1] / size[0] if size else 1.0
    if "radiusX" in value:
        rx, ry = as_number(value["radiusX"]) / 100, as_number(value.get("radiusY")) / 100
        angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
        offsets = np.stack([rx * np.cos(angles), ry * np.sin(angles)], axis=1)
        return Object(labels[0], segments=((np.array([x, y]) + _rotated(offsets, angle, aspect)).ravel().tolist(),))
    width, height = as_number(value.get("width")) / 100, as_number(value.get("height")) / 100
    if not angle:
        return Object(labels[0], (x, y, x + width, y + height))
    rectangle = np.array([[0, 0], [width, 0], [width, height], [0, height]])
    corners = np.array([x, y]) + _rotated(rectangle, angle, aspect)
    (x1, y1), (x2, y2) = corners.min(axis=0).tolist(), corners.max(axis=0).tolist()
    return Object(labels[0], (x1, y1, x2, y2))


def _rotated(points: Any, angle: float, aspect: float) -> Any:
    """Offsets in shares of width and height, turned clockwise; `aspect` is height / width."""
    x, y = points[:, 0], points[:, 1] * aspect
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([x * cos - y * sin, (x * sin + y * cos) / aspect], axis=1)


def _brush(code: Any, size: tuple[int, int] | None) -> str:
    """A mask painted with the brush, from Label Studio's own run-length code of RGBA values.

    Source: label-studio-converter, `brush.py` (`decode_rle`).

    Raises:
        ValueError: it is no such code of an image of this size.
    """
    if size is None or not isinstance(code, list) or not all(isinstance(v, int) and 0 <= v < 256 for v in code):
        raise ValueError("the brush's code needs a list of bytes and the image's size")
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
