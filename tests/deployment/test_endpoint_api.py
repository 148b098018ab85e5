"""What an endpoint answers: predictions of all tasks, in every form of request, and a sentence where there is none."""

from __future__ import annotations

import base64
import io
import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from endpoints import MODELS, asking, made_endpoint, photo
from PIL import Image
from starlette.testclient import TestClient

from automl_vision import Predictor
from automl_vision.serving.model_folder import ModelDescription, PrecisionThreshold, SetThreshold
from model_folders import write_classifier
from processes import wait_for

PHOTOS = [photo(seed) for seed in range(3)]


def table(*images: bytes, **changes: Any) -> dict[str, Any]:
    data = [base64.b64encode(image).decode() for image in images]
    return {"input_data": {"columns": ["image"], "index": list(range(len(data))), "data": data} | changes}


def blank(side: int) -> bytes:
    """A PNG file that is short, and takes its time to be decoded."""
    buffer = io.BytesIO()
    Image.new("L", (side, side)).save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


@pytest.fixture(scope="module")
def log() -> list[dict[str, Any]]:
    return []


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory, log: list[dict[str, Any]]) -> Iterator[TestClient]:
    endpoint, key = made_endpoint(tmp_path_factory.mktemp("labels"))
    with asking(endpoint, key, log) as client:
        yield client


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    endpoint, key = made_endpoint(tmp_path_factory.mktemp("objects"), "image-object-detection")
    with asking(endpoint, key) as client:
        yield client


@pytest.mark.parametrize("task", MODELS)
def test_every_form_of_request_gets_the_predictors_answer(tmp_path: Path, task: str) -> None:
    endpoint, key = made_endpoint(tmp_path, task)
    expected = [prediction.to_json() for prediction in Predictor(tmp_path / "model")(PHOTOS)]
    expected = json.loads(json.dumps(expected))
    with asking(endpoint, key) as client:
        one = client.post("/score", content=PHOTOS[0], headers={"content-type": "image/png"})
        assert (one.status_code, one.headers["x-deployment"], one.headers["x-model"]) == (200, "blue", "shapes:1")
        form = client.post("/score", files=[("image", (f"{i}.png", data)) for i, data in enumerate(PHOTOS)])
        rows = client.post("/score", json=table(*PHOTOS))
        pandas = client.post(
            "/score", json=table(data=[[base64.b64encode(each).decode()] for each in PHOTOS], index=None)
        )
    for answer, wanted in [(one, expected[:1]), (form, expected), (rows, expected), (pandas, expected)]:
        assert answer.status_code == 200, answer.text
        assert [each.keys() for each in answer.json()] == [each.keys() for each in wanted]
        for found, right in zip(answer.json(), wanted, strict=True):
            if "probs" in right:
                assert found["labels"] == right["labels"]
                np.testing.assert_allclose(found["probs"], right["probs"], rtol=1e-6)
            else:
                assert found == right


@pytest.mark.parametrize(
    ("body", "kind", "status", "said"),
    [
        (b"", "image/png", 400, "image 0: the file is empty"),
        (b"no image", "image/png", 400, "not an image of a known format"),
        (PHOTOS[0][:200], "image/png", 400, "broken or truncated"),
        (PHOTOS[0], "text/html", 415, '"text/html" is not understood'),
        (b"{", "application/json", 400, "the JSON must be"),
        (b"[" * 100_000, "application/json", 400, "the JSON must be"),
        (json.dumps(table()).encode(), "application/json", 400, "no image"),
        (
            json.dumps(table(data=["/etc/passwd"], index=None)).encode(),
            "application/json",
            400,
            "paths and addresses are not opened",
        ),
        (json.dumps(table(data=["http://x/y.png"], index=[0])).encode(), "application/json", 400, "is not base64"),
        (json.dumps(table(PHOTOS[0], columns=["file"])).encode(), "application/json", 400, "columns must be"),
        (json.dumps(table(PHOTOS[0], index=[0, 1])).encode(), "application/json", 400, "index has 2 entries"),
        (json.dumps(table(PHOTOS[0], b"x")).encode(), "application/json", 400, "image 1: "),
        (json.dumps(table(data=["eA=="] * 65, index=None)).encode(), "application/json", 413, "at most 64 images"),
        (b"--x--", "multipart/form-data; boundary=x", 400, "no image"),
        (b"--x\r\nnonsense", "multipart/form-data; boundary=x", 400, ""),
        (b"--x", "multipart/form-data", 400, "form cannot be read"),
    ],
)
def test_bad_requests_are_told_what_is_wrong(
    labels: TestClient, body: bytes, kind: str, status: int, said: str
) -> None:
    answer = labels.post("/score", content=body, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert said in answer.json()["detail"]
    assert answer.headers["content-type"] == "application/problem+json"


def test_an_image_with_too_many_pixels_is_refused_before_it_is_decoded(labels: TestClient) -> None:
    bomb = blank(9000)
    assert len(bomb) < 1_000_000
    answer = labels.post("/score", content=bomb)
    assert (answer.status_code, "larger than 64,000,000 pixels" in answer.json()["detail"]) == (400, True)


def test_a_body_that_is_too_long_is_refused_by_its_announcement(labels: TestClient) -> None:
    answer = labels.post("/score", content=b"x", headers={"content-length": "40000000"})
    assert (answer.status_code, answer.headers["connection"]) == (413, "close")


def test_objects_are_drawn_and_take_a_threshold(objects: TestClient) -> None:
    answer = objects.post("/score", content=PHOTOS[0], params={"draw": True})
    assert answer.headers["content-type"] == "image/jpeg"
    drawn = Image.open(io.BytesIO(answer.content))
    assert drawn.size == (60, 50)
    plain = Image.open(io.BytesIO(PHOTOS[0])).convert("RGB")
    assert np.abs(np.asarray(drawn, int) - np.asarray(plain, int)).max() > 60
    counts = [
        len(objects.post("/score", content=PHOTOS[0], params=p).json()[0]["boxes"])
        for p in ({}, {"score_threshold": 0.7}, {"score_threshold": 0.02})
    ]
    assert counts == [2, 1, 3]


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"draw": True}, "nothing to draw"),
        ({"score_threshold": 0.5}, "for models that find objects"),
        ({"error_rate": 0.1}, "makes no prediction sets"),
        ({"min_precision": 0.9}, "no threshold for a precision of 0.9; it has: none"),
        ({"min_precision": 0.9, "score_threshold": 0.5}, "leave one out"),
    ],
)
def test_what_does_not_suit_the_model_is_refused(labels: TestClient, parameters: dict[str, Any], said: str) -> None:
    answer = labels.post("/score", content=PHOTOS[0], params=parameters)
    assert (answer.status_code, said in answer.json()["detail"]) == (400, True), answer.text


