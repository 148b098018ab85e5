"""Registered models on both kinds of store: SQLite with files, and an MLflow server on PostgreSQL."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from automl_vision import Dataset, Predictor, Workspace, register
from automl_vision.core.errors import ModelFolderError, ModelNotFoundError, WorkspaceError
from automl_vision.workspace.model_registry import ModelRegistry
from automl_vision.workspace.model_version import AliasChange, is_model_address, positions
from automl_vision.workspace.run_folder import RunFolder
from colour_models import write_colour_images, write_colour_model
from model_stores import mlflow_on_postgresql


@pytest.fixture(scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def workspace(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A workspace with its own store, or with a server's."""
    folder = tmp_path_factory.mktemp("workspace")
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "sqlite":
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            yield Workspace(folder)
        else:
            with mlflow_on_postgresql() as address:
                patch.setenv("MLFLOW_TRACKING_URI", address)
                yield Workspace(folder)


@pytest.fixture(scope="module")
def registry(workspace: Workspace) -> ModelRegistry:
    return workspace.models


def other_machine(folder: Path) -> ModelRegistry:
    """The registry of the same server from an empty workspace."""
    return Workspace(folder).models


def test_versions_are_counted_and_found_by_number_and_alias(
    workspace: Workspace, registry: ModelRegistry, tmp_path: Path
):
    first = register(write_colour_model(tmp_path / "a"), "counted", workspace=workspace, tags={"stage": "one"})
    second = registry.register(write_colour_model(tmp_path / "b", milliseconds=3.0), "counted")
    assert (first.id, str(second)) == ("counted:1", "counted:2")
    assert dict(first.tags) == {"stage": "one"}
    assert first.aliases == ("candidate",)
    assert [version.aliases for version in registry.versions("counted")] == [(), ("candidate",)]
    assert registry.get("counted@candidate") == registry.get("counted:2") == second
    assert "counted" in registry.names()
    assert registry.aliased("counted") is None


def test_files_of_a_version_predict_wherever_they_lie(registry: ModelRegistry, tmp_path: Path):
    folder = write_colour_model(tmp_path / "a", card="é" * 6000)
    version = registry.register(folder, "files")
    found = registry.download(version)
    assert {file.name: file.read_bytes() for file in found.iterdir()} == {
        file.name: file.read_bytes() for file in folder.iterdir()
    }
    assert registry.download(version) == registry.resolve("files@candidate") == found
    image = next(write_colour_images(tmp_path / "data", per_class=1, splits=("test",)).rglob("*.png"))
    (prediction,) = Predictor(found)(image)
    assert prediction.label in Predictor(folder).description.classes
    assert registry.resolve(folder) == folder


def test_a_version_tells_where_it_comes_from(workspace: Workspace, registry: ModelRegistry, tmp_path: Path):
    """The run's id in the passport leads to the run in MLflow, its dataset, and its files, which are stored once."""
    dataset = Dataset.open(write_colour_images(tmp_path / "data", per_class=2))
    dataset.save(tmp_path / "manifest.parquet")
    folder = write_colour_model(tmp_path / "a", experiment="colours", run="colours-1", trial=3)
    ids: dict[str, str] = {}
    tracking = workspace.tracking("colours", known={}, on_ids=ids.update)
    tracking.start("run", name="colours-1", tags={"automl_vision.run": "colours-1"})
    tracking.params("run", {"data_version": "colours:7"})
    tracking.artifacts("run", tmp_path / "manifest.parquet")
    tracking.artifacts("run", folder, under="model")
    tracking.close()
    assert tracking.problem is None

    first = registry.register(folder, "lineage")
    lineage = first.lineage
    assert (lineage.run, lineage.trial, lineage.experiment) == ("colours-1", "3", "colours")
    assert (lineage.mlflow_run, lineage.data_version, lineage.data_fingerprint) == (ids["run"], "colours:7", "f1")
    assert (lineage.code_version, lineage.parent) == ("0.1.0", "")
    assert ids["run"] in first.source

    registry.alias("lineage", "champion", 1)
    changed = write_colour_model(tmp_path / "b", experiment="colours", run="colours-1", trial=4)
    second = registry.register(changed, "lineage")
    assert second.lineage.parent == "1"
    assert second.lineage.mlflow_run == ids["run"]
    assert ids["run"] not in second.source, "other files than the run has published"
    manifest = registry.manifest(second)
    assert manifest is not None and Dataset.load(manifest).fingerprint == dataset.fingerprint
    assert registry.manifest(registry.register(write_colour_model(tmp_path / "c"), "lineage")) is None


