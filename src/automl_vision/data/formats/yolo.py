"""YOLO text files: one a picture, `class x y w h` or `class x y x y ...`, all in shares of width and height."""

from __future__ import annotations

from collections.abc import Iterator
from posixpath import normpath
from typing import Any

import yaml

from automl_vision.core.errors import DataError
from automl_vision.core.files import write_text
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format, export_format
from automl_vision.data.json_file import HEAD_FILES, as_number, shown
from automl_vision.data.names import is_image, split_of_path, suffix_of
from automl_vision.data.object import Object
from automl_vision.data.source import Source, as_text, folder_of
from automl_vision.data.writing import Export, ExportRecord

_NAMES_FILES = ("classes.txt", "obj.names", "_darknet.labels")
_MAX_CLASSES = 100_000
_HEAD_LABELS = 200  # label files looked at to find the format; those of images without objects are empty


def _settings(source: Source) -> tuple[str, dict[str, Any]] | None:
    """The first YAML file with `names`, or darknet's `.data` file, and its values; all of them are texts."""
    for path in source.with_suffix(".yaml", ".yml")[:HEAD_FILES]:
        try:
            value = yaml.load(source.try_text(path), Loader=yaml.BaseLoader)
        except (yaml.YAMLError, RecursionError, ValueError):
            continue
        if isinstance(value, dict) and isinstance(value.get("names"), list | dict):
            return path, value
    for path in source.with_suffix(".data"):
        pairs = (line.partition("=") for line in source.try_text(path).splitlines())
        values: dict[str, Any] = {name.strip(): text.strip() for name, _, text in pairs if text.strip()}
        if "names" in values:
            return path, values
    return None


def _names(source: Source, settings: tuple[str, dict[str, Any]] | None) -> dict[int, str]:
    """Class names by number."""
    names = settings[1]["names"] if settings is not None else None
    if isinstance(names, list | dict):
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(key): as_text(name) for key, name in pairs if _is_number(str(key)) and as_text(name)}
    files = [p for p in source.storage.files if p.rpartition("/")[2] in _NAMES_FILES or suffix_of(p) == ".names"]
    for path in sorted(files, key=lambda path: path.count("/")):
        return dict(enumerate(line.strip() for line in source.read_text(path).splitlines() if line.strip()))
    return {}


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 7


def _labels_of(source: Source) -> dict[str, str]:
    """The label file of each image that has one: beside it, or below `labels` where the image is below `images`.

    Where no image has one there, a label file of the same name anywhere belongs to it when it is the only one.
    """
    texts = {path.rpartition(".")[0]: path for path in source.storage.files if path.endswith(".txt")}
    found = {image: texts[stem] for image in source.images for stem in _stems(image) if stem in texts}
    if found:
        return found
    by_image = {path: source.image_named(path.rpartition(".")[0]) for path in texts.values()}
    return {image: path for path, image in by_image.items() if image is not None}


def _stems(image: str) -> Iterator[str]:
    """Where an image's label file may be, without suffix; the usual place last, since it wins."""
    stem = image.rpartition(".")[0]
    yield stem
    parts = stem.split("/")
    for i in [i for i, part in enumerate(parts[:-1]) if part.lower() in ("images", "imgs", "jpegimages")]:
        yield "/".join([*parts[:i], "labels", *parts[i + 1 :]])


def _detect(source: Source, columns: Columns) -> bool:  # noqa: ARG001 - the format has no columns
    if source.main and suffix_of(source.main) not in (".yaml", ".yml", ".data"):
        return False
    labels = sorted(set(_labels_of(source).values()))
    if _settings(source) is not None and (labels or source.main):
        return True
    rows: list[list[str]] = []
    for path in labels[:_HEAD_LABELS]:
        rows += [row for line in source.try_text(path).splitlines() if (row := line.split())]
        if len(rows) >= HEAD_FILES:
            break
    return bool(rows) and all(len(row) >= 5 and _is_class(row[0]) and _is_share(row[1]) for row in rows)


def _is_class(text: str) -> bool:
    return text.removesuffix(".0").isdecimal()


def _is_share(text: str) -> bool:
    try:
        return -0.5 <= float(text) <= 1.5
    except ValueError:
        return False


