"""JSON lines, MLTable and Hugging Face's metadata as real image sets and labelling services have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from layouts import BOXES, IMAGES, UNTOLD, Layout, check, lines


def jsonl(*values: Any) -> list[str]:
    return [json.dumps(value) for value in values]


def pair(image: str, label: str, first: Any = "cat", second: Any = "dog", folder: str = "images/") -> list[str]:
    return jsonl({image: f"{folder}c#.jpg", label: first}, {image: f"{folder}d#.jpg", label: second})


CAT = {"label": "cat", "topX": "0.125", "topY": "0.25", "bottomX": "0.5", "bottomY": 0.75, "isCrowd": "false"}
DOG = {"label": "dog", "topX": 0.25, "topY": 0.25, "bottomX": 0.75, "bottomY": 0.875, "isCrowd": 0}
SHAPES = [
    [{"label": "cat", "isCrowd": 0, "polygon": [["0.125", 0.25, 0.5, 0.25, 0.5, 0.75]]}],
    [{"label": "dog", "polygon": [[0.25, 0.25, 0.75, 0.25, 0.75, 0.875]]}],
]
STORE = "azureml://subscriptions/x/resourcegroups/y/workspaces/z/datastores/workspaceblobstore/paths/UI/images/"
GROUND = {"type": "groundtruth/image-classification", "confidence": 0.9, "human-annotated": "yes"}

TABLE = """
paths:
  - file: ./train.jsonl
transformations:
  - read_json_lines:
      encoding: utf8
  - convert_column_types:
      - columns: image_url
        column_type: stream_info
