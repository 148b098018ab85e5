"""Pascal VOC as public datasets and tools lay it out: one row a shape, with what it means."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from object_files import (
    BOX,
    CAT,
    SECOND,
    Case,
    check,
    exports,
    values,
    voc,
    voc_object,
)

INSIDE = (10, 20, 30, 60)  # of BOX, as numbers of a mask


def one_voc(name: str, files: dict[str, Any], objects: Any, *images: str, **more: Any) -> tuple[str, Case]:
    return "voc", Case(name, list(images or objects), files, objects, **more)


XML = voc("1.jpg", voc_object())
PET = voc("Abyssinian_1.jpg", voc_object())
ROTATED = (
    "<object><type>robndbox</type><name>cat</name><robndbox><cx>20</cx><cy>40</cy><w>40</w><h>20</h>"
    "<angle>1.570796</angle></robndbox></object>"
)
OUTLINE = (
    "<object><name>cat</name><deleted>{}</deleted><polygon><pt><x>10</x><y>20</y></pt><pt><x>30</x><y>20</y></pt>"
    "<pt><x>30</x><y>60</y></pt><username>me</username></polygon></object>"
)


@exports(
    one_voc(
        "VOC2012 with the sets of classes and the masks",
        {
            "VOC2012/Annotations/2012_1.xml": voc("2012_1.jpg", voc_object()),
            "VOC2012/Annotations/2012_2.xml": voc("2012_2.jpg", voc_object()),
            "VOC2012/ImageSets/Main/train.txt": "2012_1\r\n",
            "VOC2012/ImageSets/Main/val.txt": "2012_2\r\n",
            "VOC2012/ImageSets/Main/trainval.txt": "2012_1\r\n2012_2\r\n",
            "VOC2012/ImageSets/Main/cat_train.txt": "2012_1  1\r\n2012_2 -1\r\n",
            "VOC2012/ImageSets/Action/train.txt": "2012_2  1\n",
            "VOC2012/SegmentationClass/2012_1.png": values((8, INSIDE)),
            "VOC2012/SegmentationObject/2012_1.png": values((1, INSIDE)),
        },
        {f"JPEGImages/2012_{i}.jpg": [CAT] for i in (1, 2)},
        *(f"VOC2012/JPEGImages/2012_{i}.jpg" for i in (1, 2)),
        splits={"JPEGImages/2012_1.jpg": "train", "JPEGImages/2012_2.jpg": "val"},
    ),
    one_voc(
        "two years side by side",
        {
            f"VOC{year}/{file}": text
            for year in (2007, 2012)
            for file, text in (("Annotations/1.xml", XML), ("ImageSets/Main/train.txt", "1\n" if year == 2007 else ""))
        },
        {"VOC2007/JPEGImages/1.jpg": [CAT], "VOC2012/JPEGImages/1.jpg": [CAT]},
        splits={"VOC2007/JPEGImages/1.jpg": "train"},
    ),
    one_voc(
        "names with suffix and in quotation marks",
        {
            **{f"Annotations/{n}.xml": voc(f"{n}.jpg") for n in ("1", "a b")},
            "ImageSets/Main/train.txt": '1.jpg\n"a b"\n',
        },
        {"JPEGImages/1.jpg": [], "JPEGImages/a b.jpg": []},
        splits={"JPEGImages/1.jpg": "train", "JPEGImages/a b.jpg": "train"},
    ),
    one_voc(
        "lists of pairs beside the folders",
        {
            "annotations/1.xml": XML,
            "annotations/2.xml": voc("2.jpg"),
            "train_list.txt": "./images/1.jpg ./annotations/1.xml\n",
            "val.txt": "images/2.jpg annotations/2.xml\n",
            "label_list.txt": "cat\n",
        },
        {"images/1.jpg": [CAT], "images/2.jpg": []},
        splits={"images/1.jpg": "train", "images/2.jpg": "val"},
    ),
    one_voc(
        "Oxford's pets",
        {
            "annotations/xmls/Abyssinian_1.xml": PET,
            "annotations/trimaps/Abyssinian_1.png": values((1, INSIDE), (2, SECOND)),
            "annotations/trainval.txt": "Abyssinian_1 1 1 1\n",
            "annotations/test.txt": "Abyssinian_2 1 1 1\n",
            "annotations/list.txt": "#Image CLASS-ID SPECIES BREED ID\nAbyssinian_1 1 1 1\n",
        },
        {"images/Abyssinian_1.jpg": [CAT]},
        "images/Abyssinian_1.jpg",
        "images/Abyssinian_2.jpg",
        splits={"images/Abyssinian_1.jpg": "train"},
        notes=["annotations/test.txt: 1 images of the image sets have no annotation file, such as Abyssinian_2"],
        unnamed=1,
    ),
    one_voc(
        "ImageNet's localisation",
        {
            "Annotations/CLS-LOC/train/n01/n01_1.xml": voc("n01_1", voc_object("n01")),
            "Annotations/CLS-LOC/val/V_2.xml": voc("V_2", voc_object("n02")),
            "ImageSets/CLS-LOC/train_loc.txt": "n01/n01_1 1\n",
            "ImageSets/CLS-LOC/val.txt": "V_2 2\n",
        },
        {"Data/CLS-LOC/train/n01/n01_1.JPEG": [("n01", BOX)], "Data/CLS-LOC/val/V_2.JPEG": [("n02", BOX)]},
        splits={"Data/CLS-LOC/train/n01/n01_1.JPEG": "train", "Data/CLS-LOC/val/V_2.JPEG": "val"},
    ),
    one_voc(
        "masks of faces: folders side by side",
        {"annotations/f0.xml": voc("f0.png", voc_object("with_mask")).replace("<folder>x", "<folder>images")},
        {"images/f0.png": [("with_mask", BOX)]},
    ),
    one_voc(
        "labelImg, a path of another machine, a name that is another file's",
        {
            "1.xml": voc("1.jpg", voc_object(), more="<path>C:\\Users\\me\\1.jpg</path>"),
            "2.xml": voc("1.jpg"),
            "3.xml": voc("3.png", more="<path>/home/me/3.png</path>"),
        },
        {"1.jpg": [CAT], "2.jpg": [], "3.jpg": []},
    ),
    one_voc(
        "edges in another order, floats, doctype, nothing but the box, size 0",
        {
            "1.xml": '<?xml version="1.0"?><!DOCTYPE annotation><annotation><filename>1.jpg</filename><size>'
            "<width>0</width><height>0</height></size><object><name>cat</name><bndbox><ymin>20.0</ymin><xmin>10</xmin><ymax>60</ymax>"
            "<xmax>30</xmax></bndbox></object></annotation>"
        },
        {"1.jpg": [CAT]},
    ),
    one_voc(
        "a namespace", {"1.xml": XML.replace("<annotation>", '<annotation xmlns="http://x.org/voc">')}, {"1.jpg": [CAT]}
    ),
    one_voc("a wrong declaration", {"1.xml": '<?xml version="1.0" encoding="utf-16"?>\n' + XML}, {"1.jpg": [CAT]}),
    one_voc("UTF-16", {"1.xml": ('<?xml version="1.0" encoding="utf-16"?>' + XML).encode("utf-16")}, {"1.jpg": [CAT]}),
    one_voc(
        "undeclared Windows letters",
        {"1.xml": XML.replace(">cat<", ">Kätzchen<").encode("cp1252")},
        {"1.jpg": [("Kätzchen", BOX)]},
    ),
    one_voc("space before the declaration", {"1.xml": '\n <?xml version="1.0"?>' + XML}, {"1.jpg": [CAT]}),
    one_voc("turned boxes of roLabelImg", {"1.xml": voc("1.jpg", ROTATED)}, {"1.jpg": [CAT]}),
    one_voc(
        "outlines of the first LabelMe",
        {"1.xml": voc("1.jpg", OUTLINE.format(0), OUTLINE.format(1))},
        {"1.jpg": [CAT]},
        kind="masks",
    ),
    one_voc(
        "an inverted box stays for the report, flags missing",
        {"1.xml": voc("1.jpg", voc_object(box="30 20 10 60"), voc_object(more="<truncated>0</truncated>"))},
        {"1.jpg": [("cat", (30.0, 20.0, 10.0, 60.0)), CAT]},
    ),
)
def test_voc(format_: str, case: Case, tmp_path: Path) -> None:
    check(format_, case, tmp_path)
