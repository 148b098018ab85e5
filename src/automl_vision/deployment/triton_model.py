"""The model of a Triton repository for images: Triton's Python backend runs it, with the predictor installed beside.

It is copied into repositories as `model.py`. Interface:
https://docs.nvidia.com/deeplearning/triton-inference-server/user-guide/docs/python_backend/README.html
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as triton
from numpy.typing import NDArray

from automl_vision.core.errors import ImageError
from automl_vision.serving.predictor import Predictor


class TritonPythonModel:
    """Image files in, the JSON of the endpoint out."""

    def initialize(self, args: dict[str, str]) -> None:
        """Open the model folder of the version."""
        folder = Path(args["model_repository"]) / args["model_version"] / "model"
        self.predictor = Predictor(folder)
        self.predictor.choose()

    def execute(self, requests: list[Any]) -> list[Any]:
        """Predict the images of all requests together."""
        images = [triton.get_input_tensor_by_name(request, "image").as_numpy() for request in requests]
        found = self.predictor.stream_all(image for batch in images for image in batch.ravel())
        return [self._response(batch, [next(found) for _ in range(batch.size)]) for batch in images]

    def _response(self, images: NDArray[Any], predictions: list[Any]) -> Any:
        broken = [f"image {i}: {each}" for i, each in enumerate(predictions) if isinstance(each, ImageError)]
        if broken:
            return triton.InferenceResponse(error=triton.TritonError("; ".join(broken)))
        texts = np.array([json.dumps(each.to_json()).encode() for each in predictions], object)
        return triton.InferenceResponse([triton.Tensor("predictions", texts.reshape(images.shape))])
