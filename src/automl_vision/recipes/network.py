"""What a network is made of, written once by the trial that makes it: `network.json`; without torch."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from automl_vision.core.errors import ModelFolderError
from automl_vision.core.files import write_json
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.normalization import Normalization

FORMAT_VERSION = 1
NETWORK_FILE = "network.json"
"""In the folder of every trial and of every model."""


@dataclass(frozen=True)
class WeightsOrigin:
    """Where a model's first weights come from.

    Attributes:
        source: "package", "hub", "file" or "random".
        name: of the package, the hub's repository, or the file.
        licence: of the weights, as their source states it; None when it states none.
    """

    source: str = "random"
    name: str = "none"
    licence: str | None = None


class NetworkSettings(BaseModel):
    """The hyperparameters that shape a network, or the images that it is shown."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    drop_rate: float = Field(default=0.0, description="dropout before a classifier's head")
    crop_size: int | None = Field(
        default=None, description="pixels of the input's side, if the architecture has a fixed one"
    )
    nms_iou_threshold: float = Field(
        default=1.0, description="overlap above which a detector suppresses a box; 1: never"
    )
    tile_grid_size: str | None = Field(default=None, description="tiles across and down that a detector is shown")
    tile_overlap_ratio: float = Field(default=0.0, description="share of a tile that the next one repeats")
    multi_scale: bool = Field(default=False, description="whether training batches differ in size from the canvas")


Views = Literal["image", "mirror image", "both"]
"""Which of an image and its mirror image a network sees."""


class Member(BaseModel):
    """A network that is a part of another one, and what it sees of that one's input."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    network: NetworkDescription
    crop: int = Field(gt=0, description="pixels of the square in the middle of the input that it sees")
    side: int = Field(gt=0, description="pixels of the square to which this is resized")
    share: float = Field(gt=0, le=1, description="of its calibrated logits in the mean; the shares of all add up to 1")
    views: Views = Field(default="image", description="what it answers; with both, its logits are the mean of the two")


class NetworkDescription(BaseModel):
    """Everything that it takes to build a network again, weights aside."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    format_version: int = FORMAT_VERSION
    task: str
    algorithm: str = Field(description="the product's name")
    architecture: str = Field(description="timm's name of the network, or of a detector's backbone; or the hub's name")
    classes: int = Field(gt=0)
    settings: NetworkSettings = NetworkSettings()
    geometry: Geometry | None = Field(default=None, description="canvas, pyramid levels and anchors of a detector")
    normalization: Normalization
    config: dict[str, Any] | None = Field(
        default=None, description="the transformers library's configuration, for its networks"
    )
    members: tuple[Member, ...] = Field(default=(), description="of a network whose logits are the mean of theirs")
    weights: WeightsOrigin = Field(default=WeightsOrigin(), description="that training started from")
    versions: dict[str, str] = Field(default_factory=dict, description="of this package and the libraries it stands on")

    @property
    def canvas(self) -> Geometry:
        """The geometry of a detector.

        Raises:
            ModelFolderError: there is none.
        """
        if self.geometry is None:
            raise ModelFolderError(f"{NETWORK_FILE} describes the detector {self.algorithm} without a geometry")
        return self.geometry

    def save(self, folder: Path) -> None:
        """Write `network.json` into a folder."""
        write_json(folder / NETWORK_FILE, self.model_dump(mode="json"))


def read_network(folder: Path) -> NetworkDescription:
    """Read `network.json` from the folder of a trial or a model.

    Raises:
        ModelFolderError: it is missing, damaged, or of another format version.
    """
    file = folder / NETWORK_FILE
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelFolderError(
            f"{folder} has no {NETWORK_FILE}, so its network cannot be built again: an earlier version wrote the "
            "folder; train again, or use a packaged model as it is with Predictor"
        ) from None
    except (OSError, ValueError) as error:
        raise ModelFolderError(f"{file} cannot be read ({error})") from error
    written = values.get("format_version") if isinstance(values, dict) else None
    if written != FORMAT_VERSION:
        raise ModelFolderError(f"{file} has format version {written}, this program reads {FORMAT_VERSION}")
    try:
        return NetworkDescription.model_validate(values)
    except ValidationError as error:
        details = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg'].lower()}" for each in error.errors())
        raise ModelFolderError(f"{file} lacks or misnames an entry ({details})") from error


def library_versions(*libraries: str) -> dict[str, str]:
    """Versions of this package, torch, timm and further libraries."""
    return {name: version(name) for name in ("automl-vision", "torch", "timm", *libraries)}


def differences(one: NetworkDescription, other: NetworkDescription) -> list[str]:
    """What distinguishes two networks, such as "geometry.anchor_scale: 3.3, not 3.0"; origins and versions aside."""
    first, second = (
        _flat(each.model_dump(mode="json", exclude={"weights", "versions", "format_version"})) for each in (one, other)
    )
    names = dict.fromkeys([*first, *second])
    return [
        f"{name}: {first.get(name)}, not {second.get(name)}" for name in names if first.get(name) != second.get(name)
    ]


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """The values of nested mappings, by their names joined with dots."""
    flat: dict[str, Any] = {}
    for name, value in values.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return flat
