"""Which images a project shows, where a browser finds them, and what is said where it cannot."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from automl_vision import Dataset, Workspace
from automl_vision.core.errors import DataError
from automl_vision.formats.listing import list_images
from automl_vision.labeling.addresses import AddressError, Addresses, is_expiring
from automl_vision.labeling.project import LabelingProject
from automl_vision.labeling.records import LabelingError
from automl_vision.labeling.wanted import read_queue, scan_pool, wanted_images
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
