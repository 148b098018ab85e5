"""Model repositories on the real Triton server: its answers are the predictor's, directly and behind an endpoint."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from endpoints import MODELS, asking, photo
from triton_server import triton_server

from automl_vision import Predictor, export
from automl_vision.core.errors import PackagingError
from automl_vision.deployment.online.endpoint_folder import EndpointFolder
from automl_vision.deployment.online.triton_backend import BackendError, TritonNetwork
from automl_vision.deployment.triton import export_triton
from automl_vision.serving.model_folder import ModelDescription

SIZES = [(60, 50), (200, 90), (33, 120), (500, 500), (48, 40)]
PHOTOS = [photo(seed, size) for seed, size in enumerate(SIZES)]


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A model folder for each task."""
    place = tmp_path_factory.mktemp("models")
    return {task: make(place / task.removeprefix("image-")) for task, make in MODELS.items()}


@pytest.fixture(scope="module")
def server(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Triton server with all of them."""
    place = tmp_path_factory.mktemp("triton")
    for folder in models.values():
        export_triton(folder, place / "repositories")
    with triton_server(place / "repositories" / "python", place) as address:
        yield address


@pytest.mark.parametrize("task", MODELS)
def test_images_get_the_predictors_answer(server: str, models: dict[str, Path], task: str) -> None:
    from tritonclient import http as triton

    name = models[task].name
    expected = json.loads(json.dumps([each.to_json() for each in Predictor(models[task])(PHOTOS)]))
    client = triton.InferenceServerClient(server)
    config = client.get_model_config(name)
    assert (config["max_batch_size"], config["dynamic_batching"]["max_queue_delay_microseconds"]) == (16, 2000)
    for photos, wanted in [(PHOTOS, expected), (PHOTOS[:1], expected[:1]), (PHOTOS * 3, expected * 3)]:
        given = triton.InferInput("image", [len(photos), 1], "BYTES")
        given.set_data_from_numpy(np.array(photos, object)[:, None])
        found = [json.loads(text) for text in client.infer(name, [given]).as_numpy("predictions").ravel()]
        for one, right in zip(found, wanted, strict=True):
            if "probs" in right:
                np.testing.assert_allclose(one["probs"], right["probs"], rtol=1e-6)
            else:
                assert one == right
    broken = triton.InferInput("image", [1, 1], "BYTES")
    broken.set_data_from_numpy(np.array([[b"no image"]], object))
    with pytest.raises(triton.InferenceServerException, match="image 0: the file is not an image"):
        client.infer(name, [broken])
    client.close()


@pytest.mark.parametrize("task", MODELS)
def test_the_network_alone_gives_its_outputs(server: str, models: dict[str, Path], task: str) -> None:
    predictor = Predictor(models[task], runtime="onnx")
    network = TritonNetwork(f"triton://{server}", predictor.description, model=f"{models[task].name}-network")
    inputs = np.concatenate([predictor.preprocess(each) for each in PHOTOS])
    for batch in (inputs, inputs[:1]):
        for found, wanted in zip(network(batch), predictor.run(batch), strict=True):
            assert found.dtype == wanted.dtype
            np.testing.assert_allclose(found, wanted, rtol=1e-6)


@pytest.mark.parametrize("task", MODELS)
def test_an_endpoint_in_front_keeps_keys_and_formats(
    server: str, models: dict[str, Path], tmp_path: Path, task: str
) -> None:
    endpoint = EndpointFolder(tmp_path / "shapes")
    backend = f"triton://{server}/{models[task].name}-network"
    key = endpoint.deploy(models[task], "shapes:1", name="blue", backend=backend).keys["primary"]
    expected = json.loads(json.dumps([each.to_json() for each in Predictor(models[task])(PHOTOS)]))
    with asking(endpoint, key) as client:
        assert "triton://" in client.get("/").json()["deployments"][0]["plan"]
        answer = client.post("/score", files=[("image", ("a", data)) for data in PHOTOS])
        assert answer.status_code == 200, answer.text
        for one, right in zip(answer.json(), expected, strict=True):
            if "probs" in right:
                np.testing.assert_allclose(one["probs"], right["probs"], rtol=1e-6)
            else:
                assert one == right
        assert client.post("/score", content=PHOTOS[0], headers={"Authorization": ""}).status_code == 401


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://127.0.0.1:1", "is not the address of a Triton server"),
        ("triton://127.0.0.1:1", "failed on classification-network"),
        ("triton://SERVER/no-such", "failed on no-such"),
        ("triton://SERVER/object-detection-network", "and the model's are [3, 32, 32]"),
    ],
)
def test_another_server_is_refused(server: str, models: dict[str, Path], address: str, said: str) -> None:
    description = ModelDescription.load(models["image-classification"])
    with pytest.raises(BackendError) as raised:
        TritonNetwork(address.replace("SERVER", server), description, model="classification-network")
    assert said in str(raised.value)


def test_a_server_that_goes_away_is_a_bad_gateway(models: dict[str, Path], tmp_path: Path) -> None:
    endpoint = EndpointFolder(tmp_path / "shapes")
    folder = models["image-classification"]
    export_triton(folder, tmp_path / "repositories", name="shapes")
    place = tmp_path / "server"
    place.mkdir()
    with triton_server(tmp_path / "repositories" / "python", place) as address:
        key = endpoint.deploy(folder, "shapes:1", backend=f"triton://{address}").keys["primary"]
        client = asking(endpoint, key)
        ask = client.__enter__()
        assert ask.post("/score", content=PHOTOS[0]).status_code == 200
    answer = ask.post("/score", content=PHOTOS[0])
    assert (answer.status_code, "failed on shapes-network" in answer.json()["detail"]) == (502, True)
    client.__exit__(None, None, None)


def test_repositories_for_nvidias_images_name_the_networks_tensors(models: dict[str, Path], tmp_path: Path) -> None:
    folder = export(models["image-object-detection"], "triton", out=tmp_path / "out")
    network = folder / "onnx" / "object-detection-network"
    assert (network / "1" / "model.onnx").read_bytes() == (models["image-object-detection"] / "model.onnx").read_bytes()
    config = (network / "config.pbtxt").read_text()
    assert 'platform: "onnxruntime_onnx"' in config
    assert 'input [ { name: "input", data_type: TYPE_FP32, dims: [ 3, 40, 48 ] } ]' in config
    assert 'output [ { name: "labels", data_type: TYPE_INT64, dims: [ 3 ] } ]' in config
    with pytest.raises(PackagingError, match="name one with: --out"):
        export(models["image-object-detection"], "triton")
    with pytest.raises(PackagingError, match="cannot name a model of Triton"):
        export_triton(models["image-object-detection"], tmp_path, name="../x")