def test_what_the_run_s_folder_knows_travels_with_the_model(
    workspace: Workspace, registry: ModelRegistry, tmp_path: Path
):
    """Of a run that the store does not have: its dataset's version, and the manifest for other machines."""
    dataset = Dataset.open(write_colour_images(tmp_path / "data", per_class=2))
    folder = RunFolder(workspace.runs_path / "local-1")
    folder.create({"data_version": "colours:4"})
    dataset.save(folder.manifest)
    registry.register(write_colour_model(tmp_path / "a", experiment="elsewhere", run="local-1"), "local")
    other = ModelRegistry(registry.uri, artifacts=None, cache=tmp_path / "cache", runs=tmp_path / "none")
    version = other.get("local:1")
    assert (version.lineage.data_version, version.lineage.mlflow_run) == ("colours:4", "")
    manifest = other.manifest(version)
    assert manifest is not None and manifest.is_relative_to(tmp_path / "cache")
    assert Dataset.load(manifest).fingerprint == dataset.fingerprint


def test_aliases_are_logged_and_rolled_back(registry: ModelRegistry, tmp_path: Path):
    for i in (1, 2, 3):
        registry.register(write_colour_model(tmp_path / str(i)), "moved")
        registry.alias("moved", "champion", i, why=f"the {i}. ü " + 900 * "ü", action="promoted")
    assert registry.alias("moved", "champion", 3) is None, "it is there already"
    assert registry.rollback("moved", why="too slow").version == 2
    assert registry.rollback("moved").version == 1
    with pytest.raises(ModelNotFoundError, match='champion of "moved" never pointed to another version than 1'):
        registry.rollback("moved")
    registry.alias("moved", "champion", 3)
    assert registry.rollback("moved").version == 1
    changes = [change for change in registry.log("moved") if change.alias == "champion"]
    assert [(change.previous, change.version, change.action) for change in changes] == [
        (None, 1, "promoted"), (1, 2, "promoted"), (2, 3, "promoted"),
        (3, 2, "rolled back"), (2, 1, "rolled back"), (1, 3, "set"), (3, 1, "rolled back"),
    ]  # fmt: skip
    assert changes[3].why == "too slow" and changes[3].user and changes[0].time < changes[3].time
    assert registry.get("moved@champion").number == 1


def test_another_machine_sees_the_same(registry: ModelRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    if not os.environ.get("MLFLOW_TRACKING_URI"):
        pytest.skip("a store of files belongs to one machine")
    folder = write_colour_model(tmp_path / "a")
    registry.register(folder, "shared")
    registry.alias("shared", "champion", 1, why="first")
    assert capsys.readouterr().out == "", "what MLflow prints by itself would mix with the output of commands"
    other = other_machine(tmp_path / "elsewhere")
    assert other.log("shared") == registry.log("shared")
    found = other.resolve("shared@champion")
    assert found.is_relative_to(tmp_path / "elsewhere")
    assert (found / "model.json").read_bytes() == (folder / "model.json").read_bytes()
    assert [change.action for change in other.log("shared")] == ["registered", "set"]


def test_an_alias_that_mlflow_moved_is_rolled_back_to_the_logged_one(registry: ModelRegistry, tmp_path: Path):
    from mlflow.tracking import MlflowClient

    for i in (1, 2):
        registry.register(write_colour_model(tmp_path / str(i)), "outside")
    registry.alias("outside", "champion", 1)
    MlflowClient(registry.uri).set_registered_model_alias("outside", "champion", "2")
    assert registry.rollback("outside").version == 1


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("knwon:1", 'no model is registered as "knwon". Did you mean "known"?'),
        ("known:9", '"known" has no version 9; it has: 1'),
        ("known@champion", '"known" has no alias "champion". Set: candidate'),
        ("known@candidat", 'Did you mean "candidate"?'),
        ("known", 'a version is named as NAME:VERSION or NAME@ALIAS, such as shoes:3 or shoes@champion, not "known"'),
    ],
)
def test_what_does_not_exist_is_told(registry: ModelRegistry, tmp_path: Path, address: str, message: str):
    if "known" not in registry.names():
        registry.register(write_colour_model(tmp_path / "a"), "known")
    with pytest.raises(ModelNotFoundError) as caught:
        registry.get(address)
    assert message in str(caught.value)


