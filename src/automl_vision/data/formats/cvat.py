"""CVAT for images 1.1: one XML file with boxes, polygons, masks and tags."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree.ElementTree import Element

import numpy as np

from automl_vision.core.errors import DataError
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format
from automl_vision.data.json_file import HEAD_FILES, as_number, as_size
from automl_vision.data.masks import encode_mask
from automl_vision.data.names import normalize_split, split_of_path
from automl_vision.data.objects import Object
from automl_vision.data.source import Source, folder_of
from automl_vision.data.xml_file import read_xml, root_tag


@dataset_format(
    "cvat",
    layout="annotations.xml of CVAT for images: <annotations><image name=...><box label=... xtl=.../>",
    detect=lambda source, _: any(
        root_tag(source, path) == "annotations" for path in source.with_suffix(".xml")[:HEAD_FILES]
    ),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the names are fixed by the format
    """Read every CVAT file; an image's `subset`, or the file's name, is its split."""
    annotations = Annotations("boxes")
    found = {"masks": 0, "boxes": 0, "tags": 0}
    for path in source.with_suffix(".xml"):
        try:
            root = read_xml(source, path)
        except DataError as error:
            annotations.reject(path, str(error), "bad record")
            continue
        if root.tag != "annotations":
            continue
        for element in root.iter("image"):
            name = (element.get("name") or "").strip()
            place = f"{path}: image {element.get('id', name)}"
            if not name:
                annotations.reject(place, "the image has no name", "bad record")
                continue
            size = as_size(element.get("width"), element.get("height"))
            objects = list(_objects(element, size, place, annotations, found))
            labels = tuple(dict.fromkeys(tag.get("label", "").strip() for tag in element.findall("tag")))
            found["tags"] += len(labels)
            split = normalize_split(element.get("subset")) or split_of_path(path)
            image = source.image(name, folder_of(path))
            annotations.add(Record(image, place, tuple(filter(None, labels)), objects, split, size=size))
    if found["tags"] and not found["boxes"] + found["masks"]:
        annotations.kind = "label" if all(len(labels) == 1 for labels in annotations.labels) else "labels"
    elif found["masks"] >= max(found["boxes"], 1):
        annotations.kind = "masks"
    return annotations


def _objects(
    image: Element, size: tuple[int, int] | None, place: str, annotations: Annotations, found: dict[str, int]
) -> Iterator[Object]:
    """The objects of one image; unusable ones and other shapes are reported."""
    for i, element in enumerate(image):
        if element.tag == "tag":
            continue
        try:
            value = _object(element, size)
        except ValueError as error:
            annotations.reject(f"{place}, shape {i + 1}", str(error), "bad annotation")
            continue
        annotations.report.total += 1
        found["masks" if value.segments or value.rle else "boxes"] += 1
        yield value


def _object(element: Element, size: tuple[int, int] | None) -> Object:
    """One shape.

    Raises:
        ValueError: it is no box, polygon, ellipse or mask, or its values cannot be used.
    """
    label = (element.get("label") or "").strip()
    if not label:
        raise ValueError("the shape has no label")
    if element.tag == "box":
        x1, y1, x2, y2 = (as_number(element.get(name)) for name in ("xtl", "ytl", "xbr", "ybr"))
        return Object(label, (x1, y1, x2, y2))
    if element.tag == "polygon":
        points = [as_number(part) for pair in (element.get("points") or "").split(";") for part in pair.split(",")]
        if len(points) < 6 or len(points) % 2:
            raise ValueError("a polygon needs at least 3 points")
        return Object(label, segments=(points,))
    if element.tag == "ellipse":
        cx, cy, rx, ry = (as_number(element.get(name)) for name in ("cx", "cy", "rx", "ry"))
        angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
        outline = np.stack([cx + rx * np.cos(angles), cy + ry * np.sin(angles)], axis=1)
        return Object(label, segments=(outline.ravel().tolist(),))
    if element.tag == "mask" and size:
        return Object(label, rle=_mask(element, size))
    raise ValueError(f'a shape "{element.tag}" is no box, polygon, ellipse or mask')


def _mask(element: Element, size: tuple[int, int]) -> str:
    """CVAT's runs, along the rows of a mask's own rectangle, as COCO's code of the whole image.

    Raises:
        ValueError: the runs do not fill the rectangle, or it leaves the image.
    """
    left, top, width, height = (int(as_number(element.get(name))) for name in ("left", "top", "width", "height"))
    runs = [int(as_number(part)) for part in (element.get("rle") or "").split(",")]
    inside = left >= 0 and top >= 0 and left + width <= size[0] and top + height <= size[1]
    if not inside or min(runs) < 0 or sum(runs) != width * height:
        raise ValueError("the mask does not fit into the image")
    mask = np.zeros((size[1], size[0]), bool)
    values = np.repeat(np.arange(len(runs)) % 2 == 1, runs)
    mask[top : top + height, left : left + width] = values.reshape(height, width)
    return encode_mask(mask).to_text()
