"""Datasets have versions: what is the same is one version, an image keeps its split, and changes are named."""

from __future__ import annotations

import json
import re
import shutil
import threading
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from automl_vision import Experiment
from automl_vision.core.errors import DataError, RunFailedError, WorkspaceError
from automl_vision.core.files import read_json
from automl_vision.data.changes import equal_rows
from automl_vision.data.dataset import Dataset
from automl_vision.data.objects import OBJECT_TYPE
from automl_vision.experiment.job_file import read_job
from automl_vision.workspace.workspace import Workspace
from conftest import SMALL_MODEL, draw_shapes, write_shape_folders
from runs_here import work_here


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_shape_folders(tmp_path / "data", per_class=12, classes=("circle", "square"))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "workspace")


def test_the_same_content_gives_the_same_version(root: Path, workspace: Workspace) -> None:
    first = workspace.datasets.register(Dataset.open(root), "shapes", description="drawn")
    (root / "circle").rename(root / "renamed")  # other paths, then the old ones
    (root / "renamed").rename(root / "circle")
    again = workspace.datasets.register(Dataset.open(root), "shapes")
    assert again == first and (first.id, first.description) == ("shapes:1", "drawn")
    assert [version.id for version in workspace.datasets.versions("shapes")] == ["shapes:1"]
    assert workspace.datasets.find(first.fingerprint) == first
    assert workspace.datasets.find("0" * 32) is None


def test_a_version_stands_for_its_data(root: Path, workspace: Workspace) -> None:
    version = workspace.datasets.register(Dataset.open(root), "shapes")
    opened = Dataset.open(version)
    assert opened == Dataset.load(version) and opened.fingerprint == version.fingerprint
    assert version.summary["images"] == {"train": 20, "val": 4}
    assert Dataset.open(version, task="image-classification-multi-label").task == "image-classification-multi-label"


def test_an_image_keeps_its_split_over_versions(root: Path, workspace: Workspace) -> None:
    first = Dataset.load(workspace.datasets.register(Dataset.open(root), "shapes"))
    for i in range(10):
        draw_shapes(("square",), 1000 + i).save(root / "square" / f"new {i}.png")
    (root / "circle" / "circle-0.png").rename(root / "circle" / "another name.png")
    second = workspace.datasets.register(Dataset.open(root), "shapes")
    assert second.id == "shapes:2"
    loaded = Dataset.load(second)
    before = dict(zip(first.table["digest"].to_pylist(), first.splits.tolist(), strict=True))
    after = dict(zip(loaded.table["digest"].to_pylist(), loaded.splits.tolist(), strict=True))
    assert {digest: after[digest] for digest in before} == before
    assert sorted(after[digest] for digest in after.keys() - before.keys()) == ["train"] * 8 + ["val"] * 2


def test_a_group_keeps_its_split_over_versions(tmp_path: Path, workspace: Workspace) -> None:
    rows = []
    for i in range(40):
        Image.new("RGB", (4, 4), (i, 9, 9)).save(tmp_path / f"{i}.png")
        rows.append(f"{i}.png,{'ab'[i % 2]},g{i // 4}")
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["image,label,group", *rows[:32]]) + "\n")
    first = Dataset.load(workspace.datasets.register(Dataset.open(table), "groups", split_ratio=0.3))
    rows = [row.replace("g8", "g0").replace("g9", "g1") for row in rows]
    table.write_text("\n".join(["image,label,group", *rows]) + "\n")
    second = Dataset.load(workspace.datasets.register(Dataset.open(table), "groups", split_ratio=0.3))
    split_of = dict(zip(first.table["group"].to_pylist(), first.splits.tolist(), strict=True))
    assert second.splits.tolist() == [split_of[group] for group in second.table["group"].to_pylist()]


def test_what_changed_between_versions(root: Path, workspace: Workspace) -> None:
    first = Dataset.load(workspace.datasets.register(Dataset.open(root), "shapes"))
    (root / "circle" / "circle-1.png").rename(root / "square" / "was a circle.png")
    (root / "circle" / "circle-2.png").unlink()
    draw_shapes(("cross",), 7).save(root / "circle" / "new.png")
    (root / "cross").mkdir()
    draw_shapes(("cross",), 8).save(root / "cross" / "first.png")
    changes = Dataset.open(root).following(first, 0.2).changes_since(first)
    assert changes.added == ["circle/new.png", "cross/first.png"]
    assert changes.removed == ["circle/circle-2.png"]
    assert changes.relabelled == ["square/was a circle.png"]
    assert (changes.moved, changes.unchanged, changes.classes_added) == ([], 22, ["cross"])
    assert str(changes).splitlines()[0] == "22 unchanged" and "1 relabelled: square/was a circle.png" in str(changes)
    assert changes and not first.changes_since(first)
    moved = first.with_splits(np.where(np.arange(24) == 3, "test", first.splits))
    assert moved.changes_since(first).moved == [first.table["image"][3].as_py()]


