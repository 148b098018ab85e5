"""What timm knows of architectures, for the catalogue, which itself works without torch."""

from __future__ import annotations

import timm
import torch

import automl_vision.models.architectures  # noqa: F401, makes them known to timm


def is_known(architecture: str) -> bool:
    """Return whether timm has an architecture of this name."""
    return bool(timm.is_model(architecture))


def all_names() -> list[str]:
    """Return the names of all architectures."""
    return list(timm.list_models())


def describe(architecture: str) -> tuple[int, str | None, bool]:
    """Return the number of weights, the licence of the pretrained ones, and whether a hub has them."""
    with torch.device("meta"):
        network = timm.create_model(architecture)
    config = timm.get_pretrained_cfg(architecture)
    licence = None if config is None else config.license
    return sum(p.numel() for p in network.parameters()), licence, bool(config is not None and config.hf_hub_id)
