"""Masks among the photos of class folders: of the same name beside a photo, or in folders of the same names."""

from __future__ import annotations

import numpy as np

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.text import folder_of, suffix_of
from automl_vision.data.images import open_image, upright_size
from automl_vision.data.masks import flat_values
from automl_vision.data.split_names import is_mask_folder, is_plain_folder
from automl_vision.formats.image_listing import grouped
from automl_vision.formats.source import Source, size_of_file

MASK_SUFFIXES = (".png", ".tif", ".tiff", ".bmp", ".gif")  # JPEG changes the values
_CHECKED = 50  # pairs that are looked at before the others are believed
_MOST_VALUES = 64  # of a mask
_MARK = "_mask"

Pairs = dict[str, str]
"""Each mask and its photo."""


def masks_aside(source: Source) -> Pairs:
    """The masks among a source's images that would be taken for photos of a class; looked for once."""
    if source.main:
        return {}
    return source.look_once("masks aside", lambda: {**_twins(source), **_in_folders_of_masks(source)})


def _twins(source: Source) -> Pairs:
    """Masks of the same name and size as the photo in the same folder, which differ from it in their suffix."""
    by_stem = grouped(source.images, lambda path: path.rpartition(".")[0])
    pairs: Pairs = {}
    for paths in by_stem.values():
        masks = [path for path in paths if suffix_of(path) in MASK_SUFFIXES]
        photos = [path for path in paths if path not in masks]
        if len(masks) == 1 and len(photos) == 1:
            pairs[masks[0]] = photos[0]
    return _checked(source, pairs)


def _checked(source: Source, pairs: Pairs) -> Pairs:
    """The pairs whose masks are such, by a look at some of them, or at all where these differ."""
    some = list(pairs)[:: max(1, len(pairs) // _CHECKED)]
    are_masks = {mask: _is_mask(source, mask, pairs[mask]) for mask in some}
    if all(are_masks.values()):
        return pairs
    if not any(are_masks.values()):
        return {}
    rest = {mask: _is_mask(source, mask, photo) for mask, photo in pairs.items() if mask not in are_masks}
    return {mask: pairs[mask] for mask, is_mask in {**are_masks, **rest}.items() if is_mask}


def _is_mask(source: Source, mask: str, photo: str) -> bool:
    """Whether an image is a mask of a photo: of its size, flat, and of few values."""
    size = size_of_file(source, photo)
    if size is None:
        return False
    try:
        data = source.read(mask)
        if upright_size(open_image(data)) != size:
            return False
        values = flat_values(data)
    except (DataError, ImageError):
        return False
    return values is not None and len(np.unique(values)) <= _MOST_VALUES


def _in_folders_of_masks(source: Source) -> Pairs:
    """Masks in `ground_truth/CLASS/NAME_mask.png` of photos in `test/CLASS/NAME.png`."""
    drawn = [path for path in source.images if any(map(is_mask_folder, path.split("/")[:-1]))]
    if not drawn or len(drawn) == len(source.images):
        return {}
    photos = sorted(source.image_set.difference(drawn))
    classes = {folder_of(path).rpartition("/")[2] for path in photos}
    if any(map(is_plain_folder, classes)) or any(folder_of(path).rpartition("/")[2] not in classes for path in drawn):
        return {}
    by_end = grouped(photos, lambda path: _end(path, ""))
    pairs = {mask: found[0] for mask in drawn if len(found := by_end.get(_end(mask, _MARK), [])) == 1}
    return _checked(source, pairs) if len(pairs) == len(drawn) else {}


def _end(path: str, mark: str) -> str:
    """The last folder and the name without suffix and mark."""
    folder, _, name = path.rpartition("/")
    return f"{folder.rpartition('/')[2]}/{name.rpartition('.')[0].removesuffix(mark)}"
