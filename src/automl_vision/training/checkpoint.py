"""The state of a trial on disk: written atomically after each epoch, read without executing code."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, optim

from automl_vision.core.errors import TrialError
from automl_vision.core.files import atomic_path, persistently
from automl_vision.recipes.network import NetworkDescription, differences
from automl_vision.serving.model_folder import WEIGHTS_FILE
from automl_vision.training.history import Record
from automl_vision.training.loop import Loop
from automl_vision.training.time_budget import Pace

BEST_WEIGHTS = WEIGHTS_FILE
"""The weights that a finished trial keeps."""

FORMAT_VERSION = 2
_STATE_FILE = "checkpoint.pt"


@dataclass(frozen=True)
class Checkpoint:
    """A trial after an epoch, as plain values and tensors.

    Attributes:
        network: description of the network that the tensors belong to.
        model, ema: tensors by name of the model and of its moving average, where there is one.
        optimizer: its state.
        plan: the fields of the `Plan` that training continues with.
        record: as its `to_json` returns it.
        step_seconds: of training, per image.
        validation_seconds: of the last validation.
        seconds: of work so far.
    """

    network: dict[str, Any]
    model: dict[str, Tensor]
    ema: dict[str, Tensor] | None
    optimizer: dict[str, Any]
    plan: dict[str, Any]
    record: dict[str, Any]
    step_seconds: float
    validation_seconds: float
    seconds: float


def capture(
    network: NetworkDescription, loop: Loop, optimizer: optim.Optimizer, record: Record, pace: Pace
) -> Checkpoint:
    """The checkpoint of a trial as it is now; tensors are not copied.

    Args:
        network: description of the network that trains.
        loop: with the model, its moving average and the plan.
        optimizer: of the model.
        record: the validations so far.
        pace: the times measured so far.
    """
    return Checkpoint(
        network=network.model_dump(mode="json"),
        model=loop.model.state_dict(),
        ema=loop.ema.module.state_dict() if loop.ema is not None else None,
        optimizer=optimizer.state_dict(),
        plan=asdict(loop.plan),
        record=record.to_json(),
        step_seconds=pace.step_seconds,
        validation_seconds=pace.validation_seconds,
        seconds=pace.watch.seconds,
    )


def restore(checkpoint: Checkpoint, network: NetworkDescription, loop: Loop, optimizer: optim.Optimizer) -> Record:
    """Put model, moving average and optimizer back to a checkpoint, and return the validations until then.

    Raises:
        TrialError: the checkpoint belongs to another network, even if only its anchors differ.
    """
    others = differences(NetworkDescription.model_validate(checkpoint.network), network)
    if others:
        raise TrialError(f"the state on disk belongs to another network ({'; '.join(others)})")
    loop.model.load_state_dict(checkpoint.model)
    if loop.ema is not None and checkpoint.ema is not None:
        loop.ema.module.load_state_dict(checkpoint.ema)
    optimizer.load_state_dict(checkpoint.optimizer)
    return Record.from_json(checkpoint.record)


def save_checkpoint(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint so that kill -9 leaves the old one or the new one."""

    def write() -> None:
        with atomic_path(folder / _STATE_FILE) as temporary:
            torch.save({"format_version": FORMAT_VERSION, **vars(checkpoint)}, temporary)

    persistently(write)


def load_checkpoint(folder: Path) -> Checkpoint | None:
    """The latest complete checkpoint, or None if there is none yet.

    Raises:
        TrialError: another version of the format wrote it.
    """
    file = folder / _STATE_FILE
    if not file.exists():
        return None
    values: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    written = values.pop("format_version", 1)
    if written != FORMAT_VERSION:
        raise TrialError(
            f"{file} has format version {written}, this program reads {FORMAT_VERSION}: resume the trial with the "
            "version that began it, or delete the file to train from the start"
        )
    return Checkpoint(**values)


def remove_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a trial that is not resumed."""
    (folder / _STATE_FILE).unlink(missing_ok=True)


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
    """Remove the weights of all other epochs; call it after the checkpoint that refers to the kept ones is written."""
    kept = {weights_file(folder, epoch) for epoch in epochs}
    for file in folder.glob("weights-epoch-*.safetensors"):
        if file not in kept:
            file.unlink()