"""

GERMAN: dict[str, str | None] = {"images/c#.jpg": "- Kätzchen", "images/d#.jpg": "- Hündin"}
GERMAN_TEXT = "\r\n\r\n".join(
    lines(
        '{"image": "images/c#.jpg", "label": "Kätzchen"}',
        "\u00a0",
        '{"image": "images/d#.jpg", "label": "Hündin"}',
    )
)

LINES = [
    Layout("UTF-8 with mark", GERMAN, {"a.jsonl": GERMAN_TEXT.encode("utf-8-sig")}),
    Layout("UTF-16", GERMAN, {"a.jsonl": GERMAN_TEXT.encode("utf-16")}),
    Layout("Windows-1252", GERMAN, {"a.jsonl": GERMAN_TEXT.encode("cp1252")}),
    Layout(
        "a line is broken",
        {**IMAGES, "images/x.jpg": None},
        {"a.jsonl": [*pair("image", "label"), '{"image": "images/x.jpg", "label": "Kätzchen"']},
        reports="the line is not valid JSON",
        settings={"max_bad_share": 0.5},
    ),
    Layout("Azure", IMAGES, {"a.jsonl": pair("image_url", "label", folder=STORE)}),
    Layout("Azure's older store", IMAGES, {"a.jsonl": pair("image_url", "label", folder="AmlDatastore://images/")}),
    Layout(
        "labels",
        {"images/c#.jpg": "- cat|pet", "images/d#.jpg": "- "},
        {"a.jsonl": pair("image_url", "label", ["cat", "pet"], [])},
    ),
    Layout("boxes", BOXES, {"a.jsonl": pair("image_url", "label", [CAT], [DOG])}),
    Layout("polygons", BOXES, {"a.jsonl": pair("image_url", "label", *SHAPES)}),
    Layout(
        "numbers for classes",
        {"images/c#.jpg": "- 0", "images/d#.jpg": "- 1"},
        {"a.jsonl": pair("image_url", "label", 0, 1)},
    ),
    Layout(
        "numbers in lists",
        {"images/c#.jpg": "- 0|2", "images/d#.jpg": "- 1"},
        {"a.jsonl": pair("image_url", "label", [0, 2], [1])},
    ),
    *(
        Layout(f"{image}, {label}", IMAGES, {"a.jsonl": pair(image, label)})
        for image, label in [
            ("image", "label"),
            ("image_path", "label"),
            ("file_name", "class"),
            ("filename", "category"),
            ("path", "label"),
            ("file", "label"),
            ("imageUrl", "label"),
            ("img", "target"),
        ]
    ),
    Layout(
        "labels under another key",
        {"images/c#.jpg": "- cat|pet", "images/d#.jpg": "- dog"},
        {"a.jsonl": pair("image", "labels", ["cat", "pet"], ["dog"])},
    ),
    Layout(
        "an array in lines",
        IMAGES,
        {
            "a.jsonl": "["
            + ",\n".join(p.replace("#", str(i)) for i in range(6) for p in pair("image_url", "label"))
            + "]"
        },
    ),
    Layout(
        "printed over several lines",
        IMAGES,
        {
            "a.jsonl": "\n".join(
                json.dumps(json.loads(p.replace("#", str(i))), indent=2)
                for i in range(6)
                for p in pair("image_url", "label")
            )
        },
    ),
    Layout(
        "an array in JSON",
        IMAGES,
        {"data.json": [json.loads(p.replace("#", str(i))) for i in range(6) for p in pair("image", "label")]},
    ),
    Layout(
        "a mapping in JSON",
        IMAGES,
        {"labels.json": {f"{name}{i}.jpg": label for i in range(6) for name, label in (("c", "cat"), ("d", "dog"))}},
    ),
    Layout(
        "a mark and empty lines",
        IMAGES,
        {
            "a.jsonl": (
                "﻿" + "\r\n\r\n".join(p.replace("#", str(i)) for i in range(6) for p in pair("image_url", "label"))
            ).encode()
        },
    ),
    Layout(
        "files of the splits",
        {"images/c#.jpg": "train cat", "images/d#.jpg": "val dog"},
        {
            "train_annotations.jsonl": pair("image_url", "label")[:1],
            "validation_annotations.jsonl": pair("image_url", "label")[1:],
        },
    ),
    Layout("in a folder of its own", IMAGES, {"meta/x/a.jsonl": pair("image_url", "label")}),
    Layout("up and down", IMAGES, {"meta/x/a.jsonl": pair("image_url", "label", folder="../../images/")}),
    Layout(
        "splits by folders alone",
        {"train/c#.jpg": "train cat", "val/d#.jpg": "val dog"},
        {"a.jsonl": jsonl({"image_url": "train/c#.jpg", "label": "cat"}, {"image_url": "val/d#.jpg", "label": "dog"})},
    ),
    Layout(
        "MLTable",
        {"images/c#.jpg": "train cat", "images/d#.jpg": "train dog"},
        {
            "MLTable": TABLE,
            "train.jsonl": pair("image_url", "label"),
        },
    ),
    Layout(
        "MLTable folders",
        {"images/c#.jpg": "train cat", "images/d#.jpg": "val dog"},
        {
            f"{s}-mltable-folder/{f}": c
            for s, line in (("training", 0), ("validation", 1))
            for f, c in (
                ("MLTable", "paths:\n  - file: ./annotations.jsonl\n"),
                ("annotations.jsonl", [pair("image_url", "label")[line]]),
            )
        },
    ),
    Layout(
        "MLTable of a folder",
        IMAGES,
        {
            "MLTable": "paths:\n  - folder: ./lines\ntransformations:\n  - read_json_lines: {}\n",
            "lines/a.jsonl": pair("image_url", "label"),
        },
    ),
    Layout(
        "MLTable of a pattern",
        IMAGES,
        {
            "MLTable": "paths:\n  - pattern: ./*.csv\ntransformations:\n  - read_delimited:\n      delimiter: ','\n",
            "a.csv": ["image,label", "c#.jpg,cat", "d#.jpg,dog"],
        },
    ),
    Layout(
        "MLTable of a store",
        IMAGES,
        {"MLTable": f"paths:\n  - file: {STORE}a.jsonl\n", "a.jsonl": pair("image_url", "label")},
    ),
    Layout(
        "Vertex AI",
        {"images/c#.jpg": "train cat", "images/d#.jpg": "val dog"},
        {
            "a.jsonl": jsonl(
                {
                    "imageGcsUri": "gs://b/images/c#.jpg",
                    "classificationAnnotation": {"displayName": "cat"},
                    "dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": "training"},
                },
                {
                    "imageGcsUri": "gs://b/images/d#.jpg",
                    "classificationAnnotation": {"displayName": "dog"},
                    "dataItemResourceLabels": {"aiplatform.googleapis.com/ml_use": "validation"},
                },
            )
        },
    ),
    Layout(
        "Vertex AI's labels",
        {"images/c#.jpg": "- cat|pet", "images/d#.jpg": "- dog"},
        {
            "a.jsonl": jsonl(
                {
                    "imageGcsUri": "gs://b/images/c#.jpg",
                    "classificationAnnotations": [{"displayName": "cat"}, {"displayName": "pet"}],
                },
                {"imageGcsUri": "gs://b/images/d#.jpg", "classificationAnnotations": [{"displayName": "dog"}]},
            )
        },
    ),
    Layout(
        "Vertex AI's boxes",
        BOXES,
        {
            "a.jsonl": jsonl(
                {
                    "imageGcsUri": "gs://b/images/c#.jpg",
                    "boundingBoxAnnotations": [
                        {"displayName": "cat", "xMin": "0.125", "yMin": 0.25, "xMax": 0.5, "yMax": 0.75}
                    ],
                },
                {
                    "imageGcsUri": "gs://b/images/d#.jpg",
                    "boundingBoxAnnotations": [
                        {"displayName": "dog", "xMin": 0.25, "yMin": 0.25, "xMax": 0.75, "yMax": 0.875}
                    ],
                },
            )
        },
    ),
    Layout(
        "SageMaker",
        IMAGES,
        {
            "output.manifest": jsonl(
                {"source-ref": "s3://b/images/c#.jpg", "job": 0, "job-metadata": {"class-name": "cat", **GROUND}},
                {"source-ref": "s3://b/images/d#.jpg", "job": 1, "job-metadata": {"class-name": "dog", **GROUND}},
            )
        },
    ),
    Layout(
        "SageMaker's labels",
        {"images/c#.jpg": "- cat|pet", "images/d#.jpg": "- dog"},
        {
            "output.manifest": jsonl(
                {
                    "source-ref": "s3://b/images/c#.jpg",
                    "job": [0, 2],
                    "job-metadata": {
                        "class-map": {"0": "cat", "2": "pet"},
                        "type": "groundtruth/image-classification-multilabel",
                    },
                },
                {
                    "source-ref": "s3://b/images/d#.jpg",
                    "job": [1],
                    "job-metadata": {"class-map": {"1": "dog"}, "type": "groundtruth/image-classification-multilabel"},
                },
            )
        },
    ),
    Layout(
        "SageMaker's boxes",
        BOXES,
        {
            "output.manifest": jsonl(
                *(
                    {
                        "source-ref": f"s3://b/images/{n}#.jpg",
                        "box": {
                            "image_size": [{"width": 8, "height": 8, "depth": 3}],
                            "annotations": [{"class_id": k, "left": x, "top": y, "width": w, "height": h}],
                        },
                        "box-metadata": {
                            "class-map": {str(k): label},
                            "type": "groundtruth/object-detection",
                            "objects": [{"confidence": 1}],
                        },
                    }
                    for n, k, label, x, y, w, h in (("c", 0, "cat", 1, 2, 3, 4), ("d", 1, "dog", 2, 2, 4, 5))
                )
            )
        },
    ),
    Layout(
        "CreateML",
        BOXES,
        {
            "_annotations.createml.json": [
                {"image": f"images/{name}{i}.jpg", "annotations": [{"label": label, "coordinates": box}]}
                for i in range(6)
                for name, label, box in [
                    ("c", "cat", {"x": 2.5, "y": 4, "width": 3, "height": 4}),
                    ("d", "dog", {"x": 4, "y": 4.5, "width": 4, "height": 5}),
                ]
            ]
        },
    ),
    Layout(
        "images by class in JSON",
        IMAGES,
        {"labels.json": {"cat": [f"images/c{i}.jpg" for i in range(6)], "dog": [f"images/d{i}.jpg" for i in range(6)]}},
    ),
    Layout(
        "labels by image in JSON",
        {"images/c#.jpg": "- cat|pet", "images/d#.jpg": "- dog"},
        {
            "labels.json": {
                f"{n}{i}.jpg": found for i in range(6) for n, found in (("c", ["cat", "pet"]), ("d", ["dog"]))
            }
        },
    ),
    Layout(
        "a box a line",
        BOXES,
        {
            "a.jsonl": jsonl(
                {"image": "images/c#.jpg", "label": "cat", "xmin": 1, "ymin": 2, "xmax": 4, "ymax": 6},
                {"image": "images/d#.jpg", "label": "dog", "xmin": 2, "ymin": 2, "xmax": 6, "ymax": 7},
            )
        },
    ),
    Layout(
        "objects as Hugging Face writes them",
        BOXES,
        {
            "a.jsonl": jsonl(
                {"image": "images/c#.jpg", "objects": {"bbox": [[1, 2, 3, 4]], "category": ["cat"]}},
                {"image": "images/d#.jpg", "objects": [{"bbox": [2, 2, 4, 5], "category": "dog"}]},
            )
        },
    ),
    Layout("a species", IMAGES, {"a.jsonl": pair("photo", "species")}),
    Layout(
        "records of something else",
        UNTOLD,
        {"a.jsonl": jsonl({"id": "c#", "name": "cat"}, {"id": "d#", "name": "dog"})},
        error="images stand in|at least 2 classes",
    ),
    Layout(
        "lines without a label",
        UNTOLD,
        {"a.jsonl": pair("image_url", "kind")},
        error='"image_url".*"kind".*label_column',
    ),
]

HUGGING = [
    Layout(
        "metadata in splits",
        {"train/c#.jpg": "train cat", "train/d#.jpg": "train dog", "test/c#.jpg": "test cat"},
        {
            "train/metadata.jsonl": jsonl(
                {"file_name": "c#.jpg", "label": "cat"}, {"file_name": "d#.jpg", "label": "dog"}
            ),
            "test/metadata.jsonl": jsonl({"file_name": "c#.jpg", "label": "cat"}),
        },
    ),
    Layout(
        "metadata above",
        {"train/c#.jpg": "train cat", "validation/d#.jpg": "val dog"},
        {
            "metadata.jsonl": jsonl(
                {"file_name": "train/c#.jpg", "label": "cat"}, {"file_name": "validation/d#.jpg", "label": "dog"}
            )
        },
    ),
    Layout(
        "a table",
        {"data/train/c#.jpg": "train cat", "data/train/d#.jpg": "train dog"},
        {"data/train/metadata.csv": ["file_name,label", "c#.jpg,cat", "d#.jpg,dog"]},
    ),
    Layout(
        "a table of labels",
        {"c#.jpg": "- cat|pet", "d#.jpg": "- dog", "e#.jpg": "- cat|dog"},
        {
            "metadata.csv": [
                "file_name,labels",
                "c#.jpg,\"['cat', 'pet']\"",
                "d#.jpg,['dog']",
                "e#.jpg,\"['cat', 'dog']\"",
            ]
        },
    ),
    Layout(
        "numbers",
        {"c#.jpg": "- 0", "d#.jpg": "- 1"},
        {"metadata.jsonl": jsonl({"file_name": "c#.jpg", "label": 0}, {"file_name": "d#.jpg", "label": 1})},
    ),
    Layout(
        "labels",
        {"c#.jpg": "- cat|pet", "d#.jpg": "- dog"},
        {
            "metadata.jsonl": jsonl(
                {"file_name": "c#.jpg", "labels": ["cat", "pet"]}, {"file_name": "d#.jpg", "labels": ["dog"]}
            )
        },
    ),
    Layout(
        "objects",
        {"c#.jpg": "- cat@1,2,4,6", "d#.jpg": "- "},
        {
            "metadata.jsonl": jsonl(
                {"file_name": "c#.jpg", "objects": {"bbox": [[1, 2, 3, 4]], "categories": ["cat"]}},
                {"file_name": "d#.jpg", "objects": {"bbox": [], "categories": []}},
            )
        },
    ),
    Layout(
        "objects of numbers",
        {"c#.jpg": "- 0@1,2,4,6", "d#.jpg": "- 1@2,2,6,7"},
        {
            "metadata.jsonl": jsonl(
                {"file_name": "c#.jpg", "objects": {"bbox": [[1, 2, 3, 4]], "category": [0], "area": [12], "id": [1]}},
                {"file_name": "d#.jpg", "objects": {"bbox": [[2, 2, 4, 5]], "category": [1], "area": [20], "id": [2]}},
            )
        },
    ),
    Layout(
        "class folders with more",
        {"train/cat/#.jpg": "train cat", "train/dog/#.jpg": "train dog"},
        {"train/metadata.csv": ["file_name,width", "cat/#.jpg,8", "dog/#.jpg,8"]},
    ),
    Layout(
        "captions",
        UNTOLD,
        {
            "images/metadata.jsonl": jsonl(
                {"file_name": "c#.jpg", "text": "a cat, number #"}, {"file_name": "d#.jpg", "text": "a dog, number #"}
            )
        },
        error="text.*label_column",
    ),
    Layout("Parquet with images", {}, {"data/train-00000-of-00001.parquet": b"PAR1"}, error="Parquet|parquet"),
]


@pytest.mark.parametrize("layout", [*LINES, *HUGGING], ids=lambda layout: layout.name)
def test_lines(layout: Layout, tmp_path: Path) -> None:
    check(layout, layout.write(tmp_path))
