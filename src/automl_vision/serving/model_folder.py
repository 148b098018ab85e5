"""The description of a packaged model, `model.json`: packaging writes it, and all code that predicts reads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from automl_vision.core.errors import ModelFolderError
from automl_vision.core.files import write_text
from automl_vision.core.tasks import TASKS
from automl_vision.data.score_map import ScoreMap
from automl_vision.data.value_range import ValueRange
from automl_vision.serving.objects import Postprocessing, TileGrid

FORMAT_VERSION = 1
DESCRIPTION_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "card.md"
COPY_AGAIN = "copy the model folder again, or package the trial again"

_NOT_PREDICTED_WITH = (".md", ".yaml", ".yml", ".txt", ".lock", ".npz")
_CHUNK = 2**20


@dataclass(frozen=True)
class Preprocessing:
    """From an image file to the network's input: either a center crop or a canvas.

    Attributes:
        mean, std: per channel, of pixels scaled to [0, 1].
        short_side: length in pixels that the shorter side is resized to (bicubic, antialiased); None with a canvas.
        crop: side in pixels of the center crop; None with a canvas.
        canvas: height and width of the grey letterbox whose upper left the whole image is fitted into; None with a
            crop.
        value_range: of the training data, for images of more than 8 bits; None in folders of older versions, which
            guessed it from each image.

    Raises:
        ValueError: there is neither a canvas nor a complete crop.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    short_side: int | None = None
    crop: int | None = None
    canvas: tuple[int, int] | None = None
    value_range: ValueRange | None = None

    def __post_init__(self) -> None:
        if self.canvas is None and (self.short_side is None or self.crop is None):
            raise ValueError("preprocessing needs a canvas, or a short side and a crop")

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        side = self.crop or 0
        return self.canvas or (side, side)

    @property
    def sentence(self) -> str:
        """The preprocessing in a sentence."""
        values = ""
        if self.value_range is not None and self.value_range.is_known:
            values = f" Of images with more than 8 bits, the values {self.value_range} become 0 to 255."
        if self.canvas is not None:
            return (
                f"Images are turned upright and fitted into a canvas of {self.canvas[1]} x {self.canvas[0]} px; "
                f"the whole image is seen.{values}"
            )
        return (
            f"Images are turned upright, resized to {self.short_side} px on the shorter side, and the middle "
            f"{self.crop} x {self.crop} px are used; what lies outside is not seen.{values}"
        )

    @staticmethod
    def from_json(value: dict[str, Any]) -> Preprocessing:
        """From its JSON values."""
        return Preprocessing(**_with_tuples(value | {"value_range": ValueRange.from_json(value.get("value_range"))}))


@dataclass(frozen=True)
class ObjectSettings:
    """From a detector's outputs to objects; NMS within a view is part of the network.

    Attributes:
        detections: maximum number of objects per image.
        mask_threshold: minimum probability at which a pixel belongs to an object.
        tile_grid: tiles across and down, such as "3x2", or None.
        tile_overlap: overlap of neighbouring tiles as a fraction of a tile.
        tile_nms: intersection over union above which boxes of different tiles are one object.
    """

    detections: int
    mask_threshold: float = 0.5
    tile_grid: str | None = None
    tile_overlap: float = 0.25
    tile_nms: float = 0.25

    def postprocessing(self, canvas: tuple[int, int], *, min_score: float) -> Postprocessing:
        """How outputs for a canvas (height, width) become detections with at least this score."""
        grid = TileGrid.parse(self.tile_grid, self.tile_overlap)
        return Postprocessing(canvas, grid, self.tile_nms, self.mask_threshold, self.detections, min_score)


@dataclass(frozen=True)
class OperatingPoint:
    """Decisions that were chosen for a purpose; they replace the model's own.

    Attributes:
        wanted: what was asked for, in words.
        thresholds: (classes,), minimum score or probability at which an answer is given.
        costs: (true class, predicted class), by which a classifier with one class per image decides; empty if the
            highest probability does.
        score_map: calibrates a detector's scores before the thresholds apply; None for its own scores.
        fitted_on: number of images that the thresholds were chosen on.
        measured: on other images: `split`, `images`, `precision` and `recall` with intervals, the same by class, and
            `sentences`.
    """

    wanted: str
    thresholds: tuple[float, ...]
    costs: tuple[tuple[float, ...], ...] = ()
    score_map: ScoreMap | None = None
    fitted_on: int = 0
    measured: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def from_json(value: dict[str, Any]) -> OperatingPoint:
        """From its JSON values."""
        score_map, costs = value.pop("score_map", None), value.pop("costs", ())
        return OperatingPoint(
            score_map=None if score_map is None else ScoreMap(**score_map),
            costs=tuple(map(tuple, costs)),
            **_with_tuples(value),
        )


