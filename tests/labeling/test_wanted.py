"""Which images a project shows, where a browser finds them, and what is said where it cannot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl_vision import Dataset, Workspace
from automl_vision.core.errors import DataError
from automl_vision.formats.listing import list_images
from automl_vision.labeling.addresses import AddressError, Addresses, is_expiring
from automl_vision.labeling.project import LabelingProject
from automl_vision.labeling.records import LabelingError
from automl_vision.labeling.wanted import joined_pool, read_queue, scan_pool, wanted_images, with_earlier
from automl_vision.web.label_studio import LabelStudio, LabelStudioError
from conftest import draw_shapes


def write_queue(path: Path, *rows: tuple[str, int, str]) -> Path:
    columns = dict(zip(("image", "rank", "group"), map(list, zip(*rows, strict=True)), strict=True))
    pq.write_table(pa.table({**columns, "reason": ["unsure"] * len(rows), "score": [0.5] * len(rows)}), path)
    return path


def test_a_queue_is_ordered_by_rank_and_keeps_groups_together(tmp_path: Path) -> None:
    queue = write_queue(tmp_path / "q.parquet", ("d", 3, "g"), ("a", 0, ""), ("b", 1, "g"), ("c", 2, ""))
    assert [each.image for each in read_queue(queue)] == ["a", "b", "d", "c"]
    (tmp_path / "not.parquet").write_text("no")
    with pytest.raises(DataError, match="not a queue of images to label"):
        read_queue(tmp_path / "not.parquet")
    pq.write_table(pa.table({"image": ["a"]}), tmp_path / "short.parquet")
    with pytest.raises(DataError, match="it has no column rank"):
        read_queue(tmp_path / "short.parquet")


def test_images_are_shown_once_and_with_their_label(shapes: Dataset, tmp_path: Path) -> None:
    known = Path(shapes.root) / shapes.table["image"][0].as_py()
    (tmp_path / "copy.png").write_bytes(known.read_bytes())
    draw_shapes(("circle",), 77).save(tmp_path / "new.png")
    (tmp_path / "broken.png").write_bytes(b"no")
    pool = scan_pool(list_images(tmp_path), shapes.task)
    assert [problem.place for problem in pool.report.problems] == ["broken.png"]
    found = wanted_images(shapes, pool)
    assert len(found) == len({*shapes.table["digest"].to_pylist()}) + 1
    by_place = {Path(each.location).name: each for each in found}
    assert by_place["new.png"].labels == []
    assert by_place[known.name].labels[0]["value"]["choices"] == list(shapes[0].labels)  # not the unlabelled copy
    queue = write_queue(tmp_path / "q.parquet", ("new.png", 1, ""), (shapes.table["image"][3].as_py(), 0, ""))
    first, second = wanted_images(shapes, pool, read_queue(queue))
    assert (first.image, first.reason, Path(second.location).name) == (shapes[3].reference, "unsure", "new.png")
    with pytest.raises(DataError, match="1 of 1 images of the queue"):
        wanted_images(shapes, None, read_queue(write_queue(tmp_path / "q.parquet", ("nowhere.png", 0, ""))))


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("/data/a b/c&d.png", "/data/local-files/?d=a%20b/c%26d.png"),
        ("https://site/a.jpg?v=1", "https://site/a.jpg?v=1"),
        ("/elsewhere/a.png", "outside of /data"),
        ("/data/set.zip!/a.png", "unpack the archive"),
        ("/data/a.tif", "browsers do not show .tif"),
        ("memory://bucket/a.png", "signs no links"),
    ],
)
def test_addresses(location: str, expected: str) -> None:
    addresses = Addresses(Path("/data"))
    if expected.startswith(("/", "http")):
        assert addresses.of(location) == expected
    else:
        with pytest.raises(AddressError, match=expected):
            addresses.of(location)
    assert is_expiring("https://b.s3.amazonaws.com/a.png?X-Amz-Signature=1")
    assert not is_expiring("https://site/a.jpg?v=1")


def test_what_cannot_be_is_said(shapes: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LABEL_STUDIO_API_KEY", raising=False)
    workspace = Workspace(tmp_path)
    version = workspace.datasets.register(shapes, "shapes")
    with pytest.raises(LabelingError, match='no labelling project is named "shape"'):
        LabelingProject("shape", workspace=workspace)
    with pytest.raises(LabelingError, match="at most 50 letters"):
        LabelingProject.create("a/b", version.id, workspace=workspace)
    with pytest.raises(LabelStudioError, match="export LABEL_STUDIO_API_KEY"):
        LabelingProject.create("shapes", version.id, workspace=workspace)
    with pytest.raises(LabelStudioError, match="begins with http"):
        LabelStudio("localhost:8080", "x")
    with LabelStudio("http://127.0.0.1:9", "x") as server, pytest.raises(LabelStudioError, match="does not answer"):
        server.send("POST", "/api/projects/", {})
    with LabelStudio("http://127.0.0.1:9", "x") as server, pytest.raises(LabelStudioError, match="is not served by"):
        server.download("http://elsewhere/a.png")


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({}, "name --data, or add --images and --classes and --task"),
        ({"images": "photos", "task": "image-classification"}, "add --classes$"),
        ({"images": "photos", "classes": ["cat", "dog"], "task": "object"}, 'no task is named "object"'),
        ({"images": "photos", "classes": ["cat", " cat"], "task": "image-classification"}, "cat is named twice"),
        ({"images": "photos", "classes": ["", "cat"], "task": "image-object-detection"}, "a name of its own$"),
        ({"images": "photos", "classes": ["cat"], "task": "image-classification"}, "at least 2 classes"),
        ({"data": "photos", "classes": ["cat"]}, "leave --classes and --task out"),
    ],
)
def test_what_a_start_without_labels_needs(settings: dict[str, Any], error: str, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    draw_shapes(("circle",), 1).save(tmp_path / "photos" / "a.png")
    places = {name: str(tmp_path / settings[name]) for name in ("images", "data") if name in settings}
    with pytest.raises(LabelingError, match=error):
        LabelingProject.create("pets", **{**settings, **places}, workspace=tmp_path / "workspace", token="x")


def test_a_start_without_labels_continues_no_dataset_by_mistake(shapes: Dataset, tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "workspace")
    workspace.datasets.register(shapes, "pets")
    with pytest.raises(LabelingError, match="label its images with --data pets, or choose another name"):
        LabelingProject.create(
            "pets", images=shapes.root, classes=["cat", "dog"], task="image-classification", workspace=workspace
        )


def test_what_is_shown_already_stays_and_comes_first(shapes: Dataset, tmp_path: Path) -> None:
    earlier, later = wanted_images(shapes)[:5], wanted_images(shapes)[3:8]
    later = [one.model_copy(update={"reason": "unsure", "labels": []}) for one in later]
    both = with_earlier(earlier, later)
    assert [one.digest for one in both] == [one.digest for one in wanted_images(shapes)[:8]]
    assert [one.reason for one in both] == [""] * 3 + ["unsure"] * 5
    assert [bool(one.labels) for one in both] == [True] * 5 + [False] * 3
    for place in ("first", "second"):
        (tmp_path / place).mkdir()
        draw_shapes(("circle",), 1).save(tmp_path / place / "same.png")
        draw_shapes(("circle",), len(place)).save(tmp_path / place / "own.png")
    first, second = (scan_pool(list_images(tmp_path / place), shapes.task) for place in ("first", "second"))
    joined = joined_pool(second, first)
    places = {Path(image.location) for image in joined}
    assert places == {tmp_path / "second" / "same.png", tmp_path / "second" / "own.png", tmp_path / "first" / "own.png"}
    assert joined_pool(second, None) is second and len(joined_pool(second, second)) == 2
