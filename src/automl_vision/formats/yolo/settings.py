"""What stands beside YOLO's label files: settings in YAML or darknet's `.data`, names of classes, lists of images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import normpath
from typing import Any

import yaml

from automl_vision.core.text import folder_of, suffix_of
from automl_vision.data.image_names import is_image
from automl_vision.data.split_names import SPLIT_NAMES, normalize_split
from automl_vision.formats.json_file import HEAD_FILES, as_list, as_mapping, try_json
from automl_vision.formats.source import Source, as_text
from automl_vision.formats.text_encoding import decode_text

_NAMES_FILES = (
    "classes.txt", "obj.names", "_darknet.labels", "labels.txt", "names.txt", "class_names.txt",
    "predefined_classes.txt",
)  # fmt: skip
_NUMBERED = re.compile(r"(\d+)\s*[:;,\s]\s*(\S.*)")

Settings = tuple[str, dict[str, Any]]  # the file, and its values, all of them texts


def find_settings(source: Source) -> Settings | None:
    """The first YAML file with `names`, else darknet's `.data` file, else a YAML file that says where images are."""
    others: list[Settings] = []
    for path in source.with_suffix(".yaml", ".yml")[:HEAD_FILES]:
        value = source.try_parsed(path, _parse_yaml)
        if isinstance(value, dict) and isinstance(value.get("names"), list | dict | str):
            return path, value
        if isinstance(value, dict) and "train" in value and ("val" in value or "nc" in value):
            others.append((path, value))
    for path in source.with_suffix(".data"):
        pairs = (line.partition("=") for line in source.try_text(path).splitlines())
        values: dict[str, Any] = {name.strip(): text.strip() for name, _, text in pairs if text.strip()}
        if "names" in values:
            return path, values
    return others[0] if others else None


def broken_settings(source: Source) -> Iterator[str]:
    """YAML files that are none."""
    for path in source.with_suffix(".yaml", ".yml")[:HEAD_FILES]:
        if source.try_parsed(path, _parse_yaml) is _BROKEN:
            yield path


_BROKEN = object()


def _parse_yaml(data: bytes, path: str) -> Any:
    try:
        return yaml.load(decode_text(data, path), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError, ValueError):
        return _BROKEN


def class_names(source: Source, settings: Settings | None) -> dict[int, str]:
    """Class names by number: from the settings, the file that they name, a file of names, or Label Studio's notes."""
    names = settings[1].get("names") if settings is not None else None
    if isinstance(names, list | dict):
        pairs = names.items() if isinstance(names, dict) else enumerate(names)
        return {int(key): as_text(name) for key, name in pairs if _is_number(str(key)) and as_text(name)}
    wanted = as_text(names).rpartition("/")[2]
    files = [path for path in source.storage.files if _may_hold_names(path, wanted)]
    for path in sorted(files, key=lambda path: (path.rpartition("/")[2] != wanted, path.count("/"))):
        return _listed_names(source.read_text(path).splitlines())
    for path in source.storage.files:
        if path.rpartition("/")[2] == "notes.json":
            return _noted_names(try_json(source, path))
    return {i: name.strip() for i, name in enumerate(wanted.split(",")) if name.strip() and "." not in name}


def _may_hold_names(path: str, wanted: str) -> bool:
    name = path.rpartition("/")[2]
    return name in _NAMES_FILES or suffix_of(path) == ".names" or (name == wanted and suffix_of(path) == ".txt")


def _listed_names(lines: list[str]) -> dict[int, str]:
    """A name a line, also after its number; an empty line is a class without a name."""
    names = {i: line.strip() for i, line in enumerate(lines) if line.strip()}
    numbered = [match for name in names.values() if (match := _NUMBERED.fullmatch(name))]
    if names and [match[1] for match in numbered] == [str(i) for i in range(len(names))]:
        return {i: match[2] for i, match in enumerate(numbered)}
    return names


def _noted_names(value: Any) -> dict[int, str]:
    items = map(as_mapping, as_list(as_mapping(value).get("categories")))
    named = {as_text(item.get("id")): as_text(item.get("name")) for item in items}
    return {int(key): name for key, name in named.items() if _is_number(key) and name}


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) < 7


def image_splits(source: Source, settings: Settings | None, labels: frozenset[str]) -> dict[str, str]:
    """Split by image: folders or lists of images as the settings say, else lists that are named after splits.

    Args:
        source: of the files.
        settings: of the set.
        labels: files that hold labels, and are therefore not lists of images.
    """
    sets: list[tuple[str, list[str]]] = []
    path, values = settings or ("", {})
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
    for split, found in sorted(sets or _lists(source, labels), key=lambda item: len(item[1])):
        # a folder in another one says more; of equal ones the first counts, which is for training
        splits = dict.fromkeys(found, split) | splits
    return splits


def _lists(source: Source, labels: frozenset[str]) -> list[tuple[str, list[str]]]:
    """Split and images of each text file that is named after a split and lists images."""
    order = list(dict.fromkeys(SPLIT_NAMES.values()))
    named = [
        (normalize_split(path.rpartition("/")[2][:-4].removeprefix("autosplit_")), path) for path in texts_of(source)
    ]
    files = sorted((order.index(split), split, path) for split, path in named if split and path not in labels)
    found = [(split, list(_images_of(source, path))) for _, split, path in files]
    return [(split, images) for split, images in found if images]


def texts_of(source: Source) -> list[str]:
    """All text files, also beside a single file of settings."""
    return [path for path in source.storage.files if suffix_of(path) == ".txt"]


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
