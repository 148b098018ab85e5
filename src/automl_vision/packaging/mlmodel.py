"""What MLflow needs to load a model folder: `MLmodel` with signature and input example, and its requirements.

The files are written as MLflow's documentation describes them. Its own writer takes a folder of its own, would copy the
network there, and its import takes longer than writing the model's description and card.
"""

from __future__ import annotations

import base64
import io
import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml
from PIL import Image

from automl_vision.core.files import write_json, write_text
from automl_vision.core.version import VERSION
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.pyfunc import IMAGE_COLUMN, SETTINGS, PyfuncModel

MLMODEL_FILE = "MLmodel"
_EXAMPLE_FILE, _SERVING_EXAMPLE_FILE = "input_example.json", "serving_input_example.json"
_REQUIREMENTS_FILE, _PYTHON_FILE = "requirements.txt", "python_env.yaml"
_RUN_WITH = ("mlflow", "numpy", "onnxruntime", "pillow")  # in the versions that parity was measured with

_NUMBER, _TEXT = {"type": "double"}, {"type": "string"}


def write_mlmodel(description: ModelDescription, folder: Path) -> None:
    """Write the files of MLflow's `python_function` flavour into a model folder."""
    example = {"columns": [IMAGE_COLUMN], "data": [[_example_image()]]}
    write_json(folder / _EXAMPLE_FILE, example)
    write_json(folder / _SERVING_EXAMPLE_FILE, {"dataframe_split": example})
    pins = [f"automl-vision=={VERSION}", *(f"{name}=={version(name)}" for name in _RUN_WITH)]
    write_text(folder / _REQUIREMENTS_FILE, "\n".join(pins) + "\n")
    python = platform.python_version()
    environment = {"python": python, "build_dependencies": ["pip"], "dependencies": [f"-r {_REQUIREMENTS_FILE}"]}
    _write_yaml(folder / _PYTHON_FILE, environment)
    flavor = {
        "loader_module": PyfuncModel.__module__,
        "python_version": python,
        "env": {"virtualenv": _PYTHON_FILE},
        "config": SETTINGS,
    }
    document = {
        "flavors": {"python_function": flavor},
        "utc_time_created": description.provenance.get("created"),
        "signature": {"inputs": json.dumps(_INPUTS), "outputs": json.dumps(_outputs(description)), "params": None},
        "saved_input_example_info": {
            "artifact_path": _EXAMPLE_FILE,
            "serving_input_path": _SERVING_EXAMPLE_FILE,
            "type": "dataframe",
            "pandas_orient": "split",
        },
    }
    _write_yaml(folder / MLMODEL_FILE, document)


# the column takes bytes and base64 text, for which MLflow's types have no other word
_INPUTS = [{"type": "any", "name": IMAGE_COLUMN, "required": True}]


def _outputs(description: ModelDescription) -> list[dict[str, Any]]:
    """The schema of what `to_json()` of a prediction returns."""
    if description.objects is None:
        return [_array("probs", _NUMBER), _array("labels", _TEXT), {**_array("set", _TEXT), "required": False}]
    corners = ("bottomX", "bottomY", "topX", "topY")
    box = {"type": "object", "properties": {name: _required(_NUMBER) for name in corners}}
    polygon = {"type": "array", "items": {"type": "array", "items": _NUMBER}, "required": False}
    properties = {"box": _required(box), "label": _required(_TEXT), "polygon": polygon, "score": _required(_NUMBER)}
    return [_array("boxes", {"type": "object", "properties": properties})]


def _array(name: str, items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items, "name": name, "required": True}


def _required(kind: dict[str, Any]) -> dict[str, Any]:
    return {**kind, "required": True}


def _example_image() -> str:
    """A drawn image as base64: a user's own one would travel with the folder."""
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((64, 64)).convert("RGB").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def _write_yaml(file: Path, document: dict[str, Any]) -> None:
    write_text(file, yaml.safe_dump(document, sort_keys=False))
