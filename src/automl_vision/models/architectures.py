"""Architectures that timm lacks, under names as timm would give them.

Importing this module makes them known to timm, for as long as the process runs.
"""

from __future__ import annotations

from typing import Any

from timm.models import generate_default_cfgs, register_model
from timm.models.efficientnet import mobilenetv2_100
from torch import nn

default_cfgs = generate_default_cfgs(
    {
        "tf_mobilenetv2_100.coco": {
            "num_classes": 1000,
            "input_size": (3, 300, 300),
            "pool_size": (10, 10),
            "mean": (0.5, 0.5, 0.5),
            "std": (0.5, 0.5, 0.5),
            "interpolation": "bilinear",
            "first_conv": "conv_stem",
            "classifier": "classifier",
            "license": "apache-2.0",
        }
    }
)
"""Read by timm's decorator."""


@register_model  # type: ignore[untyped-decorator]
def tf_mobilenetv2_100(pretrained: bool = False, **options: Any) -> nn.Module:
    """MobileNetV2 (Sandler et al. 2018) with TensorFlow's padding and range of pixels, which its weights need.

    TensorFlow pads a convolution of stride 2 on an even input only below and to the right. timm's `mobilenetv2_100`
    pads all sides, which shifts its feature maps against those that such weights were trained for.
    """
    config = options.pop("pretrained_cfg", None) or default_cfgs["tf_mobilenetv2_100"].default
    network: nn.Module = mobilenetv2_100(pretrained, pretrained_cfg=config, pad_type="same", **options)
    return network
