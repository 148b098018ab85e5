"""Endpoints in the studio's API."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from automl_vision import Workspace, deploy
from automl_vision.deployment.monitoring.store import Sample
from automl_vision.deployment.online.endpoint_folder import EndpointFolder, Endpoints
from automl_vision.serving.observations import Observations, Observer, Reference
from automl_vision.studio.app import create_app
from model_folders import write_classifier


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> EndpointFolder:
    """An endpoint that saw forty images of which the last twenty are bright."""
    place = tmp_path_factory.mktemp("endpoints")
    model = write_classifier(place / "model")
    observer = Observer(model)

    def seen(colours: np.ndarray) -> list[Observations]:
        images = [Image.new("RGB", (40, 40), tuple(colour)) for colour in colours.tolist()]
        return [observer.observe(observer.processor.preprocess(image))[0] for image in images]

    random = np.random.default_rng(0)
    known = Observations.join(seen(random.integers(0, 120, (40, 3))))
    Reference(known, known.answers, known.answers, known.confidence).save(model)
    deploy(model, "shapes", name="blue", workspace=place / "ws")
    endpoint = Endpoints(place / "ws").get("shapes")
    definition = endpoint.definition()
    store = endpoint.samples("blue", definition.monitoring)
    for each in (*seen(random.integers(0, 120, (20, 3))), *seen(random.integers(180, 250, (20, 3)))):
        store.add(Sample(9.0, "r", definition.deployments["blue"].folder, each, {"predicted": []}))
    return endpoint


@pytest.fixture(scope="module")
def client(folder: EndpointFolder) -> TestClient:
    return TestClient(create_app([Workspace(folder.path.parents[1])]), base_url="http://127.0.0.1")


def test_endpoints_are_listed_without_secrets(client: TestClient, folder: EndpointFolder) -> None:
    (found,) = client.get("/api/v1/endpoints").json()["endpoints"]
    assert (found["name"], found["needs_key"], found["problem"]) == ("shapes", True, None)
    assert found["deployments"] == [
        {"name": "blue", "model": "model", "traffic": 100, "mirror": 0, "backend": None, "samples": 40}
    ]
    assert [key["name"] for key in found["keys"]] == ["primary", "secondary"]
    assert found["changes"][0]["what"] == "deployed model as blue"
    digests = folder.keys_file.read_text()
    assert "digest" in digests and "digest" not in str(found)


def test_a_check_tells_what_has_changed(client: TestClient) -> None:
    found = client.get("/api/v1/endpoints/shapes/drift", params={"newest": 20}).json()
    assert (found["deployment"], found["samples"], found["is_alarm"]) == ("blue", 20, True)
    assert next(each for each in found["changes"] if each["name"] == "brightness")["has_changed"]
    assert not found["is_estimate_trusted"]
    assert 0 <= found["right_now"]["low"] <= found["right_now"]["value"] <= found["right_now"]["high"] <= 1
    assert len(found["shares"]) == 3


def test_what_does_not_exist_is_not_found(client: TestClient) -> None:
    assert client.get("/api/v1/endpoints/shap/drift").status_code == 404
    answer = client.get("/api/v1/endpoints/shapes/drift", params={"deployment": "bleu"})
    assert (answer.status_code, 'Did you mean "blue"?' in answer.json()["detail"]) == (404, True)


def test_a_broken_definition_is_told(client: TestClient, folder: EndpointFolder) -> None:
    text = folder.definition_file.read_text()
    folder.definition_file.write_text(text.replace("blue: 100", "blue: 50"))
    (found,) = client.get("/api/v1/endpoints").json()["endpoints"]
    folder.definition_file.write_text(text)
    assert "sum to 100, not to 50" in found["problem"]
