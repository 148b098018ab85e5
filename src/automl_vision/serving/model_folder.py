"""The description of a packaged model, `model.json`: written by packaging, read by everything that predicts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from automl_vision.core.errors import ModelFolderError

FORMAT_VERSION = 1
DESCRIPTION_FILE = "model.json"
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "card.md"


@dataclass(frozen=True)
class Preprocessing:
    """From an image file to the network's input.

    Attributes:
        mean, std: by channel, of pixels scaled to [0, 1].
        short_side: pixels that the shorter side is resized to (bicubic, antialiased); None for a canvas.
        crop: side in pixels of the middle square that is cut out; None for a canvas.
        canvas: height and width that the whole image is fitted into, at the upper left of grey; None for a crop.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    short_side: int | None = None
    crop: int | None = None
    canvas: tuple[int, int] | None = None

    @property
    def input_size(self) -> tuple[int, int]:
        """Height and width of the network's input."""
        side = self.crop or 0
        return self.canvas or (side, side)

    @property
    def sentence(self) -> str:
        """What happens to an image, for people."""
        if self.canvas is not None:
            return (
                f"Images are turned upright and fitted into a canvas of {self.canvas[1]} x {self.canvas[0]} px; "
                "the whole image is seen."
            )
        return (
            f"Images are turned upright, resized to {self.short_side} px on the shorter side, and the middle "
            f"{self.crop} x {self.crop} px are used; what lies outside is not seen."
        )


@dataclass(frozen=True)
class ObjectSettings:
    """From a detector's outputs to objects; suppression within a view is part of the network.

    Attributes:
        detections: most objects of an image.
        mask_threshold: probability from which a pixel belongs to an object.
        tile_grid: tiles across and down, such as "3x2", or None.
        tile_overlap: share of a tile that the next one repeats.
        tile_nms: overlap above which boxes of different tiles are one object.
    """

    detections: int
    mask_threshold: float = 0.5
    tile_grid: str | None = None
    tile_overlap: float = 0.25
    tile_nms: float = 0.25


@dataclass(frozen=True)
class ModelDescription:
    """All that is known of a packaged model.

    Attributes:
        task: the product's name of the task.
        classes: in the order of the outputs.
        preprocessing: of an image.
        temperature: the logits are divided by it.
        thresholds: (classes,), scores from which a label or an object is shown; empty where the largest wins.
        model_name, architecture: of the algorithm.
        objects: of a detector's outputs; None for labels of whole images.
        metrics: reports by split.
        data: fingerprint, format and counts of the dataset.
        weights: source and licence of the first weights.
        parity: how far the exported model is from the trained one.
        latency: milliseconds by number of threads, measured when it was packaged.
        provenance: run, trial, versions, date.
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

    def save(self, folder: Path) -> None:
        """Write `model.json`."""
        text = json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, indent=2, ensure_ascii=False)
        (folder / DESCRIPTION_FILE).write_text(text + "\n", encoding="utf-8")

    @staticmethod
    def load(folder: Path) -> ModelDescription:
        """Read `model.json`.

        Raises:
            ModelFolderError: the folder is not a model folder, or of a newer format.
        """
        file = folder / DESCRIPTION_FILE
        try:
            value = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelFolderError(f"{folder} is not a model folder: it has no {DESCRIPTION_FILE}") from None
        except (OSError, ValueError) as error:
            raise ModelFolderError(f"{file} cannot be read ({error})") from error
        version = value.pop("format_version", None) if isinstance(value, dict) else None
        if version != FORMAT_VERSION:
            raise ModelFolderError(f"{file} has format version {version}, this program reads {FORMAT_VERSION}")
        try:
            objects = value.pop("objects", None)
            return ModelDescription(
                preprocessing=_preprocessing(value.pop("preprocessing")),
                objects=None if objects is None else ObjectSettings(**objects),
                classes=tuple(value.pop("classes")),
                thresholds=tuple(value.pop("thresholds")),
                **value,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFolderError(f"{file} lacks or misnames an entry ({error})") from error


def _preprocessing(value: dict[str, Any]) -> Preprocessing:
    canvas = value.get("canvas")
    return Preprocessing(
        mean=tuple(value["mean"]),
        std=tuple(value["std"]),
        short_side=None if canvas else int(value["short_side"]),
        crop=None if canvas else int(value["crop"]),
        canvas=(int(canvas[0]), int(canvas[1])) if canvas else None,
    )
