"""Formats of other tools that are known by sight and not read: each with the way out."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable
from typing import Any

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.text import folder_of, suffix_of
from automl_vision.data.masks import looks_like_mask
from automl_vision.data.split_names import is_plain_folder
from automl_vision.formats.json_file import HEAD_FILES, parse_json, read_json_file, try_json
from automl_vision.formats.source import Source
from automl_vision.formats.xml_file import read_xml

_AS_COCO = "export or convert it to COCO JSON"
_ANNOTATION_SUFFIXES = (".json", ".ndjson", ".jsonl", ".xml", ".txt", ".csv", ".yaml", ".yml", ".mat", ".odgt")
_NO_ANNOTATIONS = ("readme", "license", "licence", "requirements", "package", "conda")
_DRAWN = re.compile(
    r"mask|(?<!un)label|annot|^gt|gtfine|ground[ _-]?truth|segment|trimap|instance|semantic", re.IGNORECASE
)
_MARKS = re.compile(r"[_-](?:masks?|seg|segmentation|labels?|gt|L)$")
_SAME_NAMES = 0.5  # of the pictures in one folder and the drawings in another
_KITTI = re.compile(r"[A-Za-z]\w*( -?[\d.]+){14,15}")
_YOLO = re.compile(r"\d+([ \t]+[01]?\.\d+){4,}")
_DOTA = re.compile(r"(-?[\d.]+ ){8}[A-Za-z][\w-]* [0-2]")

_JSON_KINDS: tuple[tuple[Callable[[Any], bool], str], ...] = (
    (
        lambda value: _has(value, "items", "categories") and isinstance(value["items"], list),
        "Datumaro's own JSON, which is not read; convert it with: datum convert -f coco",
    ),
    (
        lambda value: _has(value, "objects", "size", "tags"),
        f"Supervisely's JSON, a file an image, which is not read; {_AS_COCO}",
    ),
    (lambda value: _has(value, "instances", "metadata"), f"SuperAnnotate's JSON, which is not read; {_AS_COCO}"),
    (
        lambda value: _has(value, "image", "annotations"),
        f"JSON of Segment Anything's kind, a file an image, which is not read; {_AS_COCO}",
    ),
    (
        lambda value: (
            _has(value, "data_row", "projects") or _first_has(value, "data_row") or _first_has(value, "Label")
        ),
        f"Labelbox's export, which is not read; {_AS_COCO}",
    ),
    (lambda value: _has(value, "asset", "regions"), f"VoTT's JSON, which is not read; {_AS_COCO}, CSV or Pascal VOC"),
    (
        lambda value: _first_has(value, "file_name", "annotations"),
        "Detectron2's list of images, which is not read; write COCO with convert_to_coco_json",
    ),
    (
        lambda value: _first_has(value, "name", "labels") and _first_has(value[0]["labels"], "box2d"),
        "BDD100K's JSON, which is not read; convert it with: python -m bdd100k.label.to_coco",
    ),
)


def _has(value: Any, *keys: str) -> bool:
    return isinstance(value, dict) and all(key in value for key in keys)


def _first_has(value: Any, *keys: str) -> bool:
    return isinstance(value, list) and bool(value) and _has(value[0], *keys)


def foreign_format(source: Source) -> str | None:
    """The sentence about a format that is known and not read."""
    for path in source.with_suffix(".json", ".ndjson")[:HEAD_FILES]:
        value = try_json(source, path) if suffix_of(path) == ".json" else _first_line(source, path)
        for is_kind, sentence in _JSON_KINDS:
            if is_kind(value):
                return f"{path} is {sentence}"
    for path in _texts(source)[:HEAD_FILES]:
        lines = [line.strip() for line in source.try_text(path).splitlines() if line.strip()]
        if lines and all(map(_KITTI.fullmatch, lines)):
            return f"{path} is a label file of KITTI, which is not read; {_AS_COCO} or YOLO"
        if any(map(_DOTA.fullmatch, lines[:4])):
            return f"{path} is a label file of DOTA, which is not read; convert it to YOLO's polygons or COCO JSON"
        if lines and all(map(_YOLO.fullmatch, lines)):
            return (
                f"{path} looks like a label file of YOLO, but it is not clear to which image it belongs; put images "
                "below images/ and label files below labels/, with the same folders and names below these"
            )
        if path.endswith("_bbx_gt.txt"):
            return f"{path} is a list of WIDER FACE, which is not read; {_AS_COCO}"
    return None


def _first_line(source: Source, path: str) -> Any:
    try:
        return parse_json(source.try_text(path).partition("\n")[0].encode(), path)
    except DataError:
        return None


def _texts(source: Source) -> list[str]:
    """Text files that may hold annotations; those that lie together with many others first."""
    folders: dict[str, int] = defaultdict(int)
    texts = [path for path in source.with_suffix(".txt") if not _is_note(path)]
    for path in texts:
        folders[folder_of(path)] += 1
    return sorted(texts, key=lambda path: (-folders[folder_of(path)], path))


def _is_note(path: str) -> bool:
    return path.rpartition("/")[2].lower().startswith(_NO_ANNOTATIONS)


def unread_annotations(source: Source) -> str | None:
    """A sentence about files that may hold annotations, and that no format recognised."""
    files = [path for path in source.with_suffix(*_ANNOTATION_SUFFIXES) if not _is_note(path)]
    if not files:
        return None
    together = Counter(folder_of(path) for path in files)
    example = max(files, key=lambda path: together[folder_of(path)])
    suffixes = ", ".join(sorted({suffix_of(path) for path in files}))
    return f"{len(files)} files ({suffixes}) that no format reads, such as {example}{_defect(source, example)}"


def _defect(source: Source, path: str) -> str:
    """What is wrong with a file, where that is seen at once."""
    try:
        if suffix_of(path) == ".xml":
            read_xml(source, path)
        value: Any = read_json_file(source, path) if suffix_of(path) == ".json" else None
    except DataError as error:
        return f" ({error})"
    lists = ("images", "annotations", "categories")
    is_near = isinstance(value, dict) and "images" in value
    lacking = [name for name in lists if not isinstance(value.get(name), list)] if is_near else []
    return f" (for COCO it lacks the list {', '.join(lacking)})" if lacking else ""


def are_plain(source: Source) -> bool:
    """Whether no folder of images says more than that images are in it, or which split they belong to."""
    return all(map(_says_nothing, source.images))


def _says_nothing(path: str) -> bool:
    return all(map(is_plain_folder, path.split("/")[:-1]))


def drawings_beside(source: Source) -> str | None:
    """A sentence about pictures in one folder and masks of the same names in another."""
    folders = set(map(folder_of, source.images))
    drawn = {folder for folder in folders if any(map(_DRAWN.search, folder.split("/")))}
    if not drawn or drawn == folders:
        return None
    pictures: dict[str, str] = {}
    drawings: dict[str, str] = {}
    for path in source.images:
        folder, _, name = path.rpartition("/")
        (drawings if folder in drawn else pictures)[_MARKS.sub("", name.rpartition(".")[0])] = path
    both = [stem for stem in drawings if stem in pictures]
    are_named_alike = len(both) >= max(1, _SAME_NAMES * max(len(drawings), len(pictures)))
    first = both[0] if are_named_alike else ""
    picture, drawing = pictures.get(first, min(pictures.values())), drawings.get(first, min(drawings.values()))
    try:
        is_flat = looks_like_mask(source.read(drawing))
        differ = is_flat and (are_named_alike or not looks_like_mask(source.read(picture)))
    except (DataError, ImageError):
        return None
    if not differ:
        return None
    return (
        f"there are pictures in {folder_of(picture) or '.'} and what looks like masks of them in "
        f"{folder_of(drawing)}, such as {drawing}; masks of objects are read as PNG (JPEG changes their values) "
        "from images/IMAGE.jpg and masks/IMAGE.png, with the names of classes in classes.txt. If the folders are "
        'classes, open the data with format="folder"'
    )
