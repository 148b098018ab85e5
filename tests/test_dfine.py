"""D-FINE: the library's network as an ordinary detector, with weights from a folder or a hub."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from transformers import DFineConfig, DFineForObjectDetection

from automl_vision.models.image_model import ImageModel
from automl_vision.models.registry import create_model, freeze_stages
from automl_vision.tasks.geometry import Geometry
from automl_vision.tasks.hyperparameters import DFineHyperparameters
from automl_vision.tasks.object_targets import ImageObjects, ObjectTargets, pad_objects
from conftest import small_detector

DETECTION = "image-object-detection"
GEOMETRY = Geometry(96, 128, detections=20)


def tiny_config(**changes: object) -> DFineConfig:
    """A D-FINE of 125,000 weights, frozen batch norms and COCO's number of classes, as the published ones have them."""
    backbone = {
        "model_type": "hgnet_v2",
        "out_indices": [2, 3, 4],
        "stem_channels": [3, 8, 8],
        "hidden_sizes": [16, 32, 64, 64],
        "stage_in_channels": [8, 16, 32, 64],
        "stage_mid_channels": [8, 8, 16, 16],
        "stage_out_channels": [16, 32, 64, 64],
        "stage_num_blocks": [1, 1, 1, 1],
        "stage_numb_of_layers": [1, 1, 1, 1],
    }
    values: dict[str, object] = {
        "backbone_config": backbone,
        "num_labels": 80,
        "d_model": 32,
        "encoder_hidden_dim": 32,
        "encoder_ffn_dim": 32,
        "decoder_ffn_dim": 32,
        "encoder_in_channels": [32, 64, 64],
        "decoder_in_channels": [32, 32, 32],
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "decoder_n_points": [2, 2, 2],
        "depth_mult": 0.34,
        "hidden_expansion": 0.5,
        "num_queries": 40,
        "num_denoising": 20,
    }
    return DFineConfig(**{**values, **changes})


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as `save_pretrained` writes it."""
    torch.manual_seed(0)
    network = DFineForObjectDetection(tiny_config())
    with torch.no_grad():
        for parameter in network.parameters():
            if parameter.ndim > 1:  # the library's start is nearly nothing, and nothing has an order
                parameter.normal_(0, parameter[0].numel() ** -0.5)
    folder = tmp_path_factory.mktemp("tiny")
    network.save_pretrained(folder)
    return folder


def hyperparameters(folder: Path, **changes: object) -> DFineHyperparameters:
    values = small_detector(DETECTION, "dfine", weights=str(folder), **changes)
    assert isinstance(values, DFineHyperparameters)
    return values
