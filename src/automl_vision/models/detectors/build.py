"""Detectors by kind."""

from __future__ import annotations

from torch import nn

from automl_vision.models.detectors.backbone import Backbone
from automl_vision.models.detectors.detector import Limits, PyramidDetector
from automl_vision.models.detectors.one_stage import FCOS, RetinaNet, TaskAligned
from automl_vision.models.detectors.rcnn import FasterRCNN, MaskRCNN
from automl_vision.recipes.geometry import Geometry
from automl_vision.recipes.hyperparameters import DetectorHyperparameters

_KINDS: dict[str, type[PyramidDetector]] = {
    "fasterrcnn": FasterRCNN,
    "maskrcnn": MaskRCNN,
    "retinanet": RetinaNet,
    "fcos": FCOS,
    "tood": TaskAligned,
}
_WIDE_FROM = 256  # channels of a backbone's stride-16 features, from which its pyramid has torchvision's 256
_CHANNELS = (128, 256)  # of the pyramids of light and of other backbones


def create_detector(
    kind: str, body: nn.Module, geometry: Geometry, *, classes: int, hyperparameters: DetectorHyperparameters
) -> PyramidDetector:
    """A detector on a network that has its weights.

    Args:
        kind: "fasterrcnn", "maskrcnn", "retinanet", "fcos" or "tood".
        body: a timm network.
        geometry: of the input.
        classes: how many.
        hyperparameters: the suppression's threshold counts here.
    """
    limits = Limits(hyperparameters.nms_iou_threshold, geometry.detections)
    stride_16 = [entry["num_chs"] for entry in body.feature_info if entry["reduction"] == 16]  # type: ignore[union-attr]
    channels = _CHANNELS[max(stride_16, default=0) >= _WIDE_FROM]
    backbone = Backbone(body, geometry, channels=channels, normed=kind == "tood")
    return _KINDS[kind](backbone, geometry, classes=classes, limits=limits)
