"""Mutated annotation files: an importer gives a dataset or a `DataError`, nothing else, and stays in its root."""

from __future__ import annotations

import copy
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from archive_files import tarred, zipped
from automl_vision import Dataset
from automl_vision.core.errors import DataError
from object_files import (
    CODE,
    CORNER,
    CORNERS,
    CVAT_BOX,
    CVAT_MASK,
    HEIGHT,
    HF_OBJECTS,
    LINE,
    MASK,
    OUTLINE,
    PAINTED,
    PERCENT,
    POLYGON,
    RECT,
    SHARES,
    SQUARE,
    VIA_3,
    WIDTH,
    brush,
    coco,
    cvat,
    cvat_image,
    labelme,
    parquet,
    png,
    region,
    shape,
    task,
    values,
    via,
    voc,
    voc_object,
)

IMAGES = [f"images/{i}.png" for i in range(11)]
PICTURE = png(MASK)

DOCUMENTS: dict[str, tuple[str, Any]] = {
    "coco": (
        "coco.json",
        coco(
            [f"{i}.png" for i in range(11)],
            [
                {"image_id": 0, "category_id": 1, "bbox": [10, 20, 20, 40], "iscrowd": 0, "segmentation": [SQUARE]},
                {
                    "image_id": 1,
                    "category_id": 2,
                    "segmentation": {"size": [HEIGHT, WIDTH], "counts": [820, 40, 7140]},
                },
                {"image_id": 1, "category_id": 2, "segmentation": {"size": [HEIGHT, WIDTH], "counts": CODE.counts}},
            ],
        ),
    ),
    "labelme": (
        "images/0.json",
        labelme("0.png", shape("polygon", CORNERS), shape("circle", CORNERS[:2]), PAINTED, flags={"x": True}),
    ),
    "via": (
        "via.json",
        {"_via_img_metadata": via("0.png", (RECT, {"type": {"cat": True}}), (OUTLINE, {"type": "cat"}))},
    ),
    "via 3": ("via.json", VIA_3),
    "label-studio": (
        "ls.json",
        [
            task("/data/upload/1/ab-0.png", region("rectanglelabels", {**PERCENT, "rotation": 9}), split="val"),
            task("1.png", region("ellipselabels", {"x": 5, "y": 5, "radiusX": 2, "radiusY": 3, "rotation": 1})),
            task("2.png", region("polygonlabels", {"points": [[1, 2], [3, 4], [9, 9]]})),
            task("3.png", region("brushlabels", {"format": "rle", "rle": brush(MASK)[:40]})),
            task("4.png", {"type": "choices", "value": {"choices": ["a"]}}),
        ],
    ),
    "jsonl": (
        "data.jsonl",
        {
            "image_url": "images/0.png",
            "image_details": {"width": "100px", "height": 80},
            "split": "train",
            "label": [{"label": "cat", "isCrowd": "false", **CORNER}, {"label": "dog", "polygon": [SHARES]}],
        },
    ),
    "sagemaker": (
        "a.manifest",
        {
            "source-ref": "s3://b/images/0.png",
            "box": {
                "image_size": [{"width": 100, "height": 80}],
                "annotations": [{"class_id": 0, "left": 1, "top": 2, "width": 3, "height": 4}],
            },
            "box-metadata": {"class-map": {"0": "cat"}},
        },
    ),
    "vertex": (
        "a.jsonl",
        {
            "imageGcsUri": "gs://b/images/0.png",
            "boundingBoxAnnotations": [{"displayName": "cat", "xMin": 0.1, "yMin": 0.1, "xMax": "0.5", "yMax": 0.6}],
            "dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": "training"},
        },
    ),
    "labels by image": ("labels.json", {"images/0.png": "cat", "images/1.png": ["cat", "dog"], "images/2.png": 3}),
    "createml": (
        "c.json",
        [
            {
                "image": "images/0.png",
                "annotations": [{"label": "cat", "coordinates": {"x": 9, "y": 9.5, "width": 4, "height": 5}}],
            }
        ],
    ),
    "huggingface": ("images/metadata.jsonl", {"file_name": "0.png", "objects": HF_OBJECTS, "label": ["a", 1]}),
}
TEXTS: dict[str, tuple[str, bytes]] = {
    "voc": ("images/0.xml", voc("0.png", voc_object(more="<difficult>1</difficult>"), voc_object()).encode()),
    "cvat": (
        "a.xml",
        cvat(cvat_image("0.png", CVAT_BOX, CVAT_MASK, '<ellipse label="a" cx="5" cy="4" rx="2" ry="1"/>')).encode(),
    ),
    "yolo": ("images/0.txt", (LINE + POLYGON).encode()),
    "yolo settings": ("data.yaml", b"path: .\ntrain: [images, x.txt]\nval: ../images\nnames: {0: a, 1: 'no'}\nnc: 2\n"),
    "csv": (
        "a.csv",
        b"image,label,xmin,ymin,xmax,ymax,split,iscrowd\nimages/0.png,cat,1,2,3,4,val,1\nimages/1.png,,,,,,,\n",
    ),
    "csv without header": ("a.csv", b"images/0.png,1,2,3,4,cat\nimages/1.png,,,,,\n"),
    "csv of flags": ("a.csv", b"image,cat,dog\nimages/0.png,1,0\nimages/1.png,0,1\n"),
    "csv of lists": ("a.csv", b"image,labels,fold\nimages/0.png,\"['cat', 'dog']\",1\nimages/1.png,[],2\n"),
    "csv of boxes in cells": ("a.csv", b'image,bbox,width,height\nimages/0.png,"[1.0, 2, 3, 4]",100,80\n'),
    "list": ("train.txt", b"images/0.png 0\nimages/1.png 1\n"),
    "classes of a list": ("classes.txt", b"cat\ndog\n"),
    "roboflow": ("images/_classes.csv", b"filename, cat, dog\n0.png, 1, 0\n1.png, 0, 0\n"),
    "mltable": (
        "MLTable",
        b"paths:\n  - file: ./d.jsonl\ntransformations:\n  - convert_column_types:\n      - columns: a\n",
    ),
    "via table": (
        "v.csv",
        b'filename,region_shape_attributes,region_attributes\n0.png,"{""name"":""rect"",""x"":1}","{""a"":""b""}"\n',
    ),
    "mask": ("masks/0.png", values((1, (10, 20, 30, 60)), (2, (50, 10, 60, 20)))),
    "parquet": ("metadata.parquet", parquet([{"file_name": "images/0.png", "objects": HF_OBJECTS}])),
    "labels of classes": ("masks/classes.txt", b"cat\ndog:1,2,3::\n"),
    "card": (
        "README.md",
        b"---\ndataset_info:\n  features:\n  - dtype:\n      class_label:\n        names: {'0': a}\n---\n",
    ),
}
MORE: dict[str, dict[str, bytes]] = {
    "mltable": {"d.jsonl": b'{"image_url": "images/0.png", "label": "a"}\n'},
    "classes of a list": {"train.txt": b"images/0.png 0\nimages/1.png 1\n"},
    "labels of classes": {"masks/0.png": values((1, (10, 20, 30, 60)))},
    "card": {"metadata.jsonl": b'{"file_name": "images/0.png", "label": 0}\n'},
    "yolo settings": {"images/0.txt": LINE.encode()},
}
HOSTILE: list[Any] = [
    None, True, False, 0, -1, 1, 2**63, 10**30, -(10**30), 1e308, "nan", "Infinity", "", " ", "1", "x" * 300, "\0",
    "../../secret.png", "/etc/passwd", "..", ".", "C:\\x", "file:///etc/passwd", "\ud800", "🙂",
    [], {}, [[]], [None], {"": None}, [1, 2, 3, 4], [[1, 2], [3]], {"size": [1, 1], "counts": "0"}, {"a": {"b": []}},
    [[[[[[]]]]]], "images/0.png", "images", "%00", "%2e%2e/x", "a.zip!/b",
]  # fmt: skip


