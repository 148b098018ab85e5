"""COCO JSON as tools and public datasets really write it: one row a shape, with what it means."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from automl_vision.data.dataset import Dataset
from object_files import (
    CAT,
    CODE,
    CORNERS,
    DOG,
    HEIGHT,
    MASK,
    RUNS,
    SQUARE,
    WIDTH,
    Case,
    check,
    coco,
    exports,
    png,
    write,
)

XYWH = [10, 20, 20, 40]
ONE = [(0, 1, XYWH)]


def one_coco(
    name: str, document: Any, objects: Any, *images: str, file: str = "coco.json", **more: Any
) -> tuple[str, Case]:
    """A set of one COCO file."""
    return "coco", Case(name, list(images or ("1.jpg",)), {file: document}, objects, **more)


def marked(**fields: Any) -> dict[str, Any]:
    """A COCO annotation of the first image and category, with other fields."""
    return {"image_id": 0, "category_id": 1, "bbox": XYWH, **fields}


POSE = {"keypoints": [15, 25, 2, 0, 0, 0], "num_keypoints": 1}
TWO = {"images/1.jpg": [CAT], "images/2.jpg": []}
WRONG = [{**{"id": i, "file_name": f"{i}.jpg"}, "width": WIDTH, "height": HEIGHT} for i in range(4)]


@exports(
    (
        "coco",
        Case(
            "the whole of COCO",
            ["train2017/1.jpg", "val2017/1.jpg", "test2017/3.jpg"],
            {
                "annotations/instances_train2017.json": coco(["1.jpg"], ONE),
                "annotations/instances_val2017.json": coco(["1.jpg"], []),
                "annotations/person_keypoints_train2017.json": coco(["1.jpg"], [marked(**POSE, bbox=[1, 1, 9, 9])]),
                "annotations/stuff_train2017.json": coco(["1.jpg"], [(0, 1, [0, 0, 100, 80])]),
                "annotations/panoptic_train2017.json": coco(["1.jpg"], [{"image_id": 0, "segments_info": []}]),
                "annotations/image_info_test2017.json": {"images": [{"id": 1, "file_name": "3.jpg"}], "categories": []},
            },
            {"train2017/1.jpg": [CAT], "val2017/1.jpg": []},
            splits={"train2017/1.jpg": "train", "val2017/1.jpg": "val"},
            unnamed=1,
        ),
    ),
    (
        "coco",
        Case(
            "key points of a split whose instances are not there",
            ["a.jpg", "b.jpg"],
            {
                "annotations/instances_val2017.json": coco(["a.jpg"], ONE),
                "annotations/person_keypoints_train2017.json": coco(["b.jpg"], [marked(**POSE)]),
            },
            {"a.jpg": [CAT], "b.jpg": [CAT]},
            splits={"a.jpg": "val", "b.jpg": "train"},
        ),
    ),
    one_coco("key points with boxes", coco(["1.jpg"], [marked(**POSE)]), {"1.jpg": [CAT]}),
    one_coco(
        "key points alone beside boxes",
        coco(["1.jpg"], [*ONE, {"image_id": 0, "category_id": 1, **POSE}]),
        {"1.jpg": [CAT]},
        notes=["coco.json: annotations[1]: key points"],
    ),
    one_coco(
        "an annotation without a box among boxes",
        coco(["1.jpg"], [*ONE, {"image_id": 0, "category_id": 2}]),
        {"1.jpg": [CAT]},
        problems=["coco.json: annotations[1]: the annotation has neither box nor segmentation"],
    ),
    (
        "coco",
        Case(
            "Label Studio's, with the paths of Windows",
            ["images/8a7c1b2d-1.jpg", "images/2.jpg"],
            {
                "result.json": coco(
                    ["images\\8a7c1b2d-1.jpg", "..\\..\\label_studio\\media\\upload\\1\\0a1b2c3d-2.jpg"], ONE
                )
            },
            {"images/8a7c1b2d-1.jpg": [CAT], "images/2.jpg": []},
        ),
    ),
    (
        "coco",
        Case(
            "CVAT's",
            ["images/default/1.jpg"],
            {"annotations/instances_default.json": coco(["1.jpg"], [marked(attributes={"occluded": False})])},
            {"images/default/1.jpg": [CAT]},
        ),
    ),
    one_coco(
        "LVIS, named by URL alone",
        coco([{"id": 0, "coco_url": "http://images.cocodataset.org/train2017/1.jpg"}], [marked(segmentation=[SQUARE])]),
        {"train2017/1.jpg": [CAT]},
        "train2017/1.jpg",
        file="lvis_v1_train.json",
        kind="masks",
        splits={"train2017/1.jpg": "train"},
    ),
    one_coco("FiftyOne's", coco(["1.jpg"], ONE), {"data/1.jpg": [CAT]}, "data/1.jpg", file="labels.json"),
    one_coco(
        "COCO Annotator's",
        coco(
            [{"id": 0, "path": "/datasets/x/1.jpg", "file_name": "1.jpg", "dataset_id": 3, "deleted": False}],
            [marked(segmentation=[SQUARE], isbbox=True, metadata={})],
        ),
        {"x/1.jpg": [CAT]},
        "x/1.jpg",
    ),
    one_coco(
        "Objects365",
        coco(["images/v1/patch0/o_1.jpg"], ONE),
        {"train/patch0/o_1.jpg": [CAT]},
        "train/patch0/o_1.jpg",
        file="zhiyuan_objv2_train.json",
        splits={"train/patch0/o_1.jpg": "train"},
    ),
    (
        "coco",
        Case(
            "Roboflow's",
            ["train/a.jpg", "valid/b.jpg", "test/c.jpg"],
            {
                f"{folder}/_annotations.coco.json": coco([name], ONE)
                for folder, name in (("train", "a.jpg"), ("valid", "b.jpg"), ("test", "c.jpg"))
            },
            {"train/a.jpg": [CAT], "valid/b.jpg": [CAT], "test/c.jpg": [CAT]},
            splits={"train/a.jpg": "train", "valid/b.jpg": "val", "test/c.jpg": "test"},
        ),
    ),
    (
        "coco",
        Case(
            "a file a split beside the images",
            ["images/1.jpg", "images/2.jpg"],
            {"train.json": coco(["1.jpg"], ONE), "val.json": coco(["2.jpg"], [])},
            TWO,
            splits={"images/1.jpg": "train", "images/2.jpg": "val"},
        ),
    ),
    one_coco(
        "one file, images in folders of splits",
        coco(["train/1.jpg", "val/1.jpg"], ONE),
        {"train/1.jpg": [CAT], "val/1.jpg": []},
        "train/1.jpg",
        "val/1.jpg",
        splits={"train/1.jpg": "train", "val/1.jpg": "val"},
    ),
    (
        "coco",
        Case(
            "a name that no COCO file has, beside files that have one",
            ["1.jpg"],
            {"my.json": coco(["1.jpg"], ONE), "train_log.json": {"loss": [1, 2]}},
            {"1.jpg": [CAT]},
        ),
    ),
    one_coco("a byte order mark", b"\xef\xbb\xbf" + json.dumps(coco(["1.jpg"], ONE)).encode(), {"1.jpg": [CAT]}),
    one_coco(
        "ids and numbers as texts",
        coco(
            [{"id": "0001", "file_name": "1.jpg"}],
            [{"image_id": "0001", "category_id": "7", "bbox": ["10", "20", "20", "40"], "iscrowd": "0"}],
            [{"id": "7", "name": "cat"}],
        ),
        {"1.jpg": [CAT]},
    ),
    one_coco(
        "ids as floats",
        coco([{"id": 1.0, "file_name": "1.jpg"}], [marked(image_id=1.0, category_id=1.0)]),
        {"1.jpg": [CAT]},
    ),
    one_coco(
        "flags of all kinds",
        coco(["1.jpg"], [marked(iscrowd=False), marked(iscrowd="false"), marked(iscrowd=None), marked(iscrowd=True)]),
        {"1.jpg": [CAT] * 4},
    ),
    one_coco(
        "segmentations without an area",
        coco(["1.jpg"], [marked(segmentation=s) for s in ([], [[]], None, {})]),
        {"1.jpg": [CAT] * 4},
    ),
    one_coco(
        "masks as runs, as text, as points in pairs",
        coco(
            ["1.jpg"],
            [
                marked(segmentation={"size": [HEIGHT, WIDTH], "counts": RUNS}),
                marked(segmentation={"size": [HEIGHT, WIDTH], "counts": CODE.counts}),
                marked(segmentation=[CORNERS], bbox=None),
                marked(segmentation=CORNERS, bbox=None),
            ],
        ),
        {"1.jpg": [CAT] * 4},
        kind="masks",
    ),
    one_coco(
        "no annotations yet, or null",
        {**coco(["1.jpg"], []), "annotations": None},
        {"1.jpg": []},
    ),
    one_coco("another key of the name", coco([{"id": 0, "filename": "1.jpg"}], ONE), {"1.jpg": [CAT]}),
    one_coco("names in small letters", coco(["a.jpg"], ONE), {"img/A.JPG": [CAT]}, "img/A.JPG"),
    one_coco(
        "an image listed twice",
        coco([{"id": 0, "file_name": "1.jpg"}, {"id": 0, "file_name": "1.jpg"}, {"id": 5, "file_name": "1.jpg"}], ONE),
        {"1.jpg": [CAT]},
        notes=["coco.json: images[2]: 1.jpg has more than one id; its annotations are put together"],
    ),
    one_coco(
        "two categories of one name, two of one id",
        coco(
            ["1.jpg"],
            [(0, 1, XYWH), (0, 2, XYWH), (0, 3, XYWH)],
            [{"id": i, "name": n} for i, n in ((1, "cat"), (2, "cat"), (3, "dog"), (3, "cow"))],
        ),
        {"1.jpg": [CAT, CAT, DOG]},
        problems=["coco.json: categories[3]: another category has the id 3"],
    ),
    one_coco(
        "another folder before the name, another machine, no suffix",
        coco(["photos/1.jpg", "/home/me/2.jpg", "C:\\me\\3.jpg", "4"], ONE),
        {f"img/{i}.jpg": [CAT] if i == 1 else [] for i in (1, 2, 3, 4)},
        *(f"img/{i}.jpg" for i in (1, 2, 3, 4)),
    ),
    (
        "coco",
        Case(
            "panoptic segments",
            ["val2017/1.jpg"],
            {
                "annotations/panoptic_val2017.json": coco(
                    ["1.jpg"],
                    [
                        {
                            "image_id": 0,
                            "file_name": "1.png",
                            "segments_info": [
                                {"id": 1 + 2 * 256, "category_id": 1, "iscrowd": 0, "bbox": XYWH, "area": 800},
                                {"id": 7, "category_id": 2, "iscrowd": 0, "bbox": [0, 0, 9, 9], "area": 81},
                            ],
                        }
                    ],
                    [{"id": 1, "name": "cat", "isthing": 1}, {"id": 2, "name": "sky", "isthing": 0}],
                ),
                "annotations/panoptic_val2017/1.png": png(np.where(MASK[..., None], [1, 2, 0], 0).astype(np.uint8)),
            },
            {"val2017/1.jpg": [CAT]},
            kind="masks",
            splits={"val2017/1.jpg": "val"},
        ),
    ),
)
def test_coco(format_: str, case: Case, tmp_path: Path) -> None:
    check(format_, case, tmp_path)


def test_images_that_were_resized_are_noted(tmp_path: Path) -> None:
    names = [f"{i}.jpg" for i in range(12)]
    document = coco([{"id": i, "file_name": n, "width": 2 * WIDTH, "height": HEIGHT} for i, n in enumerate(names)], ONE)
    dataset = Dataset.open(write(Case("", names, {"coco.json": document}), tmp_path))
    assert [note.kind for note in dataset.report.notes] == ["other size"]
    assert "0.jpg has 100 x 80 pixels, not 200 x 80" in dataset.report.notes[0].reason
