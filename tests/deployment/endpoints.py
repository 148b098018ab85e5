"""What tests of endpoints share: folders with small models, and a client that has the key."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from automl_vision.deployment.online.app import create_app
from automl_vision.deployment.online.endpoint_folder import EndpointFolder
from conftest import CLASSES, draw_shapes
from model_folders import write_classifier, write_detector

MODELS: dict[str, Callable[[Path], Path]] = {
    "image-classification": write_classifier,
    "image-classification-multi-label": lambda folder: write_classifier(
        folder, task="image-classification-multi-label"
    ),
    "image-object-detection": write_detector,
    "image-instance-segmentation": lambda folder: write_detector(folder, masks=True),
}


def photo(seed: int = 0, size: tuple[int, int] = (60, 50)) -> bytes:
    """A PNG file with a drawn shape."""
    buffer = io.BytesIO()
    draw_shapes((CLASSES[seed % len(CLASSES)],), seed, size=size).save(buffer, "PNG")
    return buffer.getvalue()


def made_endpoint(folder: Path, task: str = "image-classification") -> tuple[EndpointFolder, str]:
    """An endpoint "shapes" with one deployment "blue", and its primary key."""
    endpoint = EndpointFolder(folder / "shapes")
    done = endpoint.deploy(MODELS[task](folder / "model"), "shapes:1", name="blue")
    return endpoint, done.keys["primary"]


@contextmanager
def asking(endpoint: EndpointFolder, key: str | None, log: list[dict[str, Any]] | None = None) -> Iterator[TestClient]:
    """A client of an endpoint whose models are open."""
    app = create_app(endpoint.path, threads=1, log=(log if log is not None else []).append)
    with TestClient(app, base_url="http://127.0.0.1") as client:
        if key is not None:
            client.headers["Authorization"] = f"Bearer {key}"
        yield client
