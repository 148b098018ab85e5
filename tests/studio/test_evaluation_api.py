"""What the API says of a trial is what Python says: metrics, the images behind each number, slices, thresholds."""

from __future__ import annotations

import base64
import math
import time
from io import BytesIO
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from automl_vision.evaluation.intervals import Interval
from automl_vision.experiment.compared import compare_classes, compare_slices, compare_trials
from automl_vision.experiment.evaluated import Evaluated
from automl_vision.serving.model_folder import ModelDescription
from studio_site import StudioWorkspace


def trial_of(studio: StudioWorkspace, which: str) -> tuple[str, int]:
    return (studio.sweep, 1) if which == "sweep" else (studio.detection, 0)


def python(studio: StudioWorkspace, which: str, split: str = "val") -> Evaluated:
    run, number = trial_of(studio, which)
    return studio.run(run).get_child(number).evaluated(split)


def get(client: TestClient, studio: StudioWorkspace, which: str, path: str, **query: Any) -> Any:
    run, number = trial_of(studio, which)
    answer = client.get(f"/api/v1/runs/{run}/trials/{number}/{path}", params={"split": "val", **query})
    assert answer.status_code == 200, answer.text
    return answer.json()


def ends(found: Interval) -> dict[str, float] | None:
    if math.isnan(found.value):
        return None
    return {name: value for name, value in vars(found).items() if not math.isnan(value)}


def done(ask: Any) -> Any:
    """What is worked on in the background, once it is done."""
    for _ in range(600):
        found = ask()
        if found["progress"]["state"] not in ("waiting", "running"):
            assert found["progress"]["state"] == "done", found
            return found
        time.sleep(0.1)
    raise AssertionError(found)


@pytest.mark.parametrize("which", ["sweep", "detection"])
def test_every_metric_is_that_of_python(client: TestClient, studio_workspace: StudioWorkspace, which: str) -> None:
    evaluated = python(studio_workspace, which)
    found = get(client, studio_workspace, which, "evaluation")
    assert {metric["name"]: metric["value"] for metric in found["metrics"]} == {
        name: ends(value) for name, value in evaluated.metrics().items()
    }
    assert [metric["name"] for metric in found["metrics"] if metric["is_primary"]] == [evaluated.primary.name]
    assert found["mistakes"] == len(evaluated.mistakes())
    assert found["suspicion"] == evaluated.suspicion
    assert get(client, studio_workspace, which, "calibration")["text"] == evaluated.calibration().text


@pytest.mark.parametrize("which", ["sweep", "detection"])
def test_the_mistakes_are_listed_worst_first(client: TestClient, studio_workspace: StudioWorkspace, which: str) -> None:
    evaluated = python(studio_workspace, which)
    found = get(client, studio_workspace, which, "cases", mistakes=True, limit=500)
    assert [(case["image"], case["truth"], case["predicted"], case["suspected"]) for case in found["items"]] == [
        (evaluated.image(mistake), mistake.truth, mistake.predicted, mistake.suspected)
        for mistake in evaluated.mistakes()
    ]
    pages = [get(client, studio_workspace, which, "cases", limit=3, cursor=cursor)["items"] for cursor in (0, 3)]
    assert pages[0] + pages[1] == get(client, studio_workspace, which, "cases", limit=6)["items"]


