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
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format
from automl_vision.data.json_file import as_flag, as_number, as_size, parse_json, shown
from automl_vision.data.masks import MaskCode, compress_counts
from automl_vision.data.names import split_of_path
from automl_vision.data.source import Source, as_text, decode_text, folder_of

_PIECE = 20_000  # annotations parsed at once
_MOST_FILES = 50
_HINTS = ("coco", "annotation", "instances", "train", "val", "test", "label")
_TWINS = ("person_keypoints", "panoptic")  # whose objects stand in the `instances` file of the same images too


class _Whole(msgspec.Struct):
    images: msgspec.Raw = msgspec.Raw(b"null")
    annotations: msgspec.Raw = msgspec.Raw(b"null")
    categories: msgspec.Raw = msgspec.Raw(b"null")


class _Code(msgspec.Struct, gc=False):
    size: list[int]
    counts: list[int] | str


class _Annotation(msgspec.Struct, gc=False):
    image_id: int | str
    category_id: int | str
    bbox: list[float] | None = None
    iscrowd: int | None = 0
    ignore: int | None = 0
    segmentation: list[list[float]] | _Code | None = None


_decode_many = msgspec.json.Decoder(list[_Annotation], strict=False).decode


def _files(source: Source) -> list[str]:
    """The files that hold images, annotations and categories; results, captions and other JSON are passed over."""
    candidates = source.with_suffix(".json")
    named = [path for path in candidates if any(hint in path.lower() for hint in _HINTS)]
    few = named if len(candidates) > len(named) > 0 else candidates
    if len(few) > _MOST_FILES:  # a file an image is another format
        few = [path for path in few if "/" not in path or "coco" in path.lower() or "instances" in path.lower()]
        few = few[:_MOST_FILES]
    found = [path for path in few if _is_coco(source, path)]
    if any("instances" in path for path in found):
        return [path for path in found if not any(twin in path for twin in _TWINS)]
    return found


def _is_coco(source: Source, path: str) -> bool:
    try:
        whole = _parse(source, path)
    except DataError:
        return False
    return all(map(_is_list, (whole.images, whole.annotations, whole.categories)))


def _is_list(raw: msgspec.Raw) -> bool:
    return bytes(memoryview(raw)[:1]) == b"["


def _parse(source: Source, path: str) -> _Whole:
    """The file's three lists, not parsed yet.

    Raises:
        DataError: it is no JSON object.
    """
    data = source.read(path)
    if not data.isascii():  # pieces are looked at later, when their encoding is not asked for any more
        data = decode_text(data).encode()
    try:
        return msgspec.json.decode(data, type=_Whole)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = parse_json(data, path)
    if not isinstance(value, dict):
        raise DataError(f"{path} is no COCO file: it holds no object")
    # Python's parser took what the fast one refuses, such as NaN; each record is judged on its own below
    pieces = {name: _plain(value.get(name)) for name in ("images", "annotations", "categories")}
    return _Whole(**{name: msgspec.Raw(msgspec.json.encode(piece)) for name, piece in pieces.items()})


def _plain(value: Any) -> Any:
    """A value with texts instead of what no strict JSON holds: NaN, endless numbers, halves of characters."""
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, str):
        return value.encode(errors="backslashreplace").decode()
    is_strict = not isinstance(value, int | float) or (np.isfinite(value) and abs(value) < 2**63)
    return value if is_strict or isinstance(value, bool) else str(value)[:20]


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
    "label",
    "labels",
    "boxes",
    "masks",
    layout='COCO JSON: {"images": [...], "annotations": [...], "categories": [...]}, one file or one a split',
    detect=lambda source, _: bool(_files(source)),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the names are fixed by the format
    """Read every COCO file; its own name or its folder's is its split."""
    annotations = Annotations("boxes", classes=[])
    for path in _files(source) or source.with_suffix(".json"):
        whole = _parse(source, path)
        categories = _categories(_list(whole.categories, path, "categories"), annotations, path)
        images = _read_images(source, path, _list(whole.images, path, "images"), annotations)
        _read_annotations(path, whole.annotations, images, categories, annotations)
    annotations.settle_kind()
    return annotations


