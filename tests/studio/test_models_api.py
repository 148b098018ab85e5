"""Registered models through the API: list, passport, gate, promotion, rule, log and download."""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from automl_vision import Dataset, Workspace
from automl_vision.serving.model_folder import ModelDescription
from automl_vision.studio.app import create_app
from colour_models import COLOUR_BLIND, GOOD, write_colour_images, write_colour_model
from studio_site import StudioWorkspace

RUN = "colours-1"
MARKUP = "# <script>alert(1)</script>\n\n![x](http://elsewhere.example/x.png)\n\n[go](javascript:alert(1))\n"
VERSIONS = "/api/v1/models/colours/versions"


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A studio with three versions of which the first one is in use, and a damaged one."""
    folder = tmp_path_factory.mktemp("workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        workspace = Workspace(folder)
        (workspace.runs_path / RUN).mkdir()
        data = write_colour_images(tmp_path_factory.mktemp("data"))
        Dataset.open(data).save(workspace.runs_path / RUN / "manifest.parquet")
        for i, weights in enumerate([GOOD, GOOD, COLOUR_BLIND, GOOD]):
            model = write_colour_model(folder / "made" / str(i), weights, card=MARKUP, run=RUN)
            workspace.models.register(model, "colours")
        workspace.models.alias("colours", "champion", 1, why="the first", action="promoted")
        damaged = workspace.models.download(workspace.models.get("colours:4"))
        (damaged / "model.json").write_text("{")
        with TestClient(create_app([workspace]), base_url="http://127.0.0.1", headers={"X-Studio": "1"}) as client:
            yield client


def judged(client: TestClient, version: int) -> dict[str, Any]:
    assert client.post(f"{VERSIONS}/{version}/gate", json={}).status_code == 202
    for _ in range(600):
        state: dict[str, Any] = client.get(f"{VERSIONS}/{version}/gate").json()
        if state["work"] is None or state["work"]["state"] not in ("waiting", "running"):
            return state
        time.sleep(0.1)
    raise AssertionError(state)


def test_the_list_says_what_is_in_use(colours: TestClient) -> None:
    page = colours.get("/api/v1/models").json()
    (model,) = page["items"]
    assert (page["total"], model["name"], model["champion"]["id"]) == (1, "colours", "colours:1")
    assert [version["number"] for version in model["versions"]] == [4, 3, 2, 1]
    assert model["versions"][0]["aliases"] == ["candidate"]
    assert "cannot be read" in model["versions"][0]["problem"]
    assert model["versions"][1]["problem"] is None and model["versions"][1]["latency_ms"] == 2.0


def test_a_damaged_version_still_has_its_facts(colours: TestClient) -> None:
    details = colours.get(f"{VERSIONS}/4").json()
    assert "cannot be read" in details["version"]["problem"]
    assert (details["folder"], details["classes"], details["lineage"]["run"]) == (None, [], RUN)


def test_the_passport_is_that_of_the_folder(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    name, number = studio_workspace.model.split(":")
    details = client.get(f"/api/v1/models/{name}/versions/{number}").json()
    passport = ModelDescription.load(Path(details["folder"]))
    assert details["classes"] == list(passport.classes)
    assert details["version"]["run"] == studio_workspace.sweep and details["version"]["run_is_here"]
    assert details["version"]["data_version"] == "shapes:1"
    assert passport.headline is not None
    metric, split, score = passport.headline
    assert details["metrics"][split][metric] == pytest.approx(score)
    assert details["version"]["score"] == pytest.approx(score)
    assert details["latency"] == passport.latency


def test_markup_in_a_card_is_text(colours: TestClient) -> None:
    html = colours.get(f"{VERSIONS}/1").json()["card_html"]
    assert "&lt;script&gt;" in html
    for forbidden in ("<script", "<img", 'href="javascript'):
        assert forbidden not in html


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("models/colour/versions", 404, 'Did you mean "colours"?'),
        ("models/colours/versions/9", 404, "has no version 9"),
        ("models/colours/versions/nobody", 404, 'has no alias "nobody"'),
        ("models/colours/versions/..%2F..%2Fmlflow.db", 404, ""),
        ("models/nothing/rule", 404, "no model is registered"),
        ("models/nothing/log", 404, "no model is registered"),
        ("models/colours/versions/1/gate?alias=a/b", 422, "alias"),
    ],
)
def test_what_is_not_there_is_said(colours: TestClient, path: str, status: int, detail: str) -> None:
    answer = colours.get(f"/api/v1/{path}")
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert detail in answer.json()["detail"]


def test_a_run_without_a_version_is_registered(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    waiting = client.get("/api/v1/unregistered-models").json()["items"]
    runs = [model["run"] for model in waiting]  # with those that other tests started
    assert studio_workspace.detection in runs and studio_workspace.sweep not in runs
    refused = client.post("/api/v1/models", json={"run": studio_workspace.detection, "name": "a b"})
    assert refused.status_code == 409 and "letters, digits" in refused.json()["detail"]


def test_the_folder_as_an_archive(colours: TestClient) -> None:
    answer = colours.get(f"{VERSIONS}/1/files.zip")
    assert answer.headers["content-disposition"] == 'attachment; filename="colours-1.zip"'
    archive = zipfile.ZipFile(io.BytesIO(answer.content))
    folder = Path(colours.get(f"{VERSIONS}/1").json()["folder"])
    assert archive.read("colours-1/model.onnx") == (folder / "model.onnx").read_bytes()


def test_a_challenger_is_judged_promoted_and_rolled_back(colours: TestClient) -> None:
    before = colours.get(f"{VERSIONS}/2/gate").json()
    assert (before["gate"], before["current"], before["images"], before["can_roll_back"]) == (
        None, "colours:1", 60, False,
    )  # fmt: skip
    early = colours.post(f"{VERSIONS}/2/promote", json={"why": "too early"})
    assert early.status_code == 409 and "has not been compared" in early.json()["detail"]
    state = judged(colours, 2)
    assert (state["gate"]["answer"], state["outdated"], state["gate"]["images"]) == ("yes", None, 60)
    change = colours.post(f"{VERSIONS}/2/promote", json={"why": "<b>as good</b>"}).json()
    assert (change["version"], change["previous"], change["action"]) == (2, 1, "promoted")
    after = colours.get(f"{VERSIONS}/2/gate").json()
    assert after["is_current"] and after["can_roll_back"]
    log = colours.get("/api/v1/models/colours/log").json()["items"]
    assert (log[0]["why"], log[0]["alias"]) == ("<b>as good</b>", "champion")
    back = colours.post("/api/v1/models/colours/rollback", json={"why": "as it was"}).json()
    assert (back["version"], back["action"]) == (1, "rolled back")


def test_the_gate_survives_the_server(colours: TestClient, tmp_path: Path) -> None:
    state = judged(colours, 3)
    workspace = Workspace(colours.get("/api/v1/system").json()["workspaces"][0]["path"])
    with TestClient(create_app([workspace]), base_url="http://127.0.0.1", headers={"X-Studio": "1"}) as later:
        assert later.get(f"{VERSIONS}/3/gate").json()["gate"] == state["gate"]


def test_the_rule_is_checked_field_by_field(colours: TestClient) -> None:
    rule = "/api/v1/models/colours/rule"
    found = colours.get(rule).json()
    assert found["is_default"] and {"margin", "at_least"} <= {setting["name"] for setting in found["settings"]}
    wrong = colours.put(rule, json={"margin": -1, "at_least": "equal", "marign": 0.1})
    assert wrong.status_code == 422
    assert {tuple(each["path"]) for each in wrong.json()["problems"]} == {("margin",), ("at_least",), ("marign",)}
    unfit = colours.put(rule, json={"metric": "iou"}).json()
    assert unfit["problems"][0]["path"] == ["metric"]
    kept = colours.put(rule, json={**found["rule"], "margin": 0.2}).json()
    assert not kept["is_default"] and kept["rule"]["margin"] == 0.2
    assert Path(kept["file"]).read_text() == kept["yaml"]
    assert colours.delete(rule).json()["is_default"]


def test_a_silent_registry_is_said_and_runs_are_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    client = TestClient(create_app([Workspace(tmp_path)]), base_url="http://127.0.0.1")
    answer = client.get("/api/v1/models")
    assert answer.status_code == 409 and "does not answer" in answer.json()["detail"]
    tried = client.get("/api/v1/triable-models").json()
    assert tried["items"] == [] and "does not answer" in tried["problem"]
    assert client.get("/api/v1/unregistered-models").json()["total"] == 0
