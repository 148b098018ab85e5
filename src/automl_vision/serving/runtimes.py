"""What runs an exported network: one contract, and a table of its implementations.

A runtime needs nothing but NumPy and its own library, which it imports when it opens a model. Each computes in one
precision; those of one library or device are a family, such as `onnx`, `onnx-int8` and `onnx-fp16`.
"""

from __future__ import annotations

import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import ModelFolderError
from automl_vision.core.text import did_you_mean
from automl_vision.serving.device import computes_bfloat16, gpu_names, sums_8_bit_exactly, usable_cores
from automl_vision.serving.model_folder import COPY_AGAIN, ModelDescription
from automl_vision.storage.cache_folder import cache_folder

ONNX_FILE, INT8_FILE, FP16_FILE = "model.onnx", "model.int8.onnx", "model.fp16.onnx"
OPENVINO_INT8_FILE = "model.openvino-int8.onnx"
FEATURES = "image_features"
"""Name of the output of `model.onnx` that no prediction needs: what the heads take, averaged over the image."""

PRECISIONS = ("fp32", "bf16", "fp16", "int8")
REFERENCE = "onnx"
"""The runtime whose answers packaging compares with the trained network; all others are compared with it."""

EXPORT_COMMAND = "automl-vision export {folder} --format {name}"

Network = Callable[[NDArray[np.float32]], list[NDArray[Any]]]
"""From normalised inputs (n, 3, height, width) to the network's outputs, each with n rows."""


class Runtime(ABC):
    """Runs the networks of one kind of file.

    Attributes:
        name: as users ask for it; its end is the precision, unless that is single precision.
        precision: of what it computes, one of `PRECISIONS`.
        proof: name of the entry among the formats of `model.json` that says how its answers differ from those in single
            precision; None for its own name.
        is_candidate: whether it is measured where no runtime is asked for.
        on_gpu: whether it computes on a GPU.
        hint: "bf16" where layers in float may be computed in bfloat16.
    """

    name: ClassVar[str]
    precision: ClassVar[str] = "fp32"
    proof: ClassVar[str | None] = None
    is_candidate: ClassVar[bool] = True
    on_gpu: ClassVar[bool] = False
    hint: ClassVar[str] = "f32"

    @property
    def family(self) -> str:
        """The name without the precision."""
        return self.name.removesuffix(f"-{self.precision}")

    def absent(self) -> str | None:
        """What of its library and device is missing here, and the way out, in a sentence; None if nothing is."""
        return None

    @abstractmethod
    def reads(self, folder: Path) -> bool:
        """Return whether the model folder has this runtime's file, and its library and device are there."""

    def refusal(self, folder: Path) -> str:
        """Why `reads` returned False for a folder, and the way out, in a sentence."""
        return f"{folder} has no network that the runtime {self.name} can load"

    def doubt(self, description: ModelDescription) -> str | None:
        """Why the runtime is not to be chosen unasked, in a sentence without its end; None where it may be.

        Single precision needs no proof here, for its answers are compared when they are measured.
        """
        name = self.proof or self.name
        entry = description.formats.get(name, {})
        if refused := entry.get("refused"):
            return f"refused: {refused}"
        if self.precision == "fp32":
            return None
        if "difference" not in entry:
            command = EXPORT_COMMAND.format(folder="MODEL", name=name)
            return f"never compared with single precision; do it with: {command}"
        if self.hint == "bf16" and computes_bfloat16() and not entry.get("bfloat16"):
            command = EXPORT_COMMAND.format(folder="MODEL", name=name)
            return f"judged on a processor without bfloat16, and this one has it; judge it here with: {command}"
        if self.precision == "int8" and not sums_8_bit_exactly():
            return "this processor has no VNNI instructions, without which sums of 8-bit integers may saturate"
        return None

    @abstractmethod
    def open(self, folder: Path, *, threads: int) -> Network:
        """Load the network of a model folder.

        Args:
            folder: the model folder.
            threads: cores to use; 0 uses all that the process may use.

        Raises:
            ModelFolderError: the file cannot be loaded.
        """


