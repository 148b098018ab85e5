"""The state of a trial on disk: written atomically after each epoch, read without executing code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from automl_vision.core.files import atomic_path, persistently
from automl_vision.serving.model_folder import WEIGHTS_FILE

BEST_WEIGHTS = WEIGHTS_FILE
"""What a finished trial gives."""

_STATE_FILE = "checkpoint.pt"


def save_state(folder: Path, state: dict[str, Any]) -> None:
    """Write tensors and plain values so that kill -9 leaves the old state or the new one."""

    def write() -> None:
        with atomic_path(folder / _STATE_FILE) as temporary:
            torch.save(state, temporary)

    persistently(write)


def load_state(folder: Path) -> dict[str, Any] | None:
    """The last whole state, or None when the trial has not come that far."""
    file = folder / _STATE_FILE
    if not file.exists():
        return None
    state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return state


def weights_file(folder: Path, epoch: int) -> Path:
    """File of the weights that an epoch left."""
    return folder / f"weights-epoch-{epoch}.safetensors"


def save_weights(file: Path, weights: dict[str, Tensor]) -> None:
    """Write weights."""

    def write() -> None:
        with atomic_path(file) as temporary:
            save_file({name: value.contiguous() for name, value in weights.items()}, temporary)

    persistently(write)


def load_weights(file: Path) -> dict[str, Tensor]:
    """Weights by name."""
    return load_file(file)


def keep_weights(folder: Path, epochs: set[int]) -> None:
    """Remove the weights of all other epochs; called once a state that names the kept ones is on disk."""
    kept = {weights_file(folder, epoch) for epoch in epochs}
    for file in folder.glob("weights-epoch-*.safetensors"):
        if file not in kept:
            file.unlink()
