"""The right format is found where several could fit, and hostile files do no harm."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from automl_vision import Dataset
from automl_vision.core.errors import DataError
from object_files import (
    BOX,
    CORNERS,
    CVAT_BOX,
    HEIGHT,
    LINE,
    PERCENT,
    RECT,
    WIDTH,
    Case,
    coco,
    cvat,
    cvat_image,
    labelme,
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

CLASSES = ["cat/1.jpg", "dog/2.jpg"]
FLAT = ["images/1.jpg", "images/2.jpg"]
COCO = coco(["1.jpg", "2.jpg"], [(0, 1, [10, 20, 20, 40])])
AMBIGUOUS: list[tuple[str, list[str], dict[str, Any], str]] = [
    ("COCO with a table of splits", FLAT, {"coco.json": COCO, "split.csv": "image,split\n1.jpg,train\n"}, "coco"),
    ("COCO with a table of labels", FLAT, {"a.json": COCO, "b.csv": "image,label\nimages/1.jpg,cat\n"}, "coco"),
    ("COCO with YOLO's settings", FLAT, {"a.json": COCO, "data.yaml": "names: [a]", "labels/1.txt": LINE}, "coco"),
    ("COCO in class folders", CLASSES, {"a.json": coco(["cat/1.jpg", "dog/2.jpg"], [])}, "coco"),
    ("class folders with a table", CLASSES, {"README.csv": "file,description\n1.jpg,a cat\n2.jpg,a dog\n"}, "folder"),
    ("class folders with someone's labels", CLASSES, {"a.csv": "image,label\nx.jpg,cat\ny.jpg,dog\n"}, "folder"),
    ("class folders with settings", CLASSES, {"data.yaml": "train: .\nnames: [cat, dog]\n"}, "folder"),
    (
        "class folders with captions",
        CLASSES,
        {"cat/1.txt": "a cat on a mat\n", "dog/2.txt": "5 dogs run in rain\n"},
        "folder",
    ),
    ("class folders with other JSON", CLASSES, {"package.json": {"name": "x"}, "log.jsonl": '{"loss": 1}\n'}, "folder"),
    ("class folders with other XML", CLASSES, {"pom.xml": "<project/>", "conda.yaml": "name: x\n"}, "folder"),
    ("YOLO with classes", FLAT, {"classes.txt": "a\nb\n", "labels/1.txt": LINE}, "yolo"),
    (
        "YOLO with results",
        FLAT,
        {"labels/1.txt": LINE, "results.csv": "epoch,loss\n1,2\n", "data.yaml": "names: [a, b]"},
        "yolo",
    ),
    ("VOC with a table", FLAT, {"a/1.xml": voc("1.jpg", voc_object()), "split.csv": "image,split\n1.jpg,val\n"}, "voc"),
    (
        "LabelMe with classes",
        FLAT,
        {"images/1.json": labelme("1.jpg", shape("polygon", CORNERS)), "classes.txt": "a"},
        "labelme",
    ),
    (
        "VIA with a table",
        FLAT,
        {"via.json": via("1.jpg", (RECT, {"a": "b"})), "a.csv": "image,label\n1.jpg,x\n"},
        "via",
    ),
    (
        "Label Studio with classes",
        FLAT,
        {"p.json": [task("1.jpg", region("rectanglelabels", PERCENT))], "classes.txt": "a"},
        "label-studio",
    ),
    ("CVAT with images", ["images/default/1.jpg"], {"annotations.xml": cvat(cvat_image("1.jpg", CVAT_BOX))}, "cvat"),
    ("masks with classes", FLAT, {"classes.txt": "cat", "masks/1.png": values((1, (1, 1, 9, 9)))}, "masks"),
    ("Hugging Face", CLASSES, {"metadata.jsonl": '{"file_name": "cat/1.jpg", "label": "a"}\n'}, "huggingface"),
    ("JSON lines named like that", FLAT, {"metadata.jsonl": '{"image_url": "images/1.jpg", "label": "a"}\n'}, "jsonl"),
    (
        "JSON lines beside a table",
        FLAT,
        {"a.jsonl": '{"image_url": "images/1.jpg", "label": "a"}\n', "b.csv": "x,y\n1,2\n"},
        "jsonl",
    ),
    (
        "MLTable",
        FLAT,
        {"MLTable": "paths: [{file: a.jsonl}]", "a.jsonl": '{"image_url": "images/1.jpg", "label": "a"}\n'},
        "mltable",
    ),
]


@pytest.mark.parametrize(("case", "images", "files", "expected"), AMBIGUOUS, ids=[case for case, *_ in AMBIGUOUS])
def test_the_format(tmp_path: Path, case: str, images: list[str], files: dict[str, Any], expected: str) -> None:
    name, annotations, _ = read(write(Case(case, images, files), tmp_path))
    assert name == expected
    assert len(annotations)


# Hostile files

IMAGES = [f"{i}.png" for i in range(12)]
ESCAPES = [
    "../secret.png",
    "/etc/hostname",
    "x/../../secret.png",
    "..\\secret.png",
    "file:///etc/hostname",
    "a\0b.png",
    "x" * 5000,
]


REFERENCES: list[tuple[str, str, Callable[[list[str]], Any]]] = [
    ("coco", "a.json", lambda names: coco(names, [(i, 1, [10, 20, 20, 40]) for i in range(len(names))])),
    ("cvat", "a.xml", lambda names: cvat(*(cvat_image(name.replace("\0", ""), CVAT_BOX) for name in names))),
    ("label-studio", "a.json", lambda names: [task(name, region("rectanglelabels", PERCENT)) for name in names]),
    ("via", "a.json", lambda names: {k: v for name in names for k, v in via(name, (RECT, {"a": "b"})).items()}),
    (
        "jsonl",
        "a.jsonl",
        lambda names: "".join(json.dumps({"image_url": n, "label": "ab"[len(n) % 2]}) + "\n" for n in names),
    ),
    ("csv", "a.csv", lambda names: "image,label\n" + "".join(f"{n},{'ab'[len(n) % 2]}\n" for n in names)),
    (
        "huggingface",
        "metadata.jsonl",
        lambda names: "".join(json.dumps({"file_name": n, "label": n[:1] + "c"}) + "\n" for n in names),
    ),
    ("roboflow-multilabel", "_classes.csv", lambda names: "filename,a\n" + "".join(f"{n},1\n" for n in names)),
]


@pytest.mark.parametrize(("format_", "file", "make"), REFERENCES, ids=[name for name, *_ in REFERENCES])
def test_a_path_out_of_the_folder_is_reported(
    tmp_path: Path, format_: str, file: str, make: Callable[[list[str]], Any]
) -> None:
    write(
        Case("", ["secret.png", *(f"set/{name}" for name in IMAGES)], {f"set/{file}": make([*IMAGES, *ESCAPES])}),
        tmp_path,
    )
    dataset = Dataset.open(tmp_path / "set", max_bad_share=0.9)
    assert dataset.format == format_
    assert set(dataset.table["image"].to_pylist()) <= set(IMAGES)
    assert len(dataset) == len(IMAGES)
    reasons = "\n".join(problem.reason for problem in dataset.report.problems)
    assert reasons.count("leads outside") >= 2
    assert "file:// URL may lead outside" in reasons


def test_links_out_of_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "set"
    write(Case("", [f"set/{name}" for name in IMAGES] + ["secret.png"], {"secret.json": coco(IMAGES, [])}), tmp_path)
    (root / "a.json").symlink_to(tmp_path / "secret.json")
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match="no known format"):
        Dataset.open(root)
    (root / "a.json").unlink()
    document = coco([*IMAGES, "link.png"], [(i, 1, [10, 20, 20, 40]) for i in range(13)])
    (root / "b.json").write_text(json.dumps(document))
    os.mkfifo(root / "pipe.png")
    dataset = Dataset.open(root)
    assert len(dataset) == 12
    assert ["leads outside" in problem.reason for problem in dataset.report.problems] == [True]


DEEP = "[" * 200_000 + "]" * 200_000
LAUGHS = "".join(f'<!ENTITY l{i} "{"".join(f"&l{i - 1};" for _ in range(10))}">' for i in range(1, 10))
XXE = '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><annotation><filename>&x;</filename></annotation>'
FILES: list[tuple[str, str, Any, str]] = [
    ("deep JSON", "a.json", DEEP, "no known format"),
    ("deep COCO", "a.json", '{"images": [], "categories": [], "annotations": ' + DEEP + "}", "no known format"),
    ("deep line", "a.jsonl", DEEP, "no known format"),
    ("deep XML", "a.xml", "<annotation>" * 100_000, "no known format"),
    (
        "billion laughs",
        "a.xml",
        f'<!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><annotation>&l9;</annotation>',
        "no known format",
    ),
    ("a file of the machine", "a.xml", XXE, "no known format"),
    ("deep YAML", "data.yaml", "names: " + DEEP, "no known format"),
    (
        "laughing YAML",
        "MLTable",
        "a: &a [x, x]\n"
        + "".join(f"{chr(98 + i)}: &{chr(98 + i)} [{', '.join([f'*{chr(97 + i)}'] * 9)}]\n" for i in range(9))
        + "paths: *j\n",
        "names no file",
    ),
    ("objects from YAML", "MLTable", "paths: !!python/object/apply:os.system ['touch x']", "is not valid YAML"),
    ("an MLTable of nothing", "MLTable", "paths: 3", "needs a list of paths"),
    ("an MLTable of files outside", "MLTable", "paths: [{file: ../../../etc/passwd}]", "names no file"),
    (
        "huge numbers",
        "a.json",
        coco(IMAGES, [(0, 1, [10**400, 0, 10**400, 1]), (1, 1, [-(10**30), 0, 1e300, 1])] * 9),
        "cannot be used",
    ),
    ("NaN", "a.json", json.dumps(coco(IMAGES, [(0, 1, [float("nan")] * 4)] * 9)), "cannot be used"),
    (
        "a mask of a trillion pixels",
        "a.json",
        coco(
            IMAGES,
            [
                {"image_id": i, "category_id": 1, "segmentation": {"size": [10**6, 10**6], "counts": [10**12]}}
                for i in range(9)
            ],
        ),
        "is too large",
    ),
    (
        "runs that overflow",
        "a.json",
        coco(
            IMAGES,
            [
                {"image_id": i, "category_id": 1, "segmentation": {"size": [HEIGHT, WIDTH], "counts": "o" * 99}}
                for i in range(9)
            ],
        ),
        "run-length code",
    ),
    (
        "a brush of a trillion pixels",
        "a.json",
        [
            task(name, {**region("brushlabels", {"rle": [0] * 40}), "original_width": 10**6, "original_height": 10**6})
            for name in IMAGES
        ],
        "is too large",
    ),
    ("half a Parquet file", "metadata.parquet", b"PAR1" + bytes(40), "no known format"),
    ("a mask that is a photo", "masks/0.png", png(np.zeros((9, 9, 4), np.uint8)), "at least 1 object"),
]


@pytest.mark.parametrize(("case", "file", "content", "error"), FILES, ids=[case for case, *_ in FILES])
def test_a_hostile_file_ends_in_a_clear_error(tmp_path: Path, case: str, file: str, content: Any, error: str) -> None:
    write(Case("", IMAGES, {file: content}), tmp_path)
    with pytest.raises(DataError, match=error):
        Dataset.open(tmp_path)
    assert not (tmp_path / "x").exists()


def test_a_polygon_of_huge_numbers_costs_only_itself(tmp_path: Path) -> None:
    polygons = [[10, 20, 30, 20, 30, 60], [10, 20, 1e308, 20, 30, 60]]
    found = [
        {"image_id": i, "category_id": 1, "segmentation": [p], "bbox": [10, 20, 20, 40]} for i, p in enumerate(polygons)
    ]
    write(Case("", IMAGES, {"a.json": coco(IMAGES, found)}), tmp_path)
    dataset = Dataset.open(tmp_path, max_bad_share=0.5)
    assert len(dataset.objects) == 1
    assert [problem.kind for problem in dataset.report.problems] == ["bad mask"]


def test_another_encoding(tmp_path: Path) -> None:
    """Windows-1252, as programs on Windows write it without being asked."""
    text = json.dumps(coco(IMAGES, [(0, 2, [10, 20, 20, 40])]), ensure_ascii=False)
    write(Case("", IMAGES, {"a.json": text.encode("cp1252")}), tmp_path)
    assert Dataset.open(tmp_path).classes == ("Çiçek",)


def test_a_bad_object_costs_only_itself(tmp_path: Path) -> None:
    boxes = [(i, 1, [10, 20, 20, 40]) for i in range(12)]
    bad: list[Any] = [
        (0, 1, [90, 70, -5, 5]),
        (1, 1, [10, 20, 0, 40]),
        (2, 1, [200, 20, 9, 9]),
        (3, 1, [float("nan"), 0, 1, 1]),
    ]
    clipped = [(4, 1, [90, 70, 50, 50])]
    write(Case("", IMAGES, {"a.json": json.dumps(coco(IMAGES, [*boxes, *bad, *clipped]))}), tmp_path)
    dataset = Dataset.open(tmp_path, max_bad_share=0.3)
    assert dataset.objects.bbox[0].tolist() == list(BOX) and len(dataset.objects) == 13
    kinds = [problem.kind for problem in dataset.report.problems]
    assert sorted(kinds) == ["bad box", "box outside", "empty box", "inverted box"]
    assert [note.kind for note in dataset.report.notes] == ["box clipped"]
    assert dataset.report.problems[0].place.startswith("a.json: images[")
