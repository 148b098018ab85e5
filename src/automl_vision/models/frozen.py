"""Frozen forward passes through OpenVINO, which computes them on a CPU several times as fast as PyTorch.

What is frozen, a whole network or its first stages, is converted once, which takes seconds, and kept in the user's
cache by the origin of its weights.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from automl_vision.models.image_model import ImageModel
from automl_vision.recipes.network import WeightsOrigin
from automl_vision.serving.device import computes_bfloat16
from automl_vision.serving.runtimes import load_openvino
from automl_vision.storage.cache_folder import cache_folder

KEPT_SOURCES = ("package", "hub")
"""Of weights that stay the same under their name; a file of the user's may change."""

TOLERANCE = {"f32": 1e-3, "bf16": 0.05}
"""Mean difference from PyTorch's results in single precision that is allowed, in units of their spread; bfloat16 in
PyTorch was seen to differ by 0.014, in OpenVINO by 0.023."""

WHOLE = "features"
"""The part that is the whole network, up to its head."""

_VERSION = "2"  # increased whenever what is converted changes
_EXAMPLES = 2

Extract = Callable[[Tensor], Tensor]
"""From images (n, 3, height, width) to what a part of a network computes of them, such as features (n, features)."""


class Features(nn.Module):
    """The part of a network that computes features: uint8 images (n, 3, height, width) to (n, features)."""

    def __init__(self, model: ImageModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor) -> Tensor:
        """The features."""
        return self.model.features(images)


def frozen_file(architecture: str, origin: WeightsOrigin, size: tuple[int, int], *, part: str = WHOLE) -> Path | None:
    """Where a converted part of a network is kept; None where it cannot be, or OpenVINO is not installed.

    Args:
        architecture: timm's name of the network.
        origin: of its weights.
        size: height and width of its input.
        part: names what is converted.
    """
    if origin.source not in KEPT_SOURCES or find_spec("openvino") is None:
        return None
    versions = [f"{name} {metadata.version(name)}" for name in ("openvino", "torch", "timm")]
    words = "\n".join([_VERSION, architecture, str(size), part, origin.source, origin.name, *versions])
    digest = hashlib.blake2b(words.encode(), digest_size=12).hexdigest()
    return cache_folder() / "frozen" / f"{digest}.xml"


def open_frozen(part: nn.Module, file: Path, images: Tensor, *, precision: str) -> Extract | None:
    """What a part of a network computes, through OpenVINO, if it is what PyTorch computes.

    Args:
        part: with the weights that the file is named by, on the CPU; it takes images alone.
        file: of `frozen_file`; written if it is not there yet.
        images: a few, on which both are compared.
        precision: "fp32" or "bf16", of which the latter counts where the processor has it.

    Returns:
        What computes it; None where they differ by more than `TOLERANCE`.
    """
    openvino = load_openvino()
    part.eval()
    if not file.exists():
        _convert(openvino, part, file, images[:_EXAMPLES])
    hint = "bf16" if precision == "bf16" and computes_bfloat16() else "f32"
    settings = {"INFERENCE_PRECISION_HINT": hint, "INFERENCE_NUM_THREADS": torch.get_num_threads()}
    compiled = openvino.Core().compile_model(str(file), "CPU", settings)

    def extract(images: Tensor) -> Tensor:
        return torch.from_numpy(compiled(images.contiguous().numpy())[0].copy())

    with torch.inference_mode():
        wanted = part(images).float()
    apart = float((extract(images) - wanted).abs().mean() / wanted.std().clamp(min=1e-12))
    return extract if apart <= TOLERANCE[hint] else None


def _convert(openvino: Any, part: nn.Module, file: Path, example: Tensor) -> None:
    """Write the part for any number of images of the example's size."""
    dynamic = ({0: torch.export.Dim("batch")},)
    with torch.no_grad():
        program = torch.export.export(part, (example.contiguous(),), dynamic_shapes=dynamic, strict=False)
    converted = openvino.convert_model(program)
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=file.parent) as made:
        whole = Path(made) / file.name
        openvino.save_model(converted, str(whole), compress_to_fp16=False)
        for suffix in (".bin", file.suffix):  # the file that is looked for appears last
            whole.with_suffix(suffix).replace(file.with_suffix(suffix))