def test_prediction_sets_are_made_on_request(tmp_path: Path) -> None:
    endpoint, key = made_endpoint(tmp_path)
    (folder,) = (endpoint.path / "models").iterdir()
    description = ModelDescription.load(folder)
    object.__setattr__(description, "prediction_sets", (SetThreshold(0.1, 1e-4, 50),))
    description.save(folder)
    with asking(endpoint, key) as client:
        (found,) = client.post("/score", content=PHOTOS[0], params={"error_rate": 0.2}).json()
        assert found["set"] == [
            label
            for prob, label in sorted(zip(found["probs"], found["labels"], strict=True), reverse=True)
            if prob >= 1e-4
        ]
        assert "set" not in client.post("/score", content=PHOTOS[0]).json()[0]


@pytest.mark.parametrize("task", ["image-classification", "image-object-detection"])
def test_a_wanted_precision_takes_the_next_stricter_threshold(tmp_path: Path, task: str) -> None:
    endpoint, key = made_endpoint(tmp_path, task)
    folder = endpoint.model_folder(endpoint.definition().deployments["blue"])
    chosen = (PrecisionThreshold(0.5, 0.01, 30), PrecisionThreshold(0.9, 0.7, 30), PrecisionThreshold(0.95, 0.9999, 30))
    replace(ModelDescription.load(folder), precision_thresholds=chosen).save(folder)
    with asking(endpoint, key) as client:

        def answer(wanted: float) -> Any:
            return client.post("/score", content=PHOTOS[0], params={"min_precision": wanted}).json()[0]

        least, middle, most = (answer(wanted) for wanted in (0.5, 0.8, 0.95))
        refused = client.post("/score", content=PHOTOS[0], params={"min_precision": 0.96})
    assert refused.status_code == 400 and "it has: 0.5, 0.9, 0.95" in refused.json()["detail"]
    if "boxes" in least:
        assert [len(each["boxes"]) for each in (least, middle, most)] == [3, 1, 0]
    else:
        best = least["labels"][int(np.argmax(least["probs"]))]
        assert (least["predicted"], most["predicted"]) == ([best], [])
        assert middle["predicted"] == ([best] if max(middle["probs"]) >= 0.7 else [])


def test_an_explanation_is_a_picture_and_a_map(labels: TestClient, objects: TestClient) -> None:
    for client in (labels, objects):
        found = client.post("/explain", content=PHOTOS[0]).json()
        assert Image.open(io.BytesIO(base64.b64decode(found["picture"]))).size == (60, 50)
        assert np.array(found["attributions"]).shape == (50, 60)
        assert (found["box"] is None) == (client is labels)
    refused = labels.post("/explain", content=PHOTOS[0], params={"method": "magic"})
    assert (refused.status_code, "no method of explanation" in refused.json()["detail"]) == (400, True)
    assert labels.post("/explain", content=b"x").status_code == 400


