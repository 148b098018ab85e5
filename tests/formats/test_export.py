"""import(export(x)) is x, for every format that can hold it, with the names that people give their files."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from automl_vision import Dataset, export_dataset
from automl_vision.core.errors import DataError
from automl_vision.core.tasks import OBJECT_DETECTION
from automl_vision.data.masks import encode_mask
from automl_vision.data.object import Object
from automl_vision.formats.registry import list_export_formats

NAMES = [
    "a/1.jpg", "b/1.jpg", "1.jpg", "a b/ü ñ.png", "犬/Füße.png", "images/train/x.jpg", "labels/y.jpg", "per%20cent.jpg",
    "plus+and&,;'.jpg", "UPPER.JPG", "upper.jpg", "dots.in.name.png", "trainable/9.jpg", "#hash?.jpg",
]  # fmt: skip
SPLITS = ["train", "val", "test", "train"] * 4
SIZE = (57, 43)
LABELS = ["chat noir", "собака", "a, b", "train"]


def draw(root: Path) -> None:
    for i, name in enumerate(NAMES):
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", SIZE, (10 * i, 7, 3)).save(path)


def write(root: Path, kind: str, *, split: bool, multiple: bool = True) -> Path:
    """A set of a kind in JSON lines."""
    draw(root)
    random = np.random.default_rng(4)
    rows = []
    for i, name in enumerate(NAMES):
        label: Any = LABELS[i % 4]
        if kind == "labels":
            label = [LABELS[j] for j in range(4) if i >> j & 1]
        elif kind != "label":
            label = [_object(kind, j, random, multiple=multiple) for j in range(i % 3)]
        row: dict[str, Any] = {"image_url": name, "label": label, "group": f"g{i // 2}"}
        rows.append(row | ({"split": SPLITS[i]} if split else {}))
    (root / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return root


def _object(kind: str, number: int, random: np.random.Generator, *, multiple: bool) -> dict[str, Any]:
    x1, y1 = random.uniform(0, 0.4, 2).tolist()
    x2, y2 = random.uniform(0.5, 1, 2).tolist()
    value: dict[str, Any] = {"label": LABELS[number], "isCrowd": number % 2, "difficult": (number + 1) % 2}
    if kind == "boxes":
        return value | {"topX": x1, "topY": y1, "bottomX": x2, "bottomY": y2}
    polygons = [[x1, y1, x2, y1, x2, y2, x1, 0.9 * y2], [0.01, 0.01, 0.3, 0.02, 0.2, 0.3]]
    return value | {"polygon": polygons[: 1 + multiple]}


def facts(dataset: Dataset, holds: frozenset[str]) -> dict[str, tuple[Any, list[Object]]]:
    """What a dataset says, by content of image; of the marks only those that a format holds."""
    found = {}
    columns = (dataset.table[name].to_pylist() for name in ("digest", "split", "group", "labels"))
    for row, (digest, split, group, labels) in enumerate(zip(*columns, strict=True)):
        objects = [
            replace(v, iscrowd=v.iscrowd and "iscrowd" in holds, difficult=v.difficult and "difficult" in holds)
            for v in (dataset.objects[i] for i in dataset.objects.rows_of(row))
        ]
        found[digest] = ((split, group if "group" in holds else None, sorted(labels)), objects)
    return found


def assert_same(after: Dataset, before: Dataset, holds: frozenset[str] = frozenset()) -> None:
    """Equal labels, splits and marks; boxes and polygons within a thousandth of a pixel."""
    first, second = facts(after, holds), facts(before, holds)
    assert first.keys() == second.keys()
    for key, (marks, objects) in first.items():
        others = second[key][1]
        assert marks == second[key][0]
        assert [replace(v, bbox=None, segments=()) for v in objects] == [
            replace(v, bbox=None, segments=()) for v in others
        ]
        for one, other in zip(objects, others, strict=True):
            assert one.bbox == pytest.approx(other.bbox, abs=1e-3)
            assert [len(s) for s in one.segments] == [len(s) for s in other.segments]
            for mine, theirs in zip(one.segments, other.segments, strict=True):
                assert mine == pytest.approx(theirs, abs=1e-3)


FORMATS = [(format_.name, kind) for format_ in list_export_formats() for kind in sorted(format_.kinds)]


@pytest.mark.parametrize("split", [True, False], ids=["split", "unsplit"])
@pytest.mark.parametrize(("name", "kind"), FORMATS, ids=[f"{name}-{kind}" for name, kind in FORMATS])
def test_a_round_trip(tmp_path: Path, name: str, kind: str, split: bool) -> None:
    format_ = next(f for f in list_export_formats() if f.name == name)
    before = Dataset.open(write(tmp_path / "in", kind, split=split, multiple=name != "yolo"))
    assert not before.report.problems
    if (name, split) == ("folder", False):  # where a class "train" would become a split
        before = replace(
            before, table=before.table.filter([label != ["train"] for label in before.table["labels"].to_pylist()])
        )
        before = replace(before, classes=tuple(c for c in before.classes if c != "train"))
    report = export_dataset(before, tmp_path / "out", name)
    after = Dataset.open(tmp_path / "out", task=before.task)
    assert (after.format, after.task) == (name, before.task)
    assert not after.report.problems
    if (name, split) == ("yolo", False):  # whose settings must name images to train on
        before = before.with_splits(np.full(len(before), "train"))
    assert_same(after, before, format_.holds)
    ordered = name in ("coco", "yolo")
    assert after.classes == before.classes if ordered else sorted(after.classes) == sorted(before.classes)
    lost = {note.reason.partition('"')[2].partition('"')[0] for note in report.notes if note.kind == "lost mark"}
    has = {"group", "iscrowd", "difficult"} if kind in ("boxes", "masks") else {"group"}
    assert lost == has - format_.holds


@pytest.mark.parametrize("name", ["coco", "csv", "jsonl"])
def test_images_that_stay_where_they_are(tmp_path: Path, name: str) -> None:
    before = Dataset.open(write(tmp_path / "in", "boxes", split=True))
    export_dataset(before, tmp_path / "out", name, images="none")
    assert len(list((tmp_path / "out").rglob("*.*"))) == 3 if name != "csv" else 1
    after = Dataset.open(tmp_path / "out", allow_outside=True)
    assert_same(after, before)
    with pytest.raises(DataError, match="leads outside"):
        Dataset.open(tmp_path / "out")


def test_links(tmp_path: Path) -> None:
    before = Dataset.open(write(tmp_path / "in", "boxes", split=True))
    export_dataset(before, tmp_path / "out", "voc", images="link")
    assert all(path.is_symlink() for path in (tmp_path / "out" / "JPEGImages").rglob("*.jpg"))
    assert_same(Dataset.open(tmp_path / "out", allow_outside=True), before)


def test_from_an_archive(tmp_path: Path) -> None:
    root = write(tmp_path / "in", "labels", split=True)
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as archive:
        for path in root.rglob("*.*"):
            archive.write(path, path.relative_to(tmp_path))
    before = Dataset.open(tmp_path / "in.zip")
    export_dataset(before, tmp_path / "out", "csv")
    assert_same(Dataset.open(tmp_path / "out"), before)


def test_a_name_may_hold_what_separates_labels(tmp_path: Path) -> None:
    draw(tmp_path / "in")
    rows = [{"image_url": name, "label": [["a|b"], ["c;d", "a|b"]][i % 2]} for i, name in enumerate(NAMES)]
    (tmp_path / "in" / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    before = Dataset.open(tmp_path / "in")
    export_dataset(before, tmp_path / "out", "csv")
    after = Dataset.open(tmp_path / "out")
    assert after.classes == ("a|b", "c;d")
    assert_same(after, before)


def test_run_length_codes(tmp_path: Path) -> None:
    """COCO keeps them as they are; polygons are their outlines, without the hole, and the report says so."""
    draw(tmp_path / "in")
    mask = np.zeros((SIZE[1], SIZE[0]), bool)
    mask[5:20, 5:20] = True
    mask[10:12, 10:12] = False
    code = encode_mask(mask)
    document = {
        "images": [{"id": i, "file_name": name} for i, name in enumerate(NAMES)],
        "categories": [{"id": 1, "name": "cat"}],
        "annotations": [
            {"image_id": 0, "category_id": 1, "segmentation": {"size": [SIZE[1], SIZE[0]], "counts": code.counts}}
        ],
    }
    (tmp_path / "in" / "coco.json").write_text(json.dumps(document))
    before = Dataset.open(tmp_path / "in")
    assert not export_dataset(before, tmp_path / "coco", "coco").notes
    assert_same(Dataset.open(tmp_path / "coco"), before)
    (note,) = export_dataset(before, tmp_path / "yolo", "yolo").notes
    assert "became 1 polygons and lost its holes, 4 pixels" in note.reason
    after = Dataset.open(tmp_path / "yolo")
    assert after.objects[0].segments[0] == pytest.approx([5, 5, 20, 5, 20, 20, 5, 20], abs=1e-3)
    assert after.objects[0].bbox == pytest.approx(before.objects[0].bbox)


REFUSED = [
    ("unknown format", "boxes", {"format": "cocos"}, 'Did you mean "coco"'),
    ("no place for objects", "boxes", {"format": "folder"}, "cannot hold image-object-detection"),
    ("images beside", "boxes", {"format": "yolo", "images": "none"}, "needs its images beside it"),
    ("unknown way", "boxes", {"format": "coco", "images": "move"}, 'not "move"'),
    ("a class like a split", "label", {"format": "folder"}, 'the class "train" cannot be the name of a folder'),
]


@pytest.mark.parametrize(("case", "kind", "arguments", "error"), REFUSED, ids=[case for case, *_ in REFUSED])
def test_what_cannot_be_written(tmp_path: Path, case: str, kind: str, arguments: dict[str, str], error: str) -> None:
    dataset = Dataset.open(write(tmp_path / "in", kind, split=False))
    with pytest.raises(DataError, match=error):
        export_dataset(dataset, tmp_path / "out", **arguments)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    dataset = Dataset.open(write(tmp_path / "in", "label", split=True))
    with pytest.raises(DataError, match="not an empty folder"):
        export_dataset(dataset, tmp_path / "in", "csv")


def test_folders_keep_short_names(tmp_path: Path) -> None:
    for i in range(12):
        path = tmp_path / "in" / ["train", "val"][i % 2] / ["cat", "dog"][i // 2 % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (5, 5), (i, 0, 0)).save(path)
    export_dataset(Dataset.open(tmp_path / "in"), tmp_path / "out", "folder")
    names = [
        sorted(str(p.relative_to(root)) for p in root.rglob("*.png")) for root in (tmp_path / "in", tmp_path / "out")
    ]
    assert names[0] == names[1]


def test_the_command(tmp_path: Path) -> None:
    write(tmp_path / "in", "masks", split=True)
    command = [sys.executable, "-m", "automl_vision.cli", "data", "convert", tmp_path / "in", tmp_path / "out"]
    command = [
        Path(sys.executable).with_name("automl-vision"),
        *command[3:],
        "--format",
        "voc",
        "--task",
        OBJECT_DETECTION,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"14 images of {OBJECT_DETECTION} from jsonl to voc in {tmp_path / 'out'}"
    assert 'the format has no place for "group"' in done.stdout
    assert Dataset.open(tmp_path / "out").format == "voc"


REAL = [
    ("clothing", "folder"), ("clothing", "csv"), ("clothing", "jsonl"), ("clothing", "coco"), ("ppe-labels", "csv"),
    ("ppe-labels", "jsonl"), ("ppe-labels", "coco"), ("ppe-boxes", "coco"), ("ppe-boxes", "yolo"), ("ppe-boxes", "voc"),
    ("ppe-boxes", "csv"), ("ppe-boxes", "jsonl"), ("bccd", "coco"), ("bccd", "yolo"), ("bccd", "voc"), ("bccd", "csv"),
    ("bccd", "jsonl"), ("car-damage", "coco"), ("car-damage", "jsonl"), ("car-damage", "yolo"),
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize(("name", "format_"), REAL)
def test_real_sets_survive_a_round_trip(real_data: Path, tmp_path: Path, name: str, format_: str) -> None:
    before = Dataset.open(real_data / name)
    export_dataset(before, tmp_path / "out", format_)
    after = Dataset.open(tmp_path / "out", task=before.task)
    assert after.format == format_
    holds = next(f.holds for f in list_export_formats() if f.name == format_)
    assert not after.report.problems
    assert sorted(after.classes) == sorted(before.classes)
    if (name, format_) == ("car-damage", "yolo"):  # which has no box beside a polygon, and no object of two polygons
        assert len(after.objects) == int(np.diff(before.objects.first_segment).sum())
    else:
        assert_same(after, before, holds)
