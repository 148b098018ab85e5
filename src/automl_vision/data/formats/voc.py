"""Pascal VOC: one XML file an image, splits in `ImageSets`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from automl_vision.core.files import write_text
from automl_vision.data.annotations import Annotations, Columns, Record
from automl_vision.data.formats import dataset_format, export_format
from automl_vision.data.json_file import as_flag, as_number, as_size
from automl_vision.data.names import normalize_split, split_of_path
from automl_vision.data.object import Object
from automl_vision.data.source import Source, folder_of
from automl_vision.data.writing import Export, ExportRecord
from automl_vision.data.xml_file import documents, has_documents, text_of

_IMAGE_FOLDERS = ("JPEGImages", "images", "Images", "imgs")


@dataset_format(
    "voc",
    "boxes",
    "masks",
    layout="Annotations/IMAGE.xml of Pascal VOC beside JPEGImages/IMAGE.jpg, splits in ImageSets/Main/*.txt",
    detect=lambda source, _: has_documents(source, "annotation"),
)
def read(source: Source, columns: Columns) -> Annotations:  # noqa: ARG001 - the names are fixed by the format
    """Read every XML file; an image set's name, or the folder's, is the split."""
    annotations = Annotations("boxes")
    splits = _image_sets(source)
    has_sets = any("ImageSets" in file.split("/") for file in source.files)
    read_stems: set[str] = set()
    for path, root in documents(source, "annotation", annotations):
        image = _image(source, root, path)
        above, stem = _set_and_stem(path)
        read_stems.add(f"{above}/{stem}")
        objects = list(_objects(root, path, annotations))
        split = splits.get(f"{above}/{stem}")
        if not has_sets:
            split = split_of_path(f"{folder_of(path)}/-")
        size = as_size(text_of(root, "size/width"), text_of(root, "size/height"))
        annotations.add(Record(image, path, objects=objects, split=split, size=size))
    if missing := sorted(splits.keys() - read_stems):
        reason = f"{len(missing)} images of the image sets have no annotation file, such as {missing[0].lstrip('/')}"
        annotations.ignore("ImageSets", reason, "not annotated")
    annotations.settle_kind()
    return annotations


def _set_and_stem(path: str) -> tuple[str, str]:
    """The folder of the whole set that an annotation file is in, and its path in there without suffix."""
    stem = path.rpartition(".")[0]
    parts = stem.split("/")
    for i in reversed(range(len(parts) - 1)):
        if parts[i].lower() == "annotations":
            return "/".join(parts[:i]), "/".join(parts[i + 1 :])
    return folder_of(folder_of(stem)), parts[-1]


def _image(source: Source, root: Element, path: str) -> str:
    """The image of an annotation file: the one it names where that is there, else the one of its own name."""
    folder, (above, stem) = folder_of(path), _set_and_stem(path)
    for images in _IMAGE_FOLDERS:
        found = source.image_beside("/".join(part for part in (above, images, stem) if part))
        if found:
            return found
    if found := source.image_beside(path.rpartition(".")[0]):
        return found
    name = text_of(root, "filename") or text_of(root, "path")
    if name and "." not in name.rpartition("/")[2]:
        name += ".jpg"
    if name:
        found = source.image(name, folder)
        if found in source.image_set:
            return found
    return source.image_named(stem, above) or (source.image(name, folder) if name else f"{stem}.jpg")


def _objects(root: Element, path: str, annotations: Annotations) -> Iterator[Object]:
    """The objects of one file; unusable ones are reported."""
    for i, element in enumerate(root.iter("object")):
        place = f"{path}: object {i + 1}"
        label = text_of(element, "name")
        box = element.find("bndbox")
        try:
            if not label:
                raise ValueError("the object has no name")
            if box is None:
                raise ValueError("the object has no bndbox")
            x1, y1, x2, y2 = (as_number(text_of(box, name)) for name in ("xmin", "ymin", "xmax", "ymax"))
            difficult = as_flag(text_of(element, "difficult"))
            segments = tuple(_polygons(element))
        except ValueError as error:
            annotations.reject(place, str(error), "bad annotation")
            continue
        yield Object(label, (x1, y1, x2, y2), difficult=difficult, segments=segments)


def _polygons(element: Element) -> Iterator[list[float]]:
    """Polygons as Roboflow and others write them: `polygon/x1, y1, x2, y2, ...`."""
    for polygon in element.findall("polygon"):
        points = {child.tag: child.text for child in polygon}
        count = sum(tag.startswith("x") for tag in points)
        if count >= 3:
            yield [as_number(points.get(f"{axis}{i}")) for i in range(1, count + 1) for axis in "xy"]


def _image_sets(source: Source) -> dict[str, str]:
    """Split by set and image, from `ImageSets/Main/SPLIT.txt`; `trainval` counts where nothing says more."""
    splits: dict[str, str] = {}
    either: dict[str, str] = {}
    for path in sorted(source.files, key=lambda path: "/Main/" not in f"/{path}"):  # the others list parts of the set
        *above, name = path.split("/")
        if not name.endswith(".txt") or "ImageSets" not in above:
            continue
        split = "train" if name == "trainval.txt" else normalize_split(name.removesuffix(".txt"))
        if split is None:
            continue
        root = "/".join(above[: above.index("ImageSets")])
        lines = [line.strip() for line in source.read_text(path).splitlines() if line.strip()]
        are_flagged = all(line.rpartition(" ")[2] in ("-1", "0", "1") and " " in line for line in lines)
        for line in lines:
            stem = line.rpartition(" ")[0].strip() if are_flagged else line
            key = f"{root}/{stem}"
            if stem:
                (either if name == "trainval.txt" else splits).setdefault(key, split)
    return either | splits


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
