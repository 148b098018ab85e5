"""However many formats look at a file, opening a dataset reads it once, on this machine and over the network."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl_vision.data.annotations import Columns
from automl_vision.data.dataset import Dataset
from automl_vision.data.image_names import is_image
from automl_vision.formats.registry import find_format, list_formats
from automl_vision.formats.source import Source
from automl_vision.testing.formats import CountingFolder
from counting_site import counting_site
from object_files import (
    BOX,
    CVAT_BOX,
    HEIGHT,
    LINE,
    PERCENT,
    RECT,
    WIDTH,
    Case,
    coco,
    colours,
    cvat,
    cvat_image,
    labelme,
    region,
    shape,
    task,
    values,
    via,
    voc,
    voc_object,
    write,
)

IMAGES = [f"{i}.png" for i in range(12)]
BOXES = [(i, 1 + i % 2, [10, 20, 20, 40]) for i in range(12)]
ANIMALS = ["cat", "dog"] * 6
CENTRE = {"x": 20, "y": 40, "width": 9, "height": 9}
CORNERS = [[10, 20], [30, 60]]
LINES = "".join(
    f'{{"image_url": "{name}", "label": "{animal}"}}\n' for name, animal in zip(IMAGES, ANIMALS, strict=True)
)
METADATA = LINES.replace("image_url", "file_name")
UNREAD = {"person_keypoints_train.json"}  # the objects are those of the instances file
INSIDE = tuple(map(int, BOX))


def parquet() -> bytes:
    stream = io.BytesIO()
    pq.write_table(pa.table({"file_name": IMAGES, "label": ANIMALS}), stream)
    return stream.getvalue()


def each(pattern: str, content: Any) -> dict[str, Any]:
    return {pattern.format(i): content(i) if callable(content) else content for i in range(12)}


def table(*, header: str = "image,label", separator: str = ",") -> str:
    return "".join(f"{line}\n" for line in [header, *map(separator.join, zip(IMAGES, ANIMALS, strict=True))])


CORNER_ROWS = f"10 20 {WIDTH - 2} {HEIGHT - 2} cat\n1 2 {WIDTH - 9} {HEIGHT - 5} dog\n"
STREETS = [f"leftImg8bit/train/ulm/{i}_leftImg8bit.png" for i in range(12)]
CASES = [
    ("mltable", IMAGES, {"MLTable": "paths:\n  - file: ./train.jsonl\n", "train.jsonl": LINES}),
    (
        "cub",
        [f"images/{name}" for name in IMAGES],
        {
            "images.txt": "".join(f"{i} {name}\n" for i, name in enumerate(IMAGES)),
            "image_class_labels.txt": "".join(f"{i} {1 + i % 2}\n" for i in range(12)),
            "classes.txt": "1 cat\n2 dog\n",
            "train_test_split.txt": "".join(f"{i} 1\n" for i in range(12)),
        },
    ),
    (
        "roboflow-multilabel",
        [f"train/{name}" for name in IMAGES],
        {"train/_classes.csv": "filename,cat,dog\n" + "".join(f"{name},1,{i % 2}\n" for i, name in enumerate(IMAGES))},
    ),
    ("coco", IMAGES, {"train.json": coco(IMAGES[:6], BOXES[:6]), "val.json": coco(IMAGES[6:], BOXES[:6])}),
    (
        "coco",
        IMAGES,
        {name: coco(IMAGES, BOXES) for name in ("instances_train.json", "person_keypoints_train.json")},
    ),
    ("voc", IMAGES, each("{}.xml", lambda i: voc(f"{i}.png", voc_object()))),
    ("cvat", IMAGES, {"annotations.xml": cvat(*(cvat_image(name, CVAT_BOX.format("")) for name in IMAGES))}),
    (
        "label-studio",
        IMAGES,
        {"export.json": [task(name, region("rectanglelabels", PERCENT), number=i) for i, name in enumerate(IMAGES)]},
    ),
    ("via", IMAGES, {"via.json": {k: v for name in IMAGES for k, v in via(name, (RECT, {"label": "cat"})).items()}}),
    (
        "via",
        IMAGES,
        {
            "via.csv": "#filename,file_attributes,region_shape_attributes,region_attributes\n"
            + "".join(
                f'{name},"{{}}","{{""name"":""rect"",""x"":1,""y"":2,""width"":5,""height"":6}}","{{""label"":""cat""}}"\n'
                for name in IMAGES
            )
        },
    ),
    ("labelme", IMAGES, each("{}.json", lambda i: labelme(f"{i}.png", shape("rectangle", CORNERS)))),
    (
        "createml",
        IMAGES,
        {
            "train.json": [
                {"image": name, "annotations": [{"label": "cat", "coordinates": CENTRE}]}
                for name in IMAGES
            ]
        },
    ),
    (
        "yolo",
        [f"images/{name}" for name in IMAGES],
        {"data.yaml": "names: [cat, dog]\ntrain: images\n", **each("labels/{}.txt", LINE)},
    ),
    ("yolo", [f"images/{name}" for name in IMAGES], {"classes.txt": "cat\ndog\n", **each("labels/{}.txt", LINE)}),
    (
        "cityscapes",
        STREETS,
        each("gtFine/train/ulm/{}_gtFine_instanceIds.png", values((24, INSIDE))),
    ),
    ("txt", [f"images/{name}" for name in IMAGES], each("boxes/{}.txt", CORNER_ROWS)),
    ("huggingface", IMAGES, {"metadata.jsonl": METADATA}),
    ("huggingface", IMAGES, {"metadata.csv": table(header="file_name,label")}),
    ("huggingface", IMAGES, {"metadata.parquet": parquet()}),
    ("jsonl", IMAGES, {"train.jsonl": LINES}),
    ("jsonl", IMAGES, {"labels.json": f"[{','.join(LINES.splitlines())}]"}),
    ("jsonl", IMAGES, {"labels.json": dict(zip(IMAGES, ANIMALS, strict=True))}),
    ("jsonl", IMAGES, {"lines.json": LINES}),
    ("csv", IMAGES, {"labels.csv": table()}),
    ("csv", IMAGES, {"labels.csv": table(), "classes.csv": "id,name\n0,cat\n1,dog\n"}),
    ("csv", IMAGES, {"train.txt": table(separator=" ").partition("\n")[2]}),
    (
        "masks",
        [f"images/{i}.jpg" for i in range(12)],
        {"classes.txt": "cat\n", **each("masks/{}.png", values((1, INSIDE)))},
    ),
    (
        "masks",
        [f"JPEGImages/{i}.jpg" for i in range(12)],
        {
            **each("SegmentationClass/{}.png", colours(((128, 0, 0), INSIDE))),
            **each("SegmentationObject/{}.png", colours(((128, 0, 0), INSIDE))),
            "labelmap.txt": "# label:color_rgb:parts:actions\nbackground:0,0,0::\ncat:128,0,0::\n",
        },
    ),
    (
        "folder",
        [f"{animal}/{name}" for name, animal in zip(IMAGES, ANIMALS, strict=True)],
        {"readme.json": {"by": "us"}},
    ),
]  # fmt: skip
formats = pytest.mark.parametrize(
    ("format_", "case"),
    [(name, Case(name, images, files)) for name, images, files in CASES],
    ids=[f"{name}: {next(iter(files))}" for name, _, files in CASES],
)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[tuple[str, Counter[str]]]:
    """A web server for the folder of a test: its URL, and how often each file was asked for."""
    with counting_site(tmp_path) as found:
        yield found


def test_every_format_is_counted() -> None:
    assert {name for name, _, _ in CASES} == {format_.name for format_ in list_formats()}


def expected(case: Case) -> dict[str, int]:
    return {path: int(path not in UNREAD) for path in case.files}


@formats
def test_a_file_of_a_folder_is_read_once(format_: str, case: Case, tmp_path: Path) -> None:
    write(case, tmp_path)
    folder = CountingFolder(str(tmp_path))
    source = Source(folder)
    found = find_format(source, None, Columns())
    assert found.name == format_ and len(found.read(source, Columns()))
    assert {path: folder.reads[path] for path in case.files} == expected(case)


@formats
def test_a_file_of_a_web_server_is_asked_for_once(
    format_: str, case: Case, tmp_path: Path, site: tuple[str, Counter[str]]
) -> None:
    write(case, tmp_path)
    url, reads = site
    dataset = Dataset.open(url, read_images=False)
    assert dataset.format == format_ and len(dataset) == 12
    assert {path: reads[path] for path in case.files} == expected(case)


@formats
def test_a_single_file_of_a_web_server_is_asked_for_once(
    format_: str, case: Case, tmp_path: Path, site: tuple[str, Counter[str]]
) -> None:
    (name, *others) = case.files
    if others or is_image(name) or "/" in name or format_ in ("folder", "mltable"):
        pytest.skip("the set has no single file to open")
    write(case, tmp_path)
    url, reads = site
    assert Dataset.open(f"{url}/{name}").format == format_
    assert reads[name] == 1