def _categories(values: list[Any], annotations: Annotations, path: str) -> dict[int | str, int]:
    """Number of the label by category id, for ids as they stand and as texts."""
    numbers: dict[int | str, int] = {}
    for i, value in enumerate(values):
        name = as_text(value.get("name")) if isinstance(value, dict) else ""
        key = _key(value.get("id")) if isinstance(value, dict) else None
        if not name or key is None:
            reason = f"a category needs an id and a name: {shown(value)}"
            annotations.reject(f"{path}: categories[{i}]", reason, "bad label")
            continue
        classes = annotations.classes = annotations.classes or []
        if name not in classes:
            classes.append(name)
        _both(numbers, key, annotations.objects.name(name))
    return numbers


def _key(value: Any) -> int | str | None:
    """An id; whole numbers may come as floats, as pandas writes them."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int | str) and not isinstance(value, bool) else None


def _both(numbers: dict[int | str, int], key: int | str, value: int) -> None:
    """Set an id, as a number and as a text."""
    numbers[key] = value
    if isinstance(key, int):
        numbers[str(key)] = value
    elif key.isdecimal() and len(key) < 20:
        numbers[int(key)] = value


def _read_images(source: Source, path: str, values: list[Any], annotations: Annotations) -> dict[int | str, int]:
    """Number of the record by image id; an image that several files name is one record."""
    folder, split = folder_of(path), split_of_path(path)
    numbers: dict[int | str, int] = {}
    for i, value in enumerate(values):
        place = f"{path}: images[{i}]"
        try:
            name, key = _image(value)
            if key in numbers:
                raise ValueError(f"another image has the id {shown(key)} too")
            own_split = split_of_path(f"{value['split']}/-") if isinstance(value.get("split"), str) else None
            own_split = own_split or split
        except ValueError as error:
            annotations.reject(place, str(error), "bad record")
            continue
        size = as_size(value.get("width"), value.get("height"))
        found = annotations.add(Record(source.image(name, folder, own_split), place, split=own_split, size=size))
        if found is not None:
            _both(numbers, key, found)
    return numbers


def _image(value: Any) -> tuple[str, int | str]:
    """An image's file name and id.

    Raises:
        ValueError: one is missing.
    """
    if not isinstance(value, dict):
        raise ValueError(f"an image must be an object, not {shown(value)}")
    name = next((text for key in ("file_name", "path", "coco_url") if (text := as_text(value.get(key)))), "")
    if not name:
        raise ValueError("the image has no file_name")
    key = _key(value.get("id"))
    if key is None:
        raise ValueError(f"the image has no usable id: {shown(value.get('id'))}")
    return name, key


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
) -> None:
    for start, piece in _pieces(raw, path):
        items = _decoded(piece)
        if items is not None and _add_all(items, images, categories, annotations):
            continue
        for i in range(len(piece)):
            place = f"{path}: annotations[{start + i}]"
            try:
                item = items[i] if items is not None else _converted(msgspec.json.decode(piece[i]))
                _add(item, place, images, categories, annotations)
            except ValueError as error:
                annotations.reject(place, str(error), "bad annotation")


def _decoded(piece: list[msgspec.Raw]) -> list[_Annotation] | None:
    """The annotations of one piece; None where one of them is unusual."""
    try:
        return _decode_many(b"[%b]" % b",".join(piece))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def _add_all(
    items: list[_Annotation],
    images: dict[int | str, int],
    categories: dict[int | str, int],
    annotations: Annotations,
) -> bool:
    """Add the annotations of one piece at once, when each is a box with or without polygons; tells whether it did."""
    numbers = [images.get(item.image_id) for item in items]
    labels = [categories.get(item.category_id) for item in items]
    boxes = [item.bbox for item in items if item.bbox and len(item.bbox) == 4]
    segments = [item.segmentation or () for item in items]
    if len(boxes) < len(items) or None in numbers or None in labels:
        return False
    if any(isinstance(s, _Code) or any(len(p) < 6 or len(p) % 2 for p in s) for s in segments if s):
        return False
    corners = np.array(boxes, np.float64).reshape(-1, 4)
    corners[:, 2:] += corners[:, :2]
    flags = [bool(item.iscrowd) + 2 * bool(item.ignore) for item in items]
    annotations.objects.extend(numbers, labels, corners, flags, segments)  # type: ignore[arg-type]
    annotations.report.total += len(items)
    return True


def _add(
    item: _Annotation,
    place: str,
    images: dict[int | str, int],
    categories: dict[int | str, int],
    annotations: Annotations,
) -> None:
    """Add one annotation.

    Raises:
        ValueError: it cannot be used.
    """
    image, label = images.get(item.image_id), categories.get(item.category_id)
    if image is None or label is None:
        name, key = ("image_id", item.image_id) if image is None else ("category_id", item.category_id)
        raise ValueError(f"no {'image' if image is None else 'category'} has the {name} {shown(key)}")
    segments, code = _mask(item, place, annotations)
    if item.bbox and len(item.bbox) == 4:
        x, y, width, height = item.bbox
        bbox = (x, y, x + width, y + height)
    elif item.bbox:
        raise ValueError(f"a box needs 4 numbers: x, y, width, height, not {shown(item.bbox)}")
    elif segments or code is not None:
        bbox = (float("nan"),) * 4
    else:  # a class of the whole image
        name = annotations.objects.names[label]
        annotations.labels[image] = tuple(dict.fromkeys((*annotations.labels[image], name)))
        return
    annotations.report.total += 1
    annotations.objects.add_values(image, label, bbox, bool(item.iscrowd) + 2 * bool(item.ignore), segments, code)


def _converted(value: Any) -> _Annotation:
    """An annotation whose types are unusual.

    Raises:
        ValueError: a value cannot be used; the message names it.
    """
    if not isinstance(value, dict):
        raise ValueError(f"an annotation must be an object, not {shown(value)}")
    image, category = _key(value.get("image_id")), _key(value.get("category_id"))
    if image is None or category is None:
        raise ValueError(
            "image_id and category_id must be numbers or texts, "
            f"not {shown([value.get('image_id'), value.get('category_id')])}"
        )
    bbox = value.get("bbox")
    if bbox is not None and not isinstance(bbox, list):
        raise ValueError(f"a box must be a list, not {shown(bbox)}")
    return _Annotation(
        image_id=image,
        category_id=category,
        bbox=None if bbox is None else [as_number(number) for number in bbox],
        iscrowd=as_flag(value.get("iscrowd")),
        ignore=as_flag(value.get("ignore")),
        segmentation=_segmentation(value.get("segmentation")),
    )


def _segmentation(value: Any) -> list[list[float]] | _Code | None:
    """A segmentation whose types are unusual: numbers as texts, one polygon without the outer list.

    Raises:
        ValueError: it is neither polygons nor a run-length code.
    """
    if not value:
        return None
    if isinstance(value, dict):
        size, counts = value.get("size"), value.get("counts")
        sides = [int(as_number(side)) for side in size] if isinstance(size, list) else []
        if isinstance(counts, list):
            counts = [int(as_number(count)) for count in counts]
        if not isinstance(counts, list | str):
            raise ValueError(f"the counts of a run-length code must be a text or a list, not {shown(counts)}")
        return _Code(sides, counts)
    if not isinstance(value, list):
        raise ValueError(f"a segmentation must be polygons or a run-length code, not {shown(value)}")
    polygons = value if isinstance(value[0], list) else [value]
    return [[as_number(number) for number in polygon] for polygon in polygons if isinstance(polygon, list)]


def _mask(item: _Annotation, place: str, annotations: Annotations) -> tuple[list[list[float]], str | None]:
    """Polygons and run-length code of an annotation; polygons of fewer than three points are dropped.

    Raises:
        ValueError: nothing is left, and there is no box either.
    """
    if isinstance(item.segmentation, _Code):
        return [], _code(item.segmentation)
    polygons = [polygon for polygon in item.segmentation or () if polygon]
    usable = [polygon for polygon in polygons if len(polygon) >= 6 and len(polygon) % 2 == 0]
    if len(usable) < len(polygons):
        bad = next(polygon for polygon in polygons if len(polygon) < 6 or len(polygon) % 2)
        reason = f"a polygon needs at least 3 points x, y, not {len(bad)} numbers"
        if not usable and not item.bbox:
            raise ValueError(reason)
        annotations.ignore(place, reason, "bad polygon")
    return usable, None


def _code(code: _Code) -> str:
    """COCO's compressed run-length code, as the manifest keeps it.

    Raises:
        ValueError: it is no run-length code.
    """
    if len(code.size) != 2 or min(code.size) < 1:
        raise ValueError(f"a run-length code needs its size [height, width], not {shown(code.size)}")
    counts = code.counts
    if not isinstance(counts, str):
        if any(count < 0 for count in counts):
            raise ValueError("the runs of a run-length code cannot be negative")
        counts = compress_counts(counts)
    return MaskCode(code.size[0], code.size[1], counts).checked().to_text()
