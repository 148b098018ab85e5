"""Pascal VOC: one XML file an image, splits in `ImageSets`."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from automl_vision.core.files import write_text
from automl_vision.core.text import folder_of, suffix_of
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.object import Object
from automl_vision.formats.box_units import check_shares
from automl_vision.formats.json_file import as_flag, as_number, as_size
from automl_vision.formats.registry import Rank, dataset_format, export_format
from automl_vision.formats.shapes import bounds, rectangle
from automl_vision.formats.source import Source
from automl_vision.formats.usable import usable_objects
from automl_vision.formats.voc.sets import read_image_sets
from automl_vision.formats.writing import Export, ExportRecord
from automl_vision.formats.xml_file import documents, has_documents, text_of, xml_files

_IMAGE_FOLDERS = ("JPEGImages", "images", "Images", "imgs")


@dataset_format(
    "voc",
    "boxes",
    "masks",
    rank=Rank.DOCUMENTS + 20,
    layout="Annotations/IMAGE.xml of Pascal VOC beside JPEGImages/IMAGE.jpg, splits in ImageSets/Main/*.txt",
    detect=lambda source, _: has_documents(source, "annotation"),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the names are fixed by the format
    """Read every XML file; an image set's name, or the folder's, is the split."""
    annotations = Annotations("boxes")
    stems = {"/".join(_set_and_stem(path)) for path in xml_files(source)}
    sets = read_image_sets(source, stems)
    for path, root in documents(source, "annotation", annotations):
        split = sets.splits.get("/".join(_set_and_stem(path))) if sets.are_all else source.split_of(path)
        image = _image(source, root, path, split)
        if split is None and not sets.are_all:
            split = source.split_of(image)
        items = ((i, item) for i, item in enumerate(root.iter("object"), start=1) if text_of(item, "deleted") != "1")
        objects = list(usable_objects(items, _object, f"{path}: object ", annotations))  # LabelMe 1 keeps the deleted
        size = as_size(text_of(root, "size/width"), text_of(root, "size/height"))
        annotations.add(Record(image, path, objects=objects, split=split, size=size))
    if missing := sorted(sets.missing):
        example = missing[0].lstrip("/")
        reason = f"{len(missing)} images of the image sets have no annotation file, such as {example}"
        annotations.ignore(sets.missing[missing[0]], reason, "not annotated")
    check_shares(annotations, source.name)
    annotations.settle_kind()
    return annotations


def _set_and_stem(path: str) -> tuple[str, str]:
    """The folder of the whole set that an annotation file is in, and its path in there without suffix."""
    stem = _without_suffix(path)
    parts = stem.split("/")
    for i in reversed(range(len(parts) - 1)):
        if parts[i].lower() == "annotations":
            return "/".join(parts[:i]), "/".join(parts[i + 1 :])
    return folder_of(folder_of(stem)), parts[-1]


def _without_suffix(path: str) -> str:
    return path.rpartition(".")[0] if suffix_of(path) else path


def _image(source: Source, root: Element, path: str, split: str | None) -> str:
    """The image of an annotation file: the one of its own name where that is there, else the one it names."""
    folder, (above, stem) = folder_of(path), _set_and_stem(path)
    for images in _IMAGE_FOLDERS:
        found = source.listing.beside("/".join(part for part in (above, images, stem) if part))
        if found:
            return found
    if found := source.listing.beside(_without_suffix(path)):
        return found
    name = text_of(root, "filename") or text_of(root, "path")
    if name and "." not in name.rpartition("/")[2]:
        name += ".jpg"
    if name:
        found = source.image(name, folder, split)
        if found in source.image_set:
            return found
    return source.listing.named(stem, above, split) or (source.image(name, folder, split) if name else f"{stem}.jpg")


def _object(element: Element) -> Object:
    """One object.

    Raises:
        ValueError: it has no name, no box and no polygon, or its values cannot be used.
    """
    label, difficult = text_of(element, "name"), as_flag(text_of(element, "difficult"))
    if not label:
        raise ValueError("the object has no name")
    segments = tuple(_polygons(element))
    box, turned = element.find("bndbox"), element.find("robndbox")
    if box is not None:
        x1, y1, x2, y2 = (as_number(text_of(box, name)) for name in ("xmin", "ymin", "xmax", "ymax"))
        return Object(label, (x1, y1, x2, y2), difficult=difficult, segments=segments)
    if turned is not None:
        return Object(label, _around(turned), difficult=difficult)
    if not segments:
        raise ValueError("the object has no bndbox")
    if text_of(element, "type") == "bounding_box":
        return Object(label, bounds(list(segments[0])), difficult=difficult)
    return Object(label, difficult=difficult, segments=segments)


def _around(turned: Element) -> tuple[float, float, float, float]:
    """The box around a turned one, as roLabelImg writes it, with its angle in radians."""
    x, y, width, height, angle = (as_number(text_of(turned, name)) for name in ("cx", "cy", "w", "h", "angle"))
    corner = (x - width / 2, y - height / 2)
    return bounds(rectangle(*corner, width, height, angle=math.degrees(angle), around_centre=True))


def _polygons(element: Element) -> Iterator[list[float]]:
    """Polygons as Roboflow and others write them, `polygon/x1, y1, x2, y2, ...`, or the first LabelMe, `polygon/pt`."""
    for polygon in element.findall("polygon"):
        points = {child.tag: child.text for child in polygon}
        count = sum(tag.startswith("x") for tag in points)
        pairs = [(points.get(f"x{i}"), points.get(f"y{i}")) for i in range(1, count + 1)]
        pairs += [(text_of(point, "x"), text_of(point, "y")) for point in polygon.findall("pt")]
        if len(pairs) >= 3:
            yield [as_number(number) for pair in pairs for number in pair]


@export_format("voc", "boxes", holds=("difficult",))
def write(export: Export) -> None:
    """Write `Annotations/*.xml`, `JPEGImages/*` and `ImageSets/Main/*.txt`."""
    for split in export.splits:
        names = []
        for record in export.records(split):
            image = export.image(record.image, f"JPEGImages/{record.image}")
            stem = str(PurePosixPath(image.removeprefix("JPEGImages/")).with_suffix(""))
            names.append(stem)
            write_text(export.folder / "Annotations" / f"{stem}.xml", _document(record, image))
        write_text(export.folder / "ImageSets" / "Main" / f"{split or 'default'}.txt", "\n".join(names) + "\n")


def _document(record: ExportRecord, image: str) -> str:
    root = Element("annotation")
    folder, _, name = image.rpartition("/")
    values = {"folder": folder, "filename": name}
    for tag, text in values.items():
        SubElement(root, tag).text = text
    size = SubElement(root, "size")
    for tag, number in (("width", record.width), ("height", record.height), ("depth", 3)):
        SubElement(size, tag).text = str(number)
    for value in record.objects:
        element = SubElement(root, "object")
        SubElement(element, "name").text = value.label
        SubElement(element, "difficult").text = str(int(value.difficult))
        box = SubElement(element, "bndbox")
        for tag, edge in zip(("xmin", "ymin", "xmax", "ymax"), value.bbox or (), strict=True):
            SubElement(box, tag).text = str(int(edge)) if edge == int(edge) else repr(edge)
    indent(root)
    return tostring(root, encoding="unicode") + "\n"
