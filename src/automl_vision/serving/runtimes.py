"""What runs an exported network: one contract with two methods, and a table of its implementations.

A runtime needs nothing but NumPy and its own library, which it imports when it opens a model.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import ModelFolderError
from automl_vision.core.text import did_you_mean

ONNX_FILE = "model.onnx"

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
    """ONNX Runtime on the CPU."""

    name = "onnx"

    def reads(self, folder: Path) -> bool:
        """Return whether the folder has an ONNX file; the library is a requirement of the predictor."""
        return (folder / ONNX_FILE).exists()

    def open(self, folder: Path, *, threads: int) -> Network:
        """Load the ONNX file."""
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.log_severity_level = 3
        file = folder / ONNX_FILE
        try:
            session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            raise ModelFolderError(f"{file} cannot be loaded ({error})") from error
        name = session.get_inputs()[0].name
        return lambda inputs: [np.asarray(output) for output in session.run(None, {name: inputs})]


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
    files = f"the runtime {name}" if name else "any runtime here"
    raise ModelFolderError(f"{folder} has no network that {files} can load")