_MANY = 100


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every value in a document."""
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from places(item, (*path, key))


@st.composite
def changed_documents(draw: st.DrawFn, document: Any) -> Any:
    """A document with one to four of its values replaced, removed, repeated or wrapped."""
    document = copy.deepcopy(json.loads(json.dumps(document)))
    for _ in range(draw(st.integers(1, 4))):
        path = draw(st.sampled_from(sorted(places(document), key=str)))
        way = draw(st.sampled_from(["replace", "replace", "remove", "repeat", "wrap"]))
        new = draw(st.one_of(st.sampled_from(HOSTILE), st.integers(), st.floats(), st.text(max_size=5)))
        if not path:
            if way == "replace":
                document = copy.deepcopy(new)
            continue
        parent = document
        for key in path[:-1]:
            parent = parent[key]
        old = parent[path[-1]]
        if way == "remove":
            del parent[path[-1]]
        else:
            repeated = old * 2 if isinstance(old, list | str) and len(old) < 1000 else [old]
            parent[path[-1]] = {"replace": copy.deepcopy(new), "repeat": repeated, "wrap": [old]}[way]
    return document


@st.composite
def changed_bytes(draw: st.DrawFn, data: bytes) -> bytes:
    """Bytes with some pieces replaced, removed or repeated."""
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 12)))
        pieces = [
            b"",
            b"\0",
            b"\xff",
            b"-",
            b"9" * 30,
            b"nan",
            b'"',
            b"<",
            b"&x;",
            b"../",
            b"{" * 50,
            b"[" * 50,
            b"\n",
            b"%s",
        ]
        piece = draw(st.one_of(st.sampled_from(pieces), st.binary(max_size=6)))
        data = data[:start] + piece + data[end:]
    return data


def open_mutated(name: str, file: str, data: bytes, format_: str | None) -> None:
    """Open a folder with a mutated file; anything but a dataset inside its folder or a `DataError` fails."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz"))
    try:
        root = folder / "root"
        files = dict.fromkeys(IMAGES, PICTURE) | MORE.get(name, {}) | {file: data}
        (folder / "secret.png").write_bytes(PICTURE)
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        try:
            dataset = Dataset.open(root, format=format_, max_bad_share=1)
        except DataError:
            return
        for image in dataset.table["image"].to_pylist():
            assert os.path.realpath(root / image).startswith(str(root.resolve())) or image.startswith("http")
        assert len(dataset.objects) >= 0
        json.dumps(dataset.report.to_json())
        dataset.save(folder / "manifest.parquet")
    finally:
        shutil.rmtree(folder)