@dataclass(frozen=True)
class SetThreshold:
    """From which probability a label belongs to a prediction set.

    Attributes:
        error_rate: share of the truth that the sets may miss.
        threshold: probability from which a label is in the set.
        fitted_on: number of images that the threshold was fitted on.
        covered: share of the truth that the sets hold on test images, with its interval; None without any.
        mean_size: labels in a set of a test image, on average.
    """

    error_rate: float
    threshold: float
    fitted_on: int
    covered: dict[str, float] | None = None
    mean_size: float | None = None


@dataclass(frozen=True)
class PrecisionThreshold:
    """From which score an answer is given, so that of the answers a wanted share is right.

    Attributes:
        precision: the share that was wanted.
        threshold: minimum probability or score, of every class.
        fitted_on: number of images that it was chosen on.
        measured: precision and recall on test images, with their intervals; None without any.
    """

    precision: float
    threshold: float
    fitted_on: int
    measured: dict[str, dict[str, float]] | None = None


@dataclass(frozen=True)
class LabelingThreshold:
    """From which score objects are shown to people who label, so that their work is least on validation images.

    Attributes:
        threshold: minimum score, of every class; 1 shows as good as nothing.
        wrong: seconds that a wrong object is taken to cost: to look at it and delete it.
        missed: seconds that a missing object is taken to cost: to draw it, less a look at one that is shown.
        fitted_on: number of images that it was chosen on.
    """

    threshold: float
    wrong: float
    missed: float
    fitted_on: int


