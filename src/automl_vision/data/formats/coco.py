"""COCO JSON: boxes, polygons, run-length codes and crowds; one file or one a split, as Roboflow writes it too.

A file of a million boxes is parsed in pieces straight into columns, so neither time nor memory goes into Python
objects that nobody keeps.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from automl_vision.core.errors import DataError
from automl_vision.core.files import write_json
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format, export_format
from automl_vision.data.json_file import as_flag, as_number, as_size, parse_json, shown
from automl_vision.data.masks import MaskCode, compress_counts
from automl_vision.data.names import split_of_path
from automl_vision.data.objects import Object
from automl_vision.data.source import Source, as_text, folder_of
from automl_vision.data.writing import Export

_PIECE = 20_000  # annotations parsed at once
_HINTS = ("coco", "annotation", "instances", "train", "val", "test", "label")
_EMPTY = (b"[]", b"[[]]", b"null", b"{}")


class _Whole(msgspec.Struct):
    images: msgspec.Raw = msgspec.Raw(b"null")
    annotations: msgspec.Raw = msgspec.Raw(b"null")
    categories: msgspec.Raw = msgspec.Raw(b"null")


class _Annotation(msgspec.Struct, gc=False):
    image_id: int | str
    category_id: int | str
    bbox: list[float] | None = None
    iscrowd: int | None = 0
    ignore: int | None = 0
    segmentation: msgspec.Raw = msgspec.Raw(b"[]")


_decode_many = msgspec.json.Decoder(list[_Annotation], strict=False).decode
_decode_polygons = msgspec.json.Decoder(list[list[float]], strict=False).decode


def _files(source: Source) -> list[str]:
    """The files that hold images and categories; result lists and other JSON are passed over."""
    candidates = source.with_suffix(".json")
    named = [path for path in candidates if any(hint in path.lower() for hint in _HINTS)]
    few = named if len(candidates) > len(named) > 0 else candidates
    if len(few) > 50:  # a file an image is another format
        few = [path for path in few if "/" not in path or "coco" in path.lower() or "instances" in path.lower()][:50]
    return [path for path in few if _is_coco(source, path)]


def _is_coco(source: Source, path: str) -> bool:
    try:
        whole = _parse(source, path)
    except DataError:
        return False
    return _is_list(whole.images) and (_is_list(whole.annotations) or _is_list(whole.categories))


def _is_list(raw: msgspec.Raw) -> bool:
    return bytes(memoryview(raw)[:1]) == b"["


def _parse(source: Source, path: str) -> _Whole:
    """The file's three lists, not parsed yet.

    Raises:
        DataError: it is no JSON object.
    """
    data = source.read(path)
    try:
        return msgspec.json.decode(data, type=_Whole)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = parse_json(data, path)
    if not isinstance(value, dict):
        raise DataError(f"{path} is no COCO file: it holds no object")
    # Python's parser took what the fast one refuses, such as NaN; each record is judged on its own below
    pieces = {name: _without_nan(value.get(name)) for name in ("images", "annotations", "categories")}
    return _Whole(**{name: msgspec.Raw(msgspec.json.encode(piece)) for name, piece in pieces.items()})


def _without_nan(value: Any) -> Any:
    """A value with NaN and infinities as texts, which are refused where a number must stand."""
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nan(item) for item in value]
    return str(value) if isinstance(value, float) and not np.isfinite(value) else value


def _list(raw: msgspec.Raw, path: str, name: str) -> list[Any]:
    """One of the file's lists.

    Raises:
        DataError: it is no list.
    """
    value = msgspec.json.decode(raw)
    if value is None:
        return []
    if not isinstance(value, list):
        raise DataError(f'{path}: "{name}" must be a list, not {shown(value)}')
    return value


@dataset_format(
    "coco",
    layout='COCO JSON: {"images": [...], "annotations": [...], "categories": [...]}, one file or one a split',
    detect=lambda source, _: bool(_files(source)),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the names are fixed by the format
    """Read every COCO file; its own name or its folder's is its split."""
    annotations = Annotations("boxes", classes=[])
    counts = {"boxes": 0, "masks": 0, "images": 0}
    known: dict[str, int] = {}
    for path in _files(source) or source.with_suffix(".json"):
        whole = _parse(source, path)
        categories = _categories(_list(whole.categories, path, "categories"), annotations, path)
        images = _read_images(source, path, _list(whole.images, path, "images"), annotations, known)
        _read_annotations(path, whole.annotations, images, categories, annotations, counts)
    if counts["images"]:
        annotations.kind = "labels" if not counts["boxes"] + counts["masks"] else "boxes"
    if counts["masks"] and counts["masks"] >= counts["boxes"]:
        annotations.kind = "masks"
    return annotations


