"""Small files of every format that states objects, with the objects that they mean."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from PIL import Image

from automl_vision.data.annotations import Annotations, Columns
from automl_vision.data.masks import MaskCode, encode_mask
from automl_vision.formats.registry import find_format
from automl_vision.formats.source import Source

WIDTH, HEIGHT = 100, 80
Content = Any  # text, bytes, or a value that is written as JSON


@dataclass(frozen=True)
class Case:
    """Files of a dataset and what they mean.

    Attributes:
        name: of the case.
        images: drawn, 100 x 80 pixels.
        files: contents by path.
        objects: label and box (of the mask, where there is no other) by image; images without any stand with [].
        kind: what is labelled.
        splits: by image, where there are any.
        labels: of images, where those are labelled.
        problems: beginnings of "place: reason" of what is left out.
        notes: the same of what is remarked.
        unnamed: how many images no annotation names.
        classes: the source's own list.
        main: the file to open instead of the folder.
    """

    name: str
    images: list[str]
    files: dict[str, Content]
    objects: dict[str, list[tuple[str, tuple[float, ...]]]] = field(default_factory=dict)
    kind: str = "boxes"
    splits: dict[str, str] = field(default_factory=dict)
    labels: dict[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unnamed: int = 0
    classes: list[str] | None = None
    main: str | None = None


def write(case: Case, root: Path) -> Path:
    for name in case.images:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (WIDTH, HEIGHT), (9, 9, 9)).save(path)
    for name, content in case.files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        text = content if isinstance(content, str | bytes) else json.dumps(content, ensure_ascii=False)
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return root / case.main if case.main else root


def read(path: Path) -> tuple[str, Annotations, Source]:
    source = Source.open(path)
    format_ = find_format(source, None, Columns())
    return format_.name, format_.read(source, Columns()), source


def objects_of(annotations: Annotations) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    objects = annotations.build_objects()
    if annotations.relative:
        objects = objects.scaled(np.full((len(annotations), 2), (WIDTH, HEIGHT), np.float64))
    found: dict[str, list[tuple[str, tuple[float, ...]]]] = {image: [] for image in annotations.images}
    for index in range(len(objects)):
        value = objects[index]
        box = value.bbox if value.bbox and not np.isnan(value.bbox[0]) else tuple(objects.polygon_bounds()[index])
        if np.isnan(box[0]) and value.rle:
            box = MaskCode.from_text(value.rle).bounds()
        found[annotations.images[objects.image[index]]].append((value.label, tuple(round(x, 3) for x in box)))
    return found


def check(format_: str, case: Case, root: Path) -> None:
    name, annotations, source = read(write(case, root))
    assert name == format_
    objects = objects_of(annotations)
    report = annotations.report
    unnamed = [note.reason for note in report.notes if note.kind == "not named"]
    notes = [note for note in report.notes if note.kind != "not named"]
    assert unnamed == [] if not case.unnamed else unnamed[0].startswith(f"{case.unnamed} images here are named by no")
    for expected, met in ((case.problems, report.problems), (case.notes, notes)):
        texts = [f"{problem.place}: {problem.reason}" for problem in met]
        assert len(texts) == len(expected), texts
        for text, start in zip(texts, expected, strict=True):
            assert text.startswith(start), text
    assert annotations.kind == case.kind
    assert {i: s for i, s in zip(annotations.images, annotations.splits, strict=True) if s} == case.splits
    if case.labels:
        assert dict(zip(annotations.images, annotations.labels, strict=True)) == case.labels
    if case.objects:
        assert objects == case.objects
    if case.classes is not None:
        assert annotations.classes == case.classes
    assert set(annotations.images) <= source.image_set
    assert report.total == len(annotations) + len(annotations.objects) + len(report.problems)


def exports(*rows: tuple[str, Case]) -> pytest.MarkDecorator:
    """Cases, each with the name of its format."""
    return pytest.mark.parametrize(("format_", "case"), rows, ids=[case.name for _, case in rows])


def cases(*values: Case) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("case", values, ids=[value.name for value in values])


def coco(images: list[Any], annotations: list[Any], categories: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    """A COCO document; images are names, annotations (image number, category number, box) or whole objects."""
    return {
        "info": {"year": 2017},
        "licenses": [],
        "images": [
            {"id": i, "file_name": image, "width": WIDTH, "height": HEIGHT} if isinstance(image, str) else image
            for i, image in enumerate(images)
        ],
        "annotations": [
            {
                "id": i,
                "image_id": a[0],
                "category_id": a[1],
                "bbox": a[2],
                "area": 1.0,
                "iscrowd": 0,
                "segmentation": [],
            }
            if isinstance(a, tuple)
            else {"id": i, **a}
            for i, a in enumerate(annotations)
        ],
        "categories": categories or [{"id": 1, "name": "cat", "supercategory": "pet"}, {"id": 2, "name": "Çiçek"}],
        **more,
    }


SQUARE = [10.0, 20.0, 30.0, 20.0, 30.0, 60.0, 10.0, 60.0]
BOX = (10.0, 20.0, 30.0, 60.0)
CAT, DOG = ("cat", BOX), ("dog", BOX)
MASK = np.zeros((HEIGHT, WIDTH), bool)
MASK[20:60, 10:30] = True
RUNS = [820, *[40, 40] * 19, 40, 5620]  # of MASK, down the columns
CODE = encode_mask(MASK)


def voc(name: str, *objects: str, more: str = "") -> str:
    size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height><depth>3</depth></size>"
    return f"<annotation><folder>x</folder><filename>{name}</filename>{more}{size}{''.join(objects)}</annotation>"


def voc_object(label: str = "cat", box: str = "10 20 30 60", more: str = "") -> str:
    edges = "".join(f"<{n}>{v}</{n}>" for n, v in zip(("xmin", "ymin", "xmax", "ymax"), box.split(), strict=True))
    return f"<object><name>{label}</name><pose>Unspecified</pose>{more}<bndbox>{edges}</bndbox></object>"


LINE = "1 0.2 0.5 0.2 0.5\n"  # 10, 20, 30, 60 of 100 x 80
POLYGON = "0 0.1 0.25 0.3 0.25 0.3 0.75 0.1 0.75\n"


def labelme(name: str, *shapes: dict[str, Any], **more: Any) -> dict[str, Any]:
    whole = {"version": "5.4.1", "flags": {}, "shapes": shapes, "imagePath": name, "imageData": None}
    return {**whole, "imageHeight": HEIGHT, "imageWidth": WIDTH, **more}


def shape(kind: str, points: list[list[float]], label: str = "cat", **more: Any) -> dict[str, Any]:
    return {
        "label": label,
        "points": points,
        "group_id": None,
        "description": "",
        "shape_type": kind,
        "flags": {},
        **more,
    }


def png(array: NDArray[Any]) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(array).save(stream, "PNG")
    return stream.getvalue()


CORNERS = [[10, 20], [30, 20], [30, 60], [10, 60]]
PAINTED = shape("mask", [[10, 20], [29, 59]], mask=base64.b64encode(png(np.full((40, 20), 255, np.uint8))).decode())


def via(name: str, *regions: tuple[dict[str, Any], Any]) -> dict[str, Any]:
    items = [{"shape_attributes": s, "region_attributes": a} for s, a in regions]
    return {f"{name}123": {"filename": name, "size": 123, "regions": items, "file_attributes": {}}}


RECT = {"name": "rect", "x": 10, "y": 20, "width": 20, "height": 40}
OUTLINE = {"name": "polygon", "all_points_x": [10, 30, 30, 10], "all_points_y": [20, 20, 60, 60]}


def cvat(*images: str) -> str:
    return f'<?xml version="1.0" encoding="utf-8"?><annotations><version>1.1</version>{"".join(images)}</annotations>'


def cvat_image(name: str, *shapes: str, more: str = "") -> str:
    return f'<image id="0" name="{name}" {more} width="{WIDTH}" height="{HEIGHT}">{"".join(shapes)}</image>'


CVAT_BOX = '<box label="cat" occluded="0" xtl="10.00" ytl="20.00" xbr="30.00" ybr="60.00" z_order="0">{}</box>'
CVAT_MASK = '<mask label="dog" rle="0, 800" left="10" top="20" width="20" height="40" z_order="0"></mask>'


def task(image: str, *results: Any, number: int = 1, **data: Any) -> dict[str, Any]:
    annotation = {"id": 7, "completed_by": 1, "result": list(results), "was_cancelled": False, "ground_truth": False}
    return {"id": number, "annotations": [annotation], "data": {"image": image, **data}, "predictions": []}


def region(kind: str, value: dict[str, Any], label: str = "cat", **more: Any) -> dict[str, Any]:
    return {
        "original_width": WIDTH, "original_height": HEIGHT, "image_rotation": 0, "id": f"r{kind}", "type": kind,
        "value": {**value, kind: [label]}, "from_name": "label", "to_name": "image", "origin": "manual", **more,
    }  # fmt: skip


PERCENT = {"x": 10, "y": 25, "width": 20, "height": 50, "rotation": 0}


def brush(mask: NDArray[np.bool_]) -> list[int]:
    """Label Studio's run-length code: 32 bits of length, 5 of word size, 4 of each run size, then runs and words."""
    bits: list[int] = []

    def put(value: int, count: int) -> None:
        bits.extend(value >> i & 1 for i in reversed(range(count)))

    alpha = np.repeat(mask[..., None] * np.uint8(255), 4, axis=2).ravel()
    put(len(alpha), 32)
    put(7, 5)
    for size in (3, 4, 8, 16):
        put(size - 1, 4)
    edges = np.flatnonzero(np.diff(alpha.astype(int))) + 1
    for start, end in zip([0, *edges], [*edges, len(alpha)], strict=True):
        done = start
        while done < end:
            count = min(int(end - done), 65536)
            put(1, 1)
            put(3, 2)
            put(count - 1, 16)
            put(int(alpha[start]), 8)
            done += count
    bits += [0] * (-len(bits) % 8)
    return np.packbits(np.array(bits, np.uint8)).tolist()