def test_each_cell_of_the_confusion_opens_its_images(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    found = get(client, studio_workspace, "sweep", "confusion")
    assert sum(map(sum, found["matrix"])) == len(python(studio_workspace, "sweep").rows)
    for true, row in zip(found["rows"], found["matrix"], strict=True):
        for predicted, count in zip(found["columns"], row, strict=True):
            cell = get(client, studio_workspace, "sweep", "cases", true=true, predicted=predicted)
            assert cell["total"] == count


def test_cells_and_kinds_of_objects_open_their_images(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    found = get(client, studio_workspace, "detection", "confusion")
    assert (found["rows"][-1], found["columns"][-1]) == ("no object", "not found")
    for true, row in zip(found["rows"], found["matrix"], strict=True):
        for predicted, count in zip(found["columns"], row, strict=True):
            cell = get(client, studio_workspace, "detection", "cases", true=true, predicted=predicted)
            assert (cell["total"] > 0) == (count > 0)
            assert cell["total"] <= count
    for kind in get(client, studio_workspace, "detection", "evaluation")["kinds"]:
        images = get(client, studio_workspace, "detection", "cases", kind=kind["name"])
        assert (images["total"] > 0) == (kind["count"] > 0)


@pytest.mark.parametrize("which", ["sweep", "detection"])
def test_points_of_curves_open_their_images(client: TestClient, studio_workspace: StudioWorkspace, which: str) -> None:
    """What a curve says of a threshold is what its images say: recall by class counts what is found and missed."""
    evaluated = python(studio_workspace, which)
    figure = get(client, studio_workspace, which, "figures/precision_recall")
    traces = [trace for trace in figure["data"] if "classes" in trace["meta"]]
    assert sorted(trace["meta"]["classes"][0] for trace in traces) == sorted(evaluated.dataset.classes)
    for trace in traces:
        marks, label = numbers(trace["customdata"]), trace["meta"]["classes"][0]
        for (threshold, _), recall in list(zip(marks, numbers(trace["x"]), strict=True))[1::20]:
            if math.isnan(threshold):
                continue
            found, missed, wrong = (
                get(client, studio_workspace, which, "cases", threshold=threshold, label=label, outcome=outcome)[
                    "total"
                ]
                for outcome in ("found", "missed", "wrong")
            )
            assert (found > 0) == (recall > 0)
            assert (missed > 0) == (recall < 1)
            if which == "sweep":  # one object per image
                assert found / (found + missed) == pytest.approx(recall)
            every = get(client, studio_workspace, which, "cases", threshold=threshold, label=label)["total"]
            assert max(found, missed, wrong) <= every <= found + missed + wrong


def test_a_threshold_on_all_answers_opens_its_images(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    figure = get(client, studio_workspace, "sweep", "figures/thresholds")
    precision, recall = figure["data"][:2]
    images = len(python(studio_workspace, "sweep").rows)
    points = zip(*(numbers(values) for values in (precision["x"], precision["y"], recall["y"])), strict=True)
    for threshold, right_share, found_share in list(points)[::4]:
        found, wrong = (
            get(client, studio_workspace, "sweep", "cases", threshold=threshold, outcome=outcome)["total"]
            for outcome in ("found", "wrong")
        )
        assert found / (found + wrong) == pytest.approx(right_share)
        assert found / images == pytest.approx(found_share)


def test_a_bin_of_the_reliability_diagram_opens_its_images(
    client: TestClient, studio_workspace: StudioWorkspace
) -> None:
    figure = get(client, studio_workspace, "sweep", "figures/reliability")
    curves = {trace["meta"]["curve"]: trace for trace in figure["data"] if "curve" in trace["meta"]}
    assert list(curves) == ["before scaling", "after temperature scaling"]
    for name, trace in curves.items():
        for cases, lowest, highest in numbers(trace["customdata"]):
            bounds = {"lowest": lowest, "highest": highest, "before_scaling": name == "before scaling"}
            # equal confidences may stand on both sides of the end of a bin
            assert get(client, studio_workspace, "sweep", "cases", **bounds)["total"] >= cases


def numbers(values: Any) -> Any:
    """A column of a figure: a list, or Plotly's arrays in Base64."""
    if isinstance(values, list):
        return values
    found = np.frombuffer(base64.b64decode(values["bdata"]), values["dtype"])
    return (
        found.reshape([int(size) for size in values["shape"].split(",")]).tolist()
        if "shape" in values
        else found.tolist()
    )


def test_one_image_with_its_objects(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    evaluated = python(studio_workspace, "detection")
    mistake = evaluated.mistakes()[0]
    row = int(evaluated.rows[mistake.image])
    found = get(client, studio_workspace, "detection", f"cases/{row}")
    assert [(one["label"], tuple(one["box"])) for one in found["found_objects"]] == [
        (one.label, one.bbox) for one in evaluated.found_objects(mistake.image)
    ]
    assert [(one["label"], tuple(one["box"])) for one in found["true_objects"]] == [
        (one.label, one.bbox) for one in evaluated.dataset[row].objects
    ]
    assert (found["width"], found["height"]) == evaluated.dataset[row].size


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"true": "squar"}, 'no class "squar"'),
        ({"kind": "missed"}, "only detectors have kinds"),
        ({"attribute": "brightnes", "value": "1"}, 'no slice is by "brightnes"'),
        ({"threshold": 0.5, "label": "squar"}, 'no class "squar"'),
        ({"split": "train"}, "not of train"),
    ],
)
def test_filters_that_cannot_be_say_why(client, studio_workspace, query, message) -> None:
    answer = client.get(f"/api/v1/runs/{studio_workspace.sweep}/trials/1/cases", params=query)
    assert answer.status_code in (400, 404)
    assert message in answer.json()["detail"]


