"""COCO's panoptic segments: a PNG an image, whose colours are the ids of the segments that the JSON file lists."""

from __future__ import annotations

from typing import Any

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.text import folder_of
from automl_vision.data.masks import encode_mask, mask_values
from automl_vision.data.object import Object
from automl_vision.formats.coco.values import as_key
from automl_vision.formats.json_file import as_flag, shown
from automl_vision.formats.source import Source, as_text

_MOST_SEGMENTS = 1000
_NOT_FOUND = -1


def things_of(categories: list[Any]) -> set[int | str | None]:
    """Ids of the categories of things; a category that does not say otherwise is one."""
    return {as_key(value.get("id")) for value in categories if isinstance(value, dict) and value.get("isthing", 1)}


def read_segments(source: Source, path: str, value: Any, labels: dict[int | str, str]) -> list[Object]:
    """The things of one image with their masks.

    Args:
        source: of the files.
        path: of the JSON file; the PNG lies in a folder of its name, or anywhere with a name of its own.
        value: the annotation.
        labels: of the categories of things, by id.

    Raises:
        ValueError: the annotation, or its PNG, cannot be used.
    """
    segments, name = value.get("segments_info"), as_text(value.get("file_name"))
    if not isinstance(segments, list) or not name:
        raise ValueError(f"a panoptic annotation needs file_name and segments_info, not {shown(value)}")
    if len(segments) > _MOST_SEGMENTS:
        raise ValueError(f"{len(segments)} segments in an image are more than {_MOST_SEGMENTS}")
    png = source.image(name, path.rpartition(".")[0])
    if png not in source.image_set:
        png = source.image(name, folder_of(path))
    try:
        ids = mask_values(source.read(png))
    except (DataError, ImageError) as error:
        raise ValueError(f"the panoptic PNG of the segments cannot be used: {error}") from None
    objects = []
    for segment in segments:
        key = as_key(segment.get("category_id")) if isinstance(segment, dict) else None
        if key in labels:
            mask = ids == segment.get("id", _NOT_FOUND)
            if not mask.any():
                raise ValueError(f"{png} has no pixel of the segment {shown(segment.get('id'))}")
            label = labels[key]
            objects.append(Object(label, iscrowd=as_flag(segment.get("iscrowd")), rle=encode_mask(mask).to_text()))
    return objects
