"""The images behind a number: of a cell of the confusion matrix, a class, a kind of error, a slice; the worst first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import DataError
from automl_vision.core.text import did_you_mean
from automl_vision.data.masks import MaskCode, mask_to_polygons
from automl_vision.evaluation.candidates import Candidates
from automl_vision.evaluation.classification import ClassificationCases
from automl_vision.evaluation.confusion import object_confusion
from automl_vision.evaluation.detection import DetectionCases
from automl_vision.evaluation.mistakes import KINDS, Mistake, ObjectErrors, object_errors
from automl_vision.evaluation.slices import image_attributes
from automl_vision.experiment.evaluated import Evaluated

NO_OBJECT, NOT_FOUND = "no object", "not found"
"""Rows and columns of a detector's confusion matrix beside its classes, as `charts.classes.confusion` names them."""

Outcome = Literal["found", "missed", "wrong"]
_MOST_LABELS = 8  # probabilities of one image that are worth showing


@dataclass(frozen=True)
class ImageFilter:
    """Which images of a split are wanted; what is not given does not matter.

    Attributes:
        mistakes: only images that the model gets wrong.
        suspected: only images whose label may be wrong.
        true: a class that the image has, or `NO_OBJECT`.
        predicted: a class that is predicted, or `NOT_FOUND`; together with `true`, a cell of the confusion matrix.
        label, outcome: images in which this label is found, missed, or predicted wrongly.
        kind: a kind of a detector's errors.
        slice: attribute and value, such as ("brightness", "10 to 80 grey levels").
        threshold: probability or score from which answers are shown, those of `label` or all, in place of the model's
            own; `outcome` is then what it does to them.
        confidence: the least and the greatest confidence of an answer, both included: a bin of the reliability diagram.
        before_scaling: whether the confidence is that before temperature scaling.
    """

    mistakes: bool = False
    suspected: bool = False
    true: str | None = None
    predicted: str | None = None
    label: str | None = None
    outcome: Outcome | None = None
    kind: str | None = None
    slice: tuple[str, str] | None = None
    threshold: float | None = None
    confidence: tuple[float, float] | None = None
    before_scaling: bool = False


@dataclass(frozen=True)
class ImageCase:
    """An image of the split with what is right and what is predicted.

    Attributes:
        row: of the dataset.
        image: path, as in the dataset.
        size: width and height in pixels.
        truth, predicted: in words.
        loss: how bad the prediction is; 0 for a detector's images without a mistake.
        is_mistake: whether the model gets it wrong.
        suspected: why the label may be wrong; empty where nothing speaks against it.
        suggested: with one class per image, the class that the label should be if not the model is wrong but the label.
    """

    row: int
    image: str
    size: tuple[int, int]
    truth: str
    predicted: str
    loss: float
    is_mistake: bool
    suspected: str
    suggested: str | None


@dataclass(frozen=True)
class ScoredLabel:
    """The probability of a class in an image, and whether it is true and predicted."""

    label: str
    probability: float
    is_true: bool
    is_predicted: bool


@dataclass(frozen=True)
class SeenObject:
    """An object, labelled or detected.

    Attributes:
        label: its class.
        box: x1, y1, x2, y2 in pixels.
        polygons: outlines x, y, x, y, ... in pixels, where there is a mask.
        score: of a detection.
        error: kind of error: of `KINDS`; "missed" for an object that is not found; empty where it is right.
    """

    label: str
    box: tuple[float, float, float, float]
    polygons: tuple[tuple[float, ...], ...] = ()
    score: float | None = None
    error: str = ""


