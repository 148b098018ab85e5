"""Model repositories for NVIDIA Triton Inference Server: images to JSON, and the network alone.

`python/` has both as models of the Python backend, which needs `pip install automl-vision` in its interpreter. `onnx/`
has the network for the ONNX Runtime backend of NVIDIA's images; an endpoint in front of it does the rest.
"""

from __future__ import annotations

import re
import shutil
from os import PathLike
from pathlib import Path
from string import Template
from typing import Any

from automl_vision.core.errors import PackagingError
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.runtimes import ONNX_FILE, predicting_outputs

NETWORK = "-network"
"""Ends the name of the model that is a network alone."""

_BATCH = 16
_DELAY_MICROSECONDS = 2000
_TYPES = {"tensor(float)": "TYPE_FP32", "tensor(int64)": "TYPE_INT64", "tensor(double)": "TYPE_FP64"}
_HERE = Path(__file__).parent
_CONFIG = Template(
    """\
name: "$name"
$backend
max_batch_size: $batch
dynamic_batching { max_queue_delay_microseconds: $delay }
instance_group [ { kind: $kind, count: 1 } ]
"""
)


def export_triton(model: str | PathLike[str], out: str | PathLike[str], *, name: str | None = None) -> Path:
    """Write model repositories for Triton.

    Args:
        model: the model folder.
        out: a folder, which gets `python/` and `onnx/`; start the server with one of them as `--model-repository`.
        name: of the models: `NAME`, which takes files of images and returns the endpoint's JSON, and `NAME-network`. By
            default made from the folder's.

    Returns:
        The folder.

    Raises:
        ModelFolderError: the folder is not a usable model folder.
        PackagingError: the name cannot be one, or the network has outputs of a type that Triton does not take.
    """
    folder, place = Path(model), Path(out)
    description = ModelDescription.load(folder)
    name = name or re.sub(r"[^\w-]+", "-", folder.resolve().name)
    if not re.fullmatch(r"[A-Za-z0-9][\w-]{0,59}", name):
        raise PackagingError(f'"{name}" cannot name a model of Triton: letters, digits, _ and -, at most 60')
    tensors = _tensors(folder, description)
    image = _io("input", "image", "TYPE_STRING", [1]) + _io("output", "predictions", "TYPE_STRING", [1])
    _write(place / "python" / name, _config(name, 'backend: "python"') + image, "triton_model.py", folder)
    network = name + NETWORK
    _write(place / "python" / network, _config(network, 'backend: "python"') + tensors, "triton_network.py", folder)
    platform = 'platform: "onnxruntime_onnx"'
    _write(place / "onnx" / network, _config(network, platform, kind="KIND_AUTO") + tensors, None, folder)
    return place


def _write(place: Path, config: str, code: str | None, folder: Path) -> None:
    """One model with one version."""
    version = place / "1"
    if version.exists():
        shutil.rmtree(version)
    version.mkdir(parents=True)
    (place / "config.pbtxt").write_text(config, encoding="utf-8")
    if code is None:
        shutil.copyfile(folder / ONNX_FILE, version / ONNX_FILE)
        return
    shutil.copyfile(_HERE / code, version / "model.py")
    shutil.copytree(folder, version / "model")


def _config(name: str, backend: str, *, kind: str = "KIND_CPU") -> str:
    return _CONFIG.substitute(name=name, backend=backend, batch=_BATCH, delay=_DELAY_MICROSECONDS, kind=kind)


def _tensors(folder: Path, description: ModelDescription) -> str:
    """The inputs and outputs of the network, as a configuration has them."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / ONNX_FILE), providers=["CPUExecutionProvider"])
    (given,) = session.get_inputs()
    text = _io("input", given.name, "TYPE_FP32", [3, *description.preprocessing.input_size])
    outputs = {output.name: output for output in session.get_outputs()}
    for output in (outputs[name] for name in predicting_outputs(list(outputs))):
        if output.type not in _TYPES:
            raise PackagingError(f"the output {output.name} is of type {output.type}, which is not exported to Triton")
        text += _io("output", output.name, _TYPES[output.type], [_size(size) for size in output.shape[1:]])
    return text


def _size(size: Any) -> int:
    """A dimension; -1 for any."""
    return size if isinstance(size, int) else -1


def _io(kind: str, name: str, datatype: str, dims: list[int]) -> str:
    sizes = ", ".join(map(str, dims))
    return f'{kind} [ {{ name: "{name}", data_type: {datatype}, dims: [ {sizes} ] }} ]\n'