RUNTIMES: dict[str, Runtime] = {}
"""The runtimes by name, the one that all others are compared with first."""


def register_runtime(runtime: type[Runtime]) -> type[Runtime]:
    """Add the decorated runtime to the table."""
    RUNTIMES[runtime.name] = runtime()
    return runtime


@register_runtime
class OnnxRuntime(Runtime):
    """ONNX Runtime on the CPU, in single precision."""

    name = REFERENCE
    file: ClassVar[str] = ONNX_FILE

    def reads(self, folder: Path) -> bool:
        """Return whether the folder has the ONNX file; the library is a requirement of the predictor."""
        return (folder / self.file).exists()

    def refusal(self, folder: Path) -> str:
        """That the file is missing, or why it was refused."""
        return _missing(folder, self.file, self.name)

    def open(self, folder: Path, *, threads: int) -> Network:
        """Load the ONNX file."""
        return _network(self._session(folder, threads or usable_cores(), ["CPUExecutionProvider"]))

    def open_with_features(self, folder: Path, *, threads: int) -> Network:
        """Load the network like `open`; after the outputs that predictions need it returns its features.

        They are (n, features), without any where the file was written without them.

        Raises:
            ModelFolderError: the file cannot be loaded.
        """
        session = self._session(folder, threads or usable_cores(), ["CPUExecutionProvider"])
        names = [output.name for output in session.get_outputs()]
        run = _network(session, [*predicting_outputs(names), FEATURES] if FEATURES in names else None)
        if FEATURES in names:
            return run
        return lambda inputs: [*run(inputs), np.zeros((len(inputs), 0), np.float32)]

    def _session(self, folder: Path, threads: int, providers: list[Any]) -> Any:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        file = folder / self.file
        try:
            return onnxruntime.InferenceSession(str(file), options, providers=providers)
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            raise ModelFolderError(f"{file} cannot be loaded ({error}){self._way_out(folder)}") from error

    def _way_out(self, folder: Path) -> str:  # noqa: ARG002 - that of a derived file names the folder
        return f"; {COPY_AGAIN}"


def _network(session: Any, wanted: list[str] | None = None) -> Network:
    """A session of ONNX Runtime as a network.

    Args:
        session: of the file.
        wanted: names of outputs; None takes all that predictions need.
    """
    given = session.get_inputs()[0].name
    names = wanted or predicting_outputs([output.name for output in session.get_outputs()])
    return lambda inputs: [np.asarray(output) for output in session.run(names, {given: inputs})]


def predicting_outputs(names: Sequence[str]) -> list[str]:
    """The names of outputs without those that no prediction needs."""
    return [name for name in names if name != FEATURES]


class _DerivedOnnx(OnnxRuntime):
    """ONNX Runtime on a file that was derived from the one in single precision."""

    def _way_out(self, folder: Path) -> str:
        return f"; write it with: {EXPORT_COMMAND.format(folder=folder, name=self.name)}"


def _missing(folder: Path, file: str, name: str) -> str:
    """That a file is missing, or why it was refused, and the way out."""
    if file == ONNX_FILE:
        return f"{folder} has no {ONNX_FILE}; {COPY_AGAIN}"
    refused = ModelDescription.load(folder).formats.get(name, {}).get("refused")
    if refused:
        return f"{folder} has no {file}, because it was refused: {refused}; use the runtime {REFERENCE}"
    return f"{folder} has no {file}; write it with: {EXPORT_COMMAND.format(folder=folder, name=name)}"


@register_runtime
class Int8OnnxRuntime(_DerivedOnnx):
    """ONNX Runtime on the CPU, quantised to 8-bit integers."""

    name, precision = "onnx-int8", "int8"
    file = INT8_FILE


