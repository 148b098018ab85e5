"""What runs an exported network: one contract with two methods, and a table of its implementations.

A runtime needs nothing but NumPy and its own library, which it imports when it opens a model.
"""

from __future__ import annotations

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import ModelFolderError
from automl_vision.core.text import did_you_mean
from automl_vision.serving.model_folder import ModelDescription

ONNX_FILE, INT8_FILE, FP16_FILE = "model.onnx", "model.int8.onnx", "model.fp16.onnx"
EXPORT_COMMAND = "automl-vision export {folder} --format {name}"

Network = Callable[[NDArray[np.float32]], list[NDArray[Any]]]
"""From normalised inputs (n, 3, height, width) to the network's outputs, each with n rows."""


class Runtime(ABC):
    """Runs the networks of one kind of file.

    Attributes:
        name: as users ask for it.
    """

    name: ClassVar[str]

    @abstractmethod
    def reads(self, folder: Path) -> bool:
        """Return whether the model folder has this runtime's file and its library is installed."""

    def refusal(self, folder: Path) -> str:
        """Why `reads` returned False for a folder, and the way out, in a sentence."""
        return f"{folder} has no network that the runtime {self.name} can load"

    @abstractmethod
    def open(self, folder: Path, *, threads: int) -> Network:
        """Load the network of a model folder.

        Args:
            folder: the model folder.
            threads: cores to use; 0 uses all.

        Raises:
            ModelFolderError: the file cannot be loaded.
        """


RUNTIMES: dict[str, Runtime] = {}
"""The runtimes by name; where none is asked for, the first one that reads the folder is used."""


def register_runtime(runtime: type[Runtime]) -> type[Runtime]:
    """Add the decorated runtime to the table."""
    RUNTIMES[runtime.name] = runtime()
    return runtime


@register_runtime
class OnnxRuntime(Runtime):
    """ONNX Runtime on the CPU, in single precision."""

    name = "onnx"
    file: ClassVar[str] = ONNX_FILE

    def reads(self, folder: Path) -> bool:
        """Return whether the folder has the ONNX file; the library is a requirement of the predictor."""
        return (folder / self.file).exists()

    def open(self, folder: Path, *, threads: int) -> Network:
        """Load the ONNX file."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        file = folder / self.file
        try:
            session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            raise ModelFolderError(f"{file} cannot be loaded ({error}){self._way_out(folder)}") from error
        name = session.get_inputs()[0].name
        return lambda inputs: [np.asarray(output) for output in session.run(None, {name: inputs})]

    def _way_out(self, folder: Path) -> str:  # noqa: ARG002 - that of a derived file names the folder
        return "; copy the model folder again, or package the trial again"


class _DerivedOnnx(OnnxRuntime):
    """ONNX Runtime on a file that was derived from the one in single precision."""

    def refusal(self, folder: Path) -> str:
        """That the file is missing, or why it was refused."""
        refused = ModelDescription.load(folder).formats.get(self.name, {}).get("refused")
        if refused:
            return f"{folder} has no {self.file}, because it was refused: {refused}; use the runtime onnx"
        return f"{folder} has no {self.file}{self._way_out(folder)}"

    def _way_out(self, folder: Path) -> str:
        return f"; write it with: {EXPORT_COMMAND.format(folder=folder, name=self.name)}"


@register_runtime
class Int8OnnxRuntime(_DerivedOnnx):
    """ONNX Runtime on the CPU, quantised to 8-bit integers."""

    name = "onnx-int8"
    file = INT8_FILE


@register_runtime
class Fp16OnnxRuntime(_DerivedOnnx):
    """ONNX Runtime, in half precision; on a CPU it saves space and no time."""

    name = "onnx-fp16"
    file = FP16_FILE


@register_runtime
class OpenVinoRuntime(Runtime):
    """OpenVINO on the CPU, in single precision, compiled from the ONNX file."""

    name = "openvino"

    def reads(self, folder: Path) -> bool:
        """Return whether the folder has an ONNX file and OpenVINO is installed."""
        return (folder / ONNX_FILE).exists() and find_spec("openvino") is not None

    def refusal(self, folder: Path) -> str:
        """Which of the two is missing."""
        if find_spec("openvino") is None:
            return "the runtime openvino is not installed; install it with: pip install 'automl-vision[openvino]'"
        return f"{folder} has no {ONNX_FILE}; copy the model folder again, or package the trial again"

    def open(self, folder: Path, *, threads: int) -> Network:
        """Compile the ONNX file, or take it from the cache of compiled networks, which is not in the model folder."""
        openvino = load_openvino()
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": "f32",  # processors with bfloat16 would use that without being asked
            "CACHE_DIR": str(_compiled_networks()),
        }
        if threads:
            settings["INFERENCE_NUM_THREADS"] = threads
        file = folder / ONNX_FILE
        try:
            compiled = openvino.Core().compile_model(str(file), "CPU", settings)
        except Exception as error:  # OpenVINO raises RuntimeError and others
            raise ModelFolderError(
                f"{file} cannot be compiled by OpenVINO ({error}); use the runtime onnx, or package the trial again"
            ) from error

        def run(inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
            found = compiled(inputs)
            return [np.array(found[output]) for output in compiled.outputs]  # copies: the next call reuses the memory

        return run


def load_openvino() -> Any:
    """OpenVINO without its telemetry: if that module cannot be imported, it takes a stub that sends nothing."""
    telemetry = "openvino_telemetry"
    if "openvino" not in sys.modules and telemetry not in sys.modules:
        sys.modules[telemetry] = None  # type: ignore[assignment]  # importing it now fails
        try:
            import openvino  # noqa: F401 - loaded without the module
        finally:
            del sys.modules[telemetry]
    return import_module("openvino")


def _compiled_networks() -> Path:
    """The folder in which OpenVINO keeps what it compiled."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "automl-vision" / "openvino"


def find_runtime(folder: Path, name: str | None = None) -> Runtime:
    """Return the named runtime, or the first one that reads a model folder.

    Raises:
        ModelFolderError: no runtime has the name, or none reads the folder.
    """
    if name is not None and name not in RUNTIMES:
        known = ", ".join(RUNTIMES)
        raise ModelFolderError(f'no runtime is named "{name}".{did_you_mean(name, RUNTIMES)} Runtimes: {known}')
    candidates = RUNTIMES.values() if name is None else [RUNTIMES[name]]
    for runtime in candidates:
        if runtime.reads(folder):
            return runtime
    if name is not None:
        raise ModelFolderError(RUNTIMES[name].refusal(folder))
    raise ModelFolderError(f"{folder} has no network that any runtime here can load")
