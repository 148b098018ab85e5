"""What tables say of their images beside the labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from automl_vision.core.errors import DataError
from automl_vision.data.dataset import Dataset
from automl_vision.data.joining import join_validation
from automl_vision.evaluation.slices import image_attributes
from automl_vision.formats.export import export_dataset

CAMERAS = ["old", "new", ""]


def rows() -> list[dict[str, object]]:
    """24 images; a third has no camera."""
    return [
        {
            "file_name": f"{i}.png",
            "label": "ab"[i % 2],
            "camera": CAMERAS[i % 3],
            "age": 20 + i,
            "day": f"2026-01-0{1 + i % 4}",
        }
        for i in range(24)
    ]


def write_csv(folder: Path) -> None:
    values = rows()
    lines = [",".join(values[0]), *(",".join(map(str, row.values())) for row in values)]
    (folder / "labels.csv").write_text("\n".join(lines))


def write_lines(folder: Path) -> None:
    (folder / "labels.jsonl").write_text("\n".join(json.dumps({"image_url": r.pop("file_name"), **r}) for r in rows()))


def write_metadata(folder: Path) -> None:
    (folder / "metadata.jsonl").write_text("\n".join(map(json.dumps, rows())))


def write_parquet(folder: Path) -> None:
    pq.write_table(pa.Table.from_pylist(rows()), folder / "labels.parquet")


def opened(folder: Path, write: Callable[[Path], None], **settings: str) -> Dataset:
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    for i in range(24):
        Image.fromarray(random.integers(0, 255, (30, 40, 3)).astype(np.uint8)).save(folder / f"{i}.png")
    write(folder)
    return Dataset.open(folder, **settings)


@pytest.mark.parametrize("write", [write_csv, write_lines, write_metadata, write_parquet])
def test_columns_are_read_kept_and_written(write: Callable[[Path], None], tmp_path: Path):
    dataset = opened(tmp_path / "data", write)
    order = np.argsort([int(Path(image).stem) for image in dataset.table["image"].to_pylist()])
    dataset = dataset[order]
    assert set(dataset.further) == {"camera", "age", "day"}
    assert dataset.column("camera").to_pylist()[:4] == ["old", "new", None, "old"]
    assert dataset.column("age").to_pylist()[:2] == [20.0, 21.0]
    part = dataset[[3, 5]].with_splits(np.array(["train", "val"]))
    assert part.column("age").to_pylist() == [23.0, 25.0]
    dataset.save(tmp_path / "saved.parquet")
    again = Dataset.load(tmp_path / "saved.parquet")
    assert again.table.equals(dataset.table)
    for name in ("csv", "jsonl"):
        assert not export_dataset(dataset, tmp_path / name, name).notes
        written = Dataset.open(tmp_path / name)
        values = dict(zip(written.table["image"].to_pylist(), written.column("camera").to_pylist(), strict=True))
        assert [values[f"{i}.png"] for i in range(3)] == ["old", "new", None]
        assert written.column("age").type == pa.float64()
        assert written.fingerprint == dataset.fingerprint
    report = export_dataset(dataset, tmp_path / "coco", "coco")
    assert any('no place for "further"' in note.reason for note in report.notes)


def test_columns_are_slices(tmp_path: Path):
    dataset = opened(tmp_path, write_csv)
    attributes = image_attributes(dataset, np.arange(24))
    assert set(attributes["camera"]) == {"old", "new", ""}
    assert len(set(attributes["age"])) == 3
    assert "20 to 27" in attributes["age"]
    assert set(attributes["day"]) == {f"2026-01-0{i}" for i in range(1, 5)}
    with pytest.raises(DataError, match='Did you mean "camera"'):
        dataset.column("camra")


def test_data_with_other_columns_joins(tmp_path: Path):
    first = opened(tmp_path / "a", write_csv)
    second = opened(tmp_path / "b", write_lines)
    second = Dataset(second.table.drop_columns(["column:age"]), second.root, second.task, second.classes, "jsonl")
    joined = join_validation(first, second)
    assert joined.column("camera").null_count == 16
    assert joined.column("age").null_count == 24


def test_a_column_of_boxes_is_not_one_of_images(tmp_path: Path):
    def write(folder: Path) -> None:
        lines = ["image,label,xmin,ymin,xmax,ymax,camera,worker"]
        for i in range(24):
            for k in range(2):
                lines.append(f"{i}.png,{'ab'[k]},{1 + k},1,{20 + k},20,{CAMERAS[i % 2]},w{k}")
        (folder / "boxes.csv").write_text("\n".join(lines))

    assert opened(tmp_path, write).further == ("camera",)