def test_slices_come_from_the_background_and_open_their_images(
    client: TestClient, studio_workspace: StudioWorkspace
) -> None:
    found = done(lambda: get(client, studio_workspace, "sweep", "slices"))
    expected = python(studio_workspace, "sweep").slices()
    assert [(one["attribute"], one["value"], one["images"], one["difference"]) for one in found["slices"]] == [
        (one.attribute, one.value, one.images, ends(one.difference)) for one in expected
    ]
    for one in found["slices"]:
        part = get(client, studio_workspace, "sweep", "cases", attribute=one["attribute"], value=one["value"])
        assert part["total"] == one["images"]


def test_the_scores_of_all_answers_are_sent_once(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    def numbers(text: str, kind: str) -> list[float]:
        values: list[float] = np.frombuffer(base64.b64decode(text), kind).tolist()
        return values

    evaluated = python(studio_workspace, "sweep")
    found = get(client, studio_workspace, "sweep", "thresholds")
    middle = len(evaluated.rows) // 2
    first, second = found["choose"], found["show"]
    assert sorted(numbers(first["rows"], "<i4") + numbers(second["rows"], "<i4")) == sorted(evaluated.rows.tolist())
    assert (first["images"], second["images"]) == (middle, len(evaluated.rows) - middle)
    scores = numbers(first["score"], "<f8") + numbers(second["score"], "<f8")
    assert sorted(scores) == sorted(evaluated.cases.candidates.score.tolist())


def test_an_operating_point_is_saved_into_the_model_and_removed(
    client: TestClient, studio_workspace: StudioWorkspace
) -> None:
    run = studio_workspace.run(studio_workspace.sweep)
    folder = run.folder.model
    number = ModelDescription.load(folder).provenance["trial"]
    address = f"/api/v1/runs/{run.id}/trials/{number}/operating-point"
    assert client.get(address).json()["saved"] is None
    classes = len(ModelDescription.load(folder).classes)
    body = {"thresholds": [0.5] * classes, "wanted": "a test"}
    saved = client.put(address, json=body, params={"split": "val"}).json()["saved"]
    kept = ModelDescription.load(folder).operating_point
    assert kept is not None
    assert (saved["wanted"], saved["thresholds"]) == (kept.wanted, list(kept.thresholds)) == ("a test", [0.5] * classes)
    assert client.put(address, json={"thresholds": [0.5]}).status_code == 422
    assert client.delete(address).json()["saved"] is None
    assert ModelDescription.load(folder).operating_point is None
    other = next(child.number for child in run.get_children() if child.number != number)
    refused = client.get(f"/api/v1/runs/{run.id}/trials/{other}/operating-point").json()
    assert f"was made of trial {number}, not of trial {other}" in refused["reason"]


def test_an_image_is_explained_in_the_background(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    run = studio_workspace.run(studio_workspace.sweep)
    number = ModelDescription.load(run.folder.model).provenance["trial"]
    row = int(run.get_child(number).evaluated("val").rows[0])
    address = f"/api/v1/runs/{run.id}/trials/{number}/explanations/{row}"

    def ask() -> Any:
        found = client.get(address).json()
        return found if found["method"] else {"progress": {"state": "running"}, **({"reason": found["reason"]})}

    found = done(ask)
    assert found["method"] == "occlusion"
    overlay = Image.open(BytesIO(client.get(f"{address}/overlay").content))
    assert overlay.format == "WEBP"
    assert client.get(f"/api/v1/runs/{run.id}/trials/{number}/explanations/100000").status_code == 404


def test_decisions_about_labels_are_kept(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    address = f"/api/v1/runs/{studio_workspace.detection}/reviews"
    decided = client.post(address, json={"row": 2, "trial": 0, "verdict": "label"})
    assert (decided.status_code, decided.json()["wrong_labels"]) == (201, 1)
    client.post(address, json={"row": 3, "trial": 0, "verdict": "model"})
    found = client.post(address, json={"row": 2, "trial": 0, "verdict": "undone"}).json()
    assert [(review["row"], review["verdict"]) for review in found["reviews"]] == [(3, "model")]
    assert client.get(address).json() == found
    assert client.post(address, json={"row": 10**6, "trial": 0, "verdict": "model"}).status_code == 400
    assert client.post(address, json={"row": 1, "trial": 99, "verdict": "model"}).status_code == 404
    assert client.post(address, json={"row": 1, "trial": 0, "verdict": "maybe"}).status_code == 422


def test_two_trials_are_compared_as_in_python(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    run = studio_workspace.run(studio_workspace.sweep)
    first, second = (run.get_child(number).evaluated("val") for number in (0, 1))
    expected = compare_trials(first, second)
    query = {"trials": f"{run.id}:0,{run.id}:1", "split": "val"}
    found = client.get("/api/v1/compare", params=query).json()
    assert found["difference"] == ends(expected.comparison.difference)
    assert (found["p_value"], found["test"]) == (expected.comparison.p_value, expected.comparison.test)
    assert (found["both"], found["neither"]) == (expected.both, expected.neither)
    assert [setting["name"] for setting in found["settings"]] == ["learning_rate"]
    for side, images in (("first", expected.only_first), ("second", expected.only_second)):
        cases = client.get("/api/v1/compare/cases", params={**query, "right": side, "limit": 500}).json()
        assert {case["first"]["image"] for case in cases["items"]} == set(images)
        assert cases["total"] == found[f"only_{side}"] == len(images)
    classes = client.get("/api/v1/compare/classes", params=query).json()["parts"]
    assert [(part["name"], part["first"], part["second"]) for part in classes] == [
        (part.name, part.first, part.second) for part in compare_classes(first, second)
    ]
    slices = done(lambda: client.get("/api/v1/compare/slices", params=query).json())
    assert [(part["name"], part["p_value"]) for part in slices["parts"]] == [
        (part.name, part.comparison.p_value) for part in compare_slices(first, second)
    ]
    curves = client.get("/api/v1/compare/figures/learning_curves", params=query).json()
    assert [trace["name"] for trace in curves["data"]] == ["trial 0", "trial 1"]


@pytest.mark.parametrize(
    ("trials", "status", "message"),
    [
        ("1,2", 422, "two trials are compared, as RUN:TRIAL,RUN:TRIAL"),
        ("{sweep}:0", 422, "two trials are compared"),
        ("{sweep}:0,{sweep}:99", 404, "has no trial 99"),
        ("{sweep}:0,{detection}:0", 400, "differ, so they cannot be compared"),
    ],
)
def test_trials_that_cannot_be_compared(client, studio_workspace, trials, status, message) -> None:
    named = trials.format(sweep=studio_workspace.sweep, detection=studio_workspace.detection)
    answer = client.get("/api/v1/compare", params={"trials": named, "split": "val"})
    assert answer.status_code == status
    assert message in answer.json()["detail"]


def test_settings_log_and_files_of_a_trial(client: TestClient, studio_workspace: StudioWorkspace) -> None:
    address = f"/api/v1/runs/{studio_workspace.sweep}/trials/1"
    found = client.get(address).json()
    assert found["settings"][0]["name"] == "learning_rate"
    assert found["settings"][0]["is_sampled"]
    states = [(not one["is_sampled"], one["is_default"]) for one in found["settings"]]
    assert states == sorted(states)
    assert found["data_version"] == {"name": "shapes", "number": 1}
    names = [file["name"] for file in client.get(f"{address}/files").json()]
    assert "metrics.json" in names
    assert client.get(f"{address}/files/metrics.json").headers["content-disposition"].startswith("attachment")
    assert client.get(f"{address}/files/..%2F..%2Fspec.json").status_code == 404
    assert "text" in client.get(f"{address}/log").json()


@pytest.mark.parametrize("side", [64, 256])
def test_an_image_is_small_and_comes_from_the_cache(client, studio_workspace, side) -> None:
    address = f"/api/v1/runs/{studio_workspace.sweep}/images/0"
    first, again = (client.get(address, params={"side": side}) for _ in range(2))
    assert first.content == again.content
    width, height = Image.open(BytesIO(first.content)).size
    own = studio_workspace.run(studio_workspace.sweep).get_child(0).evaluated("val").dataset[0].size
    assert max(width, height) == min(side, max(own))
    assert "immutable" in first.headers["cache-control"]