@register_runtime
class Fp16OnnxRuntime(_DerivedOnnx):
    """ONNX Runtime, in half precision; on a CPU it saves space and no time, so it is used only when asked for."""

    name, precision = "onnx-fp16", "fp16"
    file = FP16_FILE
    is_candidate = False


class _GpuRuntime(OnnxRuntime):
    """ONNX Runtime on an NVIDIA GPU.

    Attributes:
        provider: ONNX Runtime's name for what it computes with.
    """

    provider: ClassVar[str]
    on_gpu = True

    def absent(self) -> str | None:
        """A GPU, or an ONNX Runtime that was built for it."""
        instead = f"use the runtime {REFERENCE}, or name none"
        if not gpu_names():
            return f"the runtime {self.name} needs an NVIDIA GPU, and this process sees none; {instead}"
        import onnxruntime

        if self.provider in onnxruntime.get_available_providers():
            return None
        return (
            f"the runtime {self.name} needs ONNX Runtime with {self.provider}, and the installed one was built without "
            f"it; replace it with: pip uninstall onnxruntime && pip install onnxruntime-gpu; or {instead}"
        )

    def reads(self, folder: Path) -> bool:
        """Return whether the folder has the file, and nothing is missing here."""
        return (folder / self.file).exists() and self.absent() is None

    def refusal(self, folder: Path) -> str:
        """What is missing here, or that the file is."""
        return self.absent() or _missing(folder, self.file, self.proof or REFERENCE)

    def open(self, folder: Path, *, threads: int) -> Network:
        """Load the file onto the first GPU.

        Raises:
            ModelFolderError: the file or the libraries of the GPU cannot be loaded.
        """
        session = self._session(folder, threads or usable_cores(), self._providers())
        if self.provider not in session.get_providers():  # ONNX Runtime falls back to the CPU without an error
            raise ModelFolderError(
                f"the runtime {self.name} cannot start on {gpu_names()[0]}, because libraries of CUDA or TensorRT are "
                f"missing; install those that this ONNX Runtime names in its documentation, or use {REFERENCE}"
            )
        return _network(session)

    def _providers(self) -> list[Any]:
        cuda = ("CUDAExecutionProvider", {"use_tf32": "0"})  # its 10 bits would not be single precision
        return [cuda, "CPUExecutionProvider"]


@register_runtime
class CudaRuntime(_GpuRuntime):
    """ONNX Runtime with CUDA, in single precision."""

    name, provider = "cuda", "CUDAExecutionProvider"


@register_runtime
class Fp16CudaRuntime(_GpuRuntime):
    """ONNX Runtime with CUDA, in half precision."""

    name, precision, provider = "cuda-fp16", "fp16", "CUDAExecutionProvider"
    file, proof = FP16_FILE, "onnx-fp16"


class _TensorRt(_GpuRuntime):
    """TensorRT compiles for minutes at the first call, and keeps the result, so it is used only when asked for."""

    provider = "TensorrtExecutionProvider"
    is_candidate = False

    def _providers(self) -> list[Any]:
        place = cache_folder() / "tensorrt"
        place.mkdir(parents=True, exist_ok=True)
        settings = {"trt_engine_cache_enable": "1", "trt_engine_cache_path": str(place)}
        return [("TensorrtExecutionProvider", settings), *super()._providers()]


@register_runtime
class TensorRtRuntime(_TensorRt):
    """TensorRT, in single precision."""

    name = "tensorrt"


@register_runtime
class Fp16TensorRtRuntime(_TensorRt):
    """TensorRT, in half precision."""

    name, precision = "tensorrt-fp16", "fp16"
    file, proof = FP16_FILE, "onnx-fp16"


