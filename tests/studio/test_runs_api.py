"""Runs over the API: lists, boards, figures, files, and what is done with a run."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from automl_vision import Workspace
from automl_vision.runs.leaderboard import SPLITS
from automl_vision.studio.app import create_app
from command_line import run_command
from studio_site import StudioWorkspace
from written_runs import begun_trial, many_runs, written_run


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace with nothing in it."""
    return Workspace(tmp_path / "workspace")


@pytest.fixture
def api(workspace: Workspace) -> TestClient:
    """The API on it."""
    return TestClient(create_app([workspace]), headers={"X-Studio": "1"}, base_url="http://127.0.0.1")


def answer(client: TestClient, path: str, status: int = 200) -> Any:
    found = client.get(f"/api/v1{path}")
    assert found.status_code == status, found.text
    return found.json()


def test_a_list_is_filtered_sorted_and_paged(workspace: Workspace, api: TestClient) -> None:
    assert answer(api, "/runs") == {"items": [], "total": 0, "next": None}
    many_runs(workspace.path, runs=12, trials=4)
    found = answer(api, "/runs?status=Failed&limit=5")
    assert [(run["id"], run["reason"]) for run in found["items"]] == [("small-9", "the disk is full")]
    names = [run["id"] for run in answer(api, "/runs?text=SMALL&order=id&descending=false")["items"]]
    assert names == sorted(f"small-{number}" for number in range(11))
    first = answer(api, "/runs?order=trials&limit=5")
    assert (first["items"][0]["id"], first["items"][0]["trials"], first["total"], first["next"]) == (
        "large-1",
        4,
        12,
        5,
    )
    pages = [run["id"] for cursor in (0, 5, 10) for run in answer(api, f"/runs?limit=5&cursor={cursor}")["items"]]
    assert len(set(pages)) == 12
    assert [run["id"] for run in answer(api, "/runs?experiment=large")["items"]] == ["large-1"]
    assert "order" in answer(api, "/runs?order=colour", 422)["detail"]
    counted = {each["name"]: each["runs"] for each in answer(api, "/experiments")["items"]}
    assert counted == {"large": 1, "small 0": 3, "small 1": 3, "small 2": 3, "small 3": 2}


@pytest.mark.parametrize(
    ("query", "options"),
    [
        ("", ()),
        ("?metric=f1_macro&metric=auc_macro", ("--metric", "f1_macro", "--metric", "auc_macro")),
        ("?max_latency_ms=1000&max_size_mb=0.9", ("--max-ms", "1000", "--max-mb", "0.9")),
    ],
)
def test_a_board_equals_the_command_character_by_character(
    client: TestClient, studio_workspace: StudioWorkspace, query: str, options: tuple[str, ...]
) -> None:
    run_id, folder = studio_workspace.sweep, studio_workspace.workspace.path
    told = run_command("leaderboard", run_id, *options, "--json", "--workspace", folder)
    assert told.returncode == 0, told.stderr
    found = answer(client, f"/runs/{run_id}{query}")
    assert json.dumps(found["rows"], indent=2, ensure_ascii=False) + "\n" == told.stdout
    assert found["note"] == told.stderr.strip()


