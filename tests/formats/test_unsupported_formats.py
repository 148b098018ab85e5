"""What is not read is refused in clear words, and what lies beside labels changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl_vision.core.errors import DataError
from automl_vision.data.dataset import Dataset
from object_files import (
    CAT,
    CORNERS,
    DOG,
    HEIGHT,
    LINE,
    RECT,
    SECOND,
    WIDTH,
    Case,
    check,
    coco,
    colours,
    exports,
    labelme,
    png,
    shape,
    task,
    values,
    via,
    voc,
    voc_object,
    write,
)

INSIDE = (10, 20, 30, 60)  # of BOX, as numbers of a mask
XML = voc("1.jpg", voc_object())

PICTURES = [f"images/{i}.jpg" for i in range(12)]
SPLIT_PICTURES = [f"{s}/images/{i}.jpg" for s in ("train", "valid") for i in range(12)]


def each(pattern: str, content: Any, count: int = 12) -> dict[str, Any]:
    return {pattern.format(i): content for i in range(count)}


DATUMARO = {
    "info": {},
    "categories": {"label": {"labels": [{"name": "cat"}]}},
    "items": [{"id": "0", "annotations": []}],
}
SUPERVISELY = {"description": "", "tags": [], "size": {"height": HEIGHT, "width": WIDTH}, "objects": []}
ANNOTATE = {"metadata": {"name": "0.jpg"}, "instances": [{"type": "bbox", "className": "cat", "points": {"x1": 1}}]}
SA = {"image": {"image_id": 1, "file_name": "0.jpg"}, "annotations": [{"segmentation": {}, "bbox": [1, 2, 3, 4]}]}
LABELBOX = '{"data_row": {"id": "x", "external_id": "0.jpg"}, "projects": {}}\n'
KITTI = "Car 0.00 0 -1.57 10.0 20.0 30.0 60.0 1.5 1.6 3.9 1.0 1.0 10.0 -1.5\n"
DOTA = "imagesource:GoogleEarth\ngsd:0.14\n10 20 30 20 30 60 10 60 plane 0\n"
WIDER = "".join(f"0--Parade/{i}.jpg\n1\n10 20 20 40 0 0 0 0 0 0\n" for i in range(12))
CORNER_BOXES = [(i % 12, 1, [40 + i, 30, 90 - i, 75]) for i in range(24)]
SHARE_BOXES = [(i % 12, 1, [0.1, 0.2, 0.3, 0.4]) for i in range(24)]
FULL = coco([f"images/{i}.jpg" for i in range(12)], [])
PREDICTED = [
    {"id": i, "data": {"image": f"{i}.jpg"}, "annotations": [], "predictions": [{"result": []}]} for i in range(12)
]
VIDEO = (
    '<annotations><meta/><track id="0" label="cat"><box frame="0" outside="0" xtl="1" ytl="1" xbr="9" ybr="9"/></track>'
    "</annotations>"
)
SPECIES = {k: v for i in range(12) for k, v in via(f"{i}.jpg", (RECT, {"species": "cat", "colour": "red"})).items()}

REFUSED: list[tuple[str, list[str], dict[str, Any], str]] = [
    ("Datumaro", PICTURES, {"annotations/default.json": DATUMARO}, "Datumaro.*coco"),
    (
        "Supervisely",
        [f"ds{d}/img/{i}.jpg" for d in (0, 1) for i in range(12)],
        {
            "meta.json": {"classes": []},
            **each("ds0/ann/{}.jpg.json", SUPERVISELY),
            **each("ds1/ann/{}.jpg.json", SUPERVISELY),
        },
        "Supervisely.*COCO",
    ),
    ("SuperAnnotate", PICTURES, each("images/{}.jpg___objects.json", ANNOTATE), "SuperAnnotate.*COCO"),
    ("Segment Anything", PICTURES, each("images/{}.json", SA), "one file per image.*COCO"),
    ("Labelbox", PICTURES, {"export.ndjson": LABELBOX * 12}, "Labelbox.*COCO"),
    (
        "KITTI in images of another size",
        [f"training/image_2/{i}.png" for i in range(12)],
        each("training/label_2/{}.txt", KITTI.replace("30.0 60.0", "300.0 60.0")),
        "KITTI.*COCO",
    ),
    ("DOTA", [f"images/{i}.png" for i in range(12)], each("labelTxt/{}.txt", DOTA), "DOTA.*YOLO"),
    (
        "WIDER",
        [f"WIDER_train/images/0--Parade/{i}.jpg" for i in range(12)],
        {"wider_face_split/wider_face_train_bbx_gt.txt": WIDER},
        "WIDER.*COCO",
    ),
    (
        "captions alone",
        PICTURES,
        {"captions_train.json": {"images": [], "annotations": [{"image_id": 1, "caption": "x"}]}},
        "no known format.*captions_train.json",
    ),
    (
        "names of classes and shares that may be corners",
        SPLIT_PICTURES,
        each("train/labels/{}.txt", "cat 0.2 0.2 0.3 0.3\n"),
        'no known format.*may mean "label x1 y1 x2 y2" or "label x y width height" or "label xc yc width height"',
    ),
    ("masks as JPEG", PICTURES, each("masks/{}.jpg", values((255, INSIDE))), "masks.*PNG"),
    (
        "trimaps",
        PICTURES,
        each("annotations/trimaps/{}.png", values((1, INSIDE), (2, SECOND))),
        "pictures in .*images.* and .*trimaps.*masks",
    ),
    (
        "scene parsing",
        [f"images/training/{i}.jpg" for i in range(12)],
        each("annotations/training/{}.png", values((3, INSIDE))),
        "pictures in .*annotations.*masks",
    ),
    (
        "streets without a table",
        [f"full/{i}.png" for i in range(12)],
        each("LabeledApproved/{}_L.png", colours(((1, 2, 3), INSIDE))),
        "pictures in .*LabeledApproved.*masks",
    ),
    (
        "every pixel has a class",
        PICTURES,
        each("masks/{}.png", png(np.full((HEIGHT, WIDTH), 2, np.uint8) + np.eye(HEIGHT, WIDTH, dtype=np.uint8))),
        "no pixel of background.*classes.txt",
    ),
    (
        "masks of another size",
        PICTURES,
        each("masks/{}.png", png(np.eye(40, 50, dtype=np.uint8))),
        "another size than the image",
    ),
    (
        "YOLO whose labels could be of several images",
        [f"{folder}/{i}.jpg" for folder in ("day", "night") for i in range(12)],
        each("txt/{}.txt", "0 0.2 0.5 0.2 0.5\n"),
        "looks like a label file of YOLO",
    ),
    ("COCO without categories", PICTURES, {"a.json": {"images": [], "annotations": []}}, "lacks the list categories"),
    ("COCO's results", PICTURES, {"r.json": [{"image_id": 1, "score": 0.5}]}, "no known format.*r.json"),
    (
        "tracks",
        [f"img1/{i}.jpg" for i in range(12)],
        {"gt/gt.txt": "1,1,10,20,20,40,1,-1\n"},
        "no known format.*gt/gt.txt",
    ),
    (
        "YOLO whose images are elsewhere",
        PICTURES,
        {"d.yaml": "names: [a]", **each("labels/x{}.txt", LINE)},
        "no image belongs",
    ),
    (
        "COCO boxes as corners",
        PICTURES,
        {"a.json": {**FULL, "annotations": coco([], CORNER_BOXES)["annotations"]}},
        "corners.*x, y, width, height",
    ),
    (
        "VOC boxes as shares",
        PICTURES,
        each("images/{}.xml", voc("x", voc_object(box="0.1 0.2 0.3 0.4"))),
        "shares of width",
    ),
    (
        "COCO boxes as shares",
        PICTURES,
        {"a.json": {**FULL, "annotations": coco([], SHARE_BOXES)["annotations"]}},
        "shares of width and height",
    ),
    (
        "panoptic segments without their PNG",
        PICTURES,
        {
            "panoptic.json": {
                **FULL,
                "annotations": [
                    {"image_id": i, "file_name": "x.png", "segments_info": [{"id": 1, "category_id": 1}]}
                    for i in range(12)
                ],
            }
        },
        "panoptic.*x.png",
    ),
    (
        "YOLO in pixels",
        PICTURES,
        {"data.yaml": "names: [a, b]", **each("labels/{}.txt", "1 20 40 20 40\n")},
        "shares of width and height",
    ),
    ("Label Studio with predictions alone", PICTURES, {"a.json": PREDICTED}, "only predictions"),
    ("a video's tracks without frames", PICTURES, {"annotations.xml": VIDEO}, "frame_000000"),
    (
        "VIA with two attributes",
        PICTURES,
        {"a.json": SPECIES},
        "label_column.*species.*colour|species.*colour.*label_column",
    ),
    (
        "LabelMe with the images inside",
        [],
        each("{}.json", labelme("x.jpg", shape("rectangle", CORNERS[::2]), imageData="aGk=")),
        "inside of this file",
    ),
    (
        "COCO whose images are elsewhere",
        ["x.jpg"],
        {"a.json": coco([f"{i}.jpg" for i in range(12)], [])},
        "the file is missing",
    ),
]


@pytest.mark.parametrize(("case", "images", "files", "error"), REFUSED, ids=[case for case, *_ in REFUSED])
def test_what_is_not_read_is_told_with_the_way_out(
    tmp_path: Path, case: str, images: list[str], files: dict[str, Any], error: str
) -> None:
    write(Case(case, images, files), tmp_path)
    with pytest.raises(DataError, match=f"(?s){error}"):
        Dataset.open(tmp_path)


# What another file beside the labels must not change

LAYOUT = {"images/1.jpg": [DOG]}


@exports(
    (
        "coco",
        Case(
            "COCO with VOC",
            ["images/1.jpg"],
            {"a.json": coco(["1.jpg"], [(0, 1, [10, 20, 20, 40])]), "xml/1.xml": XML},
            {"images/1.jpg": [CAT]},
        ),
    ),
    (
        "voc",
        Case(
            "VOC with lists of YOLO",
            ["images/1.jpg"],
            {"xml/1.xml": XML, "labels/1.txt": LINE, "classes.txt": "a\nb"},
            {"images/1.jpg": [CAT]},
        ),
    ),
    (
        "labelme",
        Case(
            "LabelMe with VOC's masks",
            ["1.jpg"],
            {
                "1.json": labelme("1.jpg", shape("rectangle", CORNERS[::2])),
                "SegmentationClass/1.png": values((1, INSIDE)),
            },
            {"1.jpg": [CAT]},
        ),
    ),
    (
        "label-studio",
        Case(
            "Label Studio with its short form",
            ["1.jpg"],
            {"a.json": [task("1.jpg")], "notes.json": {"categories": []}},
            {"1.jpg": []},
        ),
    ),
)
def test_beside(format_: str, case: Case, tmp_path: Path) -> None:
    check(format_, case, tmp_path)
