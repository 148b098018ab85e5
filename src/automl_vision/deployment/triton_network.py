"""The network of a Triton repository as Triton's Python backend runs it, where there is no ONNX backend.

It is copied into repositories as `model.py`; its tensors are those of `model.onnx`.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as triton

from automl_vision.serving.runtimes import find_runtime


class TritonPythonModel:
    """Normalised inputs in, the outputs of the exported network out."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the network of the version, and take the names of its outputs from the configuration."""
        folder = Path(args["model_repository"]) / args["model_version"] / "model"
        self.network = find_runtime(folder).open(folder, threads=0)
        self.outputs = [each["name"] for each in json.loads(args["model_config"])["output"]]

    def execute(self, requests: list[Any]) -> list[Any]:
        """Run the inputs of all requests together."""
        inputs = [triton.get_input_tensor_by_name(request, "input").as_numpy() for request in requests]
        outputs = self.network(np.concatenate(inputs))
        responses, start = [], 0
        for each in inputs:
            rows = [np.ascontiguousarray(output[start : start + len(each)]) for output in outputs]
            tensors = [triton.Tensor(name, values) for name, values in zip(self.outputs, rows, strict=True)]
            responses.append(triton.InferenceResponse(tensors))
            start += len(each)
        return responses
