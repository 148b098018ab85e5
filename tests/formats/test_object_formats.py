"""Labelled objects as the tools of others write them: boxes, polygons and masks, with every odd corner met so far."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from automl_vision.data.dataset import Dataset
from object_files import (
    BOX,
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
    RUNS,
    SECOND,
    SHARES,
    SQUARE,
    VIA_3,
    WIDTH,
    Case,
    brush,
    cases,
    check,
    coco,
    colours,
    cvat,
    cvat_image,
    labelme,
    lines,
    parquet,
    png,
    read,
    region,
    shape,
    task,
    values,
    via,
    voc,
    voc_object,
    write,
)

# COCO


@cases(
    Case(
        "boxes, unused parent, negatives, numbers as texts",
        ["train/a b.jpg", "train/ü.jpg"],
        {
            "train/_annotations.coco.json": coco(
                ["a b.jpg", "ü.jpg"],
                [(0, 1, [10, 20, 20, 40]), (0, 2, ["10", "20.5", "20", "39.5"])],
                [
                    {"id": 0, "name": "things", "supercategory": "none"},
                    {"id": 1, "name": "cat"},
                    {"id": 2, "name": "犬"},
                ],
            )
        },
        {"train/a b.jpg": [("cat", BOX), ("犬", (10.0, 20.5, 30.0, 60.0))], "train/ü.jpg": []},
        splits={"train/a b.jpg": "train", "train/ü.jpg": "train"},
        classes=["things", "cat", "犬"],
    ),
    Case(
        "polygons, run-length codes of both kinds, crowd",
        ["a.jpg"],
        {
            "instances.json": coco(
                ["a.jpg"],
                [
                    {"image_id": 0, "category_id": 1, "bbox": [10, 20, 20, 40], "segmentation": [SQUARE]},
                    {"image_id": 0, "category_id": 1, "segmentation": [SQUARE]},
                    {"image_id": 0, "category_id": 1, "segmentation": SQUARE},
                    {
                        "image_id": 0,
                        "category_id": 2,
                        "iscrowd": 1,
                        "segmentation": {"size": [HEIGHT, WIDTH], "counts": RUNS},
                    },
                    {"image_id": 0, "category_id": 2, "segmentation": {"size": [HEIGHT, WIDTH], "counts": CODE.counts}},
                ],
            )
        },
        {"a.jpg": [("cat", BOX)] * 3 + [("Çiçek", BOX)] * 2},
        kind="masks",
    ),
    Case(
        "bad annotations",
        ["a.jpg", "b.jpg"],
        {
            "coco.json": coco(
                ["a.jpg", {"id": 1, "file_name": ""}],
                [
                    (0, 1, [10, 20, 20, 40]),
                    (7, 1, [10, 20, 20, 40]),
                    (0, 9, [10, 20, 20, 40]),
                    (0, 1, [10, 20, 20]),
                    (0, 1, [10, 20, "wide", 40]),
                    {"image_id": 0, "category_id": 1, "segmentation": [[1, 2, 3, 4]]},
                    {"image_id": 0, "category_id": 1, "bbox": [10, 20, 20, 40], "segmentation": [[1, 2, 3, 4]]},
                    {"image_id": 0, "category_id": 1, "segmentation": {"size": [HEIGHT, WIDTH], "counts": [5, 5]}},
                    {"image_id": 0, "category_id": 1, "segmentation": {"size": [HEIGHT], "counts": "abc"}},
                    {"image_id": None, "category_id": 1},
                ],
            )
        },
        {"a.jpg": [("cat", BOX)] * 2},
        problems=[
            "coco.json: images[1]: the image has no file_name",
            "coco.json: annotations[1]: no image has the image_id 7",
            "coco.json: annotations[2]: no category has the category_id 9",
            "coco.json: annotations[3]: a box needs 4 numbers",
            'coco.json: annotations[4]: a coordinate must be a finite number, not "wide"',
            "coco.json: annotations[5]: a polygon needs at least 3 points",
            "coco.json: annotations[7]: the runs of a run-length code must fill its size",
            "coco.json: annotations[8]: a run-length code needs its size",
            "coco.json: annotations[9]: image_id and category_id must be numbers or texts",
        ],
        notes=["coco.json: annotations[6]: a polygon needs at least 3 points"],
        unnamed=1,
    ),
    Case(
        "the whole of COCO: captions, key points and results beside instances",
        ["val2017/1.jpg", "train2017/2.jpg"],
        {
            "annotations/instances_val2017.json": coco(["1.jpg"], [(0, 1, [10, 20, 20, 40])]),
            "annotations/instances_train2017.json": coco(["2.jpg"], []),
            "annotations/person_keypoints_val2017.json": coco(["1.jpg"], [(0, 1, [10, 20, 20, 40.5])]),
            "annotations/captions_val2017.json": {
                "images": [{"id": 0, "file_name": "1.jpg"}],
                "annotations": [{"image_id": 0, "id": 1, "caption": "a cat"}],
            },
            "results.json": [{"image_id": 0, "category_id": 1, "bbox": [1, 2, 3, 4], "score": 0.5}],
        },
        {"train2017/2.jpg": [], "val2017/1.jpg": [("cat", BOX)]},
        splits={"train2017/2.jpg": "train", "val2017/1.jpg": "val"},
    ),
    Case(
        "floats and texts as ids, images in folders, several files of one image",
        ["images/x/1.jpg", "images/y/1.jpg"],
        {
            "annotations/cats.json": coco(
                [{"id": "1", "file_name": "x/1.jpg"}, {"id": 2.0, "file_name": "y\\1.jpg"}],
                [{"image_id": 1, "category_id": "1", "bbox": [10, 20, 20, 40]}],
                [{"id": 1.0, "name": "cat"}],
            ),
            "annotations/all.json": coco(["x/1.jpg", "y/1.jpg"], [(0, 1, [10, 20, 20, 40]), (1, 2, [0, 0, 5, 5])]),
        },
        {"images/x/1.jpg": [("cat", BOX)], "images/y/1.jpg": [("Çiçek", (0.0, 0.0, 5.0, 5.0))]},
        notes=["annotations/all.json: images[0]: another file holds some of the same objects"],
    ),
    Case(
        "classes of whole images",
        ["a.jpg", "b.jpg"],
        {"labels.json": coco(["a.jpg", "b.jpg"], [{"image_id": 0, "category_id": i} for i in (1, 2)])},
        kind="labels",
        labels={"a.jpg": ("cat", "Çiçek"), "b.jpg": ()},
    ),
    Case(
        "paths of another machine, NaN",
        ["data/img/1.jpg", "data/img/2.jpg", "other.csv.jpg"],
        {
            "data/coco.json": json.dumps(
                coco(
                    [
                        {"id": 0, "file_name": "C:\\Users\\me\\img\\1.jpg"},
                        {"id": 1, "file_name": "/home/me/img/2.jpg", "width": float("nan")},
                    ],
                    [(1, 1, [10, 20, 20, 40])],
                )
            ),
            "stray.csv": "image,label\nother.csv.jpg,cat\n",
        },
        {"data/img/1.jpg": [], "data/img/2.jpg": [("cat", BOX)]},
        unnamed=1,
    ),
    Case(
        "a file in a folder of annotations",
        ["images/1.jpg"],
        {"annotations/instances.json": coco(["1.jpg"], [(0, 1, [10, 20, 20, 40])])},
        {"images/1.jpg": [("cat", BOX)]},
        main="annotations/instances.json",
    ),
)
def test_coco(case: Case, tmp_path: Path) -> None:
    check("coco", case, tmp_path)


def test_a_missing_image_is_not_mistaken_for_one_of_the_same_name(tmp_path: Path) -> None:
    document = coco(["val/1.jpg", "train/1.jpg", "/else/2.jpg", "/where/2.jpg"], [])
    _, annotations, _ = read(write(Case("", ["train/1.jpg", "val/0.jpg", "2.jpg"], {"coco.json": document}), tmp_path))
    assert annotations.images == ["val/1.jpg", "train/1.jpg", "2.jpg", "/where/2.jpg"]


# Pascal VOC


PART = "<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox></part>"


@cases(
    Case(
        "image sets",
        [f"JPEGImages/{name}.jpg" for name in ("1", "2 3", "4", "5", "6")],
        {
            **{f"Annotations/{name}.xml": voc(f"{name}.jpg", voc_object(more=PART)) for name in ("1", "2 3", "4", "5")},
            "ImageSets/Main/trainval.txt": "1\n2 3\n4\n",
            "ImageSets/Main/train.txt": "1\n",
            "ImageSets/Main/val.txt": "2 3\n",
            "ImageSets/Main/test.txt": "5\n6\n",
            "ImageSets/Main/cat_train.txt": "1  1\n5 -1\n",
            "ImageSets/Segmentation/val.txt": "1\n",
        },
        {f"JPEGImages/{name}.jpg": [("cat", BOX)] for name in ("1", "2 3", "4", "5")},
        splits={
            "JPEGImages/1.jpg": "train",
            "JPEGImages/2 3.jpg": "val",
            "JPEGImages/4.jpg": "train",
            "JPEGImages/5.jpg": "test",
        },
        notes=["ImageSets/Main/test.txt: 1 images of the image sets have no annotation file, such as 6"],
        unnamed=1,
    ),
    Case(
        "flags behind the names, floats, difficult, negatives, no image sets",
        ["1.png", "2.png"],
        {
            "1.xml": voc("1", voc_object("Katze & Hund".replace("&", "&amp;"), "10.5 20 30 60.25")),
            "2.xml": voc("C:\\photos\\2.png"),
        },
        {"1.png": [("Katze & Hund", (10.5, 20.0, 30.0, 60.25))], "2.png": []},
    ),
    Case(
        "splits in folders, as Roboflow writes them, with polygons",
        ["train/a.jpg", "valid/b.jpg"],
        {
            "train/a.xml": voc(
                "a.jpg",
                voc_object(more="<polygon>" + "".join(f"<{'xy'[i % 2]}{i // 2 + 1}>{v}</{'xy'[i % 2]}{i // 2 + 1}>"
                                                       for i, v in enumerate(SQUARE)) + "</polygon>"),
            ),
            "valid/b.xml": voc("b.jpg"),
        },
        {"train/a.jpg": [("cat", BOX)], "valid/b.jpg": []},
        kind="masks",
        splits={"train/a.jpg": "train", "valid/b.jpg": "val"},
    ),
    Case(
        "nested folders with equal names",
        ["JPEGImages/x/1.jpg", "JPEGImages/y/1.jpg"],
        {
            "Annotations/x/1.xml": voc("1.jpg", voc_object()),
            "Annotations/y/1.xml": voc("1.jpg"),
            "ImageSets/Main/train.txt": "x/1\n",
            "ImageSets/Main/val.txt": "y/1\n",
        },
        {"JPEGImages/x/1.jpg": [("cat", BOX)], "JPEGImages/y/1.jpg": []},
        splits={"JPEGImages/x/1.jpg": "train", "JPEGImages/y/1.jpg": "val"},
    ),
    Case(
        "bad files",
        ["1.jpg"],
        {
            "1.xml": voc(
                "1.jpg",
                voc_object(),
                voc_object(label=" "),
                voc_object(box="a b c d"),
                "<object><name>cat</name></object>",
            ),
            "2.xml": "<annotation><object>",
            "3.xml": '<!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]><annotation>&d;</annotation>',
            "4.xml": "<notes/>",
        },
        {"1.jpg": [("cat", BOX)]},
        problems=[
            "1.xml: object 2: the object has no name",
            "1.xml: object 3: a coordinate must be a finite number",
            "1.xml: object 4: the object has no bndbox",
            "2.xml: 2.xml is not valid XML",
            "3.xml: 3.xml uses XML entities",
        ],
    ),
)  # fmt: skip
def test_voc(case: Case, tmp_path: Path) -> None:
    check("voc", case, tmp_path)


def test_voc_keeps_difficult(tmp_path: Path) -> None:
    text = voc("1.jpg", voc_object(), voc_object(more="<difficult>1</difficult>"))
    _, annotations, _ = read(write(Case("", ["1.jpg"], {"1.xml": text}), tmp_path))
    assert annotations.build_objects().difficult.tolist() == [False, True]


# YOLO


@cases(
    Case(
        "data.yaml, splits by folder, negatives with and without a file",
        ["train/images/a b.jpg", "valid/images/b.jpg", "valid/images/c.jpg", "logo.png"],
        {
            "data.yaml": "train: ../train/images\nval: ../valid/images\nnc: 3\nnames: ['no', '1', Füße]\n",
            "train/labels/a b.txt": LINE + "2 0.2 0.5 0.2 0.5 0.9\n",
            "valid/labels/b.txt": "",
        },
        {"train/images/a b.jpg": [("1", BOX), ("Füße", BOX)], "valid/images/b.jpg": [], "valid/images/c.jpg": []},
        splits={"train/images/a b.jpg": "train", "valid/images/b.jpg": "val", "valid/images/c.jpg": "val"},
        classes=["no", "1", "Füße"],
        unnamed=1,
    ),
    Case(
        "names as a mapping, lists of images, one set for both",
        ["images/1.jpg", "images/2.jpg", "images/3.jpg"],
        {
            "coco8.yaml": "path: ../datasets/coco8\ntrain: train.txt\nval: train.txt\ntest: [images/3.jpg.txt, t.txt]\n"
            "names:\n  0: no\n  1: yes\n",
            "train.txt": "./images/1.jpg\n/home/me/images/2.jpg\n",
            "t.txt": "images/3.jpg",
            "labels/1.txt": LINE,
        },
        {"images/1.jpg": [("yes", BOX)], "images/2.jpg": [], "images/3.jpg": []},
        splits={"images/1.jpg": "train", "images/2.jpg": "train", "images/3.jpg": "test"},
        classes=["no", "yes"],
    ),
    Case(
        "darknet",
        ["data/obj/1.jpg", "data/obj/2.jpg"],
        {
            "data/obj.data": "classes = 2\ntrain = data/train.txt\nvalid = data/valid.txt\nnames = data/obj.names\n",
            "data/obj.names": "dog\ncat\n",
            "data/train.txt": "data/obj/1.jpg\n",
            "data/valid.txt": "data/obj/2.jpg\n",
            "data/obj/1.txt": LINE,
            "data/obj/2.txt": "",
        },
        {"obj/1.jpg": [("cat", BOX)], "obj/2.jpg": []},
        splits={"obj/1.jpg": "train", "obj/2.jpg": "val"},
        classes=["dog", "cat"],
    ),
    Case(
        "polygons, classes.txt",
        ["images/1.jpg"],
        {"classes.txt": "dog\ncat\n", "labels/1.txt": POLYGON},
        {"images/1.jpg": [("dog", BOX)]},
        kind="masks",
    ),
    Case(
        "no names, first files empty, labels apart",
        [f"photos/{i:02}.jpg" for i in range(15)],
        {f"txt/{i:02}.txt": LINE if i == 14 else "" for i in range(15)},
        {f"photos/{i:02}.jpg": [("1", BOX)] if i == 14 else [] for i in range(15)},
        notes=["/"],
    ),
    Case(
        "key points, other yaml files",
        ["images/train/1.jpg"],
        {
            "args.yaml": "epochs: 3\n",
            "pose.yaml": "train: images/train\nkpt_shape: [2, 3]\nnames: {0: dog, 1: cat}\n",
            "labels/train/1.txt": "1 0.2 0.5 0.2 0.5 0.1 0.1 2 0.3 0.3 0\n",
        },
        {"images/train/1.jpg": [("cat", BOX)]},
        splits={"images/train/1.jpg": "train"},
        notes=["/"],
    ),
    Case(
        "bad lines",
        ["images/1.jpg"],
        {
            "data.yaml": "names: [dog, cat]\n",
            "labels/1.txt": LINE
            + "2 0.2 0.5 0.2 0.5\n1 0.2 0.5 0.2\ncow 0.2 0.5 0.2 0.5\n1 0.2 x 0.2 0.5\n-1 0 0 1 1\n",
        },
        {"images/1.jpg": [("cat", BOX)]},
        problems=[
            "labels/1.txt:2: class 2 is not in the list of 2 names",
            "labels/1.txt:3: a line needs a class and 4 numbers",
            'labels/1.txt:4: the class must be a whole number, not "cow"',
            'labels/1.txt:5: a coordinate must be a finite number, not "x"',
            "labels/1.txt:6: class -1 is not",
        ],
    ),
    Case(
        "opened by its yaml file",
        ["images/1.jpg"],
        {"data.yaml": "train: images\nnames: [dog, cat]\n", "labels/1.txt": LINE},
        {"images/1.jpg": [("cat", BOX)]},
        splits={"images/1.jpg": "train"},
        main="data.yaml",
    ),
)
def test_yolo(case: Case, tmp_path: Path) -> None:
    check("yolo", case, tmp_path)


# LabelMe


@cases(
    Case(
        "rectangles, negatives, paths",
        ["img/1.jpg", "img/2.jpg", "img/3.jpg"],
        {
            "json/1.json": labelme("..\\img\\1.jpg", shape("rectangle", [[30, 60], [10, 20]])),
            "json/2.json": labelme("C:\\me\\img\\2.jpg", shape("rectangle", CORNERS, "кот")),
            "json/3.json": labelme("3.jpg"),
        },
        {"img/1.jpg": [("cat", BOX)], "img/2.jpg": [("кот", BOX)], "img/3.jpg": []},
    ),
    Case(
        "polygons, circles, masks, groups, lines",
        ["a/1.jpg", "b/1.jpg"],
        {
            "a/1.json": labelme(
                "1.jpg",
                shape("polygon", CORNERS),
                shape("circle", [[50, 40], [60, 40]], "dog"),
                PAINTED,
                shape("polygon", [[0, 0], [9, 0], [9, 9]], "fence", group_id=3),
                shape("polygon", [[20, 0], [29, 0], [29, 9]], "fence", group_id=3),
                shape("linestrip", CORNERS),
                shape("point", [[1, 1]]),
            ),
            "b/1.json": labelme("1.jpg", shape("polygon", CORNERS)),
            "package.json": {"name": "x"},
        },
        {
            "a/1.jpg": [
                ("cat", BOX),
                ("dog", (40.0, 30.0, 60.0, 50.0)),
                ("cat", BOX),
                ("fence", (0.0, 0.0, 29.0, 9.0)),
            ],
            "b/1.jpg": [("cat", BOX)],
        },
        kind="masks",
        notes=['a/1.json: shape 6: a shape "linestrip"', 'a/1.json: shape 7: a shape "point"'],
    ),
    Case(
        "inside of class folders",
        ["cat/1.jpg", "dog/1.jpg"],
        {f"{name}/1.json": labelme("1.jpg", shape("polygon", CORNERS, name)) for name in ("cat", "dog")},
        {"cat/1.jpg": [("cat", BOX)], "dog/1.jpg": [("dog", BOX)]},
        kind="masks",
    ),
    Case(
        "flags",
        ["1.jpg", "2.jpg"],
        {f"{i}.json": labelme(f"{i}.jpg", flags={"cat": i == 1, "dog": i == 2}) for i in (1, 2)},
        kind="label",
        labels={"1.jpg": ("cat",), "2.jpg": ("dog",)},
    ),
    Case(
        "bad shapes and files",
        ["1.jpg"],
        {
            "1.json": labelme(
                "1.jpg",
                shape("rectangle", CORNERS),
                shape("rectangle", CORNERS, ""),
                shape("polygon", [[1, 1]]),
                shape("polygon", [[1, "x"], [2, 2], [3, 3]]),
                {**PAINTED, "points": [[90, 20], [110, 59]]},
                {**PAINTED, "mask": "?"},
                "shape",  # type: ignore[arg-type]
            ),
            "2.json": '{"shapes": [',
        },
        {"1.jpg": [("cat", BOX)]},
        problems=[
            "1.json: shape 2: the shape has no label",
            '1.json: shape 3: a shape "polygon" of 1 points',
            "1.json: shape 4: a coordinate must be a finite number",
            "1.json: shape 5: the mask does not fit into the image",
            "1.json: shape 6: the mask cannot be read",
            "1.json: shape 7: a shape must be an object",
            "2.json: 2.json is not valid JSON",
        ],
    ),
)
def test_labelme(case: Case, tmp_path: Path) -> None:
    check("labelme", case, tmp_path)


# VGG Image Annotator


@cases(
    Case(
        "a project, attributes as dropdown, checkbox and text",
        ["1.jpg", "img/2.jpg"],
        {
            "via_project.json": {
                "_via_settings": {},
                "_via_img_metadata": {
                    **via("1.jpg", (RECT, {"type": "cat", "note": "x"}), (RECT, {"type": {"dog": True, "cow": False}})),
                    **via("2.jpg"),
                },
                "_via_attributes": {},
            }
        },
        {"1.jpg": [("cat", BOX), ("dog", BOX)], "img/2.jpg": []},
    ),
    Case(
        "an export, all shapes",
        ["1.jpg"],
        {
            "via_region_data.json": via(
                "1.jpg",
                (OUTLINE, {"name": "cat"}),
                ({"name": "circle", "cx": 50, "cy": 40, "r": 10}, {"name": "cat"}),
                ({"name": "ellipse", "cx": 50, "cy": 40, "rx": 20, "ry": 10, "theta": np.pi / 2}, {"name": "cat"}),
                ({"name": "point", "cx": 5, "cy": 4}, {"name": "cat"}),
            )
        },
        {"1.jpg": [("cat", BOX), ("cat", (40.0, 30.0, 60.0, 50.0)), ("cat", (40.0, 20.0, 60.0, 60.0))]},
        kind="masks",
        notes=["via_region_data.json: 1.jpg123, region 4: a point or line"],
    ),
    Case(
        "regions as a mapping, without any attribute, in split folders",
        ["train/1.jpg", "val/2.jpg"],
        {
            "train/via_region_data.json": {
                "1.jpg9": {
                    "fileref": "",
                    "size": 9,
                    "filename": "1.jpg",
                    "regions": {"0": {"shape_attributes": OUTLINE, "region_attributes": {}}},
                }
            },
            "val/via_region_data.json": via("2.jpg"),
        },
        {"train/1.jpg": [("object", BOX)], "val/2.jpg": []},
        kind="masks",
        splits={"train/1.jpg": "train", "val/2.jpg": "val"},
        notes=["/"],
    ),
    Case(
        "the table",
        ["1.jpg", "2.jpg"],
        {
            "via_region_data.csv": "#filename,file_size,file_attributes,region_count,region_id,region_shape_attributes,"
            'region_attributes\n1.jpg,9,"{}",2,0,"{""name"":""rect"",""x"":10,""y"":20,""width"":20,""height"":40}",'
            '"{""name"":""cat""}"\n1.jpg,9,"{}",2,1,"{""name"":""rect"",""x"":10,""y"":20,""width"":20,""height"":40}",'
            '"{""name"":""dog""}"\n2.jpg,9,"{}",0,0,"{}","{}"\n'
        },
        {"1.jpg": [("cat", BOX), ("dog", BOX)], "2.jpg": []},
    ),
    Case(
        "version 3",
        ["1.jpg", "img/2.jpg"],
        {"via3.json": VIA_3},
        {"1.jpg": [("cat", BOX), ("犬", BOX)], "img/2.jpg": []},
        notes=["via3.json: file 1, region 3: a point or line"],
    ),
    Case(
        "bad regions",
        ["1.jpg"],
        {
            "via.json": via(
                "1.jpg",
                (RECT, {"name": "cat"}),
                (RECT, {"name": ""}),
                ({**RECT, "x": None}, {"name": "cat"}),
                ({**OUTLINE, "all_points_x": [1]}, {"name": "cat"}),
                ({"name": "star"}, {"name": "cat"}),
                (None, {"name": "cat"}),  # type: ignore[arg-type]
            )
        },
        {"1.jpg": [("cat", BOX)]},
        problems=[
            "via.json: 1.jpg123, region 2: the region has no label",
            "via.json: 1.jpg123, region 3: a coordinate must be a finite number",
            "via.json: 1.jpg123, region 4: a polygon needs all_points_x and all_points_y of equal length",
            'via.json: 1.jpg123, region 5: a region "star" is no rectangle',
            "via.json: 1.jpg123, region 6: the region has no shape",
        ],
    ),
)
def test_via(case: Case, tmp_path: Path) -> None:
    check("via", case, tmp_path)


# CVAT


@cases(
    Case(
        "boxes, attributes, turned boxes, negatives, other shapes, subsets",
        ["images/a b/1.jpg", "images/2.jpg"],
        {
            "annotations.xml": cvat(
                cvat_image(
                    "a b/1.jpg",
                    CVAT_BOX.format('<attribute name="age">3</attribute>'),
                    '<box label="кот" xtl="30" ytl="30" xbr="50" ybr="40" rotation="90.0"></box>',
                    '<points label="cat" points="1,2"></points>',
                    '<cuboid label="cat" xtl1="1"></cuboid>',
                    '<tag label="outdoor"></tag>',
                    more='subset="Train"',
                ),
                cvat_image("2.jpg", more='subset="default"'),
            )
        },
        {"images/a b/1.jpg": [("cat", BOX), ("кот", (35.0, 25.0, 45.0, 45.0))], "images/2.jpg": []},
        splits={"images/a b/1.jpg": "train"},
        notes=[
            'annotations.xml: image 0, shape 3: a shape "points"',
            'annotations.xml: image 0, shape 4: a shape "cuboid"',
        ],
    ),
    Case(
        "polygons, ellipses, masks",
        ["1.jpg"],
        {
            "annotations.xml": cvat(
                cvat_image(
                    "1.jpg",
                    '<polygon label="cat" points="10.00,20.00;30.00,20.00;30.00,60.00;10.00,60.00"></polygon>',
                    '<ellipse label="cat" cx="50" cy="40" rx="20" ry="10" rotation="90"></ellipse>',
                    CVAT_MASK,
                )
            )
        },
        {"1.jpg": [("cat", BOX), ("cat", (40.0, 20.0, 60.0, 60.0)), ("dog", BOX)]},
        kind="masks",
    ),
    Case(
        "tags",
        ["1.jpg", "2.jpg"],
        {"annotations.xml": cvat(*(cvat_image(f"{i}.jpg", f'<tag label="{i}"></tag>') for i in (1, 2)))},
        kind="label",
        labels={"1.jpg": ("1",), "2.jpg": ("2",)},
    ),
    Case(
        "bad shapes",
        ["1.jpg"],
        {
            "annotations.xml": cvat(
                cvat_image(
                    "1.jpg",
                    CVAT_BOX,
                    '<box label="" xtl="1" ytl="1" xbr="2" ybr="2"/>',
                    '<box label="cat" xtl="one" ytl="1" xbr="2" ybr="2"/>',
                    '<polygon label="cat" points="1,2;3,4"/>',
                    CVAT_MASK.replace('left="10"', 'left="90"'),
                    CVAT_MASK.replace("800", "799"),
                ),
                cvat_image(""),
                '<track id="0" label="cat"><box frame="0"/></track>',
            ),
            "broken.xml": "<annotations>",
        },
        {"1.jpg": [("cat", BOX)]},
        problems=[
            "annotations.xml: image 0, shape 2: the shape has no label",
            "annotations.xml: image 0, shape 3: a coordinate must be a finite number",
            "annotations.xml: image 0, shape 4: a polygon needs at least 3 points",
            "annotations.xml: image 0, shape 5: the mask does not fit into the image",
            "annotations.xml: image 0, shape 6: the mask does not fit into the image",
            "annotations.xml: image 0: the image has no name",
            "broken.xml: broken.xml is not valid XML",
        ],
        notes=["annotations.xml: tracks of a video are not read"],
    ),
)
def test_cvat(case: Case, tmp_path: Path) -> None:
    check("cvat", case, tmp_path)


# Label Studio


@cases(
    Case(
        "rectangles: uploads, local files, turned, key points, several annotations, negatives",
        ["img/ä b.jpg", "1.jpg", "2.jpg", "3.jpg", "7b-4.jpg"],
        {
            "project-1-at-2024.json": [
                task("/data/local-files/?d=img%2F%C3%A4%20b.jpg", region("rectanglelabels", PERCENT)),
                task(
                    "/data/upload/1/8a7c1b2d-1.jpg",
                    region("rectanglelabels", {**PERCENT, "x": 50, "y": 50, "rotation": 90}, "Füße"),
                    region("keypointlabels", {"x": 1, "y": 1, "width": 0.5}),
                    {"from_id": "a", "to_id": "b", "type": "relation", "direction": "right"},
                    {"type": "textarea", "value": {"text": ["nice"]}, "from_name": "note", "to_name": "image"},
                    number=2,
                ),
                {
                    **task("http://localhost:8080/data/upload/1/ab-2.jpg", number=3),
                    "annotations": [
                        {"result": [region("rectanglelabels", PERCENT, "old")]},
                        {"result": [region("rectanglelabels", PERCENT, "new")]},
                        {"result": [], "was_cancelled": True},
                    ],
                },
                task("3.jpg", number=4, split="test"),
                {**task("5.jpg", number=5), "annotations": []},
                task("/data/upload/1/7b-4.jpg", number=6),
            ]
        },
        {
            "img/ä b.jpg": [("cat", BOX)],
            "1.jpg": [("Füße", (10.0, 40.0, 50.0, 60.0))],
            "2.jpg": [("new", BOX)],
            "3.jpg": [],
            "7b-4.jpg": [],
        },
        splits={"3.jpg": "test"},
        notes=[
            'project-1-at-2024.json: task 2, result 2: a result "keypointlabels"',
            'project-1-at-2024.json: task 2, result 4: a result "textarea"',
            "project-1-at-2024.json: task 5: the task has no annotation",
        ],
    ),
    Case(
        "polygons, ellipses, brushes, labels apart from their shape",
        ["1.jpg"],
        {
            "export.json": [
                task(
                    "1.jpg",
                    region("polygonlabels", {"points": [[10, 25], [30, 25], [30, 75], [10, 75]]}),
                    region("ellipselabels", {"x": 50, "y": 50, "radiusX": 20, "radiusY": 12.5, "rotation": 90}),
                    region("brushlabels", {"format": "rle", "rle": brush(MASK)}, "dog"),
                    {**region("polygon", {}), "value": {"points": [[1, 2], [3, 4], [5, 6]]}, "id": "same"},
                    region("labels", {"points": [[10, 25], [30, 25], [30, 75]]}, "part", id="same"),
                )
            ]
        },
        {"1.jpg": [("cat", BOX), ("cat", (40.0, 20.0, 60.0, 60.0)), ("dog", BOX), ("part", BOX)]},
        kind="masks",
    ),
    Case(
        "the short form",
        ["1.jpg", "2.jpg"],
        {
            "min.json": [
                {
                    "image": "/data/upload/1/8a7c1b2d-1.jpg",
                    "id": 1,
                    "label": [{**PERCENT, "rectanglelabels": ["cat"], "original_width": 100, "original_height": 80}],
                    "annotator": 1,
                    "annotation_id": 3,
                    "created_at": "2024",
                    "updated_at": "2024",
                    "lead_time": 2.5,
                },
                {"image": "2.jpg", "id": 2, "annotator": 1},
            ]
        },
        {"1.jpg": [("cat", BOX)], "2.jpg": []},
    ),
    Case(
        "choices",
        ["1.jpg", "2.jpg"],
        {
            "export.json": [
                task("1.jpg", {"type": "choices", "value": {"choices": ["cat", "dog"]}}),
                task("2.jpg", {"type": "choices", "value": {"choices": ["cat"]}}),
            ]
        },
        kind="labels",
        labels={"1.jpg": ("cat", "dog"), "2.jpg": ("cat",)},
    ),
    Case(
        "choices of the short form",
        ["1.jpg", "2.jpg"],
        {"m.json": [{"image": f"{i}.jpg", "id": i, "choice": "ab"[i - 1], "annotator": 1} for i in (1, 2)]},
        kind="label",
        labels={"1.jpg": ("a",), "2.jpg": ("b",)},
    ),
    Case(
        "bad results",
        ["1.jpg"],
        {
            "export.json": [
                task(
                    "1.jpg",
                    region("rectanglelabels", PERCENT),
                    region("rectanglelabels", {**PERCENT, "x": "left"}),
                    {**region("rectanglelabels", {}), "value": PERCENT, "id": "x"},
                    region("brushlabels", {"rle": [1, 2, 3]}),
                    region("polygonlabels", {"points": [[1, 2]]}),
                ),
                {"id": 2, "data": {"image": ""}, "annotations": [{"result": []}]},
                7,
            ],
            "broken.json": "[{",
        },
        {"1.jpg": [("cat", BOX)]},
        problems=[
            "broken.json: broken.json is not valid JSON",
            "export.json: task 1, result 2: a coordinate must be a finite number",
            "export.json: task 1, result 3: the region has no label",
            "export.json: task 1, result 4: the brush's code ends too early",
            "export.json: task 1, result 5: a polygon needs at least 3 points",
            "export.json: task 2: the task has no image",
            "export.json: task 2: a task must be an object, not 7",
        ],
    ),
)
def test_label_studio(case: Case, tmp_path: Path) -> None:
    check("label-studio", case, tmp_path)


# JSON lines and MLTable


DETAILS = {"format": "jpg", "width": "100px", "height": "80px"}
AZURE = "azureml://subscriptions/0/resourcegroups/g/workspaces/w/datastores/workspaceblobstore/paths/odFridge/images/"


@cases(
    Case(
        "boxes, numbers and flags as texts, negatives",
        ["1.jpg", "2.jpg"],
        {
            "train.jsonl": lines(
                {
                    "image_url": "1.jpg",
                    "image_details": DETAILS,
                    "label": [
                        {"label": "cat", **CORNER, "isCrowd": 0},
                        {"label": "犬", **{k: str(v) for k, v in CORNER.items()}, "isCrowd": "true"},
                    ],
                }
            ),
            "val.jsonl": lines({"image_url": "./2.jpg", "label": []}),
        },
        {"1.jpg": [("cat", BOX), ("犬", BOX)], "2.jpg": []},
        splits={"1.jpg": "train", "2.jpg": "val"},
    ),
    Case(
        "polygons",
        ["1.jpg"],
        {
            "a.jsonl": lines(
                {
                    "image_url": "1.jpg",
                    "label": [
                        {"label": "cat", "isCrowd": 0, "polygon": [SHARES]},
                        {"label": "cat", "isCrowd": "false", "polygon": SHARES},
                    ],
                }
            )
        },
        {"1.jpg": [("cat", BOX)] * 2},
        kind="masks",
    ),
    Case(
        "bad objects, a line an object",
        ["1.jpg"],
        {
            "a.jsonl": lines(
                {"image_url": "1.jpg", "label": {"label": "cat", **CORNER}},
                {"image_url": "1.jpg", "label": [{"label": "dog", **CORNER}]},
                {
                    "image_url": "1.jpg",
                    "label": [
                        {"label": "", **CORNER},
                        {"label": "cat", **CORNER, "topX": "left"},
                        {"label": "cat", **CORNER, "isCrowd": "maybe"},
                        {"label": "cat", "polygon": [[0, 1]]},
                        {"label": "cat", "topx": 0},
                    ],
                },
            )
        },
        {"1.jpg": [("cat", BOX), ("dog", BOX)]},
        problems=[
            'a.jsonl:3, object 1: the object has no "label"',
            "a.jsonl:3, object 2: a coordinate must be a finite number",
            "a.jsonl:3, object 3: a flag must be 0 or 1",
            "a.jsonl:3, object 4: a polygon needs at least 3 points",
            'a.jsonl:3, object 5: the object has no "topX" and no "polygon". Did you mean "topx"?',
        ],
    ),
)
def test_json_lines(case: Case, tmp_path: Path) -> None:
    check("jsonl", case, tmp_path)


@cases(
    Case(
        "two tables, images in a data store",
        ["odFridge/images/1.jpg", "odFridge/images/2 b.jpg"],
        {
            "training-mltable-folder/MLTable": "paths:\n  - file: ./train_annotations.jsonl\ntransformations:\n"
            "  - read_json_lines:\n      encoding: utf8\n      invalid_lines: error\n      include_path_column: false\n"
            "  - convert_column_types:\n      - columns: image_url\n        column_type: stream_info\n",
            "training-mltable-folder/train_annotations.jsonl": lines(
                {"image_url": AZURE + "1.jpg", "image_details": DETAILS, "label": [{"label": "can", **CORNER}]}
            ),
            "validation-mltable-folder/MLTable": "paths:\n  - file: azureml://datastores/x/paths/validation_annotations.jsonl\n",
            "validation-mltable-folder/validation_annotations.jsonl": lines(
                {"image_url": AZURE + "2 b.jpg", "image_details": DETAILS, "label": []}
            ),
        },
        {"odFridge/images/1.jpg": [("can", BOX)], "odFridge/images/2 b.jpg": []},
        splits={"odFridge/images/1.jpg": "train", "odFridge/images/2 b.jpg": "val"},
    ),
    Case(
        "a delimited table with another column of images",
        ["1.jpg", "2.jpg"],
        {
            "MLTable": "paths:\n  - pattern: ./*.csv\ntransformations:\n  - read_delimited:\n      delimiter: ','\n"
            "  - convert_column_types:\n      - columns: [picture]\n        column_type: {stream_info: {}}\n",
            "t.csv": "picture,label\n1.jpg,cat\n2.jpg,dog\n",
        },
        kind="label",
        labels={"1.jpg": ("cat",), "2.jpg": ("dog",)},
    ),
)
def test_mltable(case: Case, tmp_path: Path) -> None:
    check("mltable", case, tmp_path)


# Hugging Face


CARD = """---
license: mit
dataset_info:
  features:
  - name: objects
    sequence:
    - name: categories
      dtype:
        class_label:
          names:
            '0': no
            '1': Füße
