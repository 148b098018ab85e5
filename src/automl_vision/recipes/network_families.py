"""How the networks of a family want to be fine-tuned, where that differs from convolutional ones with batch norms.

The figures of transformers and ConvNeXts are published ones, brought to 32 images per step by the square root of the
batch; only those of convolutional networks were measured by `benchmarks/bench.py`, for no others' weights were at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from automl_vision.recipes.hyperparameters import Hyperparameters


@dataclass(frozen=True)
class NetworkFamily:
    """Networks that are fine-tuned alike.

    Attributes:
        patterns: of timm's names.
        rate: highest learning rate of Adam and AdamW at 32 images per step, as a share of the algorithm's own.
        layer_decay: factor on the rate for each block further from the head.
        frozen_stages: stages of pretrained networks that do not train, counted from the input.
    """

    patterns: tuple[str, ...]
    rate: float
    layer_decay: float
    frozen_stages: int = 0


FAMILIES = (
    NetworkFamily(  # He et al. 2022, table 9: 5e-4 for 256 images, layer decay 0.65 to 0.75
        ("vit_*", "deit*", "beit*", "eva*", "flexivit*", "hiera*", "naflexvit*", "test_vit*"),
        rate=0.4,
        layer_decay=0.75,
    ),
    NetworkFamily(  # Liu et al. 2021 and Wu et al. 2022: attention in windows, layer decay 0.8
        ("swin*", "tiny_vit*", "maxvit*", "coat*", "caformer*"), rate=0.4, layer_decay=0.8
    ),
    NetworkFamily(  # Liu et al. 2022, table 6: layer decay 0.7 to 0.9
        ("convnext*", "test_convnext*"), rate=0.4, layer_decay=0.8
    ),
    NetworkFamily(  # measured with EfficientNet-Lite0, docs/decisions/0084: the stem and the blocks up to a stride of 8
        ("efficientnet*", "tf_efficientnet*", "mobilenetv2*", "tf_mobilenetv2*", "mobilenetv3*", "tf_mobilenetv3*"),
        rate=1.0,
        layer_decay=1.0,
        frozen_stages=4,
    ),
    NetworkFamily(("*",), rate=1.0, layer_decay=1.0),  # convolutional networks with batch norms
)
"""The first one that fits is taken."""


def family_of_network(architecture: str) -> NetworkFamily:
    """The family of a network by timm's name of it."""
    return next(family for family in FAMILIES if any(fnmatchcase(architecture, each) for each in family.patterns))


def frozen_stages(hyperparameters: Hyperparameters, architecture: str) -> int:
    """The number of stages that do not train, counted from the input.

    Args:
        hyperparameters: of the trial, which decide if they say it.
        architecture: timm's name of the network or of a detector's backbone.
    """
    own = hyperparameters.frozen_stages
    if hyperparameters.layers_to_freeze is not None or not hyperparameters.pretrained:
        return own
    return max(own, family_of_network(architecture).frozen_stages)
