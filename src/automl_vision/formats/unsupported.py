"""What is often given as data and not read: files, other tools' formats, pictures beside masks; each with a way out."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from typing import Any
from xml.etree.ElementTree import tostring

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.text import folder_of, suffix_of
from automl_vision.data.image_names import IMAGE_SUFFIXES
from automl_vision.data.masks import looks_like_mask
from automl_vision.data.split_names import is_plain_folder
from automl_vision.formats.image_listing import stem_of
from automl_vision.formats.json_file import HEAD_FILES, is_number, parse_json, read_json_file, try_json
from automl_vision.formats.root_folder import ANNOTATION_SUFFIXES
from automl_vision.formats.source import Source
from automl_vision.formats.xml_file import parse_xml, read_xml

_MAY_ANNOTATE = (*(suffix for suffix in ANNOTATION_SUFFIXES if suffix != ".parquet"), ".mat", ".odgt")
_NO_ANNOTATIONS = ("readme", "license", "licence", "requirements", "package", "conda")
_SHOWN = 3
_DRAWN = re.compile(
    r"mask|(?<!un)label|annot|^gt|gtfine|ground[ _-]?truth|segment|trimap|instance|semantic", re.IGNORECASE
)
_MARKS = re.compile(r"[_-](?:masks?|seg|segmentation|labels?|gt|L)$")
_ARRAYS = (".mat", ".npy", ".npz")
_PER_IMAGE = (*_ARRAYS, ".xml", ".json")
_PLACES = re.compile(r"b(ou)?nd(ing)?[ _-]?box|bbox|polygon|x_?min|segmentation|\bpoints\b|coordinates", re.IGNORECASE)
_NUMBERS = re.compile(r"\d+")
_FEWEST_NUMBERS = 4
_LOOKED_AT = 20_000  # characters
_TRUTH = ("gt", "det", "labels", "annotations")  # folders beside those of images
_FEWEST_COLUMNS, _FEWEST_ROWS, _ROWS = 6, 5, 0.9
_SAMPLE = 20  # images whose names are looked for
_SAME_NAMES = 0.5  # of the pictures in one folder and the drawings in another

_FILES = (
    (
        ".zip .tar .gz .tgz .bz2 .xz .rar .7z .zst",
        "archives inside of the data ({files}) are not opened; unpack them, or open one by its path (zip, tar, tar.gz)",
    ),
    (
        ".tfrecord .tfrecords .record",
        "{files} holds TensorFlow's records; write the images to files, with a table or COCO JSON beside them",
    ),
    (
        ".npz .npy .h5 .hdf5 .mat .pkl .pickle .pt .lmdb .mdb .idx",
        "{files} holds arrays; write each image to a file in the folder of its class",
    ),
    (
        ".parquet .arrow",
        '{files} may hold the images themselves; write them to files: datasets.load_dataset("parquet", data_files=...) '
        'and then row["image"].save("CLASS/NUMBER.png") for each row',
    ),
    (".xlsx .xls .ods", "{files} is a workbook; save the sheet with the labels as CSV"),
    (
        ".nii .svg .jp2 .cr2 .nef",
        f"images in {{suffixes}} are not read; convert them to one of {', '.join(sorted(IMAGE_SUFFIXES))}",
    ),
)
_AS_COCO = "export or convert it to COCO JSON"
_DOCUMENTS: tuple[tuple[str, str, str], ...] = (  # keys, of the document or of the first of a list; name; way out
    ("items categories", "Datumaro's own JSON", "convert it with: datum convert -f coco"),
    ("objects size tags", "Supervisely's JSON, one file per image", _AS_COCO),
    ("instances metadata", "SuperAnnotate's JSON", _AS_COCO),
    ("image annotations", "JSON of Segment Anything's kind, one file per image", _AS_COCO),
    ("data_row projects", "Labelbox's export", _AS_COCO),
    ("[ data_row", "Labelbox's export", _AS_COCO),
    ("[ Label", "Labelbox's export", _AS_COCO),
    ("asset regions", "VoTT's JSON", f"{_AS_COCO}, CSV or Pascal VOC"),
    ("[ file_name annotations", "Detectron2's list of images", "write COCO with convert_to_coco_json"),
)
_TEXTS = (  # each line, or one of the first four
    (
        True,
        re.compile(r"[A-Za-z]\w*( -?[\d.]+){14,15}"),
        f"is a label file of KITTI, whose boxes do not lie in these images; {_AS_COCO} or YOLO",
    ),
    (
        False,
        re.compile(r"(-?[\d.]+ ){8}[A-Za-z][\w-]* [0-2]"),
        "is a label file of DOTA, which is not read; convert it to YOLO's polygons or COCO JSON",
    ),
    (
        True,
        re.compile(r"\d+([ \t]+[01]?\.\d+){4,}"),
        "looks like a label file of YOLO, but it is not clear to which image it belongs; put images below images/ and "
        "label files below labels/, with the same folders and names below these",
    ),
)


def unread_files(source: Source) -> list[str]:
    """A sentence for each kind of file that is there and not read."""
    by_suffix: dict[str, list[str]] = defaultdict(list)
    for path in source.files:
        suffix = suffix_of(path)
        by_suffix[".tfrecord" if suffix.startswith(".tfrecord") else suffix].append(path)
    found = []
    for suffixes, sentence in _FILES:
        present = sorted(set(suffixes.split()) & by_suffix.keys())
        files = [path for suffix in present for path in by_suffix[suffix][:_SHOWN]][:_SHOWN]
        if present:
            found.append(sentence.format(files=", ".join(files), suffixes=", ".join(present)))
    return found


def unopened_archives(source: Source) -> str | None:
    """A sentence about archives inside of the data, which may hold the images."""
    suffixes, sentence = _FILES[0]
    files = [path for path in source.storage.files if suffix_of(path) in suffixes.split()] if not source.main else []
    return sentence.format(files=", ".join(files[:_SHOWN])) if files else None


def foreign_format(source: Source) -> str | None:
    """The sentence about a format that is known and not read."""
    for path in source.with_suffix(".json", ".ndjson")[:HEAD_FILES]:
        value = try_json(source, path) if suffix_of(path) == ".json" else _first_line(source, path)
        if found := foreign_document(value):
            return f"{path} is {found}"
    for path in _texts(source)[:HEAD_FILES]:
        lines = [line.strip() for line in source.try_text(path).splitlines() if line.strip()]
        for are_all, pattern, sentence in _TEXTS:
            if lines and (all if are_all else any)(map(pattern.fullmatch, lines if are_all else lines[:4])):
                return f"{path} {sentence}"
        if path.endswith("_bbx_gt.txt"):
            return f"{path} is a list of WIDER FACE, which is not read; {_AS_COCO}"
    return None


def foreign_document(value: Any) -> str | None:
    """What a document is that is known and not read, and the way out."""
    found = ((name, way_out) for keys, name, way_out in _DOCUMENTS if _has(value, keys.split()))
    return next((f"{name}, which is not read; {way_out}" for name, way_out in found), None)


def _has(value: Any, keys: list[str]) -> bool:
    """Whether a document has some keys; after "[" whether the first document of a list has them."""
    if keys[0] == "[":
        return isinstance(value, list) and bool(value) and _has(value[0], keys[1:])
    if not isinstance(value, dict) or any(key not in value for key in keys):
        return False
    return keys != ["items", "categories"] or isinstance(value["items"], list)


def _first_line(source: Source, path: str) -> Any:
    try:
        return parse_json(source.try_text(path).partition("\n")[0].encode(), path)
    except DataError:
        return None


def _texts(source: Source) -> list[str]:
    """Text files that may hold annotations; those that lie together with many others first."""
    texts = [path for path in source.with_suffix(".txt") if not _is_note(path)]
    together = Counter(map(folder_of, texts))
    return sorted(texts, key=lambda path: (-together[folder_of(path)], path))


def _is_note(path: str) -> bool:
    return path.rpartition("/")[2].lower().startswith(_NO_ANNOTATIONS)


def unread_annotations(source: Source) -> str | None:
    """A sentence about files that may hold annotations, and that no format recognised."""
    files = [path for path in source.with_suffix(*_MAY_ANNOTATE) if not _is_note(path)]
    if not files:
        return None
    together = Counter(map(folder_of, files))
    example = max(files, key=lambda path: together[folder_of(path)])
    suffixes = ", ".join(sorted({suffix_of(path) for path in files}))
    return f"{len(files)} files ({suffixes}) that no format reads, such as {example}{_defect(source, example)}"


def _defect(source: Source, path: str) -> str:
    """What is wrong with a file, if a look at it shows that."""
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


def annotations_beside(source: Source) -> str | None:
    """A sentence about files that look like annotations of the images, which no format recognised."""
    return _one_per_image(source) or _naming_images(source) or _numbers_beside(source)


def _one_per_image(source: Source) -> str | None:
    """The same about files with the names of most images, such as XML of an unknown kind."""
    stems = set(map(stem_of, source.images))
    by_suffix: dict[str, list[str]] = defaultdict(list)
    for path in source.files:
        if suffix_of(path) in _PER_IMAGE and stem_of(path) in stems:
            by_suffix[suffix_of(path)].append(path)
    for suffix, files in by_suffix.items():
        names = set(map(stem_of, files))
        if len(names) >= _SAME_NAMES * len(stems) and _may_hold_places(source, files[0]):
            return (
                f"{len(files)} {suffix} files have the name of an image each and look like its annotations, such as "
                f"{files[0]}{_defect(source, files[0])}, and no format reads them; {_AS_COCO}"
            )
    return None


def _may_hold_places(source: Source, path: str) -> bool:
    """Whether a file may hold places in an image: arrays, or a text with numbers and a word for boxes or outlines."""
    return suffix_of(path) in _ARRAYS or _tells_places(_text(source, path))


def _text(source: Source, path: str) -> str:
    """The text of a JSON or XML file, which was parsed before; empty where it cannot be."""
    if suffix_of(path) == ".json":
        return json.dumps(try_json(source, path))
    root = source.try_parsed(path, parse_xml)
    return "" if root is None else tostring(root, encoding="unicode")


def _tells_places(text: str) -> bool:
    return _PLACES.search(text) is not None and len(_NUMBERS.findall(text[:_LOOKED_AT])) >= _FEWEST_NUMBERS


def _naming_images(source: Source) -> str | None:
    """The same about one of few JSON files that names the images and holds places in them."""
    names = [path.rpartition("/")[2] for path in source.images[:: max(1, len(source.images) // _SAMPLE)]]
    for path in source.with_suffix(".json")[:HEAD_FILES]:
        text = "" if _is_note(path) else _text(source, path)
        found = sum(json.dumps(name)[1:-1] in text for name in names)
        if found >= _SAME_NAMES * len(names) and _tells_places(text):
            return f"{path} names the images and holds places in them, and no format reads it; {_AS_COCO}"
    return None


def _numbers_beside(source: Source) -> str | None:
    """The same about texts with rows of numbers in or beside the folders of images, such as tracks."""
    folders = set(map(folder_of, source.images))
    places = (
        folders
        | set(map(folder_of, folders))
        | {f"{folder_of(folder)}/{name}" for folder in folders for name in _TRUTH}
    )
    for path in [path for path in source.with_suffix(".txt") if not _is_note(path) and folder_of(path) in places][
        :HEAD_FILES
    ]:
        lines = [line.replace(",", " ").split() for line in source.try_text(path).splitlines() if line.strip()]
        rows = sum(len(cells) >= _FEWEST_COLUMNS and all(map(is_number, cells)) for cells in lines)
        if rows >= max(_FEWEST_ROWS, _ROWS * len(lines)):
            shown = " ".join(lines[0])[:60]
            what = f'{rows} rows of numbers beside the images, such as "{shown}"'
            return f"{path} holds {what}, and no format reads it; {_AS_COCO}"
    return None


def are_plain(source: Source) -> bool:
    """Whether no folder of images says more than that images are in it, or which split they belong to."""
    return all(all(map(is_plain_folder, path.split("/")[:-1])) for path in source.images)


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
