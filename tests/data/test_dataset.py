"""A dataset is opened, checked, kept and joined without losing or inventing an image."""

from __future__ import annotations

import json
import shutil
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from automl_vision.core.errors import DataError, ImageError
from automl_vision.core.tasks import CLASSIFICATION, MULTI_LABEL
from automl_vision.data.dataset import Dataset
from automl_vision.data.joining import join_validation
from automl_vision.data.pixel_cache import open_pixels
from automl_vision.data.report import ImportReport
from automl_vision.data.scan import parallel_map
from automl_vision.data.split_names import LEFT_OUT
from automl_vision.data.usability import require_usable
from automl_vision.storage.access import read_image_bytes
from conftest import draw_shapes, write_shape_folders
from counting_site import counting_site


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two class folders with ten drawn images each."""
    return write_shape_folders(tmp_path / "data", per_class=10, classes=("circle", "square"))


def write_csv(root: Path, rows: list[str], header: str = "image,label") -> Path:
    path = root / "labels.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def write_flat(root: Path, count: int = 12) -> list[str]:
    """Drawn images in one folder; gives a CSV's rows."""
    root.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        draw_shapes(("circle", "square")[i % 2 : i % 2 + 1], i).save(root / f"{i}.png")
    return [f"{i}.png,{('circle', 'square')[i % 2]}" for i in range(count)]


def readable(dataset: Dataset) -> Dataset:
    """The dataset without the images that cannot be decoded."""
    return dataset.apply(dataset.check(checks=["unreadable-image", "truncated-image"]))


# Images that cannot be used


def empty(path: Path) -> None:
    path.write_bytes(b"")


