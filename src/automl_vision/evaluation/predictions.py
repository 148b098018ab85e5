"""A trial's predictions on its validation and test images, one row an image, in an Arrow file.

The file is Arrow's IPC file format, compressed with zstd, which pandas, polars, DuckDB and R read.

| column | of | type | meaning |
| --- | --- | --- | --- |
| `split` | all | dictionary of text | "val" or "test" |
| `row` | all | int64 | row of the image in the run's manifest |
| `image` | all | text | path of the image, as in the manifest |
| `logits` | classification | list of as many float32 as there are classes | outputs before calibration |
| `labels` | objects | list of int64 | position of each object's class, best object first |
| `boxes` | objects | list of four float64 | x1, y1, x2, y2 in pixels of the image |
| `scores` | objects | list of float64 | 0 to 1, descending |
| `masks` | masks | list of text | run-length codes |

Its metadata hold, as JSON: `task`, `classes` (their names, in order), `calibration` (temperature and thresholds), and
`as_jpeg` (whether the images came from a cache that keeps JPEGs).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from automl_vision.core.files import atomic_path
from automl_vision.core.records import Calibration
from automl_vision.data.detections import Detections
from automl_vision.data.texts import Texts

PREDICTIONS_FILE = "predictions.arrow"

REFIT = "refit"
"""Instead of a split: the validation images as a network sees them that was trained on them too."""

_UNKNOWN = 30.0  # logits below the lowest one; e^-30 is no probability that anyone would see
_ABOUT = ("task", "classes", "calibration", "as_jpeg")


@dataclass(frozen=True)
class Predictions:
    """What a trial predicts.

    Attributes:
        table: one row an image; the columns are described at the head of this module.
        task: the product's name of the task.
        classes: their names, in order.
        calibration: turns outputs into probabilities and decisions.
        as_jpeg: whether the images came from a cache that keeps JPEGs.
    """

    table: pa.Table
    task: str
    classes: tuple[str, ...]
    calibration: Calibration
    as_jpeg: bool = False

    def __len__(self) -> int:
        return len(self.table)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits that images were predicted of, such as "val" and "test"."""
        return tuple(self.table["split"].unique().to_pylist())

    def of_split(self, split: str) -> Predictions:
        """The predictions of one split.

        Raises:
            KeyError: there are none of it.
        """
        if split not in self.splits:
            raise KeyError(f"there are predictions of {' and '.join(self.splits)}, not of {split}")
        chosen = pc.equal(self.table["split"], split)
        return Predictions(self.table.filter(chosen), self.task, self.classes, self.calibration, self.as_jpeg)

    def own(self, split: str) -> Predictions:
        """What the network itself answers for a split; of validation images, those that it may have been trained on.

        Raises:
            KeyError: there are none of it.
        """
        return self.of_split(REFIT if split == "val" and REFIT in self.splits else split)

    def in_classes(self, classes: Sequence[str]) -> Predictions:
        """The same predictions among other classes, in their order; of those that the model does not know it says no.

        Args:
            classes: that include all classes of the model.

        Raises:
            ValueError: a class of the model is not among them.
        """
        names = tuple(classes)
        if names == self.classes:
            return self
        missing = [name for name in self.classes if name not in names]
        if missing:
            raise ValueError(f"the classes of the model must be among the others; missing: {', '.join(missing)}")
        place = np.array([names.index(name) for name in self.classes], np.int64)
        table, thresholds = self.table, self.calibration.thresholds
        if "logits" in table.column_names:
            table = self._with("logits", _fixed_lists(_placed(self.logits, place, len(names))))
        else:
            old = self._column("labels")
            table = self._with("labels", pa.ListArray.from_arrays(old.offsets, pa.array(place[old.values.to_numpy()])))
        if thresholds:
            of_class = dict(zip(self.classes, thresholds, strict=True))
            thresholds = tuple(of_class.get(name, max(thresholds)) for name in names)
        calibration = self.calibration.model_copy(update={"thresholds": thresholds})
        return Predictions(table, self.task, names, calibration, self.as_jpeg)

    def _with(self, name: str, column: pa.Array) -> pa.Table:
        return self.table.set_column(self.table.schema.get_field_index(name), name, column)

    @property
    def rows(self) -> NDArray[np.intp]:
        """(images,), rows of the manifest."""
        return np.asarray(self.table["row"].to_numpy(), np.intp)

    @property
    def logits(self) -> NDArray[np.float32]:
        """(images, classes), the outputs of a classifier before calibration.

        Raises:
            KeyError: these are predictions of objects.
        """
        return _from_fixed_lists(self._column("logits"))

    @property
    def detections(self) -> Detections:
        """The objects that a detector found.

        Raises:
            KeyError: these are predictions for whole images.
        """
        labels = self._column("labels")
        has_masks = "masks" in self.table.column_names
        return Detections(
            images=len(self),
            image=np.repeat(np.arange(len(self)), labels.value_lengths().to_numpy()),
            labels=labels.flatten().to_numpy(),
            boxes=_from_fixed_lists(self._column("boxes").flatten()),
            scores=self._column("scores").flatten().to_numpy(),
            masks=_to_texts(self._column("masks").flatten()) if has_masks else None,
        )

    def _column(self, name: str) -> pa.Array:
        """A column in one piece."""
        return self.table[name].combine_chunks()

    def save(self, path: Path) -> None:
        """Write the file; it appears whole or not at all."""
        about = {
            "task": self.task,
            "classes": self.classes,
            "calibration": self.calibration.model_dump(),
            "as_jpeg": self.as_jpeg,
        }
        table = self.table.replace_schema_metadata({name: json.dumps(value) for name, value in about.items()})
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with (
            atomic_path(path) as temporary,
            pa.OSFile(str(temporary), "wb") as file,
            pa.ipc.new_file(file, table.schema, options=options) as writer,
        ):
            writer.write_table(table)

    @staticmethod
    def load(path: Path) -> Predictions:
        """Read a file.

        Raises:
            FileNotFoundError: there is none.
        """
        with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as file:
            table = file.read_all()
        about = {name: json.loads(table.schema.metadata[name.encode()]) for name in _ABOUT}
        about |= {"classes": tuple(about["classes"]), "calibration": Calibration.model_validate(about["calibration"])}
        return Predictions(table, **about)

    @staticmethod
    def join(parts: Sequence[Predictions]) -> Predictions:
        """The predictions of several splits of one trial, one after another."""
        first = parts[0]
        table = pa.concat_tables([part.table for part in parts]).unify_dictionaries()
        return Predictions(table, first.task, first.classes, first.calibration, first.as_jpeg)


