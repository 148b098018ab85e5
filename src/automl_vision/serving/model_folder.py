"""The description of a packaged model, `model.json`: written by packaging, read by everything that predicts."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from automl_vision.core.errors import ModelFolderError

FORMAT_VERSION = 1
DESCRIPTION_FILE = "model.json"
ONNX_FILE = "model.onnx"
WEIGHTS_FILE = "weights.safetensors"
CARD_FILE = "card.md"


@dataclass(frozen=True)
class Preprocessing:
    """From an image file to the network's input.

    Attributes:
        short_side: pixels that the shorter side is resized to (bicubic, antialiased).
        crop: side in pixels of the middle square that is cut out.
        mean, std: by channel, of pixels scaled to [0, 1].
    """

    short_side: int
    crop: int
    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True)
class ModelDescription:
    """All that is known of a packaged model.

    Attributes:
        task: the product's name of the task.
        classes: in the order of the outputs.
        preprocessing: of an image.
        temperature: the logits are divided by it.
        thresholds: (classes,), for multi-label models; empty otherwise.
        model_name, architecture: of the algorithm.
        metrics: reports by split.
        data: fingerprint, format and counts of the data set.
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
            ModelFolderError: the folder is no model folder, or of a newer format.
        """
        file = folder / DESCRIPTION_FILE
        try:
            value = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise ModelFolderError(f"{folder} is no model folder: it has no {DESCRIPTION_FILE}") from None
        except (OSError, ValueError) as error:
            raise ModelFolderError(f"{file} cannot be read ({error})") from error
        version = value.pop("format_version", None) if isinstance(value, dict) else None
        if version != FORMAT_VERSION:
            raise ModelFolderError(f"{file} has format version {version}, this program reads {FORMAT_VERSION}")
        try:
            preprocessing = value.pop("preprocessing")
            return ModelDescription(
                preprocessing=Preprocessing(
                    short_side=int(preprocessing["short_side"]),
                    crop=int(preprocessing["crop"]),
                    mean=tuple(preprocessing["mean"]),
                    std=tuple(preprocessing["std"]),
                ),
                classes=tuple(value.pop("classes")),
                thresholds=tuple(value.pop("thresholds")),
                **value,
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ModelFolderError(f"{file} lacks or misnames an entry ({error})") from error