def text(path: Path) -> None:
    path.write_text("no image")


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def loop(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def huge(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[16:24] = (100_000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    path.write_bytes(data)


SPOILED: list[tuple[str, Callable[[Path], None], str]] = [
    ("zero bytes", empty, "the file is empty (0 bytes)"),
    ("text", text, "the file is not an image of a known format"),
    ("missing", Path.unlink, "the file is missing"),
    ("folder", folder, "the path is a folder, not an image"),
    ("symlink to itself", loop, "the "),
    ("bomb", huge, "the image is larger than 200,000,000 pixels (100000 x 100000)"),
]


@pytest.mark.parametrize(("case", "spoil", "reason"), SPOILED, ids=[case for case, *_ in SPOILED])
def test_an_unusable_image_is_reported(tmp_path: Path, case: str, spoil: Callable[[Path], None], reason: str) -> None:
    path = write_csv(tmp_path, write_flat(tmp_path))
    spoil(tmp_path / "3.png")
    dataset = Dataset.open(path)
    assert len(dataset) == 11
    (problem,) = dataset.report.problems
    assert (problem.place, problem.kind) == ("labels.csv:5 (3.png)", "unreadable image")
    assert problem.reason.startswith(reason)
    assert str(dataset.report) == "12 records, 1 left out (1 unreadable image)"


def test_a_truncated_image_is_found_when_it_is_decoded(root: Path) -> None:
    image = draw_shapes(("circle",), 1, size=(200, 200))
    image.save(root / "circle" / "cut.jpg", quality=95)
    data = (root / "circle" / "cut.jpg").read_bytes()
    (root / "circle" / "cut.jpg").write_bytes(data[: len(data) * 3 // 4])
    opened = Dataset.open(root).with_validation(0.2)
    checked = readable(opened)
    row = opened.table["image"].to_pylist().index("circle/cut.jpg")
    assert opened.splits[row] != LEFT_OUT and not opened.report.problems
    assert checked.splits[row] == LEFT_OUT and len(checked) == len(opened)
    assert "truncated" in checked.report.problems[0].reason
    assert checked.summary()["left_out"] == {"unreadable image": 1}
    assert readable(checked) == checked


OUTSIDE = [
    ("above", "../outside.png"),
    ("hidden above", "circle/../../outside.png"),
    ("absolute", "{outside}"),
    ("symlink", "link.png"),
    ("file URL", "file://{outside}"),
    ("chained URL", "simplecache::file://{outside}"),
]


@pytest.mark.parametrize(("case", "image"), OUTSIDE, ids=[case for case, _ in OUTSIDE])
def test_an_image_outside_of_the_root_must_be_allowed(root: Path, case: str, image: str) -> None:
    outside = root.parent / "outside.png"
    draw_shapes(("cross",), 1).save(outside)
    (root / "link.png").symlink_to(outside)
    rows = [f"{file.relative_to(root)},{file.parent.name}" for file in sorted(root.glob("*/*.png"))]
    path = write_csv(root, [*rows, f"{image.format(outside=outside)},circle"])
    dataset = Dataset.open(path)
    assert len(dataset) == 20
    (problem,) = dataset.report.problems
    assert "allow_outside=True" in problem.reason
    allowed = Dataset.open(path, allow_outside=True)
    assert len(allowed) == 21
    assert read_image_bytes(allowed.root, allowed.table["image"][20].as_py()) == outside.read_bytes()


def test_a_link_to_the_data_itself_is_not_entered(tmp_path: Path) -> None:
    root = write_shape_folders(tmp_path / "data")
    (root / "again").symlink_to(".")
    (root / "circle" / "up").symlink_to("..")
    dataset = Dataset.open(root)
    assert len(dataset) == 24 and not dataset.report.problems


def test_absolute_paths_and_symlinks_inside_of_the_root_are_fine(tmp_path: Path) -> None:
    rows = write_flat(tmp_path / "data")
    (tmp_path / "data" / "link.png").symlink_to("0.png")
    (tmp_path / "shortcut").symlink_to(tmp_path / "data")
    absolute = f"{(tmp_path / 'data').resolve()}/1.png,square"
    write_csv(tmp_path / "data", [*rows[2:], absolute, "link.png,circle", "./sub/../0.png,circle"])
    dataset = Dataset.open(tmp_path / "shortcut")
    assert not dataset.report.problems
    assert dataset.table["image"].to_pylist()[-3:] == ["1.png", "link.png", "0.png"]


@pytest.fixture
def image_server(tmp_path: Path) -> Iterator[str]:
    """A web server on loopback over the test's folder."""
    with counting_site(tmp_path) as (url, _):
        yield url


def test_images_by_url(tmp_path: Path, image_server: str) -> None:
    rows = write_flat(tmp_path)
    path = write_csv(tmp_path, [f"{image_server}/{row}" for row in [*rows, "missing.png,circle"]])
    dataset = Dataset.open(path)
    assert len(dataset) == 12
    assert [problem.reason for problem in dataset.report.problems] == ["the file is missing"]
    local = Dataset.open(write_csv(tmp_path, rows))
    assert local.fingerprint == dataset.fingerprint
    joined = join_validation(local, dataset)
    assert readable(joined).report.problems == joined.report.problems


def test_urls_that_differ_in_their_query_are_different_files(tmp_path: Path) -> None:
    lines = [
        {"image_url": f"https://host/image?id={i}", "label": "ab"[i % 2], "image_details": {"width": 8, "height": 8}}
        for i in range(12)
    ]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    dataset = Dataset.open(tmp_path / "train.jsonl")
    assert len(set(dataset.table["digest"].to_pylist())) == 12


def test_validation_data_from_elsewhere_than_an_archive(root: Path, tmp_path: Path) -> None:
    archive = shutil.make_archive(str(tmp_path / "train"), "zip", root)
    other = write_shape_folders(tmp_path / "other", per_class=6, classes=("circle", "square"))
    draw_shapes(("circle",), 4321).save(other / "circle" / "new.png")
    joined = join_validation(Dataset.open(archive), Dataset.open(other))
    assert not open_pixels(joined, 16, tmp_path / "cache").problems


def test_a_url_of_an_unknown_kind_gives_a_reason() -> None:
    with pytest.raises(ImageError, match=r"the URL cannot be read .*nosuch"):
        read_image_bytes("/", "nosuch://bucket/a.png")


# Datasets that cannot be used


def test_too_many_bad_records(tmp_path: Path) -> None:
    path = write_csv(tmp_path, [*write_flat(tmp_path), *[f"gone-{i}.png,circle" for i in range(4)]])
    with pytest.raises(DataError, match=r"4 of 16 images cannot be used \(25%\); at most 20%.*\n.*labels.csv:14"):
        Dataset.open(path)
    assert len(Dataset.open(path, max_bad_share=0.25)) == 12


UNUSABLE = [
    ("too few", [f"{i}.png,{'ab'[i % 2]}" for i in range(9)], {}, "at least 10 usable labelled images are needed, 9"),
    ("one class", [f"{i}.png,cat" for i in range(12)], {}, "at least 2 classes are needed, found only: cat"),
    ("no label", [f"{i}.png," for i in range(12)], {"header": "image,labels"}, "at least 1 label is needed"),
    ("unknown task", [f"{i}.png,{'ab'[i % 2]}" for i in range(12)], {"task": "image-clasification"}, "Did you mean"),
    (
        "several labels in classification",
        [f"{i}.png,a|b" for i in range(12)],
        {"header": "image,labels", "task": CLASSIFICATION},
        "image-classification needs exactly 1 label per image, this one has 2",
    ),
]


@pytest.mark.parametrize(("case", "rows", "settings", "error"), UNUSABLE, ids=[case for case, *_ in UNUSABLE])
def test_an_unusable_data_set(tmp_path: Path, case: str, rows: list[str], settings: dict[str, str], error: str) -> None:
    write_flat(tmp_path)
    settings = dict(settings)
    path = write_csv(tmp_path, rows, settings.pop("header", "image,label"))
    with pytest.raises(DataError, match=error):
        Dataset.open(path, **settings)


def test_a_class_whose_images_are_all_broken_does_not_count(root: Path) -> None:
    dataset = Dataset.open(root)
    circles = {int(row): "broken" for row in np.flatnonzero(dataset.targets[:, 0])}
    with pytest.raises(DataError, match="found only: square"):
        require_usable(dataset.excluding(circles), max_bad_share=1.0)


# Keeping


def test_save_and_load(root: Path, tmp_path: Path) -> None:
    (root / "circle" / "notes.txt").write_text("")
    dataset = readable(Dataset.open(root)).with_validation(0.2)
    path = tmp_path / "version=1" / "manifest.parquet"  # a folder's name must not become a column
    dataset.save(path)
    loaded = Dataset.load(path)
    assert loaded == dataset and loaded.report == dataset.report and loaded.fingerprint == dataset.fingerprint
    assert repr(loaded) == (
        "Dataset(image-classification, 20 images (16 train, 4 val), 2 classes, 21 records, 1 left out (1 not an image))"
    )


def test_what_is_no_manifest(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no table")
    pq.write_table(pa.table({"a": [1]}), tmp_path / "other.parquet")
    for name in ("text", "other.parquet", "missing"):
        with pytest.raises(DataError, match="is not a manifest of a dataset"):
            Dataset.load(tmp_path / name)


def test_the_fingerprint_depends_on_what_is_learnt(tmp_path: Path) -> None:
    rows = [f"{row},train" for row in write_flat(tmp_path)]
    header = "image,label,split"

    def fingerprint(rows: list[str]) -> str:
        return Dataset.open(write_csv(tmp_path, rows, header)).fingerprint

    first = fingerprint(rows)
    assert fingerprint(rows[::-1]) == first
    assert fingerprint([rows[0].replace("train", "val"), *rows[1:]]) != first
    assert fingerprint([rows[0].replace("circle", "square"), *rows[1:]]) != first
    (tmp_path / "0.png").rename(tmp_path / "renamed.png")
    assert fingerprint([rows[0].replace("0.png", "renamed.png"), *rows[1:]]) == first
    Image.new("RGB", (5, 5)).save(tmp_path / "1.png")
    assert fingerprint([rows[0].replace("0.png", "renamed.png"), *rows[1:]]) != first


def test_excluding_keeps_row_numbers_and_reports_once(root: Path) -> None:
    dataset = Dataset.open(root).excluding({3: "too dark"})
    assert len(dataset) == 20 and dataset.splits[3] == LEFT_OUT
    assert [problem.reason for problem in dataset.report.problems] == ["too dark"]
    assert dataset.excluding({3: "again"}) is dataset
    assert dataset.with_validation(0.2).splits[3] == LEFT_OUT
    assert not Dataset.open(root).report.problems


def test_as_task(root: Path, multi_label_folder: Path) -> None:
    single, multi = Dataset.open(root), Dataset.open(multi_label_folder)
    assert single.as_task(CLASSIFICATION) is single
    assert single.as_task(MULTI_LABEL).targets.sum() == 20
    narrowed = multi.as_task(CLASSIFICATION)
    kept = narrowed.splits != LEFT_OUT
    assert narrowed.task == CLASSIFICATION
    assert (kept == (multi.targets.sum(axis=1) == 1)).all()
    assert narrowed.summary()["left_out"] == {"bad label": int((~kept).sum())}


# Another dataset for validation


def test_a_picture_shows_any_name_and_size(tmp_path: Path) -> None:
    names = [
        "a\nb\x1b[2J",
        "\u202eexe.",
        "\u65e5\u672c",
        "\u0645\u0631\u062d",
        "\U0001f469\u200d\U0001f469",
        "l" * 100_000,
    ]
    lines = []
    for i in range(24):
        size = [(1, 1), (1, 600), (600, 1), (40, 30)][i % 4]
        Image.new("RGB", size, (200, 30, 30)).save(tmp_path / f"{i}.png")
        box = {"label": names[i % 6], "topX": 0, "topY": 0, "bottomX": 1, "bottomY": 1}
        lines.append(json.dumps({"image_url": f"{i}.png", "label": [box, {**box, "label": names[0]}]}))
    (tmp_path / "train.jsonl").write_text("\n".join(lines))
    dataset = Dataset.open(tmp_path)
    picture = dataset.show(99)
    assert picture.size == (4 * 266 + 10, 6 * 300 + 10)
    red = np.asarray(picture)[..., :3] == (200, 30, 30)
    assert red.all(axis=2).sum() > 6 * 150**2  # the 40 x 30 pixels of six pictures fill their tiles
    for wrong in ({"n": 0}, {"n": -1}, {"columns": 0}):
        with pytest.raises(DataError, match="at least 1"):
            dataset.show(**wrong)
    with pytest.raises(DataError, match='Did you mean "train"'):
        dataset.show(split="trian")


def test_joined_validation(root: Path, tmp_path: Path) -> None:
    other_root = write_shape_folders(tmp_path / "other", per_class=6)  # crosses are unknown in training
    other = Dataset.open(other_root)
    row = other.table["image"].to_pylist().index("circle/circle-0.png")
    joined = join_validation(Dataset.open(root).with_validation(0.5), other.excluding({row: "broken"}))
    validation = [r["image"] for r in joined.table.to_pylist() if r["split"] == "val"]
    assert len(validation) == 11 and all(Path(image).is_relative_to(other_root) for image in validation)
    assert (joined.splits == "train").sum() == 10
    assert joined.report.counts() == {"unknown class": 6, "unreadable image": 1}
    assert joined.report.total == 38
    assert readable(joined).splits.tolist() == joined.splits.tolist()


def test_joined_validation_of_other_classes(root: Path, tmp_path: Path) -> None:
    other_root = write_shape_folders(tmp_path / "other", classes=("circle", "square"))
    for folder in list(other_root.iterdir()):
        folder.rename(folder.with_name(f"big {folder.name}"))
    other = Dataset.open(other_root)
    with pytest.raises(DataError, match="no image of the validation data can be used; the classes are: circle, square"):
        join_validation(Dataset.open(root), other)


def test_joined_validation_of_another_task(root: Path, multi_label_folder: Path) -> None:
    joined = join_validation(Dataset.open(root), Dataset.open(multi_label_folder))
    assert (joined.targets[joined.splits != LEFT_OUT].sum(axis=1) == 1).all()


# Reports and threads


def test_a_report_as_json() -> None:
    report = ImportReport(total=4)
    report.add("a.csv:2", "why", "bad label")
    assert ImportReport.from_json(report.to_json()) == report
    assert report.bad_share == 0.25 and ImportReport().bad_share == 0.0
    assert str(ImportReport(3)) == "3 records, none left out"


def test_parallel_map_keeps_order_and_counts() -> None:
    seen: list[tuple[int, int]] = []
    results = list(parallel_map(lambda x: x * x, range(500), progress=lambda done, total: seen.append((done, total))))
    assert results == [x * x for x in range(500)]
    assert seen == [(i + 1, 500) for i in range(500)]
    assert list(parallel_map(lambda x: x, [])) == []


def test_a_model_s_classes_take_the_place_of_the_data_s(shapes: Dataset, multi_label_folder: Path, boxes: Dataset):
    turned = shapes.with_classes(shapes.classes[::-1])
    assert turned.classes == shapes.classes[::-1]
    assert np.array_equal(turned.targets, shapes.targets[:, ::-1])
    assert not turned.report.problems

    first = shapes.with_classes([shapes.classes[0], "never seen"])
    others = ~shapes.targets[:, 0]
    assert np.array_equal(first.splits == "left_out", others)
    assert first.report.counts() == {"other class": others.sum()}
    assert first.targets.shape == (len(shapes), 2)

    labels = Dataset.open(multi_label_folder)
    fewer = labels.with_classes(labels.classes[1:])
    assert np.array_equal(fewer.targets, labels.targets[:, 1:])
    assert len(fewer.report.problems) == labels.targets[:, 0].sum()

    one = boxes.with_classes(boxes.classes[:1])
    kept = boxes.objects.label == 0
    assert np.array_equal(one.objects.bbox, boxes.objects.bbox[kept])
    assert (one.objects.label == 0).all()
    assert len(one.report.problems) == (~kept).sum() > 0
    with pytest.raises(DataError, match="the model knows cat, dog"):
        boxes.with_classes(["cat", "dog"])
