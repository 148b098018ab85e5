"""Which label file belongs to which image: as lists of pairs say, or by their names and folders."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from automl_vision.core.text import folder_of, suffix_of
from automl_vision.data.split_names import split_of_path
from automl_vision.formats.image_listing import grouped, shared_start, stem_of
from automl_vision.formats.source import Source

_NOTES = ("readme", "license", "licence", "requirements", "classes", "labels", "names", "obj.names")
_AROUND = re.compile(r"^(?:gt|label|labels|ann)[_-](?=.)|(?<=.)[_-](?:gt|labels?|ann|annotations?|bbox|boxes)$")
_REFERENCES = frozenset({"temp", "template", "ref", "reference", "golden", "clean"})  # what an image is compared with
_MARKED = re.compile(r"[_-]([A-Za-z0-9]+)$")
_MOST_LISTS = 20  # of pairs


@dataclass
class LabelFiles:
    """The label files of a folder.

    Attributes:
        image: by label file, its image.
        splits: by label file, as a list states it.
        mark: the end of the images' names that the label files lack, such as "_test".
        unpaired: label files whose image is not there, or not clear.
    """

    image: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    mark: str = ""
    unpaired: list[str] = field(default_factory=list)

    def by_kind(self) -> list[LabelFiles]:
        """The label files of one kind each: where images have several, those of equally named folders are a kind."""
        if max(Counter(self.image.values()).values(), default=0) < 2:
            return [self]
        kinds = grouped(self.image, lambda path: folder_of(path).rpartition("/")[2])
        return [
            LabelFiles({path: self.image[path] for path in paths}, self.splits, self.mark) for paths in kinds.values()
        ]


def label_texts(source: Source) -> list[str]:
    """The text files that may be label files: all but notes."""
    texts = [path for path in source.storage.files if suffix_of(path) == ".txt"]
    return [path for path in texts if not stem_of(path).lower().startswith(_NOTES)]


def pair_files(source: Source, texts: list[str]) -> LabelFiles:
    """The image of each label file; of texts that belong to no image, those in a folder with others are `unpaired`."""
    lists = _lists(source, texts)
    found = LabelFiles()
    by_stem = grouped(source.images, stem_of)
    marks = _marks(source, texts, by_stem)
    for path in texts:
        if path in lists:
            continue
        stem = stem_of(path)
        for name in (stem, _AROUND.sub("", stem), *(stem + mark for mark in marks)):
            if (image := _nearest(path, by_stem.get(name, ()))) is not None:
                found.image[path] = image
                found.mark = name.removeprefix(stem) if name != stem and name.startswith(stem) else found.mark
                break
    folders = Counter(map(folder_of, found.image))
    others = (path for path in texts if path not in found.image and path not in lists)
    found.unpaired = [path for path in others if folders[folder_of(path)]]
    for path, named in lists.items():
        if split := _split_of_list(path):
            found.splits.update(dict.fromkeys(named & found.image.keys(), split) | found.splits)
    return found


def _split_of_list(path: str) -> str | None:
    return "train" if stem_of(path).lower() == "trainval" else split_of_path(path)


def _lists(source: Source, texts: list[str]) -> dict[str, set[str]]:
    """The texts whose lines name label files, and which they name."""
    listed = set(texts)
    together = Counter(map(folder_of, texts))
    found = {}
    for path in sorted(texts, key=lambda text: together[folder_of(text)])[:_MOST_LISTS]:
        lines = [line for line in source.try_text(path).splitlines() if line.strip()]
        named = {name for line in lines for word in line.split() if (name := _below(path, word, listed))}
        if named and len(named) * 2 > len(lines):
            found[path] = named
    return found


def _below(path: str, word: str, listed: set[str]) -> str | None:
    folder = folder_of(path)
    return next((name for name in (f"{folder}/{word}" if folder else word, word) if name in listed), None)


def _marks(source: Source, texts: list[str], by_stem: dict[str, list[str]]) -> list[str]:
    """What images' names have at their ends and label files lack; of several ends that of references is none.

    Two images of one label file that are told by nothing else are none.
    """
    if any(stem_of(path) in by_stem for path in texts):
        return []
    stems = {stem_of(path) for path in texts}
    ends: dict[str, int] = defaultdict(int)
    for path in source.images:
        stem = stem_of(path)
        match = _MARKED.search(stem)
        if match and stem[: match.start()] in stems:
            ends[match[0]] += 1
    own = [end for end in ends if end[1:].lower() not in _REFERENCES]
    return own if len(own) == 1 else []


def _nearest(path: str, images: Iterable[str]) -> str | None:
    """The image whose folders share most of their first parts with a label file's, when only one does."""
    own = path.split("/")[:-1]
    shared = {image: shared_start(own, image.split("/")[:-1]) for image in images}
    most = max(shared.values(), default=0)
    best = [image for image, count in shared.items() if count == most]
    return best[0] if len(best) == 1 else None
