"""YOLO text files as tools really write them: one row a shape, with what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from object_files import (
    BOX,
    CAT,
    DOG,
    LINE,
    POLYGON,
    Case,
    check,
    exports,
)

NAMES = "names: [dog, cat]\n"

TRAIN_VAL = {"images/train/1.jpg": [CAT], "images/val/2.jpg": []}
SPLIT = {"images/train/1.jpg": "train", "images/val/2.jpg": "val"}
LABELS = {"labels/train/1.txt": LINE, "labels/val/2.txt": ""}


def yolo(name: str, files: dict[str, Any], objects: Any = None, *images: str, **more: Any) -> tuple[str, Case]:
    objects = objects if objects is not None else TRAIN_VAL
    return "yolo", Case(name, list(images or objects), files, objects, **more)


@exports(
    yolo(
        "Ultralytics, a path of another machine",
        {
            "data.yaml": "path: ../datasets/coco8\ntrain: images/train\nval: images/val\ntest:\n\n"
            "names:\n  0: dog\n  1: cat\n",
            **LABELS,
        },
        splits=SPLIT,
    ),
    yolo(
        "lists of folders",
        {"data.yaml": f"train: [images/train]\nval:\n  - images/val\n{NAMES}", **LABELS},
        splits=SPLIT,
    ),
    yolo(
        "lists of images in files",
        {
            "data.yaml": f"path: /data/x\ntrain: train.txt\nval: val.txt\n{NAMES}",
            "train.txt": "./images/1.JPG\n",
            "val.txt": "/data/x/images/2.JPG\n",
            "labels/1.txt": LINE,
        },
        {"images/1.JPG": [CAT], "images/2.JPG": []},
        splits={"images/1.JPG": "train", "images/2.JPG": "val"},
    ),
    yolo(
        "Roboflow's",
        {
            "data.yaml": "train: ../train/images\nval: ../valid/images\ntest: ../test/images\nnc: 2\n"
            f"{NAMES}roboflow:\n  version: 1\n",
            "train/labels/1.txt": LINE,
            "README.roboflow.txt": "x",
        },
        {"train/images/1.jpg": [CAT], "valid/images/2.jpg": []},
        splits={"train/images/1.jpg": "train", "valid/images/2.jpg": "val"},
    ),
    yolo(
        "CVAT's",
        {
            "obj.data": "classes = 2\ntrain = data/train.txt\nnames = data/obj.names\nbackup = backup/\n",
            "obj.names": "dog\ncat\n",
            "train.txt": "data/obj_train_data/1.jpg\ndata/obj_train_data/2.jpg\n",
            "obj_train_data/1.txt": LINE,
            "obj_train_data/2.txt": "",
        },
        {"obj_train_data/1.jpg": [CAT], "obj_train_data/2.jpg": []},
        splits={"obj_train_data/1.jpg": "train", "obj_train_data/2.jpg": "train"},
    ),
    yolo(
        "Label Studio's, names in notes.json, images under their own names",
        {
            "notes.json": {"categories": [{"id": 0, "name": "dog"}, {"id": 1, "name": "cat"}], "info": {}},
            "labels/8a7c1b2d-1.txt": LINE,
        },
        {"images/1.jpg": [CAT]},
    ),
    yolo(
        "Label Studio's",
        {"classes.txt": "dog\ncat\n", "notes.json": {"categories": []}, "labels/ab-1.txt": LINE},
        {"images/ab-1.jpg": [CAT]},
    ),
    yolo(
        "Darknet's labels of Roboflow",
        {"train/_darknet.labels": "dog\ncat", "train/1.txt": LINE},
        {"train/1.jpg": [CAT]},
        splits={"train/1.jpg": "train"},
    ),
    yolo(
        "no names",
        {"labels/1.txt": LINE},
        {"images/1.jpg": [("1", BOX)]},
        notes=["/"],
    ),
    yolo(
        "an empty line among the names",
        {"classes.txt": "dog\n\ncat\n", "labels/1.txt": "2" + LINE[1:]},
        {"images/1.jpg": [CAT]},
    ),
    yolo("numbered names", {"classes.txt": "0: dog\n1: cat\n", "labels/1.txt": LINE}, {"images/1.jpg": [CAT]}),
    yolo("names in labels.txt", {"labels.txt": "dog\ncat\n", "labels/1.txt": LINE}, {"images/1.jpg": [CAT]}),
    yolo(
        "settings without names beside classes.txt",
        {"data.yaml": "train: images/a\nval: images/b\nnc: 2\n", "classes.txt": "dog\ncat", "labels/a/1.txt": LINE},
        {"images/a/1.jpg": [CAT], "images/b/2.jpg": []},
        splits={"images/a/1.jpg": "train", "images/b/2.jpg": "val"},
    ),
    yolo(
        "settings that name a file of names",
        {"data.yaml": "train: images\nnames: coco.names\n", "coco.names": "dog\ncat", "labels/1.txt": LINE},
        {"images/1.jpg": [CAT]},
        splits={"images/1.jpg": "train"},
    ),
    yolo(
        "lists of images without settings",
        {"classes.txt": "dog\ncat", "train.txt": "images/1.jpg\n", "val.txt": "images/2.jpg\n", "labels/1.txt": LINE},
        {"images/1.jpg": [CAT], "images/2.jpg": []},
        splits={"images/1.jpg": "train", "images/2.jpg": "val"},
    ),
    yolo(
        "settings that are no YAML",
        {"data.yaml": "names: [dog, cat\ntrain: images", "labels/1.txt": LINE},
        {"images/1.jpg": [("1", BOX)]},
        problems=["data.yaml: data.yaml is not valid YAML"],
        notes=["/"],
    ),
    yolo(
        "polygons and boxes, tabs, Windows lines, spaces",
        {"data.yaml": NAMES, "labels/1.txt": (POLYGON + "1\t0.2  0.5 0.2 0.5 \r\n\r\n").encode()},
        {"images/1.jpg": [DOG, CAT]},
    ),
    yolo(
        "turned boxes",
        {"data.yaml": NAMES, "labels/1.txt": "1 0.1 0.25 0.3 0.25 0.3 0.75 0.1 0.75\n"},
        {"images/1.jpg": [CAT]},
        kind="masks",
    ),
    yolo(
        "key points without settings that say so",
        {
            "classes.txt": "dog\ncat\n",
            **{f"labels/{i}.txt": LINE.strip() + " 0.15 0.4 2 0.2 0.5 1\n" for i in range(3)},
        },
        {f"images/{i}.jpg": [CAT] for i in range(3)},
        notes=["/"],
    ),
    yolo(
        "classes as floats, confidence, beyond the edge",
        {"data.yaml": NAMES, "labels/1.txt": "1.0 0.2 0.5 0.2 0.5 0.9\n1 0.95 0.5 0.104 0.5\n1.5 0.2 0.5 0.2 0.5\n"},
        {"images/1.jpg": [CAT, ("cat", (89.8, 20.0, 100.2, 60.0))]},
        problems=['labels/1.txt:3: the class must be a whole number, not "1.5"'],
    ),
    yolo(
        "a bad line among the first",
        {"classes.txt": "dog\ncat", "labels/1.txt": "1 nan 0.5 0.2 0.5\n" + 5 * LINE},
        {"images/1.jpg": [CAT] * 5},
        problems=["labels/1.txt:1: a coordinate must be a finite number"],
    ),
    yolo(
        "an odd number of coordinates, pixels",
        {"data.yaml": NAMES, "labels/1.txt": LINE + "1 0.1 0.25 0.3 0.25 0.3 0.75 0.1\n1 20 40 20 40\n"},
        {"images/1.jpg": [CAT]},
        problems=["labels/1.txt:2: a polygon needs", "labels/1.txt:3: coordinates are shares of width and height"],
    ),
    yolo(
        "more names than nc says",
        {"data.yaml": "nc: 1\n" + NAMES, "labels/1.txt": LINE + "5 0.2 0.5 0.2 0.5\n"},
        {"images/1.jpg": [CAT]},
        problems=["labels/1.txt:2: class 5 is not in the list of 2 names"],
    ),
    yolo(
        "capital suffixes, nested folders",
        {"data.yaml": NAMES, "labels/a/b/1.TXT": LINE},
        {"images/a/b/1.JPG": [CAT]},
    ),
    yolo(
        "one name, the suffix of the image kept, labels without an image",
        {"data.yaml": "names: cat\nnc: 1\n", "labels/1.jpg.txt": "0" + LINE[1:], "labels/2.txt": LINE},
        {"images/1.jpg": [CAT]},
        problems=["labels/2.txt: no image belongs to the label file"],
    ),
    yolo(
        "a folder of images and one of labels a split",
        {"classes.txt": "dog\ncat", "labels_train/1.txt": LINE, "labels_val/1.txt": ""},
        {"images_train/1.jpg": [CAT], "images_val/1.jpg": []},
        splits={"images_train/1.jpg": "train", "images_val/1.jpg": "val"},
    ),
    yolo(
        "labels apart, equal names in each split",
        {"classes.txt": "dog\ncat", "train/txt/1.txt": LINE, "val/txt/1.txt": ""},
        {"train/img/1.jpg": [CAT], "val/img/1.jpg": []},
        splits={"train/img/1.jpg": "train", "val/img/1.jpg": "val"},
    ),
)
def test_yolo(format_: str, case: Case, tmp_path: Path) -> None:
    check(format_, case, tmp_path)
