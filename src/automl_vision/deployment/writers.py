"""The formats of scored images: each writer turns rows, part by part, into one file; none holds all of them."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from automl_vision.core.errors import ScoringError
from automl_vision.core.text import did_you_mean
from automl_vision.data.masks import MaskCode
from automl_vision.deployment.rows import Rows
from automl_vision.serving.objects import mask_polygons

_ROW_GROUP = 16_384  # rows, or fewer where they are large
_ROW_GROUP_BYTES = 32 * 2**20
_MOST_CLASS_COLUMNS = 50  # of CSV; more classes have the top one alone

Tables = Iterator[pa.Table]
Writer = Callable[[Tables, Rows, Path], None]


def write_parquet(tables: Tables, rows: Rows, path: Path) -> None:
    """Parquet with the columns of `deployment.rows`; its metadata name the task and the classes."""
    description = rows.description
    about = {"task": description.task, "classes": description.classes, "model": description.model_name}
    schema = rows.schema.remove(rows.schema.get_field_index("error"))
    schema = schema.with_metadata({"automl_vision_scored": json.dumps(about)})
    waiting: list[pa.Table] = []
    with pq.ParquetWriter(path, schema, compression="zstd") as writer:
        for table in tables:
            waiting.append(table.select(schema.names))
            many = sum(len(each) for each in waiting) >= _ROW_GROUP
            if many or sum(each.nbytes for each in waiting) >= _ROW_GROUP_BYTES:
                writer.write_table(pa.concat_tables(waiting).replace_schema_metadata(schema.metadata))
                waiting = []
        if waiting:
            writer.write_table(pa.concat_tables(waiting).replace_schema_metadata(schema.metadata))


def write_jsonl(tables: Tables, rows: Rows, path: Path) -> None:
    """JSON lines: `filename`, and what `predict --json` prints: `probs` and `labels`, or `boxes`."""
    classes = list(rows.description.classes)
    with path.open("w", encoding="utf-8") as file:
        for table in tables:
            for row in table.to_pylist():
                values = _boxes(row) if "objects" in row else _probabilities(row, classes)
                file.write(json.dumps({"filename": row["image"], **values}, ensure_ascii=False) + "\n")


def _probabilities(row: dict[str, Any], classes: list[str]) -> dict[str, Any]:
    predicted = row["labels"] if "labels" in row else [label for label in (row["label"],) if label is not None]
    return {"probs": row["probabilities"], "labels": classes, "predicted": predicted}


def _boxes(row: dict[str, Any]) -> dict[str, Any]:
    size = [row["width"], row["height"]]
    boxes = []
    for found in row["objects"]:
        corners = (value / size[i % 2] for i, value in enumerate(found["bbox"]))
        names = ("topX", "topY", "bottomX", "bottomY")
        box = {"box": dict(zip(names, corners, strict=True)), "label": found["label"], "score": found["score"]}
        if found["rle"] is not None:
            polygons = mask_polygons(found["rle"])
            box["polygon"] = [[value / size[i % 2] for i, value in enumerate(polygon)] for polygon in polygons]
        boxes.append(box)
    return {"boxes": boxes, "predicted": [found["label"] for found in row["objects"]]}


def write_csv(tables: Tables, rows: Rows, path: Path) -> None:
    """CSV: one row per image and one column per class up to 50; or one row per object, an empty one where none is."""
    classes = rows.description.classes
    shown = classes if len(classes) <= _MOST_CLASS_COLUMNS else ()
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        if "objects" in rows.schema.names:
            writer.writerow(["image", "label", "score", "x1", "y1", "x2", "y2", "width", "height", "rle"])
        else:
            writer.writerow(["image", "label", "confidence", *(f"prob_{name}" for name in shown)])
        for table in tables:
            for row in table.to_pylist():
                writer.writerows(_object_cells(row) if "objects" in row else [_label_cells(row, bool(shown))])


def _label_cells(row: dict[str, Any], with_probabilities: bool) -> list[Any]:
    label = "|".join(row["labels"]) if "labels" in row else row["label"] or ""
    figures = [row["confidence"], *(row["probabilities"] if with_probabilities else ())]
    return [row["image"], label, *(f"{figure:.6g}" for figure in figures)]


def _object_cells(row: dict[str, Any]) -> list[list[Any]]:
    size = [row["width"], row["height"]]
    cells = [
        [row["image"], found["label"], found["score"], *found["bbox"], *size, found["rle"] or ""]
        for found in row["objects"]
    ]
    return cells or [[row["image"], *[""] * 6, *size, ""]]


def write_coco(tables: Tables, rows: Rows, path: Path) -> None:
    """COCO's results: an array of `image_id`, `category_id`, `bbox` (x, y, width, height), `score`, `segmentation`.

    Both numbers start at 1, in the order of the images and of the model's classes; `write_coco_images` names them.
    """
    numbers = {name: number for number, name in enumerate(rows.description.classes, start=1)}
    comma = ""
    with path.open("w", encoding="utf-8") as file:
        file.write("[")
        for table in tables:
            for row in table.to_pylist():
                for found in row["objects"]:
                    file.write(f"{comma}\n{json.dumps(_result(row, found, numbers))}")
                    comma = ","
        file.write("\n]\n")


def write_coco_images(tables: Tables, rows: Rows, path: Path) -> None:
    """The `images` and `categories` that COCO's results refer to by number."""
    names = enumerate(rows.description.classes, start=1)
    categories = [{"id": number, "name": name} for number, name in names]
    comma = ""
    with path.open("w", encoding="utf-8") as file:
        file.write(f'{{"categories": {json.dumps(categories, ensure_ascii=False)}, "images": [')
        for table in tables:
            for row in table.select(["number", "image", "width", "height"]).to_pylist():
                facts = {"id": row["number"] + 1, "file_name": row["image"], "width": row["width"],
                         "height": row["height"]}  # fmt: skip
                file.write(f"{comma}\n{json.dumps(facts, ensure_ascii=False)}")
                comma = ","
        file.write("\n]}\n")


