"""Predictions as supervision, COCO tools, pandas and MLflow take them."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas
import pytest
import supervision
import torch
from PIL import Image
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from automl_vision import Dataset, Predictor, load_torch, predictions_to_pandas
from automl_vision.core.errors import ImageError, MissingPackageError
from automl_vision.core.files import write_json
from automl_vision.data.detections import Detections
from automl_vision.data.masks import encode_mask
from automl_vision.packaging.package import package
from automl_vision.serving.predictions import ObjectPrediction, Prediction
from automl_vision.training.trial import train
from conftest import RecordingReporter, small_trial

# MLflow warns of the hints of a class of its own when it is imported
pytestmark = pytest.mark.filterwarnings("ignore:.*Any type hint is inferred as AnyType:UserWarning")

HEIGHT, WIDTH = 40, 60
BOXES = np.array([[10.0, 5.0, 30.0, 25.0], [0.0, 0.0, 12.5, 8.0]])
NAMES = ("dog", "cat")


def found(*, with_masks: bool, objects: int = 2) -> ObjectPrediction:
    """A cat of score 0.9 and a dog of 0.4."""
    masks = []
    for x1, y1, x2, y2 in BOXES.astype(int):
        mask = np.zeros((HEIGHT, WIDTH), bool)
        mask[y1:y2, x1:x2] = True
        masks.append(encode_mask(mask).to_text())
    rows = slice(objects)
    columns = np.zeros(2, int)[rows], np.array([1, 0])[rows], BOXES[rows], np.array([0.9, 0.4])[rows]
    return ObjectPrediction(NAMES, HEIGHT, WIDTH, Detections(1, *columns, masks[rows] if with_masks else None))


LABELS = Prediction(NAMES, np.array([0.25, 0.75]), ("cat",), np.array([0.0, 1.0], np.float32))


@pytest.mark.parametrize("objects", [2, 0])
@pytest.mark.parametrize("with_masks", [False, True], ids=["boxes", "masks"])
def test_supervision_has_the_objects(with_masks: bool, objects: int):
    detections = found(with_masks=with_masks, objects=objects).to_supervision()
    assert len(detections) == objects
    np.testing.assert_allclose(detections.xyxy, BOXES[:objects])
    np.testing.assert_allclose(detections.confidence, [0.9, 0.4][:objects])
    assert detections["class_name"].tolist() == ["cat", "dog"][:objects]
    assert (detections.mask is not None) == with_masks
    if with_masks:
        assert detections.mask.shape == (objects, HEIGHT, WIDTH)
        assert [int(mask.sum()) for mask in detections.mask] == [400, 96][:objects]
    drawn = supervision.BoxAnnotator().annotate(np.zeros((HEIGHT, WIDTH, 3), np.uint8), detections)
    assert drawn.any() == bool(objects)


def test_supervision_has_the_classes():
    top, confidence = LABELS.to_supervision().get_top_k(1)
    assert (top.tolist(), confidence.tolist()) == ([1], [0.75])


@pytest.mark.parametrize(("with_masks", "kind"), [(False, "bbox"), (True, "segm")])
def test_coco_results_are_read_and_scored(with_masks: bool, kind: str, tmp_path: Path, capsys: Any):
    """By pycocotools, against an annotation of the same cat."""
    prediction = found(with_masks=with_masks)
    results = prediction.to_coco(7, {"cat": 17, "dog": 18})
    assert results[1]["bbox"] == [0.0, 0.0, 12.5, 8.0]
    cat = {"id": 1, "iscrowd": 0, "area": 400, "segmentation": [[10, 5, 30, 5, 30, 25, 10, 25]], **results[0]}
    truth = {
        "info": {},
        "images": [{"id": 7, "width": WIDTH, "height": HEIGHT}],
        "categories": [{"id": 17, "name": "cat"}, {"id": 18, "name": "dog"}],
        "annotations": [cat],
    }
    (tmp_path / "truth.json").write_text(json.dumps(truth))
    (tmp_path / "results.json").write_text(json.dumps(results))
    coco = COCO(str(tmp_path / "truth.json"))
    scores = COCOeval(coco, coco.loadRes(str(tmp_path / "results.json")), kind)
    scores.evaluate()
    scores.accumulate()
    scores.summarize()
    assert scores.stats[0] == pytest.approx(1.0)


def test_coco_categories_count_from_one():
    assert [row["category_id"] for row in found(with_masks=False).to_coco(1)] == [2, 1]
    with pytest.raises(KeyError, match="dog"):
        found(with_masks=False).to_coco(1, {"cat": 17})


def test_a_frame_has_a_row_per_image_or_object():
    frame = predictions_to_pandas([LABELS, LABELS], ["a.png", "b.png"])
    assert frame.to_dict("records")[1] == {
        "image": "b.png", "label": "cat", "confidence": 0.75, "prob_dog": 0.25, "prob_cat": 0.75,
    }  # fmt: skip
    frame = predictions_to_pandas([found(with_masks=True, objects=0), found(with_masks=True)])
    assert frame["image"].tolist() == [1, 1]
    assert frame["label"].tolist() == ["cat", "dog"]
    assert frame.loc[1, ["x1", "y1", "x2", "y2", "width", "height"]].tolist() == [0.0, 0.0, 12.5, 8.0, WIDTH, HEIGHT]
    assert frame["rle"][0].startswith(f"{HEIGHT} {WIDTH} ")


def test_a_frame_without_objects_keeps_its_columns():
    nothing = found(with_masks=True, objects=0)
    frames = [predictions_to_pandas([each]) for each in (nothing, found(with_masks=True))]
    assert len(frames[0]) == 0
    assert list(frames[0]) == list(frames[1])


@pytest.mark.parametrize("package", ["pandas", "supervision"])
def test_a_missing_library_is_named_with_its_pip_line(package: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    with pytest.raises(MissingPackageError, match=f"{package} is not installed.*pip install {package}"):
        predictions_to_pandas([LABELS]) if package == "pandas" else LABELS.to_supervision()


@pytest.fixture(scope="module")
def model(shapes: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A packaged classifier."""
    root = tmp_path_factory.mktemp("model")
    spec = small_trial(root, shapes, number_of_epochs=1)
    train(spec, RecordingReporter())
    write_json(Path(spec.folder) / "spec.json", spec.model_dump())
    return package(spec.folder, root / "model")


