"""What a D-FINE is made of: its configuration, its weights, and where they come from."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, NamedTuple

from torch import Tensor
from transformers import DFineConfig, DFineForObjectDetection, DFineModel

from automl_vision.core.tasks import OBJECT_DETECTION
from automl_vision.models.detectors.library_source import (
    LibraryNetwork,
    LibrarySource,
    find_source,
    loaded,
    read_tensors,
)
from automl_vision.recipes.geometry import MULTI_SCALE, Geometry, rounded_side
from automl_vision.recipes.hyperparameters import DFineHyperparameters
from automl_vision.recipes.normalization import Normalization

DFINE_REPOSITORIES = {
    "nano": "ustc-community/dfine-nano-coco",
    "small": "ustc-community/dfine-small-obj2coco",
    "medium": "ustc-community/dfine-medium-obj2coco",
    "large": "ustc-community/dfine-large-obj2coco-e25",
    "extra_large": "ustc-community/dfine-xlarge-obj2coco",
}
"""Where the hub keeps D-FINE's weights, by `model_size`, of Objects365 and COCO; those of the smallest are of COCO."""

DFINE = LibraryNetwork(
    name="dfine",
    task=OBJECT_DETECTION,
    config=DFineConfig,
    backbone="hgnet_v2",
    pixels=Normalization((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),  # from 0 to 1
    installed=("yolov5", "fasterrcnn_efficientnet_lite0_fpn"),
)
"""D-FINE as the library has it."""

_PRIOR = 0.01  # score of everything at the start, as published; the library's own is 1 / (classes + 1)


class _Size(NamedTuple):
    """A published model: what differs between the sizes, as the library's conversion of them states it.

    Attributes:
        stem: channels within the stem.
        width: channels of the stem's output, and of the first stage within its blocks; each stage doubles the latter.
        out: channels of the first stage's output; the others have 4, 8 and 16 times as many.
        blocks: of each stage.
        layers: of each block.
        affine: whether layers end with a learnable scale and shift.
        above: settings of encoder and decoder.
        levels: how many of the last stages they see.
        points: that the decoder samples at each level.
    """

    stem: int
    width: int
    out: int
    blocks: list[int]
    layers: int
    affine: bool
    above: dict[str, Any]
    levels: int = 3
    points: tuple[int, ...] = (3, 6, 3)


_NANO = {
    "num_feature_levels": 2, "feat_strides": [16, 32], "encode_proj_layers": [1], "encoder_ffn_dim": 512,
    "d_model": 128, "encoder_hidden_dim": 128, "decoder_in_channels": [128, 128], "decoder_ffn_dim": 512,
    "decoder_layers": 3, "hidden_expansion": 0.34, "depth_mult": 0.5,
}  # fmt: skip
_XLARGE = {"encoder_hidden_dim": 384, "encoder_ffn_dim": 2048, "decoder_in_channels": [384, 384, 384]}
_SMALL = {"decoder_layers": 3, "hidden_expansion": 0.5, "depth_mult": 0.34}
_SIZES = {
    "nano": _Size(16, 16, 64, [1, 1, 2, 1], 3, affine=True, above=_NANO, levels=2, points=(6, 6)),
    "small": _Size(16, 16, 64, [1, 1, 2, 1], 3, affine=True, above=_SMALL),
    "medium": _Size(24, 32, 96, [1, 1, 3, 1], 4, affine=True, above={"decoder_layers": 4, "depth_mult": 0.67}),
    "large": _Size(32, 48, 128, [1, 1, 3, 1], 6, affine=False, above={}),
    "extra_large": _Size(32, 64, 128, [1, 2, 5, 2], 6, affine=False, above=_XLARGE),
}


def find_dfine(hyperparameters: DFineHyperparameters) -> LibrarySource[DFineConfig]:
    """The D-FINE that hyperparameters ask for.

    Raises:
        WeightsUnavailableError: the folder holds no D-FINE, or no hub answers and no cache has it.
    """
    size = hyperparameters.model_size
    return find_source(DFINE, hyperparameters, DFINE_REPOSITORIES[size], lambda: published_config(size))


def published_config(size: str) -> DFineConfig:
    """The architecture of a published size, with COCO's 80 classes."""
    published = _SIZES[size]
    out = [published.out * factor for factor in (1, 4, 8, 16)]
    backbone = {
        "model_type": "hgnet_v2",
        "out_indices": [2, 3, 4][-published.levels :],
        "hidden_sizes": out,
        "stem_channels": [3, published.stem, published.width],
        "stage_in_channels": [published.width, *out[:3]],
        "stage_mid_channels": [published.width * factor for factor in (1, 2, 4, 8)],
        "stage_out_channels": out,
        "stage_num_blocks": published.blocks,
        "stage_numb_of_layers": [published.layers] * 4,
        "stage_light_block": [False, False, True, True],
        "stage_kernel_size": [3, 3, 5, 5],
        "use_learnable_affine_block": published.affine,
    }
    return DFineConfig(
        backbone_config=backbone,
        num_labels=80,
        encoder_in_channels=out[-published.levels :],
        decoder_n_points=list(published.points),
        **published.above,
    )


def load_dfine(
    source: LibrarySource[DFineConfig], geometry: Geometry, *, classes: int, multi_scale: bool
) -> DFineModel:
    """The network with its decoder's heads; heads of another number of classes than the weights' are initialised anew.

    Args:
        source: what to build.
        geometry: of its input.
        classes: how many.
        multi_scale: whether training batches may be smaller than the input.

    Raises:
        WeightsUnavailableError: the weights cannot be read, or are another network's.
    """
    config = _fitted(source.config, geometry, classes, MULTI_SCALE[0] if multi_scale else 1.0)
    if source.folder is None:
        return DFineForObjectDetection(config).model
    state = _read_weights(source.folder, classes)
    network = loaded(DFineForObjectDetection, "D-FINE", config, state, source.folder, _may_be_new)
    for constant in (network.model.decoder.up, network.model.decoder.reg_scale):
        constant.requires_grad_(False)  # as the library defines them; its loading lets them train
    return network.model.train()  # as every new module is; the library returns it in evaluation mode


def _read_weights(folder: Path, classes: int) -> dict[str, Tensor]:
    """The tensors of a folder by name, the decoder's heads once, without heads of another number of classes.

    The library keeps the heads under two names, and stumbles over a file with both, or with the shorter, when their
    shapes are others.

    Raises:
        WeightsUnavailableError: there are none, or a file cannot be read.
    """
    state: dict[str, Tensor] = {}
    for name, value in read_tensors(folder).items():
        is_head = name.startswith(("class_embed.", "bbox_embed."))
        state[f"model.decoder.{name}" if is_head else name] = value
    count = state["model.enc_score_head.bias"].numel() if "model.enc_score_head.bias" in state else classes
    return {name: value for name, value in state.items() if count == classes or not _counts_classes(name)}


def _counts_classes(name: str) -> bool:
    return any(part in name for part in ("class_embed", "enc_score_head"))


def _fitted(config: DFineConfig, geometry: Geometry, classes: int, least_scale: float) -> DFineConfig:
    """A configuration for other classes and another input."""
    config = copy.deepcopy(config)
    height, width = (rounded_side(side * least_scale) for side in geometry.size)
    config.num_labels = classes
    config.num_queries = min(config.num_queries, sum((height // s) * (width // s) for s in config.feat_strides))
    config.anchor_image_size = config.eval_size = None  # of one input size, which ours need not be
    config.freeze_backbone_batch_norms = False  # what `freeze_batch_norm` decides; random weights need statistics
    config.initializer_bias_prior_prob = _PRIOR
    return config


def _may_be_new(name: str) -> bool:
    """The counters of batch norms, and what counts classes."""
    return name.endswith("num_batches_tracked") or _counts_classes(name)
