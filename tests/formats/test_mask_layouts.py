"""Masks as public datasets lay them out: one row a layout, with what it means."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from object_files import (
    BOX,
    CAT,
    HEIGHT,
    SECOND,
    WIDTH,
    Case,
    check,
    colours,
    exports,
    png,
    values,
)

INSIDE = (10, 20, 30, 60)  # of BOX, as numbers of a mask
ANY, OTHER = ("object", BOX), ("object", tuple(map(float, SECOND)))


def one_masks(name: str, files: dict[str, Any], objects: Any, *images: str, **more: Any) -> tuple[str, Case]:
    return "masks", Case(name, list(images or objects), files, objects, kind="masks", **more)


def palette(*colours_of: tuple[int, int, int], boxes: list[tuple[int, tuple[int, int, int, int]]]) -> bytes:
    """A PNG with a palette."""
    array = np.zeros((HEIGHT, WIDTH), np.uint8)
    for value, (x1, y1, x2, y2) in boxes:
        array[y1:y2, x1:x2] = value
    image = Image.fromarray(array).convert("P")
    image.putpalette([number for colour in colours_of for number in colour])
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return stream.getvalue()


def ids(*boxes: tuple[int, tuple[int, int, int, int]]) -> bytes:
    """A PNG of 16 bits."""
    array = np.zeros((HEIGHT, WIDTH), np.uint16)
    for value, (x1, y1, x2, y2) in boxes:
        array[y1:y2, x1:x2] = value
    return png(array)


GT = "gtFine/train/ulm/ulm_000001_000019_gtFine"


@exports(
    one_masks(
        "nuclei: a folder an image, those to be tested without masks",
        {
            "stage1_train/aa/masks/1.png": values((255, INSIDE)),
            "stage1_train/aa/masks/2.png": values((255, SECOND)),
            "stage1_train_labels.csv": "ImageId,EncodedPixels\naa,1 2\n",
        },
        {"stage1_train/aa/images/aa.png": [ANY, OTHER]},
        "stage1_train/aa/images/aa.png",
        "stage1_test/cc/images/cc.png",
        splits={"stage1_train/aa/images/aa.png": "train"},
        notes=["stage1_test: 1 images have no masks beside them"],
    ),
    one_masks(
        "pedestrians",
        {
            "PedMasks/F1_mask.png": values((1, INSIDE), (2, SECOND)),
            "Annotation/F1.txt": "# Compatible with PASCAL Annotation Version 1.00\nImage filename : F1.png\n",
            "readme.txt": "x",
        },
        {"PNGImages/F1.png": [ANY, OTHER]},
    ),
    (
        "cityscapes",
        Case(
            "Cityscapes",
            [
                "leftImg8bit/train/ulm/ulm_000001_000019_leftImg8bit.png",
                "leftImg8bit/test/bonn/bonn_1_2_leftImg8bit.png",
            ],
            {
                f"{GT}_instanceIds.png": ids((26001, INSIDE), (24000, SECOND), (26, (60, 0, 70, 9)), (7, (0, 0, 5, 5))),
                f"{GT}_labelIds.png": values((26, INSIDE)),
                f"{GT}_color.png": colours(((1, 2, 3), INSIDE)),
                f"{GT}_polygons.json": {"imgHeight": HEIGHT, "imgWidth": WIDTH, "objects": []},
            },
            {
                "leftImg8bit/train/ulm/ulm_000001_000019_leftImg8bit.png": [
                    ("car", (60.0, 0.0, 70.0, 9.0)),
                    ("person", tuple(map(float, SECOND))),
                    ("car", BOX),
                ]
            },
            kind="masks",
            splits={"leftImg8bit/train/ulm/ulm_000001_000019_leftImg8bit.png": "train"},
            unnamed=1,
        ),
    ),
    one_masks(
        "CVAT's masks, with a palette",
        {
            "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:128,0,0::\n",
            "SegmentationClass/1.png": palette((0, 0, 0), (128, 0, 0), boxes=[(1, INSIDE), (1, SECOND)]),
            "SegmentationObject/1.png": palette((0, 0, 0), (7, 7, 7), (9, 9, 9), boxes=[(1, INSIDE), (2, SECOND)]),
            "ImageSets/Segmentation/default.txt": "1\n",
        },
        {"JPEGImages/1.jpg": [CAT, ("cat", OTHER[1])]},
    ),
    one_masks(
        "labelme's VOC",
        {
            "class_names.txt": "_background_\ncat\ndog\n",
            "SegmentationClass/1.png": values((1, INSIDE), (2, SECOND)),
            "SegmentationObject/1.png": values((1, INSIDE), (2, SECOND)),
            "SegmentationClassVisualization/1.jpg": colours(((1, 1, 1), INSIDE)),
        },
        {"JPEGImages/1.jpg": [CAT, ("dog", OTHER[1])]},
    ),
    one_masks(
        "16 bits, colours",
        {
            "masks/1.png": ids((1, INSIDE), (300, SECOND)),
            "masks/2.png": colours(((9, 0, 0), INSIDE), ((0, 0, 9), SECOND)),
        },
        {"images/1.jpg": [ANY, OTHER], "images/2.jpg": [ANY, OTHER]},
    ),
    one_masks(
        "a number behind the word",
        {"masks/1_mask_0.png": values((255, INSIDE)), "masks/1_mask_1.png": values((255, SECOND))},
        {"images/1.jpg": [ANY, OTHER]},
    ),
    one_masks(
        "masks beside the images, with Roboflow's list of classes",
        {
            "train/1_mask.png": values((1, INSIDE), (2, SECOND)),
            "train/_classes.csv": "Pixel Value, Class\n0, background\n1, cat\n2, dog\n",
        },
        {"train/1.jpg": [CAT, ("dog", OTHER[1])]},
        splits={"train/1.jpg": "train"},
    ),
    one_masks(
        "other names with the same numbers",
        {"masks/mask_1.png": values((255, INSIDE)), "masks/mask_11.png": values((255, SECOND))},
        {"images/img_1.jpg": [ANY], "images/img_11.jpg": [OTHER]},
    ),
    one_masks(
        "skin: names of the task in folders and files",
        {"ISIC_GroundTruth/ISIC_1_segmentation.png": values((255, INSIDE))},
        {"ISIC_Input/ISIC_1.jpg": [ANY]},
    ),
    one_masks(
        "classes without their names",
        {"SegmentationClass/1.png": values((15, INSIDE))},
        {"JPEGImages/1.jpg": [("15", BOX)]},
    ),
    one_masks(
        "values that are no numbers of objects",
        {"masks/1.png": values((3, INSIDE), (7, SECOND))},
        {"images/1.jpg": [ANY, OTHER]},
        notes=["masks/1.png: the values of 1 masks are not numbered from 1 on"],
    ),
    one_masks(
        "classes of tumours: masks beside the images in folders of classes",
        {"benign/benign (1)_mask.png": values((255, INSIDE)), "normal/normal (1)_mask.png": values()},
        {"benign/benign (1).png": [("benign", BOX)], "normal/normal (1).png": []},
    ),
    one_masks(
        "streets: colours by a table",
        {
            "train_labels/1_L.png": colours(((64, 0, 12), INSIDE), ((1, 2, 30), SECOND)),
            "class_dict.csv": "name,r,g,b\nCar,64,0,12\nSky,1,2,30\nVoid,0,0,0\n",
        },
        {"train/1.png": [("Car", BOX), ("Sky", OTHER[1])]},
        splits={"train/1.png": "train"},
    ),
)
def test_masks(format_: str, case: Case, tmp_path: Path) -> None:
    check(format_, case, tmp_path)
