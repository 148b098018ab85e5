"""A model folder as MLflow loads and serves it; MLflow itself is not imported.

`MLmodel` in the folder names this module as its loader, so loading a folder runs no code of the folder's.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from automl_vision.core.errors import ImageError
from automl_vision.serving.predictor import Predictor

IMAGE_COLUMN = "image"
SETTINGS: dict[str, Any] = {
    "error_rate": None, "image_folder": None, "precision": None, "runtime": None, "score_threshold": None, "threads": 0,
}  # fmt: skip
"""What `model_config` of `mlflow.pyfunc.load_model` may change. `image_folder` is the folder whose images may be asked
for by their paths, None for no folder; the others are arguments of `Predictor`."""


class PyfuncModel:
    """A predictor behind the interface of MLflow's `python_function` flavour.

    Args:
        predictor: of the folder.
        image_folder: below which texts are paths; None where texts are base64. A client of a server could otherwise
            read any image of the machine.
    """

    def __init__(self, predictor: Predictor, *, image_folder: str | Path | None = None) -> None:
        self.predictor = predictor
        self._image_folder = None if image_folder is None else Path(image_folder).resolve()

    def predict(self, model_input: Any, params: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:  # noqa: ARG002 - MLflow passes it
        """Predict the column `image` of a frame.

        Args:
            model_input: a `pandas.DataFrame` with contents of image files, as bytes or base64 text.
            params: not used; part of MLflow's interface.

        Returns:
            For each row what `to_json()` of its prediction returns.

        Raises:
            ImageError: an image cannot be read; the message names its row.
        """
        found = []
        for row, prediction in enumerate(self.predictor.stream_all(self._images(model_input[IMAGE_COLUMN]))):
            if isinstance(prediction, ImageError):
                raise ImageError(f"row {row}: {prediction}") from prediction
            found.append(prediction.to_json())
        return found

    def _images(self, values: Any) -> Iterator[bytes | Path]:
        for row, value in enumerate(values):
            try:
                yield self._image(value)
            except ImageError as error:
                raise ImageError(f"row {row}: {error}") from error

    def _image(self, value: object) -> bytes | Path:
        if isinstance(value, bytes):
            return value
        if not isinstance(value, str):
            raise ImageError(f"an image is bytes or text, not {type(value).__name__}")
        if self._image_folder is not None:
            path = (self._image_folder / value).resolve()
            if not path.is_relative_to(self._image_folder):
                raise ImageError(f"{value} is not below {self._image_folder}")
            return path
        try:
            return base64.b64decode("".join(value.split()), validate=True)
        except (binascii.Error, ValueError):
            raise ImageError(
                "a text must be the base64 code of an image file; for paths load the model with "
                'model_config={"image_folder": FOLDER}'
            ) from None


def _load_pyfunc(path: str, model_config: Mapping[str, Any] | None = None) -> PyfuncModel:
    """What MLflow calls to load a folder; it fixes the name.

    Args:
        path: of the model folder.
        model_config: values for `SETTINGS`.

    Raises:
        ModelFolderError: the folder is not a usable model folder.
    """
    settings = {**SETTINGS, **(model_config or {})}
    image_folder = settings.pop("image_folder")
    return PyfuncModel(Predictor(path, **settings), image_folder=image_folder)
