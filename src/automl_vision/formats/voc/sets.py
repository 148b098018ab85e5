"""Splits of Pascal VOC: `ImageSets/Main/SPLIT.txt`, or lists that other tools put beside the folders."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from automl_vision.core.text import folder_of
from automl_vision.data.split_names import normalize_split
from automl_vision.formats.source import Source

_ENDS = ("_list", "_loc", "_cls")  # of PaddleDetection's and ImageNet's lists
_FILE_SUFFIXES = (".xml", ".jpg", ".jpeg", ".png")


@dataclass
class ImageSets:
    """Which annotation file is in which split.

    Attributes:
        splits: by the folder of the whole set and the annotation's path in there, without suffix.
        missing: what a list names and no annotation file is there for, with the list.
        are_all: whether an image in no split has none, whatever its folder is called.
    """

    splits: dict[str, str] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)
    are_all: bool = False


def read_image_sets(source: Source, stems: set[str]) -> ImageSets:
    """The splits that lists of images state; `trainval` counts where no other list names the image.

    Args:
        source: of the files.
        stems: of all annotation files, each as `ROOT/PATH`.
    """
    found, either = ImageSets(), ImageSets()
    names: dict[str, list[str]] = defaultdict(list)
    for stem in sorted(stems):
        names[stem.rpartition("/")[2]].append(stem)
    for path, root, name in _lists(source):
        split = "train" if name == "trainval" else normalize_split(name)
        sets = either if name == "trainval" else found
        for line in filter(None, map(str.strip, source.read_text(path).splitlines())):
            keys = [key for text in _named(line) if (key := _key(root, text, stems, names))]
            if split and keys:
                sets.splits.setdefault(keys[0], split)
            elif split:
                sets.missing.setdefault(f"{root}/{next(_named(line))}", path)
    splits = either.splits | found.splits
    is_one_set = any(path.endswith("ImageSets/Main/default.txt") for path in source.files)
    missing = either.missing | found.missing if splits else {}  # else the lists are of something else
    return ImageSets(splits, missing, are_all=bool(splits) or is_one_set)


def _lists(source: Source) -> list[tuple[str, str, str]]:
    """Path, folder of the whole set and split of each list; lists of parts of the set come last.

    Lists outside of `ImageSets` count only where there are none in it. Those of one class (`cat_train.txt`) never do.
    """
    inside, beside = [], []
    for path in source.files:
        *above, file = path.split("/")
        name = file.removesuffix(".txt")
        for end in _ENDS:
            name = name.removesuffix(end)
        if not file.endswith(".txt") or (name != "trainval" and normalize_split(name) is None):
            continue
        if "ImageSets" in above:
            inside.append((path, "/".join(above[: above.index("ImageSets")]), name))
        else:
            root = folder_of(folder_of(path)) if above and above[-1].lower() == "annotations" else folder_of(path)
            beside.append((path, root, name))
    return sorted(inside or beside, key=lambda item: "/Main/" not in f"/{item[0]}")


def _named(line: str) -> Iterator[str]:
    """What a line may name, without quotation marks and suffix: all of it, or what stands before a flag or a file."""
    for text in (line.rpartition(" ")[0], line.partition(" ")[0], line) if _is_flagged(line) else (line, *line.split()):
        name = text.strip().strip('"')
        if name.lower().endswith(_FILE_SUFFIXES):
            name = name.rpartition(".")[0]
        if name:
            yield name.removeprefix("./")


def _is_flagged(line: str) -> bool:
    return line.rpartition(" ")[2].lstrip("-").isdecimal() and " " in line


def _key(root: str, name: str, stems: set[str], names: dict[str, list[str]]) -> str | None:
    """The annotation file that a name means: at its place, or the only one of that name below the set's folder."""
    if f"{root}/{name}" in stems:
        return f"{root}/{name}"
    below = [stem for stem in names.get(name.rpartition("/")[2], ()) if stem.startswith(f"{root}/")]
    return below[0] if len(below) == 1 else None
