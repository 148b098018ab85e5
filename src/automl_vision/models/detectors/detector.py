"""What all detectors share: from images to candidates, and NMS at the end."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram

from automl_vision.models.detectors.backbone import Backbone
from automl_vision.models.detectors.boxes import clip, gather, nms_keep
from automl_vision.recipes.geometry import Geometry
from automl_vision.tasks.object_targets import ObjectTargets

_CANDIDATES = 400  # boxes per image that go into NMS

Losses = dict[str, Tensor]
DetectionTensors = tuple[Tensor, ...]
"""Boxes (n, d, 4) in pixels of the canvas, scores (n, d), labels (n, d), best first; absent ones have the score 0.
With masks also probabilities (n, d, 28, 28) within the boxes."""


class Detector(nn.Module):
    """A network that finds objects.

    `forward` with targets returns losses, in evaluation mode also detections; without targets it returns detections.
    `body` and `pretrained_part` are read before training, `features` and `traced` are called for the export.

    Args:
        geometry: of its input.
        classes: how many.
        nms_threshold: overlap above which NMS drops the box with the lower score; 1: no NMS.
    """

    def __init__(self, geometry: Geometry, *, classes: int, nms_threshold: float) -> None:
        super().__init__()
        self.geometry, self.classes, self.nms_threshold = geometry, classes, nms_threshold

    def forward(
        self, images: Tensor, targets: ObjectTargets | None = None
    ) -> DetectionTensors | Losses | tuple[Losses, DetectionTensors]:
        """Losses of images (n, 3, height, width) with targets; detections without; both in evaluation mode."""
        extracted = self.extract(images, targets)
        if targets is None:
            return self.detect(extracted)
        losses = self.losses(extracted, targets)
        return losses if self.training else (losses, self.detect(extracted))

    @abstractmethod
    def extract(self, images: Tensor, targets: ObjectTargets | None) -> Any:
        """Return what losses and detections are computed from, in the form of the detector."""

    @abstractmethod
    def losses(self, extracted: Any, targets: ObjectTargets) -> Losses:
        """Return the mean losses by name."""

    @abstractmethod
    def detect(self, extracted: Any) -> DetectionTensors:
        """Return the detections."""

    @property
    @abstractmethod
    def body(self) -> nn.Module:
        """The network below the heads, in stages that timm's `group_matcher` distinguishes."""

    @property
    def pretrained_part(self) -> nn.Module:
        """What pretrained weights fill, at least."""
        return self.body

    @abstractmethod
    def features(self, extracted: Any) -> Tensor:
        """Return what the heads take, averaged over each image: (n, features)."""

    def traced(self, network: nn.Module, example: Tensor) -> nn.Module | ExportedProgram:  # noqa: ARG002 - for others
        """What the exporter to ONNX is given: the network, or its program where the exporter could not trace it.

        Args:
            network: this one, or one that runs it.
            example: images whose number may change.
        """
        return network

    def best(self, boxes: Tensor, scores: Tensor, size: tuple[int, int]) -> DetectionTensors:
        """Detections from boxes (n, a, 4) and scores (n, a, classes)."""
        return self.best_rows(boxes, scores, size)[0]

    def best_rows(self, boxes: Tensor, scores: Tensor, size: tuple[int, int]) -> tuple[DetectionTensors, Tensor]:
        """As `best`, with the row (n, d) of the boxes that each detection comes from."""
        flat = scores.flatten(1)
        values, index = flat.topk(min(_CANDIDATES, flat.shape[1]), dim=1)
        labels, rows = index % self.classes, torch.div(index, self.classes, rounding_mode="floor")
        candidates = clip(gather(boxes, rows), *size)
        if self.nms_threshold < 1:
            kept = nms_keep(candidates, labels, self.nms_threshold)
            values = torch.where(kept, values, torch.zeros_like(values))
        values, order = values.topk(min(self.geometry.detections, values.shape[1]), dim=1)
        return (gather(candidates, order), values, labels.gather(1, order)), rows.gather(1, order)


class PyramidDetector(Detector):
    """A detector whose heads take the maps of a feature pyramid.

    Args:
        backbone: computes the maps.
        geometry: of its input.
        classes: how many.
        nms_threshold: overlap above which NMS drops the box with the lower score; 1: no NMS.
    """

    normed_pyramid: ClassVar[bool] = False
    """Whether the pyramid's convolutions are followed by batch norms."""

    def __init__(self, backbone: Backbone, geometry: Geometry, *, classes: int, nms_threshold: float) -> None:
        super().__init__(geometry, classes=classes, nms_threshold=nms_threshold)
        self.backbone = backbone

    def extract(self, images: Tensor, targets: ObjectTargets | None) -> list[Tensor]:  # noqa: ARG002 - another one needs them
        """The maps (n, channels, height, width), finest first."""
        maps: list[Tensor] = self.backbone(images)
        return maps

    def features(self, extracted: list[Tensor]) -> Tensor:
        """The means of the maps, finest first."""
        return means_of(extracted)

    @property
    def body(self) -> nn.Module:
        """The timm network."""
        return self.backbone.body

    def size_of(self, maps: list[Tensor]) -> tuple[int, int]:
        """Height and width of the images that the maps are of."""
        height, width = maps[0].shape[-2:]
        return height << self.geometry.lowest, width << self.geometry.lowest


def means_of(maps: Sequence[Tensor]) -> Tensor:
    """The means of maps (n, channels, height, width) over their cells, side by side: (n, sum of channels)."""
    return torch.cat([each.mean(dim=(2, 3)) for each in maps], dim=1)


def random_keys(like: Tensor, *, training: bool) -> Tensor:
    """Random numbers in [0, 1) of a tensor's shape; always the same ones outside of training."""
    if training:
        return torch.rand(like.shape, device=like.device)
    generator = torch.Generator(device=like.device).manual_seed(0)
    return torch.rand(like.shape, device=like.device, generator=generator)
