"""Endpoints as files: deployments, shares of traffic, keys, and the log of changes."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from automl_vision import deploy
from automl_vision.core.errors import ModelFolderError
from automl_vision.deployment.online.allowance import Allowance
from automl_vision.deployment.online.definition import (
    DEFINITION_FILE,
    DeploymentDefinition,
    EndpointDefinition,
    EndpointError,
)
from automl_vision.deployment.online.endpoint_folder import EndpointFolder, Endpoints
from automl_vision.deployment.online.keys import Key, Keys, key_name
from model_folders import write_classifier

MODEL = DeploymentDefinition(model="shapes:1", folder="models/blue")


def test_the_first_deployment_takes_all_traffic_and_the_next_ones_what_they_are_given(tmp_path: Path) -> None:
    model = write_classifier(tmp_path / "model")
    endpoint = EndpointFolder(tmp_path / "endpoints" / "shapes")
    first = endpoint.deploy(model, "shapes:1", name="blue")
    assert (first.share, sorted(first.keys)) == (100, ["primary", "secondary"])
    assert endpoint.deploy(model, "shapes:2").share == 0
    assert endpoint.deploy(model, "shapes:3", name="red", share=30).share == 30
    assert endpoint.definition().traffic == {"blue": 70, "red": 30}
    assert list(endpoint.definition().deployments) == ["blue", "shapes-2", "red"]
    assert endpoint.deploy(model, "shapes:4", name="red").share == 30  # replaced, with the share that it had
    assert endpoint.definition().deployments["red"].model == "shapes:4"
    changes = endpoint.changes()
    assert endpoint.changes(1) == changes[-1:]
    assert [change["what"] for change in changes][-1] == "deployed shapes:4 as red"
    assert first.keys["primary"] not in endpoint.audit_file.read_text() + endpoint.keys_file.read_text()
    assert stat.S_IMODE(endpoint.keys_file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("traffic", "share", "expected"),
    [
        ({"a": 100}, 10, {"a": 90, "new": 10}),
        ({"a": 50, "b": 50}, 1, {"a": 50, "b": 49, "new": 1}),
        ({"a": 33, "b": 33, "c": 34}, 50, {"a": 17, "b": 16, "c": 17, "new": 50}),
        ({"a": 100}, 100, {"a": 0, "new": 100}),
        ({"a": 100}, 0, {"a": 100, "new": 0}),
        ({"a": 90, "new": 10}, 50, {"a": 50, "new": 50}),
    ],
)
def test_shares_are_scaled(traffic: dict[str, int], share: int, expected: dict[str, int]) -> None:
    before = EndpointDefinition(deployments=dict.fromkeys([*traffic, "new"], MODEL), traffic=traffic)
    after = before.with_deployment("new", MODEL, share=share).traffic
    assert sum(after.values()) == 100
    assert after == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- a", "must be a mapping"),
        ("deployments: {", "cannot be read"),
        ("deployments: {blue: {model: m}}", "deployments.blue.folder is required"),
        ("trafic: {}", 'no setting is named "trafic". Did you mean "traffic"?'),
        ("traffic: {blue: 100}", 'no deployment is named "blue"'),
        ("deployments: {blue: {model: m, folder: f}}\ntraffic: {blue: 90}", "sum to 100, not to 90 (blue 90)"),
        ("deployments: {bl ue: {model: m, folder: f}}", '"bl ue" cannot name a deployment'),
        ("deployments: {blue: {model: m, folder: f}}\ntraffic: {blue: 101}", "less than or equal to 100"),
        ("limits: {max_images: 0}", "greater than or equal to 1"),
        ("auth_mode: cookie", "'key' or 'none'"),
    ],
)
def test_a_definition_that_cannot_be_used_says_why(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / DEFINITION_FILE).write_text(text)
    with pytest.raises(EndpointError) as raised:
        EndpointFolder(tmp_path).definition()
    assert said in str(raised.value)
    assert DEFINITION_FILE in str(raised.value)


def test_a_written_definition_is_read_again(tmp_path: Path) -> None:
    definition = EndpointDefinition(deployments={"blue": MODEL}, traffic={"blue": 100}, mirror_traffic={"blue": 5})
    definition.save(tmp_path / DEFINITION_FILE)
    assert EndpointDefinition.load(tmp_path / DEFINITION_FILE) == definition
    assert (tmp_path / DEFINITION_FILE).read_text().startswith("# The endpoint")


def test_a_deployment_ends_only_without_traffic(tmp_path: Path) -> None:
    model, endpoint = write_classifier(tmp_path / "model"), EndpointFolder(tmp_path / "shapes")
    endpoint.deploy(model, "shapes:1", name="blue")
    endpoint.deploy(model, "shapes:2", name="green", mirror=20)
    with pytest.raises(EndpointError, match="takes 100 % of the traffic"):
        endpoint.remove_deployment("blue")
    with pytest.raises(EndpointError, match='Did you mean "green"'):
        endpoint.remove_deployment("gren")
    endpoint.remove_deployment("green")
    assert (list(endpoint.definition().deployments), endpoint.definition().mirror_traffic) == (["blue"], {})


def test_what_is_no_model_is_not_deployed(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelFolderError, match=r"no model\.json"):
        deploy(tmp_path / "empty", "shapes", workspace=tmp_path / "ws")
    with pytest.raises(EndpointError, match="cannot name an endpoint"):
        deploy(write_classifier(tmp_path / "model"), "../out", workspace=tmp_path / "ws")
    assert Endpoints(tmp_path / "ws").names() == []
    with pytest.raises(EndpointError, match="Make one with: automl-vision deploy"):
        Endpoints(tmp_path / "ws").get("shapes")


def test_a_model_folder_outside_of_the_endpoint_is_refused(tmp_path: Path) -> None:
    endpoint = EndpointFolder(tmp_path / "shapes")
    with pytest.raises(EndpointError, match="is outside of"):
        endpoint.model_folder(DeploymentDefinition(model="m", folder="../elsewhere"))


def test_a_renewed_key_replaces_its_predecessor_alone(tmp_path: Path) -> None:
    endpoint = EndpointFolder(tmp_path / "shapes")
    keys = endpoint.deploy(write_classifier(tmp_path / "model"), "shapes:1").keys
    endpoint.limit_key("primary", per_second=5, per_day=100)
    new = endpoint.renew_key("primary")
    kept = endpoint.keys()
    assert kept.find(keys["primary"]) is None
    assert kept.find("") is None
    found, other = kept.find(new), kept.find(keys["secondary"])
    assert found is not None and other is not None
    assert (found.name, found.per_second, found.per_day, other.name) == ("primary", 5, 100, "secondary")


def test_bad_keys_are_named(tmp_path: Path) -> None:
    with pytest.raises(EndpointError, match="primary or secondary"):
        key_name("third")
    with pytest.raises(EndpointError, match="above 0"):
        Keys().limited("primary", per_second=0, per_day=None)
    with pytest.raises(EndpointError, match="has no primary key"):
        Keys().limited("primary", per_second=1, per_day=None)
    (tmp_path / "keys.json").write_text("{")
    with pytest.raises(EndpointError, match="renew both keys"):
        Keys.load(tmp_path / "keys.json")


def test_a_rate_allows_a_burst_of_a_second_and_then_its_pace(tmp_path: Path) -> None:
    now = 1000.0
    allowances = [Allowance(tmp_path / "shared", lambda: now) for _ in range(2)]  # two worker processes
    key = Key("primary", "a", 0, per_second=4)
    waits = [allowances[number % 2].take(key) for number in range(6)]
    assert waits[:4] == [0, 0, 0, 0]
    assert waits[4] == waits[5] == pytest.approx(0.25)
    now += 0.5
    assert [allowances[0].take(key) for _ in range(3)] == [0, 0, pytest.approx(0.25)]
    assert allowances[0].take(Key("secondary", "b", 0)) == 0
    for each in allowances:
        each.close()


def test_a_quota_ends_with_the_day(tmp_path: Path) -> None:
    now = 86_400.0 * 3 + 80_000
    allowance = Allowance(tmp_path / "shared", lambda: now)
    key = Key("primary", "a", 0, per_day=2)
    assert [allowance.take(key) for _ in range(3)] == [0, 0, pytest.approx(6400)]
    now += 6400
    assert allowance.take(key) == 0
    allowance.close()
