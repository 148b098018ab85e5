"""Versions of a model on the same images: comparison by class and slice, and the rule that moves an alias."""

from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest

from automl_vision import Dataset, PromotionRule, Workspace, compare_models, promote
from automl_vision.core.errors import ConfigError, DataError, WorkspaceError
from automl_vision.experiment.promotion import read_rule
from automl_vision.experiment.reports.contents import report_comparison
from colour_models import COLOUR_BLIND, GOOD, WORTHLESS, write_colour_images, write_colour_model

NAME = "colours"
RUN = "colours-1"


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_colour_images(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def template(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with four versions, all of one run: a good one, a colour blind one, one without red, a slow one."""
    folder = tmp_path_factory.mktemp("workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        workspace = Workspace(folder)
        (workspace.runs_path / RUN).mkdir()
        Dataset.open(data).save(workspace.runs_path / RUN / "manifest.parquet")
        for i, (weights, milliseconds) in enumerate([(GOOD, 2.0), (COLOUR_BLIND, 2.0), (WORTHLESS, 2.0), (GOOD, 50.0)]):
            model = write_colour_model(folder / "made" / str(i), weights, milliseconds=milliseconds, run=RUN)
            workspace.models.register(model, NAME)
    return folder


@pytest.fixture
def workspace(template: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """The workspace without any champion."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    registry = Workspace(template).models
    registry._client.delete_registered_model_alias(NAME, "champion")
    return Workspace(template)


def test_two_versions_are_compared_over_all_by_class_and_by_slice(workspace: Workspace, tmp_path: Path):
    found = compare_models(f"{NAME}:1", f"{NAME}:3", workspace=workspace)
    assert (found.first.name, found.second.name, found.first.split) == (f"{NAME}:1", f"{NAME}:3", "test")
    assert len(found.first.rows) == 60
    test = found.overall.comparison
    accuracy = [each.primary.value(each.cases) for each in (found.first, found.second)]
    assert test.difference.value == pytest.approx(accuracy[1] - accuracy[0])
    assert test.difference.high < 0 and test.p_value < 0.001
    by_class = {part.name: part for part in found.classes}
    assert list(by_class) == ["blue", "green", "red"]
    assert by_class["red"].second == 0.0 and by_class["red"].first > 0.8
    assert by_class["red"].comparison.p_value < 0.05
    assert all(part.images == 20 for part in found.classes)
    figures = {row["class"]: row["f1"] for row in found.second.per_class()}
    assert {part.name: part.second for part in found.classes} == pytest.approx(figures)
    assert found.seen == {f"{NAME}:1": 0, f"{NAME}:3": 0}
    json.dumps(found.to_json())
    page = report_comparison(found.first, found.second).save(tmp_path / "page.html")
    assert "F1 of the first".lower() in page.read_text(encoding="utf-8").lower()


def test_a_version_and_itself_do_not_differ(workspace: Workspace, data: Path):
    found = compare_models(f"{NAME}:1", f"{NAME}:4", data, workspace=workspace, split="val")
    assert found.overall.comparison.difference.to_json() == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert {part.comparison.p_value for part in found.classes} == {1.0}
    assert found.seen == {f"{NAME}:1": 60, f"{NAME}:4": 60}, "the validation images chose the epoch"


def test_a_folder_that_is_not_registered_is_compared_too(workspace: Workspace, data: Path, tmp_path: Path):
    folder = write_colour_model(tmp_path / "model")
    found = compare_models(f"{NAME}:1", folder, data, workspace=workspace)
    assert found.seen == {f"{NAME}:1": 0, str(folder): None}
    with pytest.raises(DataError, match="trained and tested on are not known; name the data"):
        compare_models(folder, f"{NAME}:1", workspace=workspace)


def test_slices_are_those_of_the_images(workspace: Workspace, data: Path, tmp_path: Path):
    wide = shutil.copytree(data / "test", tmp_path / "wide" / "test")
    from PIL import Image

    for file in sorted(wide.rglob("*.png"))[::2]:
        with Image.open(file) as image:
            image.resize((32, 16)).save(file)
    found = compare_models(f"{NAME}:1", f"{NAME}:2", tmp_path / "wide", workspace=workspace)
    by_name = {part.name: part for part in found.slices}
    assert {"aspect square", "aspect wide"} <= by_name.keys()
    assert by_name["aspect square"].images == by_name["aspect wide"].images == 30
    assert not any(name.startswith("class ") for name in by_name), "classes have figures of their own"


def test_a_class_without_test_images_has_no_figures(workspace: Workspace, data: Path, tmp_path: Path):
    shutil.copytree(data / "test", tmp_path / "two" / "test")
    shutil.rmtree(tmp_path / "two" / "test" / "red")
    found = compare_models(f"{NAME}:1", f"{NAME}:3", tmp_path / "two", workspace=workspace)
    assert [part.name for part in found.classes] == ["blue", "green"]
    assert all(math.isfinite(part.first) for part in found.classes)


def test_a_new_and_a_removed_class_are_compared_in_the_classes_that_count(
    workspace: Workspace, data: Path, tmp_path: Path
):
    folder = write_colour_model(tmp_path / "model", classes=("violet", "green", "blue"), weights=GOOD[:, [2, 1, 0]])
    found = compare_models(f"{NAME}:1", folder, data, workspace=workspace)
    assert (found.shared.added, found.shared.removed) == (("violet",), ("red",))
    assert [part.name for part in found.classes] == ["green", "blue"], "images of the removed class do not count"
    assert len(found.first.rows) == 40
    test = found.overall.comparison
    assert test.difference.value == 0, "the same logits of the same colours, in another order"
    assert found.to_json()["classes_removed"] == ["red"]


def test_a_champion_answers_for_what_it_cannot_know(workspace: Workspace, data: Path, tmp_path: Path):
    two = write_colour_model(tmp_path / "two", classes=("blue", "green"), weights=GOOD[:, :2])
    found = compare_models(two, f"{NAME}:1", data, workspace=workspace)
    assert found.shared.added == ("red",) and len(found.first.rows) == 60
    by_class = {part.name: part for part in found.classes}
    assert by_class["red"].first == 0 and by_class["red"].second > 0.5


def test_models_without_a_common_class_are_not_compared(workspace: Workspace, data: Path, tmp_path: Path):
    folder = write_colour_model(tmp_path / "model", classes=("cat", "dog", "violet"))
    with pytest.raises(DataError, match=r"have no class in common \(blue, green, red; cat, dog, violet\)"):
        compare_models(f"{NAME}:1", folder, data, workspace=workspace)


def test_a_slice_that_loses_is_named(workspace: Workspace, data: Path):
    rule = PromotionRule(margin=1, worst_class_margin=None)
    workspace.models.alias(NAME, "champion", 1)
    refused = promote(f"{NAME}:3", data, rule=rule, workspace=workspace)
    verdict = next(each for each in refused.verdicts if each.setting == "worst_slice_margin")
    assert not verdict.passed and refused.change is None
    assert "no slice is worse by more than 0.1 in accuracy beyond chance; worse: " in verdict.text


@pytest.mark.parametrize(
    ("version", "rule", "failed"),
    [
        (4, {}, set()),
        (4, {"at_least": "better"}, {"at_least"}),
        (4, {"max_latency_ms": 20}, {"max_latency_ms"}),
        (4, {"max_latency_ms": 60, "max_size_mb": 0.01, "max_calibration_error": 1}, set()),
        (4, {"max_size_mb": 0.0001, "min_images": 61}, {"max_size_mb", "min_images"}),
        (4, {"max_calibration_error": 0}, {"max_calibration_error"}),
        (3, {}, {"at_least", "worst_class_margin", "worst_slice_margin"}),
        (3, {"margin": 1, "worst_class_margin": None, "worst_slice_margin": None}, set()),
        (3, {"metric": "log_loss", "worst_class_margin": None, "margin": 0.5}, {"at_least", "worst_slice_margin"}),
        (2, {"margin": 1, "worst_class_margin": 0.05, "worst_slice_margin": None}, {"worst_class_margin"}),
        (2, {"margin": 1, "worst_class_margin": 0.9, "worst_slice_margin": 0.9}, set()),
    ],
)
def test_each_sentence_of_a_rule_decides(workspace: Workspace, version: int, rule: dict[str, object], failed: set[str]):
    workspace.models.alias(NAME, "champion", 1)
    done = promote(f"{NAME}:{version}", rule=PromotionRule.model_validate(rule), workspace=workspace, why="a test")
    assert {verdict.setting for verdict in done.verdicts if not verdict.passed} == failed
    champion = workspace.models.get(f"{NAME}@champion").number
    if failed:
        assert (done.change, champion) == (None, 1)
    else:
        assert done.change is not None and champion == version
        assert (done.change.action, done.change.why, done.change.previous) == ("promoted", "a test", 1)
    json.dumps(done.to_json())


def test_a_better_version_is_found_better(workspace: Workspace):
    workspace.models.alias(NAME, "champion", 3)
    for metric in ("accuracy", "log_loss"):
        rule = PromotionRule(metric=metric, at_least="better")
        done = promote(f"{NAME}:1", rule=rule, workspace=workspace, alias=f"best-{metric.replace('_', '-')}")
        assert done.current is None and done.passed, "there is nothing to compare with"
        workspace.models.alias(NAME, "champion", 3)
        done = promote(f"{NAME}:1", rule=rule, workspace=workspace)
        assert done.passed and f"{metric} is better beyond chance" in done.verdicts[0].text


def test_the_first_champion_answers_to_what_needs_no_other(workspace: Workspace):
    done = promote(f"{NAME}:3", rule=PromotionRule(min_images=100), workspace=workspace)
    assert [(verdict.setting, verdict.passed) for verdict in done.verdicts] == [
        ("min_images", False), ("max_seen_images", True),
    ]  # fmt: skip
    assert promote(f"{NAME}:3", workspace=workspace).change is not None
    with pytest.raises(WorkspaceError, match=f"{NAME}:3 is the champion already"):
        promote(f"{NAME}:3", workspace=workspace)


def test_force_moves_the_alias_and_says_so(workspace: Workspace):
    workspace.models.alias(NAME, "champion", 1)
    done = promote(f"{NAME}:3", workspace=workspace, force=True, why="a demonstration")
    assert not done.passed
    last = workspace.models.log(NAME)[-1]
    assert (last.version, last.action, last.why) == (3, "forced", "a demonstration")


def test_images_of_the_training_do_not_count(workspace: Workspace, data: Path, tmp_path: Path):
    done = promote(f"{NAME}:1", data, split="train", workspace=workspace)
    assert [verdict.setting for verdict in done.verdicts if not verdict.passed] == ["max_seen_images"]
    assert "was trained on 60 of these images" in done.verdicts[-1].text
    unknown = workspace.models.register(write_colour_model(tmp_path / "model"), "unknown")
    done = promote(unknown.id, data, workspace=workspace)
    assert not done.passed and "max_seen_images: null does without" in done.verdicts[-1].text
    assert promote(unknown.id, data, rule=PromotionRule(max_seen_images=None), workspace=workspace).passed


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("at_least: beter\nmargin: -1\n", ["at_least", "margin", "not -1"]),
        ("max_latency: 5\n", ['no setting is named "max_latency". Did you mean "max_latency_ms"?']),
        ("- a\n", ["must be a mapping"]),
        ("a: [\n", ["not valid YAML"]),
        (None, ["cannot be read"]),
    ],
)
def test_mistakes_in_a_rule_are_told(tmp_path: Path, text: str | None, messages: list[str]):
    file = tmp_path / "rule.yaml"
    if text is not None:
        file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_rule(file)
    for message in messages:
        assert message in str(caught.value)


def test_a_rule_file_is_the_rule(tmp_path: Path):
    file = tmp_path / "rule.yaml"
    file.write_text("at_least: better\nworst_class_margin: null\nmax_latency_ms: 20\n")
    assert read_rule(file) == PromotionRule(at_least="better", worst_class_margin=None, max_latency_ms=20)


def test_a_rule_names_metrics_of_the_task(workspace: Workspace):
    with pytest.raises(ConfigError, match='Did you mean "accuracy"'):
        promote(f"{NAME}:1", rule=PromotionRule(metric="acuracy"), workspace=workspace)