@pytest.fixture(scope="module")
def files(shapes: Dataset) -> list[Path]:
    """Its images."""
    return [Path(image.location) for image in list(shapes)[::5]]


def _loaded(folder: Path, **config: object) -> Any:
    return mlflow.pyfunc.load_model(str(folder), model_config=config or None)


def _frame(values: list[Any]) -> Any:
    return pandas.DataFrame({"image": values})


def test_mlflow_predicts_what_the_predictor_predicts(model: Path, files: list[Path]):
    expected = [prediction.to_json() for prediction in Predictor(model)(files)]
    contents = [file.read_bytes() for file in files]
    loaded = _loaded(model)
    assert loaded.predict(_frame(contents)) == expected
    assert loaded.predict(_frame([base64.b64encode(data).decode() for data in contents])) == expected
    assert loaded.predict(_frame([base64.encodebytes(data).decode() for data in contents])) == expected


def test_mlflow_reads_signature_and_example(model: Path):
    info = mlflow.models.Model.load(str(model))
    assert info.signature.inputs.input_names() == ["image"]
    assert info.signature.outputs.input_names() == ["probs", "labels", "set"]
    example = info.load_input_example(str(model))
    (expected,) = Predictor(model)(base64.b64decode(example["image"][0]))
    assert _loaded(model).predict(example) == [expected.to_json()]
    assert json.loads(info.get_serving_input(str(model))).keys() == {"dataframe_split"}
    required = (model / "requirements.txt").read_text().splitlines()
    assert any(line.startswith("onnxruntime==") for line in required)


def test_paths_are_read_below_one_folder_only(model: Path, files: list[Path], tmp_path: Path):
    root = files[0].parent
    loaded = _loaded(model, image_folder=str(root), error_rate=0.1)
    (expected,) = Predictor(model, error_rate=0.1)(files[0])
    assert loaded.predict(_frame([files[0].name])) == [expected.to_json()]
    assert "set" in expected.to_json()
    Image.new("RGB", (32, 32)).save(tmp_path / "secret.png")
    (root / "link.png").unlink(missing_ok=True)
    (root / "link.png").symlink_to(tmp_path / "secret.png")
    try:
        for outside in (str(tmp_path / "secret.png"), "../secret.png", "link.png"):
            with pytest.raises(ImageError, match=r"row 0: .* is not below"):
                loaded.predict(_frame([outside]))
    finally:
        (root / "link.png").unlink()


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (b"no image", "row 1: "),
        ("photo.jpg", "row 1: a text must be the base64 code"),
        (7, "row 1: an image is bytes or text, not int"),
    ],
)
def test_an_unreadable_row_is_named(model: Path, files: list[Path], value: object, message: str):
    with pytest.raises(ImageError, match=message):
        _loaded(model).predict(_frame([files[0].read_bytes(), value]))


@pytest.mark.slow
def test_mlflow_serves_the_folder(model: Path, files: list[Path], tmp_path: Path):
    """A real server on loopback answers base64 with what the predictor returns, and an unreadable image with 400."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local"]
    log = tmp_path / "server.log"
    with log.open("wb") as output:
        server = subprocess.Popen(
            [*command, "-h", "127.0.0.1", "-p", str(port), "-w", "1"],
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}/ping", server, log)
        codes = [[base64.b64encode(file.read_bytes()).decode()] for file in files]
        body = {"dataframe_split": {"columns": ["image"], "index": list(range(len(files))), "data": codes}}
        status, answer = _post(f"http://127.0.0.1:{port}/invocations", body)
        assert (status, answer) == (200, {"predictions": [p.to_json() for p in Predictor(model)(files)]})
        body["dataframe_split"] = {"columns": ["image"], "data": [codes[0], ["/etc/hostname"]]}
        status, answer = _post(f"http://127.0.0.1:{port}/invocations", body)
        assert status == 400
        assert "row 1: a text must be the base64 code" in json.dumps(answer)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(30)


def _wait_for(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while True:
        assert server.poll() is None and time.monotonic() < deadline, log.read_text()[-2000:]
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                assert answer.status == 200
                return
        except OSError:
            time.sleep(0.5)


def _post(url: str, body: object) -> tuple[int, Any]:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_network_goes_on_in_pytorch(model: Path, files: list[Path]):
    """What `load_torch` returns computes what was exported, and learns."""
    predictor, network = Predictor(model), load_torch(model)
    inputs = np.concatenate([predictor.preprocess(file) for file in files])
    with torch.inference_mode():
        logits = network(torch.from_numpy(inputs)).numpy()
    np.testing.assert_allclose(logits, predictor.run(inputs)[0], atol=1e-4)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
    network.eval()  # batch norms keep their statistics, for a few images have none that hold from step to step
    losses = []
    for _ in range(5):
        loss = torch.nn.functional.cross_entropy(network(torch.from_numpy(inputs)), torch.zeros(len(files)).long())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]
