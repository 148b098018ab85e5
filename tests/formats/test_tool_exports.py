"""What LabelMe, VIA, CVAT and Label Studio really export: one row a shape, with what it means."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import numpy as np

from object_files import (
    BOX,
    CAT,
    CORNERS,
    CVAT_BOX,
    DOG,
    HEIGHT,
    MASK,
    PERCENT,
    RECT,
    WIDTH,
    Case,
    brush,
    check,
    cvat,
    cvat_image,
    exports,
    labelme,
    png,
    region,
    shape,
    task,
    via,
)

# LabelMe and its kin


def one_labelme(name: str, document: Any, objects: Any, *images: str, **more: Any) -> tuple[str, Case]:
    return "labelme", Case(name, list(images or ("1.jpg",)), {"1.json": document}, objects, **more)


@exports(
    one_labelme(
        "version 2",
        {
            "flags": {},
            "lineColor": [0, 255, 0, 128],
            "fillColor": [255, 0, 0, 128],
            "imagePath": "1.jpg",
            "imageData": None,
            "shapes": [{"label": "cat", "line_color": None, "fill_color": None, "points": CORNERS}],
        },
        {"1.jpg": [CAT]},
        kind="masks",
    ),
    (
        "labelme",
        Case(
            "paths in both directions",
            ["images/1.jpg", "images/2.jpg"],
            {
                "labels/1.json": labelme("..\\images\\1.jpg", shape("rectangle", CORNERS[::2])),
                "labels/2.json": labelme("../images/2.jpg"),
            },
            {"images/1.jpg": [CAT], "images/2.jpg": []},
        ),
    ),
    (
        "labelme",
        Case(
            "the name of a neighbour",
            ["1.jpg", "2.jpg"],
            {f"{i}.json": labelme("1.jpg", shape("rectangle", CORNERS[::2], f"{i}")) for i in (1, 2)},
            {"1.jpg": [("1", BOX)], "2.jpg": [("2", BOX)]},
            notes=["2.json: the file names the image 1.jpg"],
        ),
    ),
    one_labelme(
        "an image that is only in the file",
        labelme(
            "0.jpg",
            shape("rectangle", CORNERS[::2]),
            imageData=base64.b64encode(png(np.zeros((HEIGHT, WIDTH, 3), np.uint8))).decode(),
        ),
        {},
        "9.jpg",
        problems=["1.json: the image 0.jpg is not there, only its copy inside of this file"],
        unnamed=0,
    ),
    one_labelme(
        "turned rectangles of AnyLabeling",
        labelme(
            "1.jpg",
            shape("rotation", [[10, 20], [30, 20], [30, 60], [10, 60]], direction=0.0),
            shape("rectangle", CORNERS),
        ),
        {"1.jpg": [CAT, CAT]},
    ),
    one_labelme(
        "parts of one object, lines, a circle",
        labelme(
            "1.jpg",
            shape("polygon", CORNERS[:3], group_id=1),
            shape("polygon", [[10, 20], [30, 60], [10, 60]], group_id=1),
            shape("linestrip", CORNERS),
            shape("circle", [[20, 40], [20, 50]], "dog"),
        ),
        {"1.jpg": [CAT, ("dog", (10.0, 30.0, 30.0, 50.0))]},
        kind="masks",
        notes=['1.json: shape 3: a shape "linestrip"'],
    ),
)
def test_labelme(format_: str, case: Case, tmp_path: Path) -> None:
    check(format_, case, tmp_path)


# VGG Image Annotator

BALLOON = {"name": "polygon", "all_points_x": [10, 30, 30, 10], "all_points_y": [20, 20, 60, 60]}


def one_via(name: str, document: Any, objects: Any, *images: str, **more: Any) -> tuple[str, Case]:
    return "via", Case(name, list(images or ("1.jpg",)), {"via.json": document}, objects, **more)


@exports(
    (
        "via",
        Case(
            "the balloons",
            ["train/1.jpg", "val/1.jpg"],
            {
                f"{split}/via_region_data.json": {
                    "1.jpg9": {
                        "fileref": "",
                        "size": 9,
                        "filename": "1.jpg",
                        "base64_img_data": "",
                        "file_attributes": {},
                        "regions": {"0": {"shape_attributes": BALLOON, "region_attributes": {}}},
                    }
                }
                for split in ("train", "val")
            },
            {"train/1.jpg": [("object", BOX)], "val/1.jpg": [("object", BOX)]},
            kind="masks",
            splits={"train/1.jpg": "train", "val/1.jpg": "val"},
            notes=["/"],
        ),
    ),
    (
        "via",
        Case(
            "a file a split apart from the images",
            ["train/1.jpg", "val/1.jpg"],
            {f"annotations/via_{s}.json": via("1.jpg", (RECT, {"class": "cat"})) for s in ("train", "val")},
            {"train/1.jpg": [CAT], "val/1.jpg": [CAT]},
            splits={"train/1.jpg": "train", "val/1.jpg": "val"},
        ),
    ),
    one_via(
        "images of a website that lie here", via("https://x.org/a/1.jpg", (RECT, {"name": "cat"})), {"1.jpg": [CAT]}
    ),
    one_via(
        "several attributes, the label by its name",
        via(
            "1.jpg",
            (RECT, {"id": "3", "class": "cat"}),
            (RECT, {"id": "4", "class": "dog"}),
            (RECT, {"id": "5", "class": ""}),
        ),
        {"1.jpg": [CAT, DOG]},
        problems=["via.json: 1.jpg123, region 3: the region has no label"],
    ),
    one_via(
        "options, of which one is set, or two",
        via("1.jpg", (RECT, {"type": {"cat": True}}), (RECT, {"type": {"cat": True, "dog": True}})),
        {"1.jpg": [CAT]},
        problems=['via.json: 1.jpg123, region 2: the attribute "type" has 2 options set'],
    ),
    one_via(
        "lines and points",
        via(
            "1.jpg",
            (RECT, {"name": "cat"}),
            ({**BALLOON, "name": "polyline"}, {"name": "cat"}),
            ({"name": "point", "cx": 1, "cy": 1}, {}),
        ),
        {"1.jpg": [CAT]},
        notes=["via.json: 1.jpg123, region 2: a point or line", "via.json: 1.jpg123, region 3: a point or line"],
    ),
    one_via(
        "classes of whole images",
        {
            f"{i}.jpg9": {"filename": f"{i}.jpg", "size": 9, "regions": [], "file_attributes": {"class": c}}
            for i, c in ((1, "cat"), (2, "dog"))
        },
        {},
        "1.jpg",
        "2.jpg",
        kind="label",
        labels={"1.jpg": ("cat",), "2.jpg": ("dog",)},
    ),
)
def test_via(format_: str, case: Case, tmp_path: Path) -> None:
    check(format_, case, tmp_path)


# CVAT

TRACK = '<track id="0" label="cat" source="manual">{}</track>'
FRAME = '<box frame="{}" keyframe="1" outside="{}" occluded="0" xtl="10" ytl="20" xbr="30" ybr="60"></box>'


@exports(
    (
        "cvat",
        Case(
            "a project with subsets, equal names in them",
            ["images/train/1.jpg", "images/val/1.jpg"],
            {
                "annotations.xml": cvat(
                    "<meta><project><labels><label><name>cat</name></label></labels></project></meta>",
                    cvat_image("1.jpg", CVAT_BOX, more='subset="train"'),
                    cvat_image("1.jpg", more='subset="val"'),
                )
            },
            {"images/train/1.jpg": [CAT], "images/val/1.jpg": []},
            splits={"images/train/1.jpg": "train", "images/val/1.jpg": "val"},
        ),
    ),
    (
        "cvat",
        Case(
            "folders of splits in the names",
            ["images/train/1.jpg", "images/val/1.jpg"],
            {"annotations.xml": cvat(cvat_image("train/1.jpg", CVAT_BOX), cvat_image("val/1.jpg"))},
            {"images/train/1.jpg": [CAT], "images/val/1.jpg": []},
            splits={"images/train/1.jpg": "train", "images/val/1.jpg": "val"},
        ),
    ),
    (
        "cvat",
        Case(
            "tracks of a video",
            [f"images/frame_00000{i}.png" for i in range(4)],
            {
                "annotations.xml": cvat(
                    "<meta><task><size>3</size><original_size><width>100</width></original_size></task></meta>",
                    TRACK.format(FRAME.format(0, 0) + FRAME.format(2, 0) + FRAME.format(3, 1)),
                )
            },
            {f"images/frame_00000{i}.png": [CAT] for i in range(3)} | {"images/frame_000003.png": []},
        ),
    ),
    (
        "cvat",
        Case(
            "a mask in an image of unknown size, polylines",
            ["1.jpg"],
            {
                "annotations.xml": cvat(
                    '<image id="0" name="1.jpg">'
                    + CVAT_BOX
                    + '<mask label="cat" rle="0, 800" left="10" top="20" width="20" height="40"/>'
                    + '<polyline label="cat" points="1,2;3,4"/></image>'
                )
            },
            {"1.jpg": [CAT]},
            problems=["annotations.xml: image 0, shape 2: a mask needs the image's width and height"],
            notes=['annotations.xml: image 0, shape 3: a shape "polyline"'],
        ),
    ),
)
def test_cvat(format_: str, case: Case, tmp_path: Path) -> None:
    check(format_, case, tmp_path)


# Label Studio

RECTANGLE = region("rectanglelabels", PERCENT)


def annotated(*results: Any, **more: Any) -> dict[str, Any]:
    return {"result": list(results), "was_cancelled": False, "ground_truth": False, **more}


def studio(name: str, tasks: list[Any], objects: Any, *images: str, **more: Any) -> tuple[str, Case]:
    return "label-studio", Case(name, list(images or objects or ("1.jpg",)), {"project-1.json": tasks}, objects, **more)


@exports(
    studio(
        "images in a bucket that lie here",
        [
            task("s3://bucket/photos/1.jpg", RECTANGLE),
            task("gs://b/2.jpg?x=1", number=2),
            task("https://h/label/data/upload/3/8a7c1b2d-3.jpg", number=3),
        ],
        {"1.jpg": [CAT], "img/2.jpg": [], "3.jpg": []},
    ),
    studio(
        "files of the server",
        [
            task("/data/local-files/?d=set%5Cimg%5C1.jpg", RECTANGLE),
            task("/storage-data/uploaded/?filepath=upload/1/8a7c1b2d-2.jpg", number=2),
            task("https://host/label-studio/data/local-files/?d=set/3.jpg", number=3),
        ],
        {"img/1.jpg": [CAT], "img/2.jpg": [], "3.jpg": []},
    ),
    (
        "label-studio",
        Case(
            "a file a task",
            ["1.jpg", "2.jpg"],
            {"1.json": task("1.jpg", RECTANGLE), "2.json": task("2.jpg", number=2)},
            {"1.jpg": [CAT], "2.jpg": []},
        ),
    ),
    studio(
        "a turned rectangle in an image of unknown size",
        [task("1.jpg", {"type": "rectanglelabels", "value": {**PERCENT, "rotation": 30, "rectanglelabels": ["cat"]}})],
        {"1.jpg": []},
        problems=["project-1.json: task 1, result 1: a turned region needs the image's size"],
    ),
    studio(
        "the old form",
        [{"id": 1, "data": {"image": "1.jpg"}, "completions": [annotated(RECTANGLE)]}],
        {"1.jpg": [CAT]},
    ),
    studio(
        "the newest annotation, the ground truth, the cancelled one",
        [
            {
                **task("1.jpg"),
                "annotations": [
                    annotated(RECTANGLE, updated_at="2024-02-01T00:00:00Z"),
                    annotated(updated_at="2024-01-01T00:00:00Z"),
                ],
            },
            {**task("2.jpg", number=2), "annotations": [annotated(RECTANGLE, ground_truth=True), annotated()]},
            {**task("3.jpg", number=3), "annotations": [annotated(RECTANGLE), annotated(was_cancelled=True)]},
            {**task("4.jpg", number=4), "annotations": [annotated(was_cancelled=True)]},
        ],
        {"1.jpg": [CAT], "2.jpg": [CAT], "3.jpg": [CAT]},
        "1.jpg",
        "2.jpg",
        "3.jpg",
        "4.jpg",
        notes=["project-1.json: task 4: the task has no annotation"],
        unnamed=1,
    ),
    studio(
        "the first task without an annotation",
        [
            {"id": 1, "data": {"image": "1.jpg"}, "predictions": [annotated(RECTANGLE)]},
            task("2.jpg", RECTANGLE, number=2),
        ],
        {"2.jpg": [CAT]},
        "1.jpg",
        "2.jpg",
        notes=["project-1.json: task 1: the task has no annotation, only predictions"],
        unnamed=1,
    ),
    studio(
        "the short form, another name of the image",
        [
            {
                "id": i,
                "photo": f"/data/upload/1/{i}.jpg",
                "choice": c,
                "annotator": 1,
                "annotation_id": i,
                "lead_time": 1.0,
            }
            for i, c in ((1, "cat"), (2, "dog"))
        ],
        {},
        "1.jpg",
        "2.jpg",
        kind="label",
        labels={"1.jpg": ("cat",), "2.jpg": ("dog",)},
    ),
    studio(
        "the short form with columns of the task",
        [
            {"id": i, "image": f"{i}.jpg", "source": "web", "label": c, "annotator": 1}
            for i, c in ((1, "cat"), (2, "dog"))
        ],
        {},
        "1.jpg",
        "2.jpg",
        kind="label",
        labels={"1.jpg": ("cat",), "2.jpg": ("dog",)},
    ),
    studio(
        "choices of a region, a brush, a region without a label",
        [
            task(
                "1.jpg",
                region("brushlabels", {"format": "rle", "rle": brush(MASK)}),
                {**region("choices", PERCENT), "value": {**PERCENT, "choices": ["young"]}, "id": "rbrushlabels"},
                {**region("rectangle", {}), "value": PERCENT, "id": "other"},
            )
        ],
        {"1.jpg": [CAT]},
        kind="masks",
        labels={"1.jpg": ()},
        problems=["project-1.json: task 1, result 3: the region has no label"],
    ),
)
def test_label_studio(format_: str, case: Case, tmp_path: Path) -> None:
    check(format_, case, tmp_path)