def _categories(values: list[Any], annotations: Annotations, path: str) -> dict[int | str, int]:
    """Number of the label by category id, for ids as they stand and as texts."""
    numbers: dict[int | str, int] = {}
    for i, value in enumerate(values):
        name = as_text(value.get("name")) if isinstance(value, dict) else ""
        if not name or "id" not in value or not isinstance(value["id"], int | str):
            reason = f"a category needs an id and a name: {shown(value)}"
            annotations.reject(f"{path}: categories[{i}]", reason, "bad label")
            continue
        classes = annotations.classes = annotations.classes or []
        if name not in classes:
            classes.append(name)
        _both(numbers, value["id"], annotations.objects.name(name))
    return numbers


def _both(numbers: dict[int | str, int], key: int | str, value: int) -> None:
    """Set an id, as a number and as a text."""
    numbers[key] = value
    if isinstance(key, int):
        numbers[str(key)] = value
    elif key.isdecimal():
        numbers[int(key)] = value


def _read_images(
    source: Source, path: str, values: list[Any], annotations: Annotations, known: dict[str, int]
) -> dict[int | str, int]:
    """Number of the record by image id; an image that several files name is one record."""
    folder, split = folder_of(path), split_of_path(path)
    numbers: dict[int | str, int] = {}
    for i, value in enumerate(values):
        place = f"{path}: images[{i}]"
        try:
            name, key = _image(value)
            own_split = split_of_path(f"{value['split']}/x") if isinstance(value.get("split"), str) else None
        except ValueError as error:
            annotations.reject(place, str(error), "bad record")
            continue
        image = source.image(name, folder)
        number = known.get(image)
        if number is None:
            size = as_size(value.get("width"), value.get("height"))
            found = annotations.add(Record(image, place, split=own_split or split, size=size))
            if found is None:
                continue
            number = known[image] = found
        _both(numbers, key, number)
    return numbers


def _image(value: Any) -> tuple[str, int | str]:
    """An image's file name and id.

    Raises:
        ValueError: one is missing.
    """
    if not isinstance(value, dict):
        raise ValueError(f"an image must be an object, not {shown(value)}")
    name = value.get("file_name") or value.get("path") or value.get("coco_url")
    if not isinstance(name, str) or not name.strip():
        raise ValueError("the image has no file_name")
    key = value.get("id")
    if not isinstance(key, int | str) or isinstance(key, bool):
        raise ValueError(f"the image has no usable id: {shown(key)}")
    return name.strip(), key


def _pieces(raw: msgspec.Raw, path: str) -> Iterator[tuple[int, list[msgspec.Raw]]]:
    """The annotations in pieces, unparsed, each with the number of its first."""
    if bytes(memoryview(raw)[:4]) == b"null":
        return
    try:
        items = msgspec.json.decode(raw, type=list[msgspec.Raw])
    except msgspec.ValidationError:
        raise DataError(f'{path}: "annotations" must be a list') from None
    for start in range(0, len(items), _PIECE):
        yield start, items[start : start + _PIECE]


def _read_annotations(
    path: str,
    raw: msgspec.Raw,
    images: dict[int | str, int],
    categories: dict[int | str, int],
    annotations: Annotations,
    counts: dict[str, int],
) -> None:
    for start, items in _pieces(raw, path):
        for i, item in enumerate(_decoded(items), start=start):
            try:
                _add(item, images, categories, annotations, counts)
            except ValueError as error:
                annotations.reject(f"{path}: annotations[{i}]", str(error), "bad annotation")


def _decoded(items: list[msgspec.Raw]) -> list[_Annotation] | list[Any]:
    """Annotations of one piece; where one of them is unusual, all of the piece one by one."""
    try:
        return _decode_many(b"[%b]" % b",".join(items))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return [msgspec.json.decode(item) for item in items]


def _add(
    item: _Annotation | Any,
    images: dict[int | str, int],
    categories: dict[int | str, int],
    annotations: Annotations,
    counts: dict[str, int],
) -> None:
    """Add one annotation.

    Raises:
        ValueError: it cannot be used.
    """
    if not isinstance(item, _Annotation):
        item = _converted(item)
    image, label = images.get(item.image_id), categories.get(item.category_id)
    if image is None or label is None:
        name, key = ("image_id", item.image_id) if image is None else ("category_id", item.category_id)
        raise ValueError(f"no {'image' if image is None else 'category'} has the {name} {shown(key)}")
    segments, code = _mask(item.segmentation)
    if item.bbox and len(item.bbox) == 4:
        x, y, width, height = item.bbox
        bbox = (x, y, x + width, y + height)
    elif item.bbox:
        raise ValueError(f"a box needs 4 numbers: x, y, width, height, not {shown(item.bbox)}")
    elif segments or code is not None:
        bbox = (float("nan"),) * 4
    else:  # a class of the whole image
        counts["images"] += 1
        name = annotations.objects.names[label]
        if name not in annotations.labels[image]:
            annotations.labels[image] = (*annotations.labels[image], name)
        return
    counts["masks" if segments or code is not None else "boxes"] += 1
    annotations.report.total += 1
    annotations.objects.add_values(image, label, bbox, bool(item.iscrowd) + 2 * bool(item.ignore), segments, code)


