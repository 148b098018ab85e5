"""An endpoint as a model of Label Studio: what it shows to people, and which images it fetches."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

import pytest
from endpoints import MODELS, asking, made_endpoint, photo

from automl_vision.core.tasks import TASKS
from automl_vision.data.annotations import Annotations
from automl_vision.deployment.label_studio import shown_prediction
from automl_vision.formats.tools.label_studio_regions import contents_of
from automl_vision.serving.model_folder import LabelingThreshold, ModelDescription
from automl_vision.serving.predictor import Predictor
from loopback import serving

TOKEN = "0" * 40


class _Files(BaseHTTPRequestHandler):
    """Serves one image to whom has the token, as Label Studio does."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        is_known = self.headers.get("Authorization") == f"Token {TOKEN}"
        self.send_response(200 if is_known else 401)
        self.end_headers()
        if is_known:
            self.wfile.write(photo(1))

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
    with serving(_Files) as url:
        yield url


def asked(*addresses: str) -> dict[str, Any]:
    """The body that Label Studio sends."""
    tasks = [{"id": i, "data": {"image": address}} for i, address in enumerate(addresses)]
    return {"tasks": tasks, "project": "1.2", "label_config": "<View/>", "params": {"login": None}}


@pytest.mark.parametrize("task", MODELS)
def test_people_see_what_the_model_predicts(task: str, files: str, tmp_path: Path) -> None:
    endpoint, key = made_endpoint(tmp_path, task)
    endpoint.change(endpoint.definition().changed(labeling={"server": files}), "named the server")
    basic = base64.b64encode(f"key:{key}".encode()).decode()
    with asking(endpoint, None) as client:
        assert client.get("/health").status_code == 401
        assert client.post("/webhook", content=b"{never read").json() == {"status": "ignored"}, "it sends no key there"
        assert client.get("/webhook").status_code == 405
        client.headers["Authorization"] = f"Basic {basic}"
        assert client.get("/health").json()["status"] == "UP"
        setup = {"project": "1.2", "schema": "<View/>", "hostname": "http://elsewhere", "access_token": "x"}
        assert client.post("/setup", json=setup).json() == {"model_version": "shapes:1"}
        assert client.get("/versions").json() == {"versions": ["shapes:1"]}
        answer = client.post("/predict", json=asked("/data/local-files/?d=a.png"))
    (prediction,) = Predictor(tmp_path / "model")([photo(1)])
    assert answer.json() == {"results": [shown_prediction(prediction, task, "shapes:1")], "model_version": "shapes:1"}
    labels, objects, _ = contents_of(
        answer.json()["results"][0]["result"], "a", Annotations(TASKS[task].kind, relative=True)
    )
    assert labels == (() if TASKS[task].labels_objects else prediction.predicted)
    assert [each.label for each in objects] == (list(prediction.predicted) if TASKS[task].labels_objects else [])


def test_images_of_a_server_below_a_path_are_fetched_there(files: str, tmp_path: Path) -> None:
    endpoint, key = made_endpoint(tmp_path)
    endpoint.change(endpoint.definition().changed(labeling={"server": f"{files}/label-studio/"}), "named the server")
    with asking(endpoint, key) as client:
        for address in ("/data/a.png", "/label-studio/data/a.png"):
            assert client.post("/predict", json=asked(address)).status_code == 200
        assert client.post("/predict", json=asked("/label-studio/../data/a.png")).status_code == 502
    assert _Files.asked[-2:] == ["/label-studio/data/a.png"] * 2


def test_objects_are_shown_from_the_score_that_spares_work(files: str, tmp_path: Path) -> None:
    endpoint, key = made_endpoint(tmp_path, "image-object-detection")
    endpoint.change(endpoint.definition().changed(labeling={"server": files}), "named the server")
    folder = endpoint.model_folder(endpoint.definition().deployment("blue"))
    shown = {}
    for threshold in (0.01, 0.7):
        description = ModelDescription.load(folder)
        replace(description, labeling=LabelingThreshold(threshold, 4.7, 5.2, 10)).save(folder)
        with asking(endpoint, key) as client:
            answer = client.post("/predict", json=asked("/data/a.png")).json()
            shown[threshold] = [each["score"] for each in answer["results"][0]["result"]]
    assert shown[0.01] == pytest.approx([0.9, 0.6, 0.04])
    assert shown[0.7] == pytest.approx([0.9])


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("http://169.254.169.254/a.png", "are not fetched"),
        ("file:///etc/passwd", "are not fetched"),
        ("//elsewhere/a.png", "are not fetched"),
        (None, "has the address of its image"),
    ],
)
def test_images_of_other_places_are_not_fetched(address: Any, sentence: str, files: str, tmp_path: Path) -> None:
    endpoint, key = made_endpoint(tmp_path)
    endpoint.change(endpoint.definition().changed(labeling={"server": files}), "named the server")
    with asking(endpoint, key) as client:
        answer = client.post("/predict", json=asked(address))
        assert answer.status_code == 400
        assert sentence in answer.json()["detail"]


def test_without_a_server_nothing_is_fetched(tmp_path: Path) -> None:
    endpoint, key = made_endpoint(tmp_path)
    with asking(endpoint, key) as client:
        answer = client.post("/predict", json=asked("/data/a.png"))
        assert answer.status_code == 400
        assert "under labeling" in answer.json()["detail"]
        assert client.post("/predict", json={"tasks": 1}).status_code == 400
