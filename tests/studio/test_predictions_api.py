"""Predictions through the API: as the command answers, hostile files, explanations, and the labelling queue."""

from __future__ import annotations

import io
import json
import struct
import time
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from automl_vision import Dataset
from automl_vision.serving.command import predict_files
from automl_vision.studio.predictors import MAX_BYTES
from studio_site import StudioWorkspace

PREDICT = "/api/v1/predictions"


def a_photo(site: StudioWorkspace) -> Path:
    return sorted(site.photos.rglob("*.png"))[0]


def png_of(width: int, height: int) -> bytes:
    """A PNG whose header promises a size; there is nearly nothing in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("kind", ["version", "run", "detector"])
def test_it_answers_as_the_command_does(client: TestClient, studio_workspace: StudioWorkspace, kind: str) -> None:
    site = studio_workspace
    model = {"version": site.model, "run": site.sweep, "detector": site.detection}[kind]
    run = site.detection if kind == "detector" else site.sweep
    photo = a_photo(site)
    answer = client.post(PREDICT, params={"model": model}, content=photo.read_bytes()).json()
    (line,) = predict_files(site.run(run).model_path, [photo])
    said = json.loads(json.dumps(line))
    for field in {"probs", "labels", "boxes", "predicted"} & set(said):
        assert answer[field] == said[field]
    assert answer["milliseconds"]["network"] > 0
    assert (
        answer["milliseconds"]["total"] >= answer["milliseconds"]["network"] + answer["milliseconds"]["decode"] - 1e-6
    )


def test_sets_are_those_of_the_command(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    photo = a_photo(studio_workspace)
    (line,) = predict_files(studio_workspace.run(studio_workspace.sweep).model_path, [photo], error_rate=0.1)
    params = {"model": studio_workspace.model, "error_rate": "0.1"}
    assert client.post(PREDICT, params=params, content=photo.read_bytes()).json()["set"] == line["set"]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"not an image at all", "not an image of a known format"),
        (png_of(60_000, 60_000), "larger than"),
        (png_of(64, 64), "broken or truncated"),
        (b"GIF89a" + b"<script>alert(1)</script>" * 9, "image"),
        (b"%PDF-1.4\n" + png_of(8, 8), "not an image of a known format"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image of a known format"),
        (b"\xff\xd8\xff" + bytes(MAX_BYTES), "32 MB"),
    ],
    ids=["empty", "text", "bomb", "truncated", "polyglot", "pdf", "svg", "huge"],
)
@pytest.mark.parametrize("path", [PREDICT, "/api/v1/queue"])
def test_hostile_files_get_a_sentence(
    client: TestClient, studio_workspace: StudioWorkspace, path: str, data: bytes, why: str
) -> None:
    answer = client.post(path, params={"model": studio_workspace.model}, content=data)
    assert (answer.status_code, answer.json()["title"]) == (400, "ImageError")
    assert why in answer.json()["detail"]
    assert client.get("/api/v1/system").status_code == 200


def test_only_models_are_opened(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    data = a_photo(studio_workspace).read_bytes()
    for model in ("/etc", "../..", str(studio_workspace.run(studio_workspace.sweep).model_path), "shapes:99", "a@b:c"):
        assert client.post(PREDICT, params={"model": model}, content=data).status_code == 404, model


def test_what_can_be_tried(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    found = client.get("/api/v1/triable-models").json()
    assert found["problem"] is None
    assert {studio_workspace.model, studio_workspace.sweep, studio_workspace.detection} <= {
        model["id"] for model in found["items"]
    }


def test_an_explanation_lies_over_the_photo(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    import base64

    data = a_photo(studio_workspace).read_bytes()
    work = client.post("/api/v1/explanations", params={"model": studio_workspace.model}, content=data).json()
    for _ in range(600):
        work = client.get(f"/api/v1/work/{work['id']}").json()
        if work["state"] not in ("waiting", "running"):
            break
        time.sleep(0.1)
    assert work["state"] == "done", work
    heat = Image.open(io.BytesIO(base64.b64decode(work["result"]["heat"].partition(",")[2])))
    assert (heat.mode, heat.size) == ("RGBA", (48, 40)), "small photos are not enlarged"
    assert np.asarray(heat)[..., 3].max() > 0
    predicted = client.post(PREDICT, params={"model": studio_workspace.model}, content=data).json()["predicted"]
    assert [work["result"]["label"]] == predicted


def test_the_queue_from_photo_to_dataset(client: TestClient, studio_workspace: StudioWorkspace, tmp_path: Path) -> None:
    photos = sorted(studio_workspace.photos.rglob("*.png"))[:12]
    added = []
    for photo in photos:
        params = {"model": studio_workspace.model, "name": f"<i>{photo.name}</i>"}
        answer = client.post("/api/v1/queue", params=params, content=photo.read_bytes())
        assert answer.status_code == 201
        added.append(answer.json())
    assert added[0]["name"] == f"<i>{photos[0].name}</i>" and added[0]["model"] == studio_workspace.model
    listed = client.get("/api/v1/queue", params={"limit": 500}).json()["items"]
    assert {photo["id"] for photo in added} <= {photo["id"] for photo in listed}
    assert client.get(f"/api/v1/queue/{added[0]['id']}/image").content == photos[0].read_bytes()
    wrong = client.patch(f"/api/v1/queue/{added[0]['id']}", json={"correction": ["circle"]})
    assert wrong.status_code == 400 and "the name of a class" in wrong.json()["detail"]
    for i, photo in enumerate(added):
        client.patch(f"/api/v1/queue/{photo['id']}", json={"correction": ("square", "cross")[i % 2]})
    task = {"task": "image-classification"}
    archive = client.get("/api/v1/queue/export.zip", params=task)
    zipfile.ZipFile(io.BytesIO(archive.content)).extractall(tmp_path)
    assert Dataset.open(tmp_path).classes == ("cross", "square")
    made = client.post("/api/v1/queue/datasets", json={"name": "corrected-photos", **task})
    assert made.status_code == 201 and made.json()["images"] == 12
    for photo in added:
        assert client.delete(f"/api/v1/queue/{photo['id']}").status_code == 204
    assert client.get(f"/api/v1/queue/{added[0]['id']}/image").status_code == 400