def test_only_those_with_a_key_are_answered(labels: TestClient) -> None:
    for headers in ({"Authorization": ""}, {"Authorization": "Bearer amv_wrong"}, {"Authorization": "Basic eDp5"}):
        for method, path in [
            ("POST", "/score"),
            ("GET", "/"),
            ("GET", "/metrics"),
            ("GET", "/openapi.json"),
            ("GET", "/v2"),
        ]:
            answer = labels.request(method, path, headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
    assert labels.get("/health/live", headers={"Authorization": ""}).json()["status"] == "live"


def test_answers_have_ids_and_are_logged_without_secrets(labels: TestClient, log: list[dict[str, Any]]) -> None:
    answer = labels.post("/score?error_rate=7", content=PHOTOS[0], headers={"x-request-id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    labels.post("/score", content=PHOTOS[0], headers={"x-request-id": "two words\n"})
    refused, good = log[-2:]
    assert (refused["id"], refused["status"], refused["key"], refused["path"]) == ("mine-1", 422, "primary", "/score")
    assert (good["status"], good["deployment"], good["images"], " " in good["id"]) == (200, "blue", 1, False)
    assert {"read_ms", "decode_ms", "queue_ms", "network_ms", "ms"} <= good.keys()
    assert labels.headers["authorization"].removeprefix("Bearer ") not in json.dumps(log)
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_what_is_counted_can_be_read(labels: TestClient) -> None:
    before = labels.get("/metrics").text
    labels.post("/score", json=table(*PHOTOS))
    after = labels.get("/metrics").text

    def value(text: str, name: str) -> float:
        return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith(name))

    images = 'automl_vision_images_total{deployment="blue"}'
    assert value(after, images) - value(before, images) == 3
    for stage in ("read", "decode", "queue", "network", "answer", "total"):
        name = f'automl_vision_stage_seconds_count{{deployment="blue",stage="{stage}"}}'
        assert value(after, name) - value(before, name) == 1
    assert value(after, "automl_vision_definition_is_usable") == 1


def test_a_key_has_a_rate(tmp_path: Path) -> None:
    endpoint, key = made_endpoint(tmp_path)
    endpoint.limit_key("primary", per_second=None, per_day=2)
    with asking(endpoint, key) as client:
        answers = [client.post("/score", content=PHOTOS[0]) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert 0 < int(answers[2].headers["retry-after"]) <= 86_400


def test_traffic_is_shared_and_mirrored(tmp_path: Path) -> None:
    endpoint, key = made_endpoint(tmp_path)
    other = write_classifier(tmp_path / "other", seed=5)
    endpoint.deploy(other, "shapes:2", name="green", share=50, mirror=100)
    with asking(endpoint, key) as client:
        answers = [client.post("/score", content=PHOTOS[0], headers={"x-request-id": f"r{i}"}) for i in range(40)]
        counts = {name: sum(a.headers["x-deployment"] == name for a in answers) for name in ("blue", "green")}
        assert min(counts.values()) > 5  # 1 in 100,000 fails it by chance
        named = client.post("/score", content=PHOTOS[0], headers={"X-Deployment": "green"})
        assert named.headers["x-model"] == "shapes:2"
        unknown = client.post("/score", content=PHOTOS[0], headers={"X-Deployment": "gren"})
        assert (unknown.status_code, 'Did you mean "green"' in unknown.json()["detail"]) == (404, True)
        record = endpoint.path / "shadow" / "green.jsonl"
        wait_for(lambda: record.exists() and len(record.read_text().splitlines()) == counts["blue"], 20)
    pairs = [json.loads(line) for line in record.read_text().splitlines()]
    given = {answer.headers["x-request-id"]: answer.json() for answer in answers}
    for pair in pairs:
        assert (pair["answered_by"], pair["answer"]) == ("blue", given[pair["request"]])
        assert pair["mirrored"] == named.json()


def test_a_full_queue_says_when_to_come_again(tmp_path: Path) -> None:
    endpoint, key = made_endpoint(tmp_path)
    definition = endpoint.definition()
    limits = definition.limits.model_copy(update={"max_queue": 4})
    endpoint.change(definition.changed(limits=limits), "a short queue")
    statuses: list[int] = []
    big = blank(2000)
    with asking(endpoint, key) as client:

        def ask() -> None:
            answer = client.post("/score", json=table(big, big, big))
            statuses.append(answer.status_code)
            if answer.status_code == 429:
                assert int(answer.headers["retry-after"]) >= 1

        threads = [threading.Thread(target=ask) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(statuses) == {200, 429}
        assert client.post("/score", content=PHOTOS[0]).status_code == 200  # there is room again


def test_what_takes_too_long_is_given_up(tmp_path: Path) -> None:
    endpoint, key = made_endpoint(tmp_path)
    definition = endpoint.definition()
    limits = definition.limits.model_copy(update={"request_timeout_s": 0.001})
    endpoint.change(definition.changed(limits=limits), "no patience")
    with asking(endpoint, key) as client:
        answer = client.post("/score", json=table(*[blank(2000)] * 8))
        assert (answer.status_code, "no answer within 0.001 s" in answer.json()["detail"]) == (504, True)
