"""What an RF-DETR is made of: its configuration, its weights, and where they come from."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor, nn
from transformers import RfDetrConfig, RfDetrForInstanceSegmentation, RfDetrForObjectDetection

from automl_vision.core.errors import ConfigError
from automl_vision.core.tasks import INSTANCE_SEGMENTATION, OBJECT_DETECTION
from automl_vision.models.detectors.library_source import (
    LibraryNetwork,
    LibrarySource,
    find_source,
    loaded,
    read_tensors,
)
from automl_vision.recipes.geometry import MULTI_SCALE, Geometry, rounded_side
from automl_vision.recipes.hyperparameters import (
    RFDETR_SEG_SIDES,
    RFDETR_SIDES,
    RFDetrHyperparameters,
    RFDetrSegHyperparameters,
)
from automl_vision.recipes.normalization import IMAGENET_NORMALIZATION

RFDETR_REPOSITORIES = {
    "rfdetr": {size: f"Roboflow/rf-detr-{size}" for size in RFDETR_SIDES},
    "rfdetr_seg": {size: f"Roboflow/rf-detr-seg-{size}" for size in RFDETR_SEG_SIDES},
}
"""Where the hub keeps RF-DETR's COCO weights, by algorithm and `model_size`; larger ones have another licence."""

RFDETR = {
    name: LibraryNetwork(
        name=name,
        task=task,
        config=RfDetrConfig,
        backbone="rf_detr_dinov2",
        pixels=IMAGENET_NORMALIZATION,
        installed=installed,
    )
    for name, task, installed in (
        ("rfdetr", OBJECT_DETECTION, ("yolov5", "fasterrcnn_efficientnet_lite0_fpn")),
        ("rfdetr_seg", INSTANCE_SEGMENTATION, ("maskrcnn_efficientnet_lite0_fpn",)),
    )
}
"""RF-DETR as the library has it, for boxes and for masks."""


class _Size(NamedTuple):
    """A published model: what differs between the sizes, as the library's conversion of them states it.

    Attributes:
        side: pixels of its input.
        layers: of the decoder.
        patch: pixels of a patch's side.
        windows: along each side, within which most blocks attend.
        queries: objects that it can find.
    """

    side: int
    layers: int
    patch: int
    windows: int
    queries: int


_SIZES = {
    "rfdetr": {
        "nano": _Size(RFDETR_SIDES["nano"], 2, 16, 2, 300),
        "small": _Size(RFDETR_SIDES["small"], 3, 16, 2, 300),
        "medium": _Size(RFDETR_SIDES["medium"], 4, 16, 2, 300),
        "large": _Size(RFDETR_SIDES["large"], 4, 16, 2, 300),
    },
    "rfdetr_seg": {
        "nano": _Size(RFDETR_SEG_SIDES["nano"], 4, 12, 1, 100),
        "small": _Size(RFDETR_SEG_SIDES["small"], 4, 12, 2, 100),
        "medium": _Size(RFDETR_SEG_SIDES["medium"], 5, 12, 2, 200),
    },
}
_COCO = 91  # outputs of the published heads: COCO's ids, gaps included
_QUERIES = ("query_feat.weight", "refpoint_embed.weight", "reference_point_embed.weight")


def find_rfdetr(name: str, hyperparameters: RFDetrHyperparameters) -> LibrarySource[RfDetrConfig]:
    """The RF-DETR that hyperparameters ask for.

    Args:
        name: of the algorithm.
        hyperparameters: of its family.

    Raises:
        WeightsUnavailableError: the folder holds no RF-DETR, or no hub answers and no cache has it.
    """
    size = hyperparameters.model_size
    return find_source(
        RFDETR[name], hyperparameters, RFDETR_REPOSITORIES[name][size], lambda: published_config(name, size)
    )