def _converted(value: Any) -> _Annotation:
    """An annotation whose types are unusual.

    Raises:
        ValueError: a value cannot be used; the message names it.
    """
    if not isinstance(value, dict):
        raise ValueError(f"an annotation must be an object, not {shown(value)}")
    image, category = value.get("image_id"), value.get("category_id")
    if not isinstance(image, int | str) or not isinstance(category, int | str):
        raise ValueError(f"image_id and category_id must be numbers or texts, not {shown([image, category])}")
    bbox = value.get("bbox")
    if bbox is not None and not isinstance(bbox, list):
        raise ValueError(f"a box must be a list, not {shown(bbox)}")
    return _Annotation(
        image_id=image,
        category_id=category,
        bbox=None if bbox is None else [as_number(number) for number in bbox],
        iscrowd=as_flag(value.get("iscrowd")),
        ignore=as_flag(value.get("ignore")),
        segmentation=msgspec.Raw(msgspec.json.encode(value.get("segmentation"))),
    )


def _mask(raw: msgspec.Raw) -> tuple[list[list[float]], str | None]:
    """Polygons and run-length code of a segmentation.

    Raises:
        ValueError: it is neither.
    """
    text = bytes(raw)
    if text in _EMPTY:
        return [], None
    if text[:1] == b"{":
        return [], _code(msgspec.json.decode(text))
    try:
        polygons = _decode_polygons(text)
    except msgspec.DecodeError:
        flat = msgspec.json.decode(text)
        if not isinstance(flat, list):
            raise ValueError(f"a segmentation must be polygons or a run-length code, not {shown(flat)}") from None
        polygons = [[as_number(number) for number in flat]]  # one polygon without the outer list
    polygons = [polygon for polygon in polygons if polygon]
    for polygon in polygons:
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"a polygon needs at least 3 points x, y, not {len(polygon)} numbers")
    return polygons, None


def _code(value: Any) -> str:
    """COCO's compressed run-length code.

    Raises:
        ValueError: it is no run-length code.
    """
    size, counts = value.get("size"), value.get("counts")
    if not (isinstance(size, list) and len(size) == 2 and all(isinstance(side, int) and side > 0 for side in size)):
        raise ValueError(f"a run-length code needs its size [height, width], not {shown(size)}")
    if isinstance(counts, list) and all(isinstance(count, int) and count >= 0 for count in counts):
        counts = compress_counts(counts)
    if not isinstance(counts, str):
        raise ValueError(f"the counts of a run-length code must be a text or a list, not {shown(counts)}")
    return MaskCode(size[0], size[1], counts).checked().to_text()


@export_format("coco", "boxes", "masks", "labels", "label", holds=("iscrowd", "difficult", "references"))
def write(export: Export) -> None:
    """Write `SPLIT.json` for each split (`annotations.json` without splits) and the images under their own names."""
    categories = [{"id": i, "name": name, "supercategory": ""} for i, name in enumerate(export.classes, start=1)]
    for split in export.splits:
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for record in export.records(split):
            key = len(images) + 1
            images.append(
                {"id": key, "file_name": export.image(record.image), "width": record.width, "height": record.height}
            )
            for value in record.objects:
                annotations.append({"id": len(annotations) + 1, "image_id": key, **_annotation(value, export)})
            for label in () if export.has_objects else record.labels:
                category = export.classes.index(label) + 1
                annotations.append({"id": len(annotations) + 1, "image_id": key, "category_id": category})
        document = {"images": images, "annotations": annotations, "categories": categories}
        write_json(export.folder / f"{split or 'annotations'}.json", document)


def _annotation(value: Object, export: Export) -> dict[str, Any]:
    x1, y1, x2, y2 = value.bbox or (0.0,) * 4
    segmentation: Any = [list(segment) for segment in value.segments]
    area = (x2 - x1) * (y2 - y1)
    if value.rle is not None:
        code = MaskCode.from_text(value.rle)
        segmentation = {"size": [code.height, code.width], "counts": code.counts}
        area = float(code.area())
    elif value.segments:
        area = sum(_polygon_area(segment) for segment in segmentation)
    return {
        "category_id": export.classes.index(value.label) + 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": area,
        "iscrowd": int(value.iscrowd),
        **({"ignore": 1} if value.difficult else {}),
        "segmentation": segmentation,
    }


def _polygon_area(points: list[float]) -> float:
    x, y = np.array(points[0::2]), np.array(points[1::2])
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)
