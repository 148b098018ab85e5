"""Names of splits, and of folders that say nothing, in paths and records."""

from __future__ import annotations

import re
from functools import lru_cache

SPLIT_NAMES = {
    "train": "train", "training": "train",
    "val": "val", "valid": "val", "validation": "val", "dev": "val",
    "test": "test", "testing": "test",
}  # fmt: skip

LEFT_OUT = "left_out"
"""The split of images that turned out to be unusable."""

_PLAIN_FOLDERS = frozenset({
    "images", "image", "img", "imgs", "jpegimages", "pngimages", "photos", "photo", "pictures", "frames", "data",
    "dataset", "input", "inputs", "raw", "leftimg8bit", "image_2", "default", "all", "obj", "obj_train_data",
})  # fmt: skip
_MASK_FOLDERS = frozenset({"mask", "instances", "instance_masks", "labels"})
_MASK_FOLDER_ENDS = ("masks", "_mask", "_labels", "groundtruth", "ground truth", "ground_truth")


def normalize_split(value: str | None) -> str | None:
    """The product's name of a split, or None for an empty or unknown one; a year after the name does not count."""
    if not value:
        return None
    name = value.strip().lower()
    return SPLIT_NAMES.get(name) or SPLIT_NAMES.get(name.rstrip("0123456789"))


@lru_cache(maxsize=4096)
def split_in_name(name: str) -> str | None:
    """The only split among the words of a name (`seg_train`, `Test Images`), or None."""
    words = re.split(r"[^a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower())
    found = {split for word in words if (split := SPLIT_NAMES.get(word))}
    return found.pop() if len(found) == 1 else None


def parse_split(value: str) -> str | None:
    """The product's name of a split that a record states, or None when it states none.

    Raises:
        ValueError: the split is unknown; training on images that were meant to be held out would be worse.
    """
    split = normalize_split(value)
    if value.strip() and split is None:
        raise ValueError(f'the split "{value}" is unknown; splits: {", ".join(SPLIT_NAMES)}')
    return split


def split_of_path(path: str) -> str | None:
    """The split that a file's path states, by its own name (`instances_val2017.json`) or the nearest folder's."""
    *folders, name = path.split("/")
    stem = name.partition(".")[0]
    words = [stem, *stem.replace("-", "_").split("_")]
    for word in [*words, *reversed(folders)]:
        if split := normalize_split(word):
            return split
    return None


@lru_cache(maxsize=4096)
def split_of_folder(folder: str) -> str | None:
    """The split that a folder's path states, by the name of the innermost folder that is a split's."""
    return split_of_path(f"{folder}/-")


@lru_cache(maxsize=4096)
def split_word_of_folder(folder: str) -> str | None:
    """The split that a word in a folder's path states (`train_images`), the innermost folder first."""
    return next((split for part in reversed(folder.split("/")) if (split := split_in_name(part))), None)


def is_mask_folder(name: str) -> bool:
    """Whether a folder's name says that it holds masks."""
    lower = name.lower()
    return lower in _MASK_FOLDERS or lower.startswith("segmentation") or lower.endswith(_MASK_FOLDER_ENDS)


def is_plain_folder(name: str) -> bool:
    """Whether a folder's name says only that pictures are in it, or which split they belong to."""
    return not name or name.lower() in _PLAIN_FOLDERS or split_of_folder(name) is not None


def outermost_split(path: str) -> str | None:
    """The split that one of a path's folders is named after, the outermost first."""
    return next((split for folder in path.split("/")[:-1] if (split := normalize_split(folder))), None)
