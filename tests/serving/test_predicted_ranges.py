"""A model predicts images of more than 8 bits with the range of values that it was trained with, wherever it runs."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from automl_vision import Dataset, Predictor, evaluate
from automl_vision.core.errors import ImageError
from automl_vision.core.files import write_json
from automl_vision.data.value_range import BYTES_ONLY, ValueRange
from automl_vision.deployment.online.app import create_app
from automl_vision.deployment.online.endpoint_folder import EndpointFolder
from automl_vision.packaging.package import package
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.serving.occlusion import explain_occlusion
from automl_vision.training.trial import train
from conftest import CLASSES, RecordingReporter
from deep_images import encode, png16, tiff
from model_folders import write_classifier, write_detector

STEPS = np.kron(np.array([[200, 800], [500, 350]]), np.ones((16, 16), int))  # (32, 32)
BYTES = np.kron(np.array([[0, 255], [128, 64]]), np.ones((16, 16), int)).astype(np.uint8)  # rounded from 127.5, 63.75
RANGE = ValueRange(200, 800, "training images")


def with_range(folder: Path, value_range: ValueRange | None) -> Path:
    """The model folder with another range."""
    found = ModelDescription.load(folder)
    replace(found, preprocessing=replace(found.preprocessing, value_range=value_range)).save(folder)
    return folder


SOURCES: list[tuple[str, Callable[[Path], Any]]] = [
    ("bytes of a PNG", lambda _: png16(STEPS)),
    ("bytes of a TIFF", lambda _: tiff(STEPS.astype("u2"), bits=12)),
    ("floats", lambda _: tiff(STEPS.astype("f4"))),
    ("a path", lambda folder: written(folder / "a.png", png16(STEPS))),
    ("a function", lambda _: lambda: png16(STEPS)),
    ("a Pillow image of 16 bits", lambda _: Image.fromarray(STEPS.astype("u2"))),
    ("an opened PNG of colours", lambda _: Image.open(io.BytesIO(png16(np.repeat(STEPS[..., None], 3, axis=2))))),
    (
        "an opened file of colours",
        lambda folder: Image.open(written(folder / "c.png", png16(np.repeat(STEPS[..., None], 3, axis=2)))),
    ),
]


def written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("name", "source"), SOURCES, ids=[name for name, _ in SOURCES])
@pytest.mark.parametrize("write", [write_classifier, write_detector])
def test_every_source(name: str, source: Callable[[Path], Any], write: Callable[[Path], Path], tmp_path: Path) -> None:
    predictor = Predictor(with_range(write(tmp_path / "model"), RANGE))
    expected = predictor.preprocess(encode(BYTES, "PNG"))
    image = source(tmp_path)
    np.testing.assert_allclose(predictor.preprocess(image), expected, atol=0.01)
    predictor(image)


def test_images_of_bytes_stay_as_they_are(tmp_path: Path) -> None:
    folder = write_classifier(tmp_path / "model")
    before = Predictor(folder).preprocess(encode(BYTES, "PNG"))
    np.testing.assert_array_equal(Predictor(with_range(folder, RANGE)).preprocess(encode(BYTES, "PNG")), before)


def test_a_model_of_bytes_refuses_what_it_cannot_know(tmp_path: Path) -> None:
    predictor = Predictor(with_range(write_classifier(tmp_path / "model"), BYTES_ONLY))
    predictor(png16(STEPS * 50))
    with pytest.raises(ImageError, match="no range of them is known"):
        predictor(tiff(STEPS.astype("f4")))


def test_a_folder_of_an_older_version(tmp_path: Path) -> None:
    """It says nothing of values, and predicts as it did."""
    folder = write_classifier(tmp_path / "model")
    file = folder / "model.json"
    facts = json.loads(file.read_text())
    del facts["preprocessing"]["value_range"]
    file.write_text(json.dumps(facts))
    predictor = Predictor(folder)
    assert predictor.description.preprocessing.value_range is None
    before = encode((STEPS // 257).astype(np.uint8), "PNG")
    np.testing.assert_allclose(predictor.preprocess(png16(STEPS)), predictor.preprocess(before), atol=0.01)


def test_the_card_and_the_description_keep_it(tmp_path: Path) -> None:
    folder = with_range(write_classifier(tmp_path / "model"), RANGE)
    found = ModelDescription.load(folder).preprocessing
    assert found.value_range == RANGE and "the values 200 to 800 become 0 to 255" in found.sentence


def test_pictures_show_what_the_model_sees(tmp_path: Path) -> None:
    folder = with_range(write_classifier(tmp_path / "model"), RANGE)
    np.testing.assert_array_equal(Predictor(folder).pixels(png16(STEPS))[..., 0], BYTES)
    explained = explain_occlusion(Predictor(folder), png16(STEPS), masks=8)
    np.testing.assert_array_equal(explained.image[..., 0], BYTES)


def test_the_endpoint(tmp_path: Path) -> None:
    folder = with_range(write_detector(tmp_path / "model"), RANGE)
    endpoint = EndpointFolder(tmp_path / "shapes")
    key = endpoint.deploy(folder, "shapes:1", name="blue").keys["primary"]
    app = create_app(endpoint.path, threads=1, log=lambda _: None)
    with TestClient(app, base_url="http://127.0.0.1", headers={"Authorization": f"Bearer {key}"}) as client:
        answer = client.post("/score?draw=true", content=png16(STEPS), headers={"content-type": "image/png"})
        assert answer.status_code == 200
        drawn = np.asarray(Image.open(io.BytesIO(answer.content)).convert("L"), int)
        assert drawn.max() - drawn.min() > 150  # of 3 before
        found = client.post("/score", content=tiff(STEPS.astype("f4")), headers={"content-type": "image/tiff"})
        assert found.status_code == 200


def test_an_evaluation_shows_what_the_model_saw(tmp_path: Path) -> None:
    """Other data have a range of their own, which is not the model's."""
    for number in range(12):
        path = tmp_path / "data" / CLASSES[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png16(STEPS * 2 + number))
    assert Dataset.open(tmp_path / "data").value_range != RANGE
    evaluated = evaluate(with_range(write_classifier(tmp_path / "model"), RANGE), tmp_path / "data", threads=1)
    assert evaluated.dataset.value_range == RANGE