---
# Data
"""


@cases(
    Case(
        "objects as columns, names in the card, splits",
        ["train/1.jpg", "test/2.jpg"],
        {
            "README.md": CARD,
            "train/metadata.jsonl": lines({"file_name": "1.jpg", "objects": HF_OBJECTS}),
            "test/metadata.jsonl": lines({"file_name": "2.jpg", "objects": {"bbox": [], "categories": []}}),
        },
        {"train/1.jpg": [("no", BOX), ("Füße", BOX)], "test/2.jpg": []},
        splits={"train/1.jpg": "train", "test/2.jpg": "test"},
    ),
    Case(
        "objects as rows with polygons, Parquet",
        ["1.jpg"],
        {
            "metadata.parquet": parquet(
                [
                    {
                        "file_name": "1.jpg",
                        "objects": [{"bbox": [10, 20, 20, 40], "category": "cat", "segmentation": [SQUARE]}],
                    }
                ]
            )
        },
        {"1.jpg": [("cat", BOX)]},
        kind="masks",
    ),
    Case(
        "labels",
        ["a/1.jpg", "a/2.jpg"],
        {"metadata.csv": "file_name,label\na/1.jpg,cat\na/2.jpg,dog\n"},
        kind="label",
        labels={"a/1.jpg": ("cat",), "a/2.jpg": ("dog",)},
    ),
    Case(
        "lists of labels, one of them empty",
        ["1.jpg", "2.jpg"],
        {"metadata.jsonl": lines({"file_name": "1.jpg", "labels": ["a"]}, {"file_name": "2.jpg", "labels": []})},
        kind="labels",
        labels={"1.jpg": ("a",), "2.jpg": ()},
    ),
    Case(
        "bad rows",
        ["1.jpg"],
        {
            "metadata.jsonl": lines(
                {"file_name": "1.jpg", "objects": {"bbox": [[10, 20, 20, 40], [1, 2]], "categories": ["cat", "cat"]}},
                {"file_name": "2.jpg", "objects": {"bbox": [[1, 2, 3, 4]], "categories": []}},
                {"file_name": "", "label": "cat"},
                {"file_name": "3.jpg", "label": None},
            )
            + "{\n"
        },
        {"1.jpg": [("cat", BOX)]},
        problems=[
            "metadata.jsonl:1, object 2: a box needs 4 numbers",
            "metadata.jsonl:2: there are 1 boxes and 0 categories",
            'metadata.jsonl:3: the row has no "file_name"',
            "metadata.jsonl:4: the row has no label",
            "metadata.jsonl:5: the line is not valid JSON",
        ],
    ),
)
def test_hugging_face(case: Case, tmp_path: Path) -> None:
    check("huggingface", case, tmp_path)


# CSV with boxes


@cases(
    Case(
        "TensorFlow's",
        ["images/1.jpg", "images/2.jpg"],
        {
            "train_labels.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\n1.jpg,100,80,cat,10,20,30,60\n",
            "test_labels.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\n2.jpg,100,80,犬,10,20,30,60\n",
        },
        {"images/1.jpg": [("cat", BOX)], "images/2.jpg": [("犬", BOX)]},
        splits={"images/1.jpg": "train", "images/2.jpg": "test"},
    ),
    Case(
        "Roboflow's, in split folders",
        ["train/1.jpg", "valid/2.jpg"],
        {
            "train/_annotations.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\n1.jpg,100,80,cat,10,20,30,60\n",
            "valid/_annotations.csv": "filename,width,height,class,xmin,ymin,xmax,ymax\n2.jpg,100,80,cat,10,20,30,60\n",
        },
        {"train/1.jpg": [("cat", BOX)], "valid/2.jpg": [("cat", BOX)]},
        splits={"train/1.jpg": "train", "valid/2.jpg": "val"},
    ),
    Case(
        "RetinaNet's, without a header, with negatives",
        ["img/a b.jpg", "img/2.jpg"],
        {"annotations.csv": "img/a b.jpg,10,20,30,60,cat\nimg/2.jpg,,,,,\n", "classes.csv": "cat,0\n"},
        {"img/a b.jpg": [("cat", BOX)], "img/2.jpg": []},
    ),
    Case(
        "Open Images'",
        ["train/0001eeaf.jpg"],
        {
            "train-annotations-bbox.csv": "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,"
            "IsTruncated,IsGroupOf,IsDepiction,IsInside\n0001eeaf,xclick,/m/01yrx,1,0.1,0.3,0.25,0.75,0,0,0,0,0\n",
            "class-descriptions-boxable.csv": "/m/01yrx,Cat\n/m/011k07,Tortoise\n",
        },
        {"train/0001eeaf.jpg": [("Cat", BOX)]},
        splits={"train/0001eeaf.jpg": "train"},
    ),
    Case(
        "Vertex AI's",
        ["a/1.jpg", "a/2.jpg"],
        {
            "import.csv": "TRAIN,a/1.jpg,cat,0.1,0.25,,,0.3,0.75,,\n"
            "VALIDATION,a/2.jpg,dog,0.1,0.25,0.3,0.25,0.3,0.75,0.1,0.75\n"
        },
        {"a/1.jpg": [("cat", BOX)], "a/2.jpg": [("dog", BOX)]},
        splits={"a/1.jpg": "train", "a/2.jpg": "val"},
    ),
    Case(
        "makesense's, without a header",
        ["1.jpg"],
        {"labels.csv": "cat,10,20,20,40,1.jpg,100,80\n"},
        {"1.jpg": [("cat", BOX)]},
    ),
    Case(
        "corner and extent",
        ["1.jpg"],
        {
            "l.csv": "label_name,bbox_x,bbox_y,bbox_width,bbox_height,image_name,image_width,image_height\n"
            "cat,10,20,20,40,1.jpg,100,80\ncat,1,x,3,4,1.jpg,100,80\n,1,2,3,4,1.jpg,100,80\n"
        },
        {"1.jpg": [("cat", BOX)]},
        problems=["l.csv:3: a coordinate must be a finite number", "l.csv:4: the label is empty"],
    ),
)
def test_csv_with_boxes(case: Case, tmp_path: Path) -> None:
    check("csv", case, tmp_path)


def test_marks_of_a_table(tmp_path: Path) -> None:
    text = "image,label,xmin,ymin,xmax,ymax,iscrowd,difficult\n1.jpg,cat,1,2,3,4,1,0\n1.jpg,cat,1,2,3,4,0,1\n"
    _, annotations, _ = read(write(Case("", ["1.jpg"], {"a.csv": text}), tmp_path))
    objects = annotations.build_objects()
    assert (objects.iscrowd.tolist(), objects.difficult.tolist()) == ([True, False], [False, True])


# Masks


@cases(
    Case(
        "a value an object",
        ["images/train/1.jpg", "images/val/1.jpg", "images/val/2.jpg"],
        {
            "masks/train/1.png": values((1, (10, 20, 30, 60)), (2, SECOND)),
            "masks/val/1.png": values((255, (10, 20, 30, 60))),
        },
        {
            "images/train/1.jpg": [("object", BOX), ("object", SECOND)],
            "images/val/1.jpg": [("object", BOX)],
            "images/val/2.jpg": [],
        },
        splits={"images/train/1.jpg": "train", "images/val/1.jpg": "val", "images/val/2.jpg": "val"},
    ),
    Case(
        "a value a class",
        ["images/1.jpg"],
        {"classes.txt": "cat\nFüße\n", "masks/1.png": values((1, (10, 20, 30, 60)), (2, SECOND), (255, (0, 0, 2, 2)))},
        {"images/1.jpg": [("cat", BOX), ("Füße", SECOND)]},
    ),
    Case(
        "an instance a file, by image",
        ["images/1.jpg", "images/2.jpg"],
        {
            "masks/1/cat_1.png": values((255, (10, 20, 30, 60))),
            "masks/1/dog_1.png": values((255, SECOND)),
            "masks/2/cat.png": values((1, SECOND)),
        },
        {"images/1.jpg": [("cat", BOX), ("dog", SECOND)], "images/2.jpg": [("cat", SECOND)]},
    ),
    Case(
        "an instance a file, by class",
        ["images/a_1.jpg"],
        {"masks/cat/a_1_0.png": values((255, (10, 20, 30, 60))), "masks/dog/a_1_1.png": values((255, SECOND))},
        {"images/a_1.jpg": [("cat", BOX), ("dog", SECOND)]},
    ),
    Case(
        "an image a folder",
        ["stage1/aa/images/aa.png", "stage1/bb/images/bb.png"],
        {
            "stage1/aa/masks/0f.png": values((255, (10, 20, 30, 60))),
            "stage1/aa/masks/1e.png": values((255, SECOND)),
            "stage1/bb/masks/2d.png": values((255, SECOND)),
        },
        {
            "aa/images/aa.png": [("object", BOX), ("object", SECOND)],
            "bb/images/bb.png": [("object", SECOND)],
        },
    ),
    Case(
        "another name of the folder and of the masks",
        ["PNGImages/Fudan1.png"],
        {"PedMasks/Fudan1_mask.png": values((1, (10, 20, 30, 60)), (2, SECOND))},
        {"PNGImages/Fudan1.png": [("object", BOX), ("object", SECOND)]},
    ),
    Case(
        "colours of instances, colours of classes",
        ["JPEGImages/1.jpg"],
        {
            "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:128,0,0::\ndog:0,128,0::\n",
            "SegmentationClass/1.png": colours(((128, 0, 0), (10, 20, 30, 60)), ((0, 128, 0), SECOND)),
            "SegmentationObject/1.png": colours(((1, 2, 3), (10, 20, 30, 60)), ((7, 7, 7), SECOND)),
        },
        {"JPEGImages/1.jpg": [("cat", BOX), ("dog", SECOND)]},
    ),
    Case(
        "bad masks",
        ["images/1.jpg", "images/2.jpg", "images/3.jpg"],
        {
            "classes.txt": "cat\n",
            "masks/1.png": values((1, (10, 20, 30, 60)), (9, SECOND)),
            "masks/2.png": b"no image",
            "masks/3.png": png(np.random.default_rng(0).integers(0, 255, (HEIGHT, WIDTH, 3), dtype=np.uint8)),
            "masks/9.png": values((1, SECOND)),
        },
        {"images/1.jpg": [], "images/2.jpg": [], "images/3.jpg": []},
        problems=[
            "masks/1.png: the mask has the value 9",
            "masks/2.png: the file is not an image",
            "masks/3.png: a mask with",
            "masks/9.png: no image belongs to the mask",
        ],
    ),
)
def test_masks(case: Case, tmp_path: Path) -> None:
    case = Case(**{**vars(case), "kind": "masks", "objects": _floats(case.objects)})
    check("masks", case, tmp_path)


def _floats(objects: dict[str, list[tuple[str, tuple[float, ...]]]]) -> dict[str, list[tuple[str, tuple[float, ...]]]]:
    return {k: [(label, tuple(map(float, box))) for label, box in found] for k, found in objects.items()}


def test_shares_a_little_above_one_are_shares(tmp_path: Path) -> None:
    rows = ["image,label,xmin,ymin,xmax,ymax"]
    for i in range(12):
        Image.new("RGB", (40, 20), (i, 0, 0)).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,cat,0.1,0.1,0.5,{1.0001 if i == 3 else 0.6}")
    (tmp_path / "labels.csv").write_text("\n".join(rows) + "\n")
    boxes = Dataset.open(tmp_path).objects.bbox
    np.testing.assert_allclose(boxes[0], [4, 2, 20, 12], rtol=1e-5)
    np.testing.assert_allclose(boxes[3], [4, 2, 20, 20], rtol=1e-5)