@register_runtime
class OpenVinoRuntime(Runtime):
    """OpenVINO on the CPU, in single precision, compiled from the ONNX file."""

    name = "openvino"
    file: ClassVar[str] = ONNX_FILE
    hint: ClassVar[str] = "f32"  # processors with bfloat16 would use that without being asked

    def absent(self) -> str | None:
        """The library."""
        if find_spec("openvino") is not None:
            return None
        return f"the runtime {self.name} is not installed; install it with: pip install 'automl-vision[openvino]'"

    def reads(self, folder: Path) -> bool:
        """Return whether the folder has the ONNX file and nothing is missing here."""
        return (folder / self.file).exists() and self.absent() is None

    def refusal(self, folder: Path) -> str:
        """What is missing here, or that the file is."""
        return self.absent() or _missing(folder, self.file, self.name)

    def open(self, folder: Path, *, threads: int) -> Network:
        """Compile the ONNX file, or take it from the cache of compiled networks, which is not in the model folder."""
        openvino = load_openvino()
        settings: dict[str, Any] = {
            "INFERENCE_PRECISION_HINT": self.hint,
            "INFERENCE_NUM_THREADS": threads or usable_cores(),
            "CACHE_DIR": str(cache_folder() / "openvino"),
        }
        file = folder / self.file
        try:
            compiled = openvino.Core().compile_model(str(file), "CPU", settings)
        except Exception as error:  # OpenVINO raises RuntimeError and others, whose last line says what is wrong
            reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
            raise ModelFolderError(
                f"{file} cannot be compiled by OpenVINO ({reason[0]}); use the runtime {REFERENCE}, or {COPY_AGAIN}"
            ) from error
        lock = threading.Lock()  # a compiled network has one place for its outputs
        outputs = [each for each in compiled.outputs if FEATURES not in each.names]

        def run(inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
            with lock:
                found = compiled(inputs)
                return [np.array(found[output]) for output in outputs]  # copies: the next call reuses it

        return run


@register_runtime
class Bf16OpenVinoRuntime(OpenVinoRuntime):
    """OpenVINO on the CPU, in bfloat16 where the processor has it, compiled from the file in single precision."""

    name, precision = "openvino-bf16", "bf16"
    hint = "bf16"

    def absent(self) -> str | None:
        """The library, or a processor with bfloat16."""
        if computes_bfloat16():
            return super().absent()
        return f"the runtime {self.name} needs a processor with bfloat16, and this one has none; use openvino instead"


@register_runtime
class Int8OpenVinoRuntime(OpenVinoRuntime):
    """OpenVINO on the CPU, quantised to 8-bit integers; layers that are not are computed in bfloat16 where there is."""

    name, precision = "openvino-int8", "int8"
    file, hint = OPENVINO_INT8_FILE, "bf16"


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
    raise ModelFolderError(RUNTIMES[REFERENCE].refusal(folder))


def asked_runtimes(folder: Path, name: str | None, precision: str | None) -> list[Runtime]:
    """The runtimes that a name and a precision leave, at least one; all of them read the folder.

    Args:
        folder: the model folder.
        name: of a runtime or of a family; None for any. A name alone is that runtime, so `onnx` is single precision.
        precision: one of `PRECISIONS`; None for any, or for that of the name.

    Raises:
        ModelFolderError: there is no such runtime or precision, they contradict each other, or none of them can run.
    """
    if precision is not None and precision not in PRECISIONS:
        near = did_you_mean(precision, PRECISIONS)
        raise ModelFolderError(f'no precision is named "{precision}".{near} Precisions: {", ".join(PRECISIONS)}')
    if name is None:
        fitting = [each for each in RUNTIMES.values() if precision in (None, each.precision)]
        found = [each for each in fitting if each.reads(folder)]
        if found:
            return found
        raise ModelFolderError(fitting[0].refusal(folder))
    if precision is None or name not in RUNTIMES or RUNTIMES[name].precision == precision:
        return [find_runtime(folder, name)]
    in_family = {each.precision: each.name for each in RUNTIMES.values() if each.family == name}
    if precision not in in_family:
        has = ", ".join(in_family) or RUNTIMES[name].precision
        raise ModelFolderError(f"the runtime {name} computes in {has}, not in {precision}; leave one of the two out")
    return [find_runtime(folder, in_family[precision])]