def write_faint_and_bright(root: Path, per_class: int = 16) -> Path:
    """Discs that differ by 80 of 4095, which was nothing when 16 bits became 8."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:32, :32]
    for split in ("train", "val", "test"):
        for number in range(2 * per_class):
            values = random.normal(500, 5, (32, 32))
            values[(x - 16) ** 2 + (y - 16) ** 2 < 144] += (60, 140)[number % 2]
            path = root / split / ("faint", "bright")[number % 2] / f"{number}.tif"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(tiff(values.astype("u2"), bits=12))
    return root


def test_a_classifier_of_12_bits(make_spec: Callable[..., Any], tmp_path: Path) -> None:
    """Trained, packaged, and right in nearly all test images; by the upper bytes alone it could only guess."""
    dataset = Dataset.open(write_faint_and_bright(tmp_path / "data"))
    spec = make_spec(dataset, model_name="efficientnet_lite0", pretrained=True, learning_rate=1e-4)  # else by luck
    write_json(Path(spec.folder) / "spec.json", spec.model_dump(mode="json"))
    train(spec, RecordingReporter())
    predictor = Predictor(package(spec.folder, tmp_path / "model"))
    assert predictor.description.preprocessing.value_range == dataset.value_range
    test = dataset[dataset.splits == "test"]
    found = [prediction.label for prediction in predictor([image.read() for image in test])]
    right = [label == image.labels[0] for label, image in zip(found, test, strict=True)]
    assert np.mean(right) >= 0.9