class ImageCases:
    """The images of an evaluated split, to be filtered and looked at.

    Args:
        evaluated: the predictions beside their truth.
    """

    def __init__(self, evaluated: Evaluated) -> None:
        self.evaluated = evaluated
        self._cases: Any = evaluated.cases

    def __len__(self) -> int:
        return len(self.evaluated.rows)

    @cached_property
    def mistakes(self) -> dict[int, Mistake]:
        """The mistakes by position of their image, the worst first."""
        return {mistake.image: mistake for mistake in self.evaluated.mistakes()}

    @cached_property
    def errors(self) -> ObjectErrors | None:
        """The kind of each error of a detector; None for labels of whole images."""
        return object_errors(self._cases) if isinstance(self._cases, DetectionCases) else None

    def kinds(self) -> dict[str, int]:
        """How many errors there are of each kind; empty for labels of whole images."""
        return {} if self.errors is None else self.errors.counts()

    def find(self, wanted: ImageFilter, attributes: Mapping[str, NDArray[Any]] | None = None) -> NDArray[np.intp]:
        """Positions among the split's images of those that are wanted, the worst first.

        Args:
            wanted: which.
            attributes: (images,) by name, as `image_attributes` returns them; None looks them up, without pixels.

        Raises:
            DataError: there is no such class, kind or slice.
        """
        kept = np.ones(len(self), bool)
        if wanted.mistakes:
            kept &= self._flags(list(self.mistakes))
        if wanted.suspected:
            kept &= self._flags([p for p, mistake in self.mistakes.items() if mistake.suspected])
        if wanted.true is not None or wanted.predicted is not None:
            kept &= self._in_cell(wanted.true, wanted.predicted)
        if wanted.threshold is not None:
            kept &= self._at_threshold(wanted.threshold, wanted.label, wanted.outcome)
        elif wanted.label is not None:
            kept &= self._with_outcome(wanted.label, wanted.outcome)
        if wanted.confidence is not None:
            kept &= self._of_confidence(*wanted.confidence, before_scaling=wanted.before_scaling)
        if wanted.kind is not None:
            kept &= self._of_kind(wanted.kind)
        if wanted.slice is not None:
            kept &= self._in_slice(*wanted.slice, attributes)
        return self._order[kept[self._order]]

    def case(self, position: int) -> ImageCase:
        """An image by its position among the split's images."""
        row, mistake = int(self.evaluated.rows[position]), self.mistakes.get(position)
        dataset = self.evaluated.dataset
        truth, predicted = (mistake.truth, mistake.predicted) if mistake else self._right_texts(position)
        suspected = mistake.suspected if mistake else ""
        return ImageCase(
            row=row,
            image=dataset.table["image"][row].as_py(),
            size=(int(dataset.sizes[row, 0]), int(dataset.sizes[row, 1])),
            truth=truth,
            predicted=predicted,
            loss=float(self._losses[position]),
            is_mistake=mistake is not None,
            suspected=suspected,
            suggested=self._suggested(position) if mistake else None,
        )

    def position(self, row: int) -> int:
        """Position among the split's images of a row of the dataset.

        Raises:
            DataError: the row is not among them.
        """
        (found,) = np.nonzero(self.evaluated.rows == row)
        if not len(found):
            raise DataError(f"row {row} is not among the {self.evaluated.split} images that were predicted")
        return int(found[0])

    def scored_labels(self, position: int) -> list[ScoredLabel]:
        """The most probable classes of an image and its true ones, best first; none for a detector."""
        if isinstance(self._cases, DetectionCases):
            return []
        chances, truth = self._cases.probabilities[position], self._cases.onehot[position]
        predicted = self._predicted_labels[position]
        best = np.argsort(-chances, kind="stable")
        shown = [i for n, i in enumerate(best.tolist()) if n < _MOST_LABELS or truth[i] or predicted[i]]
        classes = self.evaluated.dataset.classes
        return [ScoredLabel(classes[i], float(chances[i]), bool(truth[i]), bool(predicted[i])) for i in shown]

    def true_objects(self, position: int) -> list[SeenObject]:
        """The labelled objects of an image."""
        if self.errors is None:
            return []
        dataset, row = self.evaluated.dataset, int(self.evaluated.rows[position])
        first, last = np.searchsorted(self._cases.true.image, [position, position + 1])
        missed = self.errors.missed[first:last].tolist()
        found = []
        for value, is_missed in zip(dataset[row].objects, missed, strict=False):
            box = tuple(map(float, value.bbox)) if value.bbox is not None else (0.0, 0.0, 0.0, 0.0)
            polygons = tuple(tuple(map(float, part)) for part in value.segments)
            if value.rle is not None and not polygons:
                polygons = _polygons(value.rle)
            found.append(SeenObject(value.label, box, polygons, None, "missed" if is_missed else ""))  # type: ignore[arg-type]
        return found

    def found_objects(self, position: int, score: float | None = None) -> list[SeenObject]:
        """The detections in an image, best first.

        Args:
            position: of the image.
            score: from which they are shown; None for the operating threshold.
        """
        if self.errors is None:
            return []
        found = self._cases.found
        first, last = np.searchsorted(found.image, [position, position + 1])
        least = self._cases.thresholds.score if score is None else score
        seen = []
        for i in range(int(first), int(last)):
            if found.scores[i] >= least:
                outline = _polygons(found.masks[i]) if found.masks is not None else ()
                box = tuple(found.boxes[i].tolist())
                label = self.evaluated.dataset.classes[int(found.labels[i])]
                seen.append(SeenObject(label, box, outline, float(found.scores[i]), str(self.errors.kind[i])))
        return seen

    @cached_property
    def attributes(self) -> dict[str, NDArray[Any]]:
        """What is known of the images without reading them."""
        return dict(image_attributes(self.evaluated.dataset, self.evaluated.rows))

    @cached_property
    def _losses(self) -> NDArray[np.float64]:
        if not isinstance(self._cases, DetectionCases):
            return np.asarray(self._cases.losses)
        losses = np.zeros(len(self))
        for position, mistake in self.mistakes.items():
            losses[position] = mistake.loss
        return losses

    @cached_property
    def _order(self) -> NDArray[np.intp]:
        """All positions: mistakes first, then by falling loss."""
        is_right = np.ones(len(self))
        is_right[list(self.mistakes)] = 0
        return np.lexsort((-np.nan_to_num(self._losses, nan=np.inf), is_right))

    @cached_property
    def _predicted_labels(self) -> NDArray[np.bool_]:
        """(images, classes), of labels of whole images."""
        if isinstance(self._cases, ClassificationCases):
            return np.asarray(np.eye(len(self.evaluated.dataset.classes), dtype=bool)[self._cases.predicted])
        return np.asarray(self._cases.predicted)

    def _in_cell(self, true: str | None, predicted: str | None) -> NDArray[np.bool_]:
        if isinstance(self._cases, DetectionCases):
            return self._in_object_cell(true, predicted)
        kept = np.ones(len(self), bool)
        if true is not None:
            kept &= self._cases.onehot[:, self._class(true)]
        if predicted is not None:
            kept &= self._predicted_labels[:, self._class(predicted)]
        return kept

    def _in_object_cell(self, true: str | None, predicted: str | None) -> NDArray[np.bool_]:
        """Images that count in a cell, row or column of the matrix of objects; each is matched by itself."""
        classes = len(self.evaluated.dataset.classes)
        rows = slice(None) if true is None else classes if true == NO_OBJECT else self._class(true)
        columns = slice(None) if predicted is None else classes if predicted == NOT_FOUND else self._class(predicted)
        cases, kept = self._cases, np.zeros(len(self), bool)
        maybe = np.ones(len(self), bool)
        if isinstance(rows, int) and rows < classes:
            maybe &= self._flags(cases.true.image[cases.true.labels == rows])
        if isinstance(columns, int) and columns < classes:
            shown = (cases.found.labels == columns) & (cases.found.scores >= cases.thresholds.score)
            maybe &= self._flags(cases.found.image[shown])
        for position in np.flatnonzero(maybe).tolist():
            kept[position] = object_confusion(cases.take(np.array([position])))[rows, columns].sum() > 0
        return kept

    def _with_outcome(self, label: str, outcome: Outcome | None) -> NDArray[np.bool_]:
        if isinstance(self._cases, DetectionCases):
            raise DataError("objects are found, missed or wrong by their kinds of errors; ask for a kind")
        at = self._class(label)
        true, predicted = self._cases.onehot[:, at], self._predicted_labels[:, at]
        parts = {"found": true & predicted, "missed": true & ~predicted, "wrong": ~true & predicted}
        return np.asarray(true | predicted if outcome is None else parts[outcome])

    def _at_threshold(self, threshold: float, label: str | None, outcome: Outcome | None) -> NDArray[np.bool_]:
        """Images with answers that a threshold shows rightly or wrongly, or in which it misses something."""
        answers = self._cases.candidates if label is None else self._answers_of(self._class(label))
        shown = answers.shown(np.full(answers.classes, threshold))
        right = np.bincount(shown.image[shown.right], minlength=len(self))
        wrong = np.bincount(shown.image[~shown.right], minlength=len(self))
        parts = {"found": right > 0, "missed": right < answers.positives.sum(axis=1), "wrong": wrong > 0}
        return np.asarray(np.logical_or.reduce(list(parts.values())) if outcome is None else parts[outcome], bool)

    def _answers_of(self, label: int) -> Candidates:
        """The answers about one class; of images with one class its probability, even where another is predicted."""
        if isinstance(self._cases, ClassificationCases):
            every = self._cases.decided(np.full(len(self), label))
        else:
            every = self._cases.candidates
        positives = np.zeros_like(every.positives)
        positives[:, label] = every.positives[:, label]
        return replace(every.take(every.label == label), positives=positives)

    def _of_confidence(self, lowest: float, highest: float, *, before_scaling: bool) -> NDArray[np.bool_]:
        if isinstance(self._cases, DetectionCases):
            raise DataError("detections have no reliability diagram; ask for a threshold on their scores")
        cases = self.evaluated.uncalibrated if before_scaling else self._cases
        score = cases.candidates.score
        return self._flags(cases.candidates.image[(score >= lowest) & (score <= highest)])

    def _of_kind(self, kind: str) -> NDArray[np.bool_]:
        if kind not in KINDS:
            raise DataError(f'no kind of error is named "{kind}".{did_you_mean(kind, KINDS)} Kinds: {", ".join(KINDS)}')
        if self.errors is None:
            raise DataError("only detectors have kinds of errors")
        if kind == "missed":
            return self._flags(self._cases.true.image[self.errors.missed])
        return self._flags(self._cases.found.image[self.errors.kind == kind])

    def _in_slice(self, attribute: str, value: str, attributes: Mapping[str, NDArray[Any]] | None) -> NDArray[np.bool_]:
        known = self.attributes if attributes is None else attributes
        if attribute not in known:
            raise DataError(f'no slice is by "{attribute}".{did_you_mean(attribute, known)}')
        return np.asarray(known[attribute] == value, bool)

    def _class(self, name: str) -> int:
        classes = self.evaluated.dataset.classes
        if name not in classes:
            raise DataError(f'the model has no class "{name}".{did_you_mean(name, classes)}')
        return classes.index(name)

    def _flags(self, positions: Any) -> NDArray[np.bool_]:
        flags = np.zeros(len(self), bool)
        flags[np.asarray(positions, np.intp)] = True
        return flags

    def _right_texts(self, position: int) -> tuple[str, str]:
        """Truth and prediction of an image without a mistake."""
        if isinstance(self._cases, DetectionCases):
            objects = int((self._cases.true.image == position).sum())
            return f"{objects} objects", "no error"
        classes = self.evaluated.dataset.classes
        if isinstance(self._cases, ClassificationCases):
            name = classes[int(self._cases.truth[position])]
            return name, f"{name} ({self._cases.probabilities[position].max():.0%})"
        names = ", ".join(classes[i] for i in np.flatnonzero(self._cases.onehot[position]).tolist()) or "(none)"
        return names, names

    def _suggested(self, position: int) -> str | None:
        if not isinstance(self._cases, ClassificationCases):
            return None
        return self.evaluated.dataset.classes[int(self._cases.predicted[position])]


def _polygons(code: str) -> tuple[tuple[float, ...], ...]:
    return tuple(tuple(part) for part in mask_to_polygons(MaskCode.from_text(code).decode()))
