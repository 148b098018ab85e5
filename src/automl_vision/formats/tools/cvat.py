"""CVAT for images 1.1: one XML file with boxes, polygons, masks and tags; CVAT for video where its frames are there."""

from __future__ import annotations

from functools import partial
from xml.etree.ElementTree import Element

import numpy as np

from automl_vision.core.text import folder_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.object import Object
from automl_vision.data.split_names import normalize_split, split_of_path
from automl_vision.formats.json_file import as_number, as_size
from automl_vision.formats.registry import Rank, dataset_format
from automl_vision.formats.shapes import bounds, ellipse, rectangle
from automl_vision.formats.source import Source
from automl_vision.formats.tools.cvat_tracks import add_tracks
from automl_vision.formats.usable import OtherShapeError, check_mask_size, mask_in_image, usable_objects
from automl_vision.formats.xml_file import documents, has_documents

_OTHERS = ("polyline", "points", "cuboid", "skeleton")


@dataset_format(
    "cvat",
    "label",
    "labels",
    "boxes",
    "masks",
    rank=Rank.DOCUMENTS + 30,
    layout="annotations.xml of CVAT for images: <annotations><image name=...><box label=... xtl=.../>",
    detect=lambda source, _: has_documents(source, "annotations", "image", "track", "meta"),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the names are fixed by the format
    """Read every CVAT file; an image's `subset`, or the file's name, is its split."""
    annotations = Annotations("boxes")
    for path, root in documents(source, "annotations", annotations):
        if root.find("track") is not None:
            add_tracks(source, path, root, _object, annotations)
        for element in root.iter("image"):
            name = (element.get("name") or "").strip()
            place = f"{path}: image {element.get('id', name)}"
            if not name:
                annotations.reject(place, "the image has no name", "bad record")
                continue
            size = as_size(element.get("width"), element.get("height"))
            shapes = ((i, shape) for i, shape in enumerate(element, start=1) if shape.tag != "tag")
            objects = list(usable_objects(shapes, partial(_object, size=size), f"{place}, shape ", annotations))
            labels = tuple(dict.fromkeys(tag.get("label", "").strip() for tag in element.findall("tag")))
            split = normalize_split(element.get("subset")) or split_of_path(path)
            image = source.image(name, folder_of(path), split)
            split = split or source.split_of(image)
            annotations.add(Record(image, place, tuple(filter(None, labels)), objects, split, size=size))
    annotations.settle_kind()
    return annotations


def _object(element: Element, size: tuple[int, int] | None) -> Object:
    """One shape.

    Raises:
        OtherShapeError: it is a line, a point or the like.
        ValueError: it is not a box, polygon, ellipse or mask, or its values cannot be used.
    """
    if element.tag in _OTHERS:
        raise OtherShapeError(f'a shape "{element.tag}" is no box, polygon, ellipse or mask')
    label = (element.get("label") or "").strip()
    if not label:
        raise ValueError("the shape has no label")
    angle = as_number(element.get("rotation", 0))
    if element.tag == "box":
        x1, y1, x2, y2 = (as_number(element.get(name)) for name in ("xtl", "ytl", "xbr", "ybr"))
        turned = rectangle(x1, y1, x2 - x1, y2 - y1, angle=angle, around_centre=True)
        return Object(label, bounds(turned) if angle else (x1, y1, x2, y2))
    if element.tag == "polygon":
        points = [as_number(part) for pair in (element.get("points") or "").split(";") for part in pair.split(",")]
        if len(points) < 6 or len(points) % 2:
            raise ValueError("a polygon needs at least 3 points")
        return Object(label, segments=(points,))
    if element.tag == "ellipse":
        cx, cy, rx, ry = (as_number(element.get(name)) for name in ("cx", "cy", "rx", "ry"))
        return Object(label, segments=(ellipse(cx, cy, rx, ry, angle=angle),))
    if element.tag == "mask":
        if size is None:
            raise ValueError("a mask needs the image's width and height")
        return Object(label, rle=_mask(element, size))
    raise ValueError(f'a shape "{element.tag}" is no box, polygon, ellipse or mask')


def _mask(element: Element, size: tuple[int, int]) -> str:
    """CVAT's runs, along the rows of a mask's own rectangle, as COCO's code of the whole image.

    Raises:
        ValueError: the runs do not fill the rectangle, or it leaves the image.
    """
    left, top, width, height = (int(as_number(element.get(name))) for name in ("left", "top", "width", "height"))
    runs = [int(as_number(part)) for part in (element.get("rle") or "").split(",")]
    if min(width, height, *runs) < 0 or sum(runs) != width * height or width > size[0] or height > size[1]:
        raise ValueError("the mask does not fit into the image")
    check_mask_size(size)
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    return mask_in_image(values.reshape(height, width), left, top, size)
