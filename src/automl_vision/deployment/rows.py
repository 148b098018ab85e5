"""From predictions to rows of an Arrow table, one row per image.

| column | of | type | meaning |
| --- | --- | --- | --- |
| `number` | all | int64 | position of the image in the list, from 0 |
| `image` | all | text | path relative to the data's root, absolute path, or URL |
| `error` | all | text | why the image has no prediction; null where it has one |
| `label` | one class per image | text | the predicted class; null where the model abstains |
| `labels` | multi-label | list of texts | the predicted classes |
| `confidence` | whole images | float32 | the highest probability |
| `probabilities` | whole images | list of float32 | calibrated, in the order of the classes |
| `width`, `height` | objects | int32 | of the image in pixels |
| `objects` | objects | list of structs | `label`, `score`, `bbox` (x1, y1, x2, y2 in pixels), `rle`; best first |

Where predictions will be compared with labels, a part also keeps the columns of `evaluation.predictions`, their names
after `output_`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from automl_vision.core.errors import ImageError
from automl_vision.core.tasks import TASKS
from automl_vision.data.detections import Detections
from automl_vision.evaluation.predictions import label_columns, object_columns
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.predictions import AnyPrediction, ObjectPrediction, Prediction
from automl_vision.serving.processors import decided

Answer = AnyPrediction | ImageError

OBJECTS_TYPE = pa.list_(
    pa.struct([("label", pa.string()), ("score", pa.float32()), ("bbox", pa.list_(pa.float64())), ("rle", pa.string())])
)
_OUTPUT = "output_"
_COMMON = [("number", pa.int64()), ("image", pa.string()), ("error", pa.string())]


class Rows(ABC):
    """Makes the rows of one kind of model.

    Args:
        description: of the model.
    """

    def __init__(self, description: ModelDescription) -> None:
        self.description = description

    @property
    @abstractmethod
    def columns(self) -> list[tuple[str, pa.DataType]]:
        """Names and types of the columns that hold predictions."""

    @property
    def schema(self) -> pa.Schema:
        """Of rows without the outputs for an evaluation."""
        return pa.schema([*_COMMON, *self.columns])

    def table(self, first: int, images: Sequence[str], answers: Sequence[Answer], *, outputs: bool) -> pa.Table:
        """The rows of some images that follow each other.

        Args:
            first: position of the first one.
            images: their references.
            answers: a prediction or an error for each image.
            outputs: whether to add the columns that an evaluation needs; null for images without a prediction.
        """
        numbers = range(first, first + len(images))
        errors = [str(answer) if isinstance(answer, ImageError) else None for answer in answers]
        rows = [
            {"number": number, "image": image, "error": error}
            | ({} if isinstance(answer, ImageError) else self._values(answer))
            for number, image, error, answer in zip(numbers, images, errors, answers, strict=True)
        ]
        table = pa.Table.from_pylist(rows, schema=self.schema)
        found = [answer for answer in answers if not isinstance(answer, ImageError)]
        if outputs and found:
            places = np.cumsum([error is None for error in errors]) - 1
            indices = pa.array(places, mask=np.array([error is not None for error in errors]))
            for name, column in self._outputs(found).items():
                table = table.append_column(f"{_OUTPUT}{name}", column.take(indices))
        return table

    @abstractmethod
    def _values(self, answer: Any) -> dict[str, Any]:
        """The values of a row."""

    @abstractmethod
    def _outputs(self, found: Sequence[Any]) -> dict[str, pa.Array]:
        """The columns of an evaluation."""


class LabelRows(Rows):
    """Labels of whole images."""

    @property
    def columns(self) -> list[tuple[str, pa.DataType]]:
        """One class or several, confidence and probabilities."""
        label = ("label", pa.string()) if self._one_label else ("labels", pa.list_(pa.string()))
        return [label, ("confidence", pa.float32()), ("probabilities", pa.list_(pa.float32()))]

    @property
    def _one_label(self) -> bool:
        return TASKS[self.description.task].one_label

    def _values(self, answer: Prediction) -> dict[str, Any]:
        predicted: Any = list(answer.predicted)
        label = {"label": next(iter(predicted), None)} if self._one_label else {"labels": predicted}
        return {**label, "confidence": answer.confidence, "probabilities": answer.probs}

    def _outputs(self, found: Sequence[Prediction]) -> dict[str, pa.Array]:
        return label_columns(np.stack([answer.logits for answer in found]))


class ObjectRows(Rows):
    """Objects in images; their predictions may hold all that the detector finds."""

    @property
    def columns(self) -> list[tuple[str, pa.DataType]]:
        """Size of the image, and its objects."""
        return [("width", pa.int32()), ("height", pa.int32()), ("objects", OBJECTS_TYPE)]

    def _values(self, answer: ObjectPrediction) -> dict[str, Any]:
        found = answer.objects
        masks = [None] * len(found) if found.masks is None else list(found.masks)
        columns = found.labels.tolist(), found.scores.tolist(), found.boxes.tolist(), masks
        objects = [
            {"label": answer.labels[label], "score": score, "bbox": box, "rle": mask}
            for label, score, box, mask in zip(*columns, strict=True)
        ]
        return {"width": answer.width, "height": answer.height, "objects": objects}

    def _outputs(self, found: Sequence[ObjectPrediction]) -> dict[str, pa.Array]:
        return object_columns(Detections.join([answer.objects for answer in found]))

    def table(self, first: int, images: Sequence[str], answers: Sequence[Answer], *, outputs: bool) -> pa.Table:
        """The rows; where the outputs are kept, the answers hold all objects, and the rows those that are reported."""
        if not outputs:
            return super().table(first, images, answers, outputs=False)
        reported: list[Answer] = [
            ObjectPrediction(each.labels, each.height, each.width, decided(each.objects, self.description))
            if isinstance(each, ObjectPrediction)
            else each
            for each in answers
        ]
        whole = super().table(first, images, answers, outputs=True)
        rows = super().table(first, images, reported, outputs=False)
        for name in whole.column_names[len(rows.column_names) :]:
            rows = rows.append_column(name, whole[name])
        return rows


def outputs_of(table: pa.Table) -> pa.Table:
    """The columns of `evaluation.predictions` in the rows of a part."""
    names = [name for name in table.column_names if name.startswith(_OUTPUT)]
    return table.select(names).rename_columns([name.removeprefix(_OUTPUT) for name in names])


def rows_of(description: ModelDescription) -> Rows:
    """The rows of a model."""
    return LabelRows(description) if description.objects is None else ObjectRows(description)