def fuzz(examples: int) -> Any:
    checks = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much]
    phases = [Phase.generate]
    return settings(
        max_examples=examples,
        deadline=None,
        suppress_health_check=checks,
        phases=phases,
        database=None,
        derandomize=examples < _MANY,  # the default suite tries the same ones each time, the slow checks others
    )


def run_documents(name: str, examples: int) -> None:
    file, document = DOCUMENTS[name]
    format_ = {"via 3": "via"} | dict.fromkeys(("sagemaker", "vertex", "labels by image"), "jsonl")

    @fuzz(examples)
    @given(changed_documents(document), st.booleans())
    def run(changed: Any, forced: bool) -> None:
        data = json.dumps(changed).encode("utf-8", "replace")
        if file.endswith("l"):
            data = data + b"\n" + json.dumps(document).encode() + b"\n"
        open_mutated(name, file, data, format_.get(name, name) if forced else None)

    run()


def run_bytes(name: str, examples: int) -> None:
    file, data = TEXTS[name] if name in TEXTS else (DOCUMENTS[name][0], json.dumps(DOCUMENTS[name][1]).encode())

    @fuzz(examples)
    @given(changed_bytes(data))
    def run(changed: bytes) -> None:
        open_mutated(name, file, changed, None)

    run()


ARCHIVES = {
    "a.zip": zipped(dict.fromkeys(IMAGES, PICTURE) | {"data.jsonl": b'{"image_url": "images/0.png", "label": "a"}'}),
    "a.tar": tarred(dict.fromkeys(IMAGES, PICTURE)),
    "a.tar.gz": tarred(dict.fromkeys(IMAGES, PICTURE), mode="w:gz"),
    "a.tar.xz": tarred(dict.fromkeys(IMAGES, PICTURE), mode="w:xz"),
}


def run_archives(name: str, examples: int) -> None:
    @fuzz(examples)
    @given(changed_bytes(ARCHIVES[name]))
    def run(changed: bytes) -> None:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # zipfile's about members of one name
            file = Path(folder) / name
            file.write_bytes(changed)
            os.environ["AUTOML_VISION_CACHE"] = str(Path(folder) / "cache")
            try:
                Dataset.open(file, max_bad_share=1)
            except DataError:
                pass
            finally:
                del os.environ["AUTOML_VISION_CACHE"]

    run()


BYTES = [*TEXTS, "coco", "label-studio", "jsonl"]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_changed_documents(name: str) -> None:
    run_documents(name, 15)


@pytest.mark.parametrize("name", BYTES)
def test_changed_bytes(name: str) -> None:
    run_bytes(name, 8)


@pytest.mark.parametrize("name", ARCHIVES)
def test_changed_archives(name: str) -> None:
    run_archives(name, 8)


@pytest.mark.slow
@pytest.mark.parametrize("name", DOCUMENTS)
def test_many_changed_documents(name: str) -> None:
    run_documents(name, 700)


@pytest.mark.slow
@pytest.mark.parametrize("name", BYTES)
def test_many_changed_bytes(name: str) -> None:
    run_bytes(name, 500)


@pytest.mark.slow
@pytest.mark.parametrize("name", ARCHIVES)
def test_many_changed_archives(name: str) -> None:
    run_archives(name, 400)