@dataclass(frozen=True)
class ModelDescription:
    """The contents of `model.json`.

    Attributes:
        task: name of the task.
        classes: in the order of the outputs.
        preprocessing: from an image file to the network's input.
        temperature: the logits are divided by it.
        thresholds: (classes,), minimum score at which a label or an object is reported; empty if the class with the
            highest probability is reported.
        model_name, architecture: of the algorithm.
        objects: postprocessing of a detector; None for labels of whole images.
        metrics: reports by split.
        data: fingerprint, format and counts of the dataset.
        weights: source and licence of the pretrained weights.
        parity: differences between the exported and the trained model.
        latency: milliseconds by number of threads, measured at packaging.
        provenance: run, trial, versions, date.
        prediction_sets: thresholds of prediction sets by rising error rate; empty for a detector.
        precision_thresholds: thresholds for a wanted precision by rising precision; those that validation images reach.
        labeling: from which score a detector shows objects to people who label; None for other models, and in folders
            of older versions.
        operating_point: saved decisions, which replace `thresholds`; None for the model's own.
        scoring: what counts as right in the trial, as `ScoringSettings` has it; empty in folders of older versions.
        formats: by name of the runtime what was measured of its file: file, bytes, latency, parity, metric and
            difference, or with `refused` the reason why there is none.
    """

    task: str
    classes: tuple[str, ...]
    preprocessing: Preprocessing
    temperature: float
    thresholds: tuple[float, ...]
    model_name: str
    architecture: str
    objects: ObjectSettings | None = None
    metrics: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)
    weights: dict[str, Any] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    latency: dict[str, Any] = field(default_factory=dict)
    provenance: dict[str, Any] = field(default_factory=dict)
    prediction_sets: tuple[SetThreshold, ...] = ()
    precision_thresholds: tuple[PrecisionThreshold, ...] = ()
    labeling: LabelingThreshold | None = None
    operating_point: OperatingPoint | None = None
    scoring: dict[str, Any] = field(default_factory=dict)
    formats: dict[str, Any] = field(default_factory=dict)

    @property
    def decision_thresholds(self) -> tuple[float, ...]:
        """(classes,), those of the operating point, or the model's own; empty if there are none."""
        return self.thresholds if self.operating_point is None else self.operating_point.thresholds

    @property
    def headline(self) -> tuple[str, str, dict[str, float]] | None:
        """Metric, split, and the value with its interval, of the figure that ranked; None in a folder without metrics.

        It is of the test images if there are any.
        """
        split = next((name for name in ("test", "val") if name in self.metrics), None)
        if split is None:
            return None
        report, metric = self.metrics[split], self.scoring.get("primary_metric") or TASKS[self.task].primary_metric
        found = report.get("intervals", {}).get(metric) or {"value": report["metrics"].get(metric)}
        return None if found["value"] is None else (metric, split, found)

    def with_threshold(self, score: float) -> ModelDescription:
        """The description of the same detector that reports objects from a score of its own, uncalibrated, on.

        Raises:
            ModelFolderError: the model does not find objects.
        """
        if self.objects is None:
            raise ModelFolderError(f"a score threshold is for models that find objects; this one is for {self.task}")
        return replace(self, thresholds=(score,) * len(self.classes), operating_point=None)

    def with_precision(self, wanted: float) -> ModelDescription:
        """The description of the same model that gives only answers of which at least this share is right.

        Between the precisions that the folder has, the next higher one counts.

        Raises:
            ModelFolderError: the model reached no precision as high on its validation images.
        """
        high = [entry for entry in self.precision_thresholds if entry.precision >= wanted - 1e-12]
        if not high:
            known = ", ".join(f"{entry.precision:g}" for entry in self.precision_thresholds) or "none"
            raise ModelFolderError(f"this model has no threshold for a precision of {wanted:g}; it has: {known}")
        entry = min(high, key=lambda entry: entry.precision)
        text = f"a precision of at least {entry.precision:g}"
        point = OperatingPoint(text, (entry.threshold,) * len(self.classes), fitted_on=entry.fitted_on)
        return replace(self, operating_point=point)

    def set_threshold(self, error_rate: float) -> float:
        """The threshold of prediction sets that miss at most this share of the truth.

        Between the error rates that the folder has, the next stricter one.

        Raises:
            ModelFolderError: the model has no sets that are as strict.
        """
        if not self.prediction_sets:
            why = "a detector has none" if self.objects is not None else "it was packaged without them"
            raise ModelFolderError(f"this model for {self.task} makes no prediction sets: {why}")
        strict = [entry for entry in self.prediction_sets if entry.error_rate <= error_rate + 1e-12]
        if not strict or not error_rate < 1:
            known = ", ".join(f"{entry.error_rate:g}" for entry in self.prediction_sets)
            raise ModelFolderError(f"prediction sets have error rates of {known} up to below 1, not of {error_rate:g}")
        return max(strict, key=lambda entry: entry.error_rate).threshold

    def save(self, folder: Path) -> None:
        """Write `model.json`, whole or not at all."""
        text = json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, indent=2, ensure_ascii=False)
        write_text(folder / DESCRIPTION_FILE, text + "\n")

    @staticmethod
    def load(folder: Path) -> ModelDescription:
        """Read `model.json`.

        Raises:
            ModelFolderError: the folder is not a model folder, or has another format version.
        """
        file = folder / DESCRIPTION_FILE
        try:
            value = json.loads(file.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError):
            raise ModelFolderError(
                f"{folder} is not a model folder: it has no {DESCRIPTION_FILE}; name the folder model of a run, or a "
                "registered version such as NAME@champion"
            ) from None
        except (OSError, ValueError) as error:
            raise ModelFolderError(f"{file} cannot be read ({error}); {COPY_AGAIN}") from error
        version = value.pop("format_version", None) if isinstance(value, dict) else None
        if version != FORMAT_VERSION:
            raise ModelFolderError(
                f"{file} has format version {version}, this program reads {FORMAT_VERSION}; predict with the version "
                "of automl-vision that wrote it, or package the trial again"
            )
        try:
            return ModelDescription(
                preprocessing=Preprocessing.from_json(value.pop("preprocessing")),
                objects=_optional(lambda entry: ObjectSettings(**entry), value.pop("objects", None)),
                prediction_sets=tuple(SetThreshold(**entry) for entry in value.pop("prediction_sets", ())),
                precision_thresholds=tuple(
                    PrecisionThreshold(**entry) for entry in value.pop("precision_thresholds", ())
                ),
                labeling=_optional(lambda entry: LabelingThreshold(**entry), value.pop("labeling", None)),
                operating_point=_optional(OperatingPoint.from_json, value.pop("operating_point", None)),
                **_with_tuples(value),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFolderError(f"{file} lacks or misnames an entry ({error}); {COPY_AGAIN}") from error


def model_fingerprint(folder: Path) -> str:
    """Digest of what a model folder predicts with, 32 hexadecimal digits; a card or MLflow's own files do not count."""
    digest = hashlib.blake2b(digest_size=16)
    for file in sorted(file for file in folder.glob("*.*") if file.is_file()):
        if file.suffix in _NOT_PREDICTED_WITH:
            continue
        digest.update(f"{file.name}\n{file.stat().st_size}\n".encode())
        with file.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    return digest.hexdigest()


_Part = TypeVar("_Part")


def _optional(make: Callable[[Any], _Part], value: Any) -> _Part | None:
    """A part that a folder may lack."""
    return None if value is None else make(value)


def _with_tuples(value: dict[str, Any]) -> dict[str, Any]:
    """JSON values with tuples instead of lists, as the records have them."""
    return {name: tuple(entry) if isinstance(entry, list) else entry for name, entry in value.items()}