@dataset_format(
    "yolo",
    "boxes",
    "masks",
    layout="data.yaml with names, and labels/IMAGE.txt (class x y w h, or class and a polygon) beside images/IMAGE.jpg",
    detect=_detect,
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the format has no columns
    """Read the label file of every image; images without one have no objects."""
    settings = _settings(source)
    names = _names(source, settings)
    annotations = Annotations("boxes", relative=True)
    splits = _splits(source, settings)
    labels = _labels_of(source)
    if settings is None and not labels:
        return annotations
    has_points = settings is not None and "kpt_shape" in settings[1]
    for image in source.images:
        if splits and image not in splits and image not in labels:
            continue  # neither labelled nor in a split: a picture that lies around
        path = labels.get(image)
        objects = [] if path is None else list(_objects(source, path, names, annotations, has_points=has_points))
        split = splits.get(image) or split_of_path(f"{folder_of(image)}/-")
        annotations.add(Record(image, path or image, objects=objects, split=split))
    annotations.settle_kind()
    used = set(annotations.objects.names)
    annotations.classes = [names[i] for i in sorted(names)] + sorted(used.difference(names.values()))
    return annotations


def _splits(source: Source, settings: tuple[str, dict[str, Any]] | None) -> dict[str, str]:
    """Split by image, as the YAML file says: folders, or text files with one image a line."""
    if settings is None:
        return {}
    sets: list[tuple[str, list[str]]] = []
    path, values = settings
    base = as_text(values.get("path"))
    for split in ("train", "val", "test"):
        entries = values.get(split) or (values.get("valid") if split == "val" else None)
        for entry in entries if isinstance(entries, list) else [entries]:
            text = as_text(entry)
            for candidate in _candidates(text, base, folder_of(path)) if text else ():
                found = list(_images_of(source, candidate))
                if found:
                    sets.append((split, found))
                    break
    splits: dict[str, str] = {}
    for split, found in sorted(sets, key=lambda item: len(item[1])):  # a folder in another one says more
        splits = dict.fromkeys(found, split) | splits  # of equal ones the first counts, which is for training
    return splits


def _candidates(text: str, base: str, folder: str) -> Iterator[str]:
    """Paths below the root that an entry of the YAML file may mean.

    Roboflow writes `../train/images` and means `train/images`; others write paths of another machine.
    """
    parts = [part for part in text.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    for prefix in ([folder, base], [base], [folder], []):
        yield normpath("/".join([part.strip("/") for part in prefix if part.strip("./")] + parts))
    for i in range(1, len(parts)):
        yield "/".join(parts[i:])


def _images_of(source: Source, path: str) -> Iterator[str]:
    """The images below a folder, or named by a text file."""
    if path.endswith(".txt"):
        if path in source.storage.files:
            for line in source.read_text(path).splitlines():
                image = source.image(line.strip(), folder_of(path)) if line.strip() else ""
                if is_image(image):
                    yield image
        return
    prefix = "" if path == "." else f"{path}/"
    yield from (image for image in source.images if image.startswith(prefix))


def _objects(
    source: Source, path: str, names: dict[int, str], annotations: Annotations, *, has_points: bool
) -> Iterator[Object]:
    """The objects of one label file; unusable lines are reported, key points behind a box passed over."""
    try:
        lines = source.read_text(path).splitlines()
    except DataError as error:
        annotations.reject(path, str(error), "bad record")
        return
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = line.split()
            value = _object(row[:5] if has_points else row, names)
        except ValueError as error:
            annotations.reject(f"{path}:{number}", str(error), "bad annotation")
            continue
        yield value


def _object(row: list[str], names: dict[int, str]) -> Object:
    """One line: four numbers make a box around a centre, more make a polygon.

    Raises:
        ValueError: the class is unknown, or the numbers are neither.
    """
    try:
        index = int(float(row[0]))
    except (ValueError, OverflowError):
        raise ValueError(f"the class must be a whole number, not {shown(row[0])}") from None
    if (names and index not in names) or not 0 <= index < _MAX_CLASSES:
        raise ValueError(f"class {index} is not in the list of {len(names)} names")
    label = names.get(index, str(index))
    numbers = [as_number(text) for text in row[1:]]
    if len(numbers) in (4, 5):  # a fifth is a score
        x, y, width, height = numbers[:4]
        return Object(label, (x - width / 2, y - height / 2, x + width / 2, y + height / 2))
    if len(numbers) >= 6:
        return Object(label, segments=(numbers[: len(numbers) // 2 * 2],))
    raise ValueError(f"a line needs a class and 4 numbers, or a polygon of at least 3 points; it has {len(numbers)}")


@export_format("yolo", "boxes", "masks")
def write(export: Export) -> None:
    """Write `data.yaml`, `images/SPLIT/*` and `labels/SPLIT/*`; without masks boxes, with masks polygons."""
    for split in export.splits:
        prefix = f"/{split}" if split else ""
        for record in export.records(split):
            image = export.image(record.image, f"images{prefix}/{record.image}")
            text = "".join(f"{line}\n" for line in _lines(record, export))
            above, _, below = f"/{image}".rpartition("/images/")  # the last one, as YOLO's own tools look for it
            path = f"{above}/labels/{below.rpartition('.')[0]}.txt"
            write_text(export.folder / path.removeprefix("/"), text)
    settings: dict[str, Any] = {"path": "."}
    settings |= {split: f"images/{split}" for split in export.splits if split} or {"train": "images"}
    settings["names"] = dict(enumerate(export.classes))
    write_text(export.folder / "data.yaml", yaml.safe_dump(settings, allow_unicode=True, sort_keys=False))


def _lines(record: ExportRecord, export: Export) -> Iterator[str]:
    scale = (record.width, record.height)
    for value in record.objects:
        index = export.classes.index(value.label)
        x1, y1, x2, y2 = value.bbox or (0.0,) * 4
        if export.kind == "boxes":
            numbers = [(x1 + x2) / 2 / scale[0], (y1 + y2) / 2 / scale[1], (x2 - x1) / scale[0], (y2 - y1) / scale[1]]
            yield " ".join([str(index), *map(repr, numbers)])
            continue
        polygons = export.polygons(value, record)
        if len(polygons) > 1:
            export.lost(record.image, f"an object of {len(polygons)} polygons became {len(polygons)} objects")
        for polygon in polygons:
            yield " ".join([str(index), *(repr(number / scale[i % 2]) for i, number in enumerate(polygon))])