def test_a_run_says_which_trial_to_take(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    run = studio_workspace.run(studio_workspace.sweep)
    found, verdict = answer(client, f"/runs/{run.id}"), run.verdict()
    assert verdict is not None
    assert found["verdict"]["recommended"] == verdict.recommended
    assert found["verdict"]["sentence"] == verdict.sentence
    assert found["verdict"]["reason"] == verdict.reason
    assert found["differing"] == ["learning_rate"]
    assert found["metric_names"][0] == "accuracy"
    assert (found["has_model"], found["is_canceling"]) == (True, False)
    assert found["model_trial"] == run.folder.record().best_trial
    assert found["finished"] == found["trials"] == 3
    none = answer(client, f"/runs/{run.id}?max_latency_ms=0.000001")
    assert (none["rows"], none["verdict"]) == ([], None)
    assert none["note"].startswith("no measured trial has at most 1e-06 ms per image")


@pytest.mark.parametrize(
    ("path", "status", "detail"),
    [
        ("?metric=acuracy", 422, 'no trial has the metric "acuracy". Did you mean "accuracy"?'),
        ("?max_latency_ms=-1", 422, "greater than 0"),
        ("?max_size_mb=nan", 422, "max_size_mb"),
        ("/figures", 422, "name"),
        ("/figures?name=colours", 422, "board"),
        ("/figures/colours", 404, "choose from board, latency"),
        ("/files?folder=nothing", 404, 'has no folder "nothing"'),
        ("/files?folder=..", 404, 'has no folder ".."'),
        ("/files/..%2F..%2Fmlflow.db", 404, 'has no file "../../mlflow.db"'),
        ("/files/%2Fetc%2Fpasswd", 404, "has no file"),
        ("/files/events.json", 404, 'Did you mean "events.jsonl"?'),
        ("/files/a%00b", 404, "has no file"),
        (f"/files/{'a' * 3000}", 404, "has no file"),
        (f"/files?folder={'a' * 400}", 404, "has no folder"),
    ],
)
def test_what_is_not_there_says_so(
    client: TestClient, studio_workspace: StudioWorkspace, path: str, status: int, detail: str
) -> None:
    assert detail in answer(client, f"/runs/{studio_workspace.sweep}{path}", status)["detail"]


def test_figures_come_with_the_reasons_of_those_that_cannot_be_drawn(
    client: TestClient, studio_workspace: StudioWorkspace
) -> None:
    found = answer(client, f"/runs/{studio_workspace.sweep}/figures?name=latency&name=importance")
    assert list(found["figures"]) == ["latency"]
    assert found["missing"] == {"importance": "the importance of hyperparameters needs 10 trials with a score, not 3"}
    points = [trace["customdata"] for trace in found["figures"]["latency"]["data"] if "customdata" in trace]
    assert sorted(point[0] for part in points for point in part) == [0, 1, 2]
    alone = answer(client, f"/runs/{studio_workspace.sweep}/figures/latency")
    assert alone == found["figures"]["latency"]


def test_what_a_run_has_written(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    run = studio_workspace.run(studio_workspace.sweep)
    messages = answer(client, f"/runs/{run.id}/messages")
    assert messages["total"] == len(run.get_messages())
    assert any("3 classes, images:" in message["text"] for message in messages["items"])
    assert {message["trial"] for message in messages["items"]} == {None, 0, 1, 2}
    times = [message["time"] for message in messages["items"]]
    assert times == sorted(times, reverse=True)
    assert answer(client, f"/runs/{run.id}/log") == {"text": run.get_log()}
    entries = answer(client, f"/runs/{run.id}/files")["items"]
    assert [entry["name"] for entry in entries if entry["is_folder"]][-1] == "trials"
    size = next(entry["bytes"] for entry in entries if entry["name"] == "status.json")
    assert size == (run.folder.path / "status.json").stat().st_size
    trials = answer(client, f"/runs/{run.id}/files?folder=trials")["items"]
    assert [entry["name"] for entry in trials] == ["trials/0", "trials/1", "trials/2"]
    file = client.get(f"/api/v1/runs/{run.id}/files/trials/0/result.json")
    assert file.content == (run.folder.trial(0).path / "result.json").read_bytes()
    assert file.headers["content-disposition"] == 'attachment; filename="result.json"'
    settings = answer(client, f"/runs/{run.id}/settings")
    assert settings["job_problem"] is None
    assert "type: grid" in settings["job"]
    assert "manifest:" in settings["specification"]


def test_a_run_of_another_version_has_no_job(workspace: Workspace, api: TestClient) -> None:
    written_run(workspace, "old", trials=1)
    settings = answer(api, "/runs/old/settings")
    assert settings["job"] is None
    assert "run old was made by another version" in settings["job_problem"]


def test_a_model_is_downloaded_whole(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    model = studio_workspace.run(studio_workspace.sweep).model_path
    found = client.get(f"/api/v1/runs/{studio_workspace.sweep}/model.zip")
    assert found.headers["content-disposition"] == f'attachment; filename="{studio_workspace.sweep}.zip"'
    with zipfile.ZipFile(io.BytesIO(found.content)) as archive:
        assert archive.testzip() is None
        read = {name: archive.read(name) for name in archive.namelist()}
    written = {f"model/{file.relative_to(model)}": file.read_bytes() for file in model.rglob("*") if file.is_file()}
    assert read == written


def test_what_has_no_model_is_not_downloaded(workspace: Workspace, api: TestClient) -> None:
    written_run(workspace, "bare", trials=0, status="Failed", reason="no image is usable")
    assert 'run "bare" has no model' in answer(api, "/runs/bare/model.zip", 404)["detail"]


def test_a_model_is_registered(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    path, run = "/api/v1/models", {"run": studio_workspace.sweep}
    bad = client.post(path, json={**run, "name": "two words"})
    assert bad.status_code == 409, bad.text
    done = client.post(path, json={**run, "name": "from-the-page", "tags": {"why": "a test"}}).json()
    assert (done["name"], done["number"]) == ("from-the-page", 1)
    assert studio_workspace.workspace.models.get("from-the-page:1").lineage.run == studio_workspace.sweep
    assert client.post(path, json={**run, "name": "from-the-page"}).json()["number"] == 2


def test_a_report_is_written_in_the_background(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    work = client.post(f"/api/v1/runs/{studio_workspace.sweep}/report").json()
    assert (work["kind"], work["title"]) == ("report", f"Write the report of {studio_workspace.sweep}")
    while (work := answer(client, f"/work/{work['id']}"))["state"] in ("waiting", "running"):
        time.sleep(0.05)
    assert (work["state"], work["has_file"]) == ("done", True), work
    page = client.get(f"/api/v1/work/{work['id']}/file").text
    assert "<h2" in page
    assert studio_workspace.sweep in page
    again = client.post(f"/api/v1/runs/{studio_workspace.sweep}/report").json()
    assert (again["id"], again["state"]) == (work["id"], "done")


def test_a_run_is_canceled(workspace: Workspace, api: TestClient) -> None:
    folder = written_run(workspace, "gone", trials=1, status="Running", ended=None)
    begun_trial(folder, 1)
    assert answer(api, "/runs/gone")["status"] == "Interrupted"
    assert api.post("/api/v1/runs/gone/cancel").json() == {"status": "Canceled", "is_canceling": False}
    assert answer(api, "/runs/gone")["reason"] == "canceled by the user"

    folder.update(status="Running")
    with folder.lock.hold():  # a process that takes its time
        assert api.post("/api/v1/runs/gone/cancel").json() == {"status": "Running", "is_canceling": True}
        assert answer(api, "/runs/gone")["is_canceling"] is True
        refused = api.post("/api/v1/runs/gone/resume")
    assert (refused.status_code, refused.json()["title"]) == (422, "ConfigError")  # its specification is not whole


def test_what_works_is_listed(workspace: Workspace, api: TestClient) -> None:
    assert answer(api, "/activity") == {"runs": []}
    folder = written_run(workspace, "busy", trials=2, status="Running", ended=None)
    written_run(workspace, "done", trials=1)
    assert answer(api, "/activity") == {"runs": []}  # nobody works on it
    begun_trial(folder, 2)
    with folder.lock.hold():
        (active,) = answer(api, "/activity")["runs"]
    assert (active["run"]["id"], active["workspace"], active["live"]["trials"]) == ("busy", "workspace", 3)
    assert [trial["trial"] for trial in active["working"]] == [2]
    assert active["leader"]["trial"] == active["live"]["best_trial"]
    assert active["messages"][-1]["text"] == "plan: about 14 trials"
    assert 0 < active["live"]["budget_left"] <= 3600
    assert active["live"]["is_canceling"] is False


def test_further_metrics_have_both_splits(workspace: Workspace, api: TestClient) -> None:
    written_run(workspace, "two", trials=1)
    (row,) = answer(api, "/runs/two?metric=f1_macro")["rows"]
    assert list(row["metrics"]["f1_macro"]) == list(SPLITS)
