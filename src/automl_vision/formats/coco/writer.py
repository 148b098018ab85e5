"""Writes COCO JSON."""

from __future__ import annotations

from typing import Any

import msgspec

from automl_vision.core.files import atomic_path
from automl_vision.data.masks import MaskCode
from automl_vision.data.object import Object
from automl_vision.formats.registry import export_format
from automl_vision.formats.writing import Export, polygon_area


@export_format("coco", "boxes", "masks", "labels", "label", holds=("iscrowd", "difficult", "references"))
def write(export: Export) -> None:
    """Write `SPLIT.json` for each split (`annotations.json` without splits) and the images under their own names."""
    categories = [{"id": i, "name": name, "supercategory": ""} for i, name in enumerate(export.classes, start=1)]
    for split in export.splits:
        images: list[dict[str, Any]] = []
        annotations: list[dict[str, Any]] = []
        for record in export.records(split):
            key = len(images) + 1
            image = {"id": key, "file_name": export.image(record.image), "width": record.width, "height": record.height}
            images.append(image if split else {**image, "split": ""})  # whatever its folder is called
            for value in record.objects:
                annotations.append({"id": len(annotations) + 1, "image_id": key, **_annotation(value, export)})
            for label in () if export.has_objects else record.labels:
                category = export.classes.index(label) + 1
                annotations.append({"id": len(annotations) + 1, "image_id": key, "category_id": category})
        document = {"images": images, "annotations": annotations, "categories": categories}
        with atomic_path(export.folder / f"{split or 'annotations'}.json") as temporary:
            temporary.write_bytes(msgspec.json.encode(document))


def _annotation(value: Object, export: Export) -> dict[str, Any]:
    x1, y1, x2, y2 = value.bbox or (0.0,) * 4
    segmentation: Any = [list(segment) for segment in value.segments]
    area = (x2 - x1) * (y2 - y1)
    if value.rle is not None:
        code = MaskCode.from_text(value.rle)
        segmentation = {"size": [code.height, code.width], "counts": code.counts}
        area = float(code.area())
    elif value.segments:
        area = sum(polygon_area(segment) for segment in segmentation)
    return {
        "category_id": export.classes.index(value.label) + 1,
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": area,
        "iscrowd": int(value.iscrowd),
        **({"ignore": 1} if value.difficult else {}),
        "segmentation": segmentation,
    }
