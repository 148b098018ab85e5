"""A timm network with a feature pyramid on top."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import FeaturePyramidNetwork

from automl_vision.core.errors import UnknownModelError
from automl_vision.recipes.geometry import Geometry

_COARSEST = 5  # level of the coarsest feature that is taken from the network


class Backbone(nn.Module):
    """Feature maps of a timm network, brought to one number of channels from coarse to fine (Lin et al. 2017).

    Args:
        body: a timm network, with its weights.
        geometry: names the levels.
        channels: of every map.
        normed: whether the pyramid's convolutions are followed by batch norms.
    """

    def __init__(self, body: nn.Module, geometry: Geometry, *, channels: int, normed: bool = False) -> None:
        super().__init__()
        wanted = [level for level in geometry.levels if level <= _COARSEST]
        self.indices = _indices(body, wanted)
        body.prune_intermediate_layers(self.indices, prune_norm=True, prune_head=True)  # type: ignore[operator]
        self.body = body
        info: Any = body.feature_info
        inputs = [info[index]["num_chs"] for index in self.indices]
        self.fpn = FeaturePyramidNetwork(inputs, channels, norm_layer=nn.BatchNorm2d if normed else None)
        self.coarser = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, stride=2, padding=1) for _ in range(geometry.highest - wanted[-1])
        )
        self.channels = channels

    def forward(self, images: Tensor) -> list[Tensor]:
        """The maps (n, channels, height, width), finest first."""
        body: Any = self.body
        features = body.forward_intermediates(images, indices=self.indices, intermediates_only=True)
        maps = list(self.fpn({str(i): feature for i, feature in enumerate(features)}).values())
        for number, convolution in enumerate(self.coarser):  # the first of the map itself, as torchvision's
            maps.append(convolution(F.relu(maps[-1]) if number else maps[-1]))
        return maps


def _indices(body: nn.Module, levels: list[int]) -> list[int]:
    """Positions of the last features of some levels.

    Raises:
        UnknownModelError: the network lacks features that the pyramid needs.
    """
    info: Any = getattr(body, "feature_info", None)
    if info is None or not hasattr(body, "forward_intermediates"):
        raise UnknownModelError("this network has no intermediate features, so it cannot be the backbone of a detector")
    reductions = {int(entry["reduction"]): index for index, entry in enumerate(info)}
    missing = [2**level for level in levels if 2**level not in reductions]
    if missing:
        raise UnknownModelError(
            f"this network has no features of stride {', '.join(map(str, missing))}, which its detector needs; "
            "choose a convolutional or hierarchical network"
        )
    return [reductions[2**level] for level in levels]


def cell_centres(maps: list[Tensor], geometry: Geometry) -> tuple[Tensor, Tensor]:
    """Centres (cells, 2), x and y in pixels, and strides (cells,) of all cells, level after level."""
    centres, strides = [], []
    for level, features in zip(geometry.levels, maps, strict=True):
        height, width = features.shape[-2:]
        stride = float(2**level)
        y = (torch.arange(height, device=features.device, dtype=torch.float32) + 0.5) * stride
        x = (torch.arange(width, device=features.device, dtype=torch.float32) + 0.5) * stride
        grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1).reshape(-1, 2)
        centres.append(grid)
        strides.append(torch.full((grid.shape[0],), stride, device=features.device))
    return torch.cat(centres), torch.cat(strides)


def anchor_shapes(geometry: Geometry, scales: tuple[float, ...]) -> Tensor:
    """Width and height of the anchors of a cell, in cells: (anchors, 2), scales within aspects."""
    return torch.tensor(
        [
            [geometry.anchor_scale * scale / aspect**0.5, geometry.anchor_scale * scale * aspect**0.5]
            for aspect in geometry.aspects
            for scale in scales
        ]
    )


def anchors_of(maps: list[Tensor], geometry: Geometry, shapes: Tensor) -> Tensor:
    """Anchors (cells * anchors, 4) of all cells, level after level."""
    centres, strides = cell_centres(maps, geometry)
    half = shapes.to(centres.device)[None] * strides[:, None, None] / 2  # (cells, anchors, 2)
    centres = centres[:, None]
    return torch.cat([centres - half, centres + half], dim=-1).reshape(-1, 4)


def flatten(maps: list[Tensor], values: int) -> Tensor:
    """Outputs (n, anchors * values, height, width) of all levels as (n, cells * anchors, values)."""
    flat = []
    for output in maps:
        flat.append(output.permute(0, 2, 3, 1).reshape(output.shape[0], -1, values))
    return torch.cat(flat, dim=1).float()
