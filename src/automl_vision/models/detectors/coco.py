"""torchvision's COCO weights, where they can be had: backbone, pyramid and heads, all but what counts classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torchvision.models import get_model_weights

from automl_vision.core.errors import WeightsUnavailableError
from automl_vision.models.detectors.detector import Detector
from automl_vision.models.weights import read_state_dict, weights_file
from automl_vision.recipes.network import WeightsOrigin
from automl_vision.storage.hub import torch_file, url_answers

_BARE_NORMS = ("fasterrcnn_resnet50_fpn", "retinanet_resnet50_fpn", "maskrcnn_resnet50_fpn")
PUBLISHED = (*_BARE_NORMS, "fcos_resnet50_fpn")
"""Algorithms that torchvision publishes COCO weights of, under the same names."""

_MARK = "backbone.fpn."  # a state dict with this prefix is a detector's
_NORM_EPS = 1e-5  # that batch norms add to a variance; torchvision runs the weights of `_BARE_NORMS` with 0
_LICENCE = "bsd-3-clause"  # of torchvision; the images of COCO have licences of their own


@dataclass(frozen=True)
class CocoWeights:
    """A detector's published state.

    Attributes:
        state: tensors by torchvision's names.
        origin: where it comes from.
    """

    state: dict[str, Tensor]
    origin: WeightsOrigin


def coco_weights(name: str, path: str | None) -> CocoWeights | None:
    """The COCO weights of an algorithm: from a local file, the cache, or torchvision's server when it answers.

    Args:
        name: of the algorithm.
        path: local file or folder to take instead; one that holds no detector is left to the backbone.

    Returns:
        None when there are none, or none can be reached.
    """
    if path is not None:
        file = weights_file(Path(path))
        state = read_state_dict(file)
        if not any(key.startswith(_MARK) for key in state):
            return None
        published = name in PUBLISHED and file.name == _file_name(_published(name))
        return CocoWeights(
            _for_usual_norms(name, state) if published else state, WeightsOrigin("file", file.name, None)
        )
    if name not in PUBLISHED:
        return None
    weights = _published(name)
    cached = torch_file(_file_name(weights))
    if not cached.exists() and not url_answers(weights.url):
        return None
    state = torch.hub.load_state_dict_from_url(
        weights.url, str(cached.parent), map_location="cpu", weights_only=True, check_hash=True
    )
    return CocoWeights(_for_usual_norms(name, state), WeightsOrigin("hub", f"torchvision {weights}", _LICENCE))


def _published(name: str) -> Any:
    return get_model_weights(name)["DEFAULT"]


def _file_name(weights: Any) -> str:
    name: str = weights.url.rpartition("/")[2]
    return name


def _for_usual_norms(name: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The published state with its variances reduced by `_NORM_EPS`, which our batch norms add to them."""
    if name not in _BARE_NORMS:
        return dict(state)
    return {
        key: (value - _NORM_EPS).clamp(min=0) if key.endswith("running_var") else value for key, value in state.items()
    }


def load_coco(network: Detector, state: dict[str, Tensor]) -> int:
    """Take over what fits by name and shape; the classes' own layers and other levels keep their start.

    Returns:
        The number of tensors that were taken.

    Raises:
        WeightsUnavailableError: the backbone is another one.
    """
    own = network.state_dict()
    translated = {_own_name(key, network): value for key, value in state.items()}
    fitting = {key: value for key, value in translated.items() if key in own and own[key].shape == value.shape}
    missing = [
        key
        for key in own
        if key.startswith("backbone.body.") and key not in fitting and not key.endswith("num_batches_tracked")
    ]
    if missing:
        raise WeightsUnavailableError(
            f"the weights do not fit this detector: {len(missing)} tensors of its backbone are missing, "
            f"such as {missing[0]}"
        )
    network.load_state_dict({**own, **fitting})
    return len(fitting)


def _own_name(key: str, network: Detector) -> str:
    """Our name of one of torchvision's tensors: the pyramid's blocks are counted from another level."""
    for block in ("inner_blocks", "layer_blocks"):
        prefix = f"backbone.fpn.{block}."
        if key.startswith(prefix):
            number, _, rest = key.removeprefix(prefix).partition(".")
            first = 2 if hasattr(network, "rpn") else 3
            return f"{prefix}{int(number) + first - network.geometry.lowest}.{rest}"
    for number, level in (("p6", 6), ("p7", 7)):
        prefix = f"backbone.fpn.extra_blocks.{number}."
        if key.startswith(prefix):
            return f"backbone.coarser.{level - 6}.{key.removeprefix(prefix)}"
    return key