def published_config(name: str, size: str) -> RfDetrConfig:
    """The architecture of a published size, with the classes of its COCO weights."""
    published = _SIZES[name][size]
    backbone = {
        "model_type": "rf_detr_dinov2",
        "hidden_size": 384,
        "num_attention_heads": 6,
        "num_hidden_layers": 12,
        "image_size": published.side,
        "patch_size": published.patch,
        "num_windows": published.windows,
        "out_features": ["stage3", "stage6", "stage9", "stage12"],
    }
    return RfDetrConfig(
        backbone_config=backbone,
        num_labels=_COCO,
        decoder_layers=published.layers,
        decoder_n_points=2,
        dropout=0.0,
        num_queries=published.queries,
    )


def load_rfdetr(
    source: LibrarySource[RfDetrConfig], name: str, geometry: Geometry, *, classes: int, multi_scale: bool
) -> nn.Module:
    """The network with its heads; heads of another number of classes than the weights' are initialised anew.

    Args:
        source: what to build.
        name: of the algorithm.
        geometry: of its input.
        classes: how many.
        multi_scale: whether training batches may be smaller than the input.

    Raises:
        ConfigError: the input is not a square, or does not consist of the windows' patches.
        WeightsUnavailableError: the weights cannot be read, or are another network's.
    """
    config = _fitted(source.config, name, geometry, classes, MULTI_SCALE[0] if multi_scale else 1.0)
    kind: Any = RfDetrForInstanceSegmentation if name == "rfdetr_seg" else RfDetrForObjectDetection
    network: Any
    if source.folder is None:
        network = kind(config)
    else:
        state = _read_weights(source.folder, config)
        network = loaded(kind, "RF-DETR", config, state, source.folder, _counts_classes)
    for parameter_name, parameter in network.named_parameters():
        if parameter_name.endswith("mask_token"):  # which stands for hidden patches in DINOv2's own training
            parameter.requires_grad_(False)
    trained: nn.Module = network.train()  # as every new module is; the library returns it in evaluation mode
    return trained


def _fitted(config: RfDetrConfig, name: str, geometry: Geometry, classes: int, least_scale: float) -> RfDetrConfig:
    """A configuration for other classes and another input.

    Raises:
        ConfigError: the input is not a square, or does not consist of the windows' patches.
    """
    config = copy.deepcopy(config)
    backbone: Any = config.backbone_config
    step = backbone.patch_size * backbone.num_windows
    height, width = geometry.size
    if height != width or height % step:
        patches = f"{backbone.num_windows} windows of patches of {backbone.patch_size}"
        problem = f"{name} needs a square input whose side is a multiple of {step} pixels, {patches}"
        way_out = "choose another image_size or other weights"
        raise ConfigError([f"{problem}; it is {height} x {width}: {way_out}"])
    unit = RFDetrSegHyperparameters.side_step if name == "rfdetr_seg" else RFDetrHyperparameters.side_step
    cells = (rounded_side(height * least_scale, unit) // backbone.patch_size) ** 2
    config.num_labels = classes
    config.num_queries = min(config.num_queries, cells)
    return config


def _read_weights(folder: Path, config: RfDetrConfig) -> dict[str, Tensor]:
    """The tensors of a folder by name, without heads of another number of classes, and with the wanted queries.

    Raises:
        WeightsUnavailableError: there are none, or a file cannot be read.
    """
    state = read_tensors(folder)
    counts = [value.numel() for name, value in state.items() if name.split(".")[-2:] == ["class_embed", "bias"]]
    if counts != [config.num_labels]:
        state = {name: value for name, value in state.items() if not _counts_classes(name)}
    for name, value in state.items():
        if name.endswith(_QUERIES) and len(value) % config.group_detr == 0:
            groups = value.view(config.group_detr, -1, value.shape[1])
            state[name] = groups[:, : config.num_queries].flatten(0, 1).clone()
    return state


def _counts_classes(name: str) -> bool:
    return "class_embed" in name