def _result(row: dict[str, Any], found: dict[str, Any], numbers: dict[str, int]) -> dict[str, Any]:
    x1, y1, x2, y2 = found["bbox"]
    result = {"image_id": row["number"] + 1, "category_id": numbers[found["label"]],
              "bbox": [x1, y1, x2 - x1, y2 - y1], "score": found["score"]}  # fmt: skip
    if found["rle"] is not None:
        mask = MaskCode.from_text(found["rle"])
        result["segmentation"] = {"size": [mask.height, mask.width], "counts": mask.counts}
    return result


@dataclass(frozen=True)
class Format:
    """A format of scored images.

    Attributes:
        write: writes the file.
        suffixes: of files that have it, lower case.
        objects_only: whether it cannot hold labels of whole images.
        further: writers of files beside it, by the ending of their names.
    """

    write: Writer
    suffixes: tuple[str, ...]
    objects_only: bool = False
    further: Mapping[str, Writer] = field(default_factory=dict)


FORMATS = {
    "parquet": Format(write_parquet, (".parquet",)),
    "jsonl": Format(write_jsonl, (".jsonl", ".ndjson")),
    "csv": Format(write_csv, (".csv",)),
    "coco": Format(write_coco, (".json",), objects_only=True, further={"images.json": write_coco_images}),
}
"""The formats by name."""


def find_output_format(path: Path, name: str | None, rows: Rows) -> Format:
    """The named format, or the one of the file's suffix.

    Raises:
        ScoringError: there is none, or it cannot hold such predictions.
    """
    known = ", ".join(FORMATS)
    if name is not None and name not in FORMATS:
        raise ScoringError(
            f'no format of scored images is named "{name}".{did_you_mean(name, FORMATS)} Choose from: {known}'
        )
    suffixed = (each for each, found in FORMATS.items() if path.suffix.lower() in found.suffixes)
    name = name or next(suffixed, None)
    if name is None:
        suffixes = ", ".join(suffix for each in FORMATS.values() for suffix in each.suffixes)
        raise ScoringError(f'the suffix of "{path.name}" names no format ({suffixes}); choose one with format: {known}')
    if FORMATS[name].objects_only and "objects" not in rows.schema.names:
        raise ScoringError(
            f'the format "{name}" holds objects, and the model is for {rows.description.task}; choose another format'
        )
    return FORMATS[name]


def predicted_rows(tables: Tables) -> Tables:
    """The rows that have a prediction."""
    for table in tables:
        yield table.filter(pc.is_null(table["error"]))