def prediction_table(split: str, rows: NDArray[np.intp], images: pa.Array, columns: Mapping[str, pa.Array]) -> pa.Table:
    """The table of one split.

    Args:
        split: its name.
        rows: (images,), of the manifest.
        images: (images,), their paths.
        columns: outputs by name, as the task's scoring makes them.
    """
    splits = pa.DictionaryArray.from_arrays(pa.array(np.zeros(len(rows), np.int8)), pa.array([split]))
    return pa.table({"split": splits, "row": pa.array(rows, pa.int64()), "image": images, **columns})


def label_columns(logits: NDArray[np.float32]) -> dict[str, pa.Array]:
    """The columns of outputs for whole images, (images, classes)."""
    return {"logits": _fixed_lists(logits)}


def object_columns(found: Detections) -> dict[str, pa.Array]:
    """The columns of found objects."""
    values = {"labels": pa.array(found.labels), "boxes": _fixed_lists(found.boxes), "scores": pa.array(found.scores)}
    if found.masks is not None:
        values["masks"] = _from_texts(Texts.of(found.masks))
    offsets = np.searchsorted(found.image, np.arange(found.images + 1))
    return {name: pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), column) for name, column in values.items()}


def _placed(logits: NDArray[np.float32], place: NDArray[np.int64], classes: int) -> NDArray[np.float32]:
    """Logits (images, known) in their columns among more classes; the others are far below all of an image's."""
    lowest = np.minimum(logits.min(axis=1, keepdims=True), 0) - _UNKNOWN
    wide = np.repeat(lowest, classes, axis=1).astype(np.float32)
    wide[:, place] = logits
    return wide


def _fixed_lists(values: NDArray[Any]) -> pa.Array:
    """A column of lists of one length from an array (rows, length)."""
    return pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), values.shape[1])


def _from_fixed_lists(column: pa.Array) -> NDArray[Any]:
    """The array (rows, length) back."""
    return np.asarray(column.flatten().to_numpy(zero_copy_only=False)).reshape(len(column), column.type.list_size)


def _to_texts(column: pa.StringArray) -> Texts:
    """A column of texts without nulls; its bytes are not copied."""
    _, starts, data = column.buffers()
    first = np.frombuffer(starts, np.int32)[column.offset : column.offset + len(column) + 1] if starts else np.zeros(1)
    return Texts(np.frombuffer(data or b"", np.uint8), first.astype(np.int64))


def _from_texts(texts: Texts) -> pa.StringArray:
    """The column of texts that start at the first byte."""
    whole = texts.take(slice(None))
    buffers = [pa.py_buffer(whole.starts), pa.py_buffer(whole.data)]
    return pa.LargeStringArray.from_buffers(len(whole), *buffers).cast(pa.string())