def box(label: str, *numbers: float, rle: str | None = None) -> dict[str, object]:
    bbox = list(numbers) or [0, 0, 1, 1]
    return {"label": label, "bbox": bbox, "iscrowd": False, "difficult": False, "segments": [[1, 2, 3]], "rle": rle}


EQUAL = [
    ([[], [box("a")]], [[], [box("a")]], [True, True]),
    ([[box("a"), box("b")], [box("a")]], [[box("b"), box("a")], [box("a")]], [False, True]),
    ([[box("a")], [box("a", rle="1 1 1")], []], [[box("a"), box("a")], [box("a")], []], [False, False, True]),
    ([[box("a", 0, 0, 1, 2)], None], [[box("a", 0, 0, 1, 3)], None], [False, True]),
]


@pytest.mark.parametrize(("first", "second", "expected"), EQUAL)
def test_rows_are_compared_to_the_last_number(first: list[object], second: list[object], expected: list[bool]) -> None:
    type_ = pa.list_(OBJECT_TYPE)
    assert equal_rows(pa.array(first, type_), pa.array(second, type_)).tolist() == expected


def test_several_at_once_get_versions_of_their_own(root: Path, workspace: Workspace) -> None:
    whole = Dataset.open(root)
    parts = [whole[np.arange(24) != row] for row in range(6)]
    threads = [threading.Thread(target=workspace.datasets.register, args=(part, "shapes")) for part in parts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    versions = workspace.datasets.versions("shapes")
    assert [version.number for version in versions] == [1, 2, 3, 4, 5, 6]
    assert len({version.fingerprint for version in versions}) == 6


MISTAKES = [
    ("shape", 'no dataset is registered as "shape". Did you mean "shapes"?'),
    ("shapes:7", '"shapes" has no version 7; it has: 1'),
    ("shapes:new", 'a version is a number, not "new"'),
]


@pytest.mark.parametrize(("name", "message"), MISTAKES)
def test_an_unknown_version(root: Path, workspace: Workspace, name: str, message: str) -> None:
    workspace.datasets.register(Dataset.open(root), "shapes")
    with pytest.raises(DataError, match=message.replace("?", r"\?")):
        workspace.datasets.get(name)
    assert workspace.datasets.get("shapes") == workspace.datasets.get("shapes:1")


UNRESOLVED = [
    ("shape", 'shape does not exist, and no dataset is registered as "shape". Did you mean "shapes"?'),
    ("boats:1", 'boats:1 does not exist, and no dataset is registered as "boats".'),
    ("shapes:7", '"shapes" has no version 7; it has: 1'),
]


@pytest.mark.parametrize(("path", "message"), UNRESOLVED)
def test_a_path_that_looks_like_a_version(root: Path, workspace: Workspace, path: str, message: str) -> None:
    workspace.datasets.register(Dataset.open(root), "shapes")
    with pytest.raises(DataError, match=re.escape(message)):
        workspace.datasets.resolve(path)


@pytest.mark.parametrize("path", ["no-such-folder", "shape/s", "http://host/shapes", "x" * 5000, "a\0b", "."])
def test_a_path_that_is_none(root: Path, workspace: Workspace, path: str) -> None:
    workspace.datasets.register(Dataset.open(root), "shapes")
    assert workspace.datasets.resolve(path) == path


@pytest.mark.parametrize("name", ["", "../up", "a b", ".hidden", "a:1", "a" * 61])
def test_a_bad_name(root: Path, workspace: Workspace, name: str) -> None:
    with pytest.raises(DataError, match="a dataset's name is made of"):
        workspace.datasets.register(Dataset.open(root), name)


def test_a_workspace_that_cannot_be_written(root: Path, tmp_path: Path) -> None:
    (tmp_path / "workspace").mkdir()
    (tmp_path / "workspace" / "datasets").write_text("a file")
    with pytest.raises(WorkspaceError, match="cannot be written"):
        Workspace(tmp_path / "workspace").datasets.register(Dataset.open(root), "shapes")


def test_a_run_names_its_version_and_leaves_out_what_changed_beneath_it(root: Path, workspace: Workspace) -> None:
    version = workspace.datasets.register(Dataset.open(root), "shapes")
    draw_shapes(("cross",), 99).save(root / "circle" / "circle-3.png")
    job = root.parent / "job.yaml"
    settings = {"pretrained": 0, "training_crop_size": 32, "validation_resize_size": 32, "validation_crop_size": 32}
    arguments = json.dumps(settings | {"precision": "fp32", "number_of_epochs": 1})
    job.write_text(
        f"task: image-classification\ntraining_data: shapes:1\nmodel_name: {SMALL_MODEL}\nthreads: 1\n"
        f"arguments: {arguments}\n"
    )
    config = read_job(job).config
    run = work_here(Experiment(workspace, "versions"), config)
    run.wait_for_completion()
    assert run.get_status() == "Completed"
    folder = workspace.run_folder(run.id)
    assert folder.spec()["data_version"] == version.id
    (left_out,) = read_json(folder.path / "left_out.json")["problems"]
    assert left_out["place"] == "circle/circle-3.png"
    assert left_out["reason"] == "the file changed since the dataset was opened"
    for i in range(12):
        draw_shapes(("cross",), 200 + i).save(root / "square" / f"square-{i}.png")
    shutil.rmtree(workspace.cache_path)
    refused = work_here(Experiment(workspace, "versions"), config)
    with pytest.raises(RunFailedError, match="13 of 24 images cannot be used"):
        refused.wait_for_completion()


def test_data_without_validation_images_keeps_what_was_held_out(tmp_path: Path, workspace: Workspace) -> None:
    for split in ("train", "test"):
        for label in ("a", "b"):
            (tmp_path / "t" / split / label).mkdir(parents=True)
            for i in range(10):
                seed = len(split) * 1000 + ord(label) * 100 + i
                draw_shapes(("circle",), seed).save(tmp_path / "t" / split / label / f"{i}.png")
    first = Dataset.load(workspace.datasets.register(Dataset.open(tmp_path / "t"), "t"))
    for i in range(10, 20):
        draw_shapes(("cross",), 7000 + i).save(tmp_path / "t" / "train" / "a" / f"{i}.png")
    second = Dataset.load(workspace.datasets.register(Dataset.open(tmp_path / "t"), "t"))
    split_of = dict(zip(second.table["digest"].to_pylist(), second.splits.tolist(), strict=True))
    before = list(zip(first.table["digest"].to_pylist(), first.splits.tolist(), strict=True))
    assert (first.splits == "val").any() and [split_of[digest] for digest, _ in before] == [s for _, s in before]


def test_a_new_member_of_a_group_goes_where_the_others_are(tmp_path: Path) -> None:
    for i in range(40):
        Image.new("RGB", (4, 4), (i, 9, 9)).save(tmp_path / f"{i}.png")
    rows = [f"{i}.png,{'ab'[i % 2]},g{i % 20}" for i in range(40)]
    table = tmp_path / "labels.csv"
    table.write_text("\n".join(["image,label", *(row.rpartition(",")[0] for row in rows[:20])]) + "\n")
    first = Dataset.open(table).with_validation(0.3)
    table.write_text("\n".join(["image,label,group", *rows]) + "\n")
    second = Dataset.open(table).following(first, 0.3)
    assert second.splits[:20].tolist() == second.splits[20:].tolist() == first.splits.tolist()


def test_what_moved_is_found_where_it_is(root: Path, workspace: Workspace) -> None:
    first = workspace.datasets.register(Dataset.open(root), "shapes")
    moved = root.rename(root.with_name("moved"))
    again = workspace.datasets.register(Dataset.open(moved), "shapes")
    assert again == first and Dataset.open(again).root == str(moved)


def test_versions_without_a_common_image(root: Path) -> None:
    whole = Dataset.open(root)
    old, new = whole[:12], whole[12:]
    changes = new.changes_since(old)
    assert (len(changes.added), len(changes.removed), changes.unchanged) == (12, 12, 0)


def test_copies_are_matched_by_their_paths(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(6):
            draw_shapes(("circle",), i if name == "a" else 50 + i).save(tmp_path / name / f"{i}.png")
    shutil.copy(tmp_path / "a" / "0.png", tmp_path / "a" / "z.png")
    old = Dataset.open(tmp_path)
    shutil.copy(tmp_path / "a" / "0.png", tmp_path / "a" / "0 copy.png")
    assert Dataset.open(tmp_path).changes_since(old).added == ["a/0 copy.png"]