def test_what_cannot_be_registered_is_told(registry: ModelRegistry, tmp_path: Path):
    with pytest.raises(ModelFolderError, match=r"is not a model folder: it has no model\.json"):
        registry.register(tmp_path, "shapes")
    folder = write_colour_model(tmp_path / "a")
    for name, message in (("a/b", "not 'a/b'"), (".a", "not '.a'"), ("", "not ''"), ("a" * 61, "not 61")):
        with pytest.raises(WorkspaceError, match=message):
            registry.register(folder, name)
    registry.register(folder, "refused")
    for alias in ("latest", "v2", "not possible"):
        with pytest.raises(WorkspaceError, match="cannot be used"):
            registry.alias("refused", alias, 1)
    with pytest.raises(WorkspaceError, match="at most 1000 characters"):
        registry.alias("refused", "champion", 1, why="x" * 1001)
    assert [change.alias for change in registry.log("refused")] == ["candidate"], "what failed is not in the log"


def test_a_version_of_other_software_has_no_lineage_and_no_passport(registry: ModelRegistry, tmp_path: Path):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(registry.uri)
    run = client.create_run(client.get_experiment_by_name("Default").experiment_id)
    client.log_text(run.info.run_id, "weights", "model/weights.txt")
    client.create_registered_model("foreign")
    client.create_model_version("foreign", f"{run.info.artifact_uri}/model", run.info.run_id)
    (version,) = registry.versions("foreign")
    assert version.lineage.to_tags() == {}
    with pytest.raises(ModelFolderError, match="foreign:1 is not a model folder"):
        registry.download(version)


def test_a_server_that_does_not_answer_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://somebody:secret@127.0.0.1:9")
    with pytest.raises(WorkspaceError, match=r"the model registry at http://127.0.0.1:9 does not answer") as caught:
        Workspace(tmp_path).models.get("shapes:1")
    assert "secret" not in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("shapes:1", True), ("shapes@champion", True), ("a.b-c_d:12", True), ("shapes", False), ("shapes:", False),
        ("shapes:one", False), ("a/b:1", False), ("s3://bucket/a:1", False), ("", False),
    ],
)  # fmt: skip
def test_addresses(text: str, is_one: bool):
    assert is_model_address(text) is is_one


@pytest.mark.parametrize(
    ("moves", "current", "expected"),
    [
        ([], 3, [3]),
        ([(1, "set"), (2, "forced")], 2, [1, 2]),
        ([(1, "set"), (2, "set"), (1, "rolled back")], 1, [1]),
        ([(1, "set"), (2, "set"), (1, "rolled back"), (3, "set")], 3, [1, 3]),
        ([(1, "set"), (2, "set")], 5, [1, 2, 5]),
        ([(1, "set"), (4, "rolled back")], 4, [1, 4]),
    ],
)
def test_positions_of_an_alias(moves: list[tuple[int, str]], current: int, expected: list[int]):
    changes = [AliasChange("champion", version, None, 0.0, "me", action) for version, action in moves]  # type: ignore[arg-type]
    assert positions(changes, current) == expected


def test_changes_are_tags_in_the_order_of_time():
    changes = [AliasChange("champion", i, None, float(i), "me", "set", "ü") for i in range(3)]
    tags = dict(change.to_tag() for change in changes)
    assert AliasChange.from_tags({**dict(reversed(tags.items())), "other": "tag"}) == changes
    assert all(json.loads(value)["why"] == "ü" and "ü" in value for value in tags.values())
