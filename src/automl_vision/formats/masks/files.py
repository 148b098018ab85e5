"""Which files are masks, and of which image: by folder and name."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import lru_cache

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.text import folder_of, suffix_of
from automl_vision.data.masks import looks_like_mask
from automl_vision.data.split_names import is_mask_folder, split_of_path
from automl_vision.formats.image_listing import stem_of
from automl_vision.formats.masks_aside import MASK_SUFFIXES, masks_aside
from automl_vision.formats.source import Source

_MARK = re.compile(r"^(.+?)[_-](?:masks?|instances|seg|segmentation|label|L)(?:[_-]\d+)?$")
_NUMBERED = re.compile(r"(?:masks?|seg|label|gt|target)[_-]?(\d+)", re.IGNORECASE)  # mask_7.png, of img_7.jpg
_PICTURE_MARKS = ("rgb", "image", "img", "sat", "orig", "original")
_HEAD = 3  # masks whose pixels are looked at to find the format


def masks_by_image(source: Source) -> dict[str, list[str]]:
    """The masks of each image."""
    pictures: dict[str, list[str]] = defaultdict(list)
    alone: dict[str, list[str]] = defaultdict(list)  # by the folder above `images/`
    masks = []
    for path in source.images:
        if is_drawn(source, path):
            masks += [path] if suffix_of(path) in MASK_SUFFIXES and "visualization" not in path.lower() else []
            continue
        pictures[stem_of(path)].append(path)
        alone[folder_of(folder_of(path))].append(path)
    found: dict[str, list[str]] = defaultdict(list)
    for mask in masks:
        if image := _image_of(source, mask, pictures, alone):
            found[image].append(mask)
    return found


def has_masks(source: Source) -> bool:
    """Whether images have masks by their names, and the first of these are no photos."""
    masks = [mask for found in masks_by_image(source).values() for mask in found]
    for mask in masks[:_HEAD]:
        try:
            if looks_like_mask(source.read(mask)):
                return True
        except (DataError, ImageError):
            continue
    return False


def is_drawn(source: Source, path: str) -> bool:
    """Whether an image file is a mask: it lies in a folder of masks, or beside the picture with a mark in its name."""
    return bool(below_masks(path)) or path in masks_aside(source) or _beside(source, path) is not None


def below_masks(path: str) -> str:
    """The path's part below its folder of masks; empty when it lies in none."""
    depth = _depth(folder_of(path))
    return path.split("/", depth)[depth] if depth else ""


@lru_cache(maxsize=2**16)
def _depth(folder: str) -> int:
    """How many parts of a folder's path lead to its folder of masks; 0 when it lies in none."""
    return next((i for i, part in enumerate(folder.split("/"), start=1) if is_mask_folder(part)), 0)


def _beside(source: Source, path: str) -> str | None:
    """The picture in the same folder that a mask names: `1.jpg` of `1_mask.png`, `1_rgb.png` of `1_label.png`."""
    folder, _, name = path.rpartition("/")
    match = _MARK.match(name.rpartition(".")[0])
    if match is None:
        return None
    stem = f"{folder}/{match[1]}" if folder else match[1]
    found = map(source.listing.beside, (stem, *(f"{stem}_{mark}" for mark in _PICTURE_MARKS)))
    return next(filter(None, found), None)


def is_other_drawing(source: Source, path: str) -> bool:
    """Whether an image shows a marked picture once more, as `1_centers.png` does `1_rgb.png`."""
    stem = path.rpartition(".")[0]
    start, _, mark = stem.rpartition("_")
    is_other = bool(start) and "/" not in mark and mark not in _PICTURE_MARKS
    return is_other and any(source.listing.beside(f"{start}_{picture}") for picture in _PICTURE_MARKS)


def _image_of(source: Source, mask: str, pictures: dict[str, list[str]], alone: dict[str, list[str]]) -> str | None:
    """The image that a mask belongs to, by its name, or the only one beside the folder of masks."""
    if (photo := masks_aside(source).get(mask)) is not None:
        return photo
    below = below_masks(mask)
    if not below:
        return _beside(source, mask)
    above = mask.removesuffix(below).rstrip("/")
    split = source.split_of(mask) or split_of_path(above.rpartition("/")[2])
    for name in _names(below):
        candidates = pictures.get(name, [])
        for chosen in (
            candidates,
            [path for path in candidates if source.split_of(path) == split],
            [path for path in candidates if path.startswith(f"{folder_of(above)}/")],
        ):
            if len(chosen) == 1:
                return chosen[0]
    beside = alone.get(folder_of(above), [])
    if len(beside) == 1 and folder_of(above):
        return beside[0]
    match = _NUMBERED.fullmatch(stem_of(below))
    same = [path for path in beside if match and stem_of(path).endswith(match[1]) and _number(path) == match[1]]
    return same[0] if len(same) == 1 else None


def _number(path: str) -> str:
    stem = stem_of(path)
    return stem[len(stem.rstrip("0123456789")) :]


def _names(below: str) -> list[str]:
    """Names of the image, without suffix, that a mask may belong to."""
    folder, _, name = below.rpartition("/")
    stem = name.rpartition(".")[0]
    mark = _MARK.match(stem)
    names = [stem, *([mark[1]] if mark else []), folder.rpartition("/")[2]]
    while "_" in stem:
        stem = stem.rpartition("_")[0]
        names.append(stem)
    return names
