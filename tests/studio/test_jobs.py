"""Jobs before they are runs: the form, a look at the data, mistakes by field, texts, plan and start."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from automl_vision import Run, Workspace
from automl_vision.experiment.job_file import read_job
from conftest import SMALL_MODEL
from studio_site import StudioWorkspace

API = "/api/v1"
SPACE = ["hyperparameter_sampling", "space"]


def job(studio: StudioWorkspace, **values: Any) -> dict[str, Any]:
    return {"task": "image-classification", "training_data": str(studio.photos), **values}


def checked(client: TestClient, values: dict[str, Any], images: int | None = 42) -> dict[str, Any]:
    answer = client.post(f"{API}/jobs/check", json={"values": values, "images": images})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def looked(client: TestClient, data: str, **question: Any) -> dict[str, Any]:
    """A look at data that has ended."""
    answer = client.post(f"{API}/jobs/data", json={"data": data, **question}).json()
    end = time.monotonic() + 60
    while answer["work"]["state"] in ("waiting", "running") and time.monotonic() < end:
        time.sleep(0.05)
        answer = client.get(f"{API}/jobs/data/{answer['work']['id']}").json()
    found: dict[str, Any] = answer
    return found


def test_the_form_offers_what_the_product_has(client: TestClient):
    form = client.get(f"{API}/jobs/form").json()
    assert {"task", "training_data", "experiment", "policy"} <= form["job"]["properties"].keys()
    tasks = {task["name"]: task for task in form["tasks"]}
    family = tasks["image-object-detection"]["algorithms"]["dfine"]
    assert form["families"][family]["learning_rate"]["description"]
    assert form["distributions"]["loguniform"]["properties"].keys() == {"type", "low", "high"}
    assert {"random", "grid", "bayesian"} <= form["samplings"].keys()
    assert "slack_factor" in form["policies"]["bandit"]["properties"]
    assert "accuracy" in tasks["image-classification"]["metrics"]


def test_algorithms_have_size_and_licence(client: TestClient):
    found = {one["name"]: one for one in client.get(f"{API}/jobs/algorithms?task=image-object-detection").json()}
    assert found["dfine"]["licence"] == "apache-2.0"
    assert found["fasterrcnn_efficientnet_lite0_fpn"]["weights"] == "package"
    assert client.get(f"{API}/jobs/algorithms?task=nothing").status_code == 404


def test_data_is_looked_at_and_what_is_wrong_says_the_way_out(
    client: TestClient, studio_workspace: StudioWorkspace, tmp_path: Path
):
    found = looked(client, str(studio_workspace.photos))["found"]
    assert (found["task"], found["images"], found["classes"]) == ("image-classification", 42, 3)
    assert found["largest"] == {"circle": 14, "square": 14, "cross": 14}
    assert found["tasks"] == ["image-classification", "image-classification-multi-label"]
    version = looked(client, "shapes:1")["found"]
    assert version["version"] == "shapes:1" and set(version["splits"]) == {"train", "val"}
    other = looked(client, str(studio_workspace.photos), task="image-classification-multi-label")["found"]
    assert other["task"] == "image-classification-multi-label"
    nothing = looked(client, str(tmp_path))
    assert nothing["work"]["state"] == "failed" and str(tmp_path) in nothing["work"]["reason"]
    unknown = looked(client, "shape:1")
    assert 'Did you mean "shapes"' in unknown["work"]["reason"]


def test_places_and_sources_are_offered(client: TestClient, studio_workspace: StudioWorkspace, tmp_path: Path):
    sources = client.get(f"{API}/jobs/sources").json()
    assert {"shapes:1", "boxes:1"} <= {version["id"] for version in sources["versions"]}
    folder = studio_workspace.photos.parent
    places = client.get(f"{API}/places", params={"path": str(folder)}).json()
    shapes = next(place for place in places["entries"] if place["name"] == studio_workspace.photos.name)
    assert (shapes["images"], shapes["is_folder"]) == (42, True)
    assert places["parent"] == str(folder.parent)
    assert client.get(f"{API}/places", params={"path": str(studio_workspace.root)}).json()["parent"] is None
    missing = client.get(f"{API}/places", params={"path": str(tmp_path / "nothing")})
    assert missing.status_code == 400 and "does not exist" in missing.json()["detail"]


def test_data_outside_of_the_allowed_folders_is_refused(client: TestClient, studio_workspace: StudioWorkspace):
    sentence = "is outside of the folders that the studio may read"
    listed = client.get(f"{API}/places", params={"path": "/etc"})
    assert listed.status_code == 400 and sentence in listed.json()["detail"]
    assert sentence in looked(client, "/etc")["work"]["reason"]
    values = job(studio_workspace, training_data="/etc/../etc", validation_data="/usr/share")
    checked = client.post(f"{API}/jobs/check", json={"values": values}).json()
    wrong = {problem["path"][0] for problem in checked["problems"] if sentence in problem["sentence"]}
    assert wrong == {"training_data", "validation_data"}
    assert client.post(f"{API}/jobs", json={"values": values}).status_code == 422


MISTAKES: list[tuple[dict[str, Any], list[str | int]]] = [
    ({"experiment": "../up"}, ["experiment"]),
    ({"task": "image-clasification"}, ["task"]),
    ({"training_data": None}, ["training_data"]),
    ({"validation_data": 3}, ["validation_data"]),
    ({"validation_data_size": 1.5}, ["validation_data_size"]),
    ({"compute_target": "gpu"}, ["compute_target"]),
    ({"model_name": "efficientnet_lite9", "task": "image-object-detection"}, ["model_name"]),
    ({"iterations": 0}, ["iterations"]),
    ({"iterations": "many"}, ["iterations"]),
    ({"max_concurrent_iterations": 101}, ["max_concurrent_iterations"]),
    ({"primary_metric": "acuracy"}, ["primary_metric"]),
    ({"experiment_timeout_hours": -1}, ["experiment_timeout_hours"]),
    ({"seed": -1}, ["seed"]),
    ({"max_bad_share": 2}, ["max_bad_share"]),
    ({"threads": -1}, ["threads"]),
    ({"processes_per_trial": 0}, ["processes_per_trial"]),
    ({"arguments": {"optimizer": "sdg"}}, ["arguments", "optimizer"]),
    ({"arguments": {"learning_rat": 1}}, ["arguments", "learning_rat"]),
    ({"arguments": 5}, ["arguments"]),
    ({"policy": {"type": "bandit", "slack_factor": -1}}, ["policy", "slack_factor"]),
    ({"policy": {"type": "bandits"}}, ["policy", "type"]),
    ({"hyperparameter_sampling": {"type": "random", "space": {"learning_rate": 0.1}}}, SPACE),
    ({"hyperparameter_sampling": {"type": "random", "seed": -1, "space": {}}}, ["hyperparameter_sampling", "seed"]),
    (
        {"hyperparameter_sampling": {"space": {"learning_rate": {"type": "uniform", "low": 2, "high": 1}}}},
        [*SPACE, "learning_rate"],
    ),
    (
        {"hyperparameter_sampling": {"space": {"learning_rate": {"type": "uniform", "low": "a", "high": 1}}}},
        [*SPACE, "learning_rate", "low"],
    ),
    (
        {
            "hyperparameter_sampling": {
                "space": {"m": {"type": "choice", "values": [{"model_name": "resnet18", "drop_rate": 2}, {"seed": 1}]}}
            }
        },
        [*SPACE, "m", "values", 0, "drop_rate"],
    ),
]


@pytest.mark.parametrize(("changes", "path"), MISTAKES, ids=lambda value: str(value)[:40])
def test_a_mistake_has_the_path_of_its_field(
    client: TestClient, studio_workspace: StudioWorkspace, changes: dict[str, Any], path: list[str | int]
):
    found = checked(client, job(studio_workspace, **changes))
    assert path in [problem["path"] for problem in found["problems"]], found["problems"]
    assert found["texts"] is None and found["plan"] is None
    refused = client.post(f"{API}/jobs", json={"values": job(studio_workspace, **changes)})
    assert refused.status_code == 422
    assert path in [problem["path"] for problem in refused.json()["problems"]]


def test_the_studio_follows_no_links_out_of_its_folders(client: TestClient, studio_workspace: StudioWorkspace):
    values = job(studio_workspace, allow_outside=True)
    (problem,) = checked(client, values)["problems"]
    assert problem["path"] == ["allow_outside"] and "automl-vision train" in problem["sentence"]
    refused = client.post(f"{API}/jobs", json={"values": values})
    assert refused.status_code == 422 and "outside of its folders" in refused.text
    assert checked(client, job(studio_workspace, allow_outside=False))["problems"] == []


def test_ranges_are_said_for_what_is_right_already(client: TestClient, studio_workspace: StudioWorkspace):
    space = {
        "learning_rate": {"type": "loguniform", "low": -9, "high": -4},
        "weight_decay": {"type": "uniform", "low": 2, "high": 1},
        "number_of_epochs": {"type": "quniform", "low": 5, "high": 20, "q": 5},
        "model": {"type": "choice", "values": [{"drop_rate": {"type": "normal", "mu": 0.2, "sigma": 0.01}}, {}]},
    }
    found = checked(client, job(studio_workspace, hyperparameter_sampling={"space": space}))
    assert {tuple(one["path"]): one["text"] for one in found["ranges"]} == {
        ("learning_rate",): "0.0001234 to 0.01832 on a logarithmic scale",
        ("number_of_epochs",): "5 to 20 in steps of 5",
        ("model",): "2 alternatives",
        ("model", "values", 0, "drop_rate"): "mostly 0.17 to 0.23",
    }


def test_a_right_job_has_texts_and_a_plan(client: TestClient, studio_workspace: StudioWorkspace, tmp_path: Path):
    values = job(studio_workspace, experiment_timeout_hours=0.5, arguments={"number_of_epochs": 5})
    found = checked(client, values)
    assert (found["problems"], found["mode"]) == ([], "AutoMode")
    assert found["sentence"].startswith("AutoMode: ") and found["plan"]["epochs"] == 5
    (tmp_path / "job.yaml").write_text(found["texts"]["yaml"])
    name, config, _ = read_job(tmp_path / "job.yaml")
    assert (name, config.experiment_timeout_hours, config.arguments) == ("default", 0.5, {"number_of_epochs": 5})
    assert "--workspace" in found["texts"]["command"]
    assert checked(client, values, images=None)["plan"] is None
    assert client.post(f"{API}/jobs/read", json={"text": found["texts"]["yaml"]}).json()["values"] == {
        "experiment": "default", **values,
    }  # fmt: skip
    wrong = client.post(f"{API}/jobs/read", json={"text": "task: ["})
    assert wrong.status_code == 422 and "not valid YAML" in wrong.json()["detail"]


def test_a_check_names_the_algorithm_that_the_run_starts_from(
    client: TestClient, studio_workspace: StudioWorkspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    fetched = tmp_path / "models--timm--hgnetv2_b1.ssld_stage2_ft_in1k" / "snapshots" / "0"
    fetched.mkdir(parents=True)
    (fetched / "model.safetensors").touch()
    values = job(studio_workspace, compute_target="cpu")
    assert checked(client, values)["algorithm"] == "hgnetv2_b1.ssld_stage2_ft_in1k"
    assert checked(client, {**values, "model_name": "resnet18"})["algorithm"] == "resnet18"


def test_a_job_of_an_earlier_run_starts_and_waits_in_line(client: TestClient, studio_workspace: StudioWorkspace):
    values = client.get(f"{API}/runs/{studio_workspace.sweep}/job").json()["values"]
    assert values["model_name"] == SMALL_MODEL and values["training_data"] == "shapes:1"
    assert checked(client, values)["mode"] == "sweep"
    arguments = {**values["arguments"], "number_of_epochs": 10_000, "early_stopping": 0}  # it does not end by itself
    started = client.post(f"{API}/jobs", json={"values": {**values, "arguments": arguments, "experiment": "again"}})
    assert started.status_code == 201, started.text
    run = Run(Workspace(studio_workspace.workspace.path), started.json()["run"])
    try:
        line = client.get(f"{API}/jobs/line").json()
        assert [(entry["run"], entry["is_here"]) for entry in line if entry["run"] == run.id] == [(run.id, True)]
        assert run.id in checked(client, values)["waits_for"]
    finally:
        run.cancel()
    assert client.get(f"{API}/runs/{run.id}").json()["status"] in ("Canceled", "Completed")


def test_data_that_cannot_be_used_is_told_when_the_job_starts(client: TestClient, tmp_path: Path):
    values = {"task": "image-classification", "training_data": str(tmp_path)}
    answer = client.post(f"{API}/jobs", json={"values": values})
    assert answer.status_code == 400 and answer.json()["title"] == "DataError"


def test_settings_say_where_things_lie(client: TestClient, studio_workspace: StudioWorkspace):
    machine = client.get(f"{API}/settings/machine").json()
    assert machine["workspace"] == str(studio_workspace.workspace.path)
    assert {"automl-vision", "python", "torch"} <= machine["versions"].keys()
    storage = client.get(f"{API}/settings/storage").json()
    runs = next(one for one in storage["folders"] if one["path"] == str(studio_workspace.workspace.runs_path))
    assert runs["bytes"] > 10_000 and not runs["is_cache"]
    assert storage["bytes"] == sum(one["bytes"] for one in storage["folders"])
