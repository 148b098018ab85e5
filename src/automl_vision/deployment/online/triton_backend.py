"""The network of a deployment on a Triton server: images are decoded and answers made here, passes are made there."""

from __future__ import annotations

import re
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from automl_vision.core.errors import AutoMLVisionError
from automl_vision.core.late import optional_package
from automl_vision.serving.model_folder import ModelDescription

_ADDRESS = re.compile(r"triton://(?P<server>[\w.-]+:\d+)(/(?P<model>[\w.-]+))?")
_SECONDS = 60.0


class BackendError(AutoMLVisionError):
    """The server behind a deployment does not answer, or not as its model should."""


class TritonNetwork:
    """Calls a network that `export --format triton` wrote, over HTTP with binary tensors, from any number of threads.

    Args:
        address: `triton://host:port/MODEL`, with the server's port for HTTP.
        description: of the model whose network it should be.
        model: name of Triton's model where the address has none.

    Raises:
        BackendError: the address is not one, the server does not answer, or the model's input is another.
    """

    def __init__(self, address: str, description: ModelDescription, *, model: str) -> None:
        found = _ADDRESS.fullmatch(address)
        if found is None:
            raise BackendError(
                f'"{address}" is not the address of a Triton server, such as triton://127.0.0.1:8000/MODEL'
            )
        self._triton = optional_package("tritonclient.http")
        self._server, self._model = found["server"], found["model"] or model
        self._clients = threading.local()
        metadata = self._called("get_model_metadata", self._model)
        shapes = [each["shape"][1:] for each in metadata["inputs"]]
        wanted = [3, *description.preprocessing.input_size]
        if shapes != [wanted]:
            raise BackendError(
                f"{self._model} on {self._server} takes inputs of {shapes}, and the model's are {wanted}"
            )
        self._input: str = metadata["inputs"][0]["name"]
        self._outputs: list[str] = [each["name"] for each in metadata["outputs"]]

    def __call__(self, inputs: NDArray[np.float32]) -> list[NDArray[Any]]:
        """The network's outputs for normalised inputs (n, 3, height, width).

        Raises:
            BackendError: the server does not answer.
        """
        given = self._triton.InferInput(self._input, list(inputs.shape), "FP32")
        given.set_data_from_numpy(np.ascontiguousarray(inputs, np.float32))
        wanted = [self._triton.InferRequestedOutput(name, binary_data=True) for name in self._outputs]
        answer = self._called("infer", self._model, [given], outputs=wanted)
        return [answer.as_numpy(name) for name in self._outputs]

    def _called(self, method: str, *arguments: Any, **options: Any) -> Any:
        """Call the server by this thread's own connection, which the client's library does not share."""
        client = getattr(self._clients, "client", None)
        if client is None:
            seconds = {"connection_timeout": _SECONDS, "network_timeout": _SECONDS}
            client = self._clients.client = self._triton.InferenceServerClient(self._server, **seconds)
        try:
            return getattr(client, method)(*arguments, **options)
        except Exception as error:  # the client raises its own exception, and those of its HTTP library
            raise BackendError(f"the Triton server at {self._server} failed on {self._model} ({error})") from error