def lines(*values: dict[str, Any]) -> str:
    return "".join(json.dumps(value, ensure_ascii=False) + "\n" for value in values)


CORNER = {"topX": 0.1, "topY": 0.25, "bottomX": 0.3, "bottomY": 0.75}


def parquet(rows: list[dict[str, Any]]) -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stream)
    return stream.getvalue()


HF_OBJECTS = {"id": [1, 2], "area": [800, 800], "bbox": [[10, 20, 20, 40]] * 2, "categories": [0, 1]}


def values(*boxes: tuple[int, tuple[int, int, int, int]]) -> bytes:
    array = np.zeros((HEIGHT, WIDTH), np.uint8)
    for value, (x1, y1, x2, y2) in boxes:
        array[y1:y2, x1:x2] = value
    return png(array)


def colours(*boxes: tuple[tuple[int, int, int], tuple[int, int, int, int]]) -> bytes:
    array = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for value, (x1, y1, x2, y2) in boxes:
        array[y1:y2, x1:x2] = value
    return png(array)


SECOND = (50, 10, 60, 20)


VIA_3 = {
    "project": {"pid": "x"},
    "config": {},
    "attribute": {"1": {"aname": "kind", "options": {"0": "cat", "1": "犬"}}},
    "file": {"1": {"fid": 1, "fname": "1.jpg", "src": "1.jpg"}, "2": {"fid": 2, "fname": "2.jpg", "src": "img/2.jpg"}},
    "metadata": {
        "1_a": {"vid": "1", "flg": 0, "z": [], "xy": [2, 10, 20, 20, 40], "av": {"1": "0"}},
        "1_b": {"vid": "1", "flg": 0, "z": [], "xy": [7, *SQUARE], "av": {"1": "1"}},
        "1_c": {"vid": "1", "flg": 0, "z": [], "xy": [1, 5, 5], "av": {"1": "1"}},
        "1_d": {"vid": "1", "flg": 0, "z": [], "xy": [], "av": {"1": "1"}},
    },
    "view": {"1": {"fid_list": [1]}, "2": {"fid_list": [2]}},
}
SHARES = [0.1, 0.25, 0.3, 0.25, 0.3, 0.75, 0.1, 0.75]
