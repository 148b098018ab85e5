"""A challenger judged against the champion, what is kept of it, and the promotion by it."""

from __future__ import annotations

import pytest

from automl_vision import Dataset, PromotionRule, Workspace, promote
from automl_vision.core.errors import ConfigError, WorkspaceError
from automl_vision.experiment.gate import judge_challenger, kept_gate, promote_judged, why_outdated
from automl_vision.experiment.promotion import keep_rule, kept_rule, read_rule, rule_file
from colour_models import COLOUR_BLIND, GOOD, WORTHLESS, write_colour_images, write_colour_model

NAME, RUN = "colours", "colours-1"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Four versions of one run: a good one, a colour blind one, one without red, and the good one again."""
    folder = tmp_path_factory.mktemp("workspace")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        made = Workspace(folder)
        (made.runs_path / RUN).mkdir()
        data = write_colour_images(tmp_path_factory.mktemp("data"))
        Dataset.open(data).save(made.runs_path / RUN / "manifest.parquet")
        for i, weights in enumerate([GOOD, COLOUR_BLIND, WORTHLESS, GOOD]):
            made.models.register(write_colour_model(folder / "made" / str(i), weights, run=RUN), NAME)
    return made


def champion(workspace: Workspace, number: int) -> None:
    workspace.models.alias(NAME, "champion", number)
    rule_file(workspace, NAME).unlink(missing_ok=True)


def test_a_worthless_challenger_is_refused(workspace: Workspace):
    champion(workspace, 1)
    calls: list[tuple[int, int]] = []
    gate = judge_challenger(workspace, f"{NAME}:3", progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (60, 60)
    assert (gate.answer, gate.current, gate.images, gate.more_images) == ("no", f"{NAME}:1", 60, None)
    assert {each.setting: each.outcome for each in gate.sentences} == {
        "at_least": "failed", "worst_class_margin": "failed", "worst_slice_margin": "failed",
        "min_images": "passed", "max_seen_images": "passed",
    }  # fmt: skip
    assert gate.overall is not None and gate.champion is not None and gate.overall.difference is not None
    found = promote(f"{NAME}:3", workspace=workspace)
    assert found.comparison is not None
    assert gate.overall.difference.value == found.comparison.overall.comparison.difference.value
    assert next(part.name for part in gate.classes if part.lost) == "red", "the largest loss comes first"
    assert gate.challenger.latency_ms == 2.0 and gate.challenger.seen == 0 and gate.champion.seen == 0
    assert kept_gate(workspace, workspace.models.get(f"{NAME}:3")) == gate
    with pytest.raises(WorkspaceError, match="the rule does not allow"):
        promote_judged(workspace, f"{NAME}:3")
    assert workspace.models.get(f"{NAME}@champion").number == 1


def test_too_few_images_are_said_with_how_many_would_do(workspace: Workspace):
    champion(workspace, 1)
    keep_rule(
        workspace, NAME, PromotionRule(margin=0.15, worst_class_margin=None, worst_slice_margin=None, min_images=500)
    )
    gate = judge_challenger(workspace, f"{NAME}:2")
    assert gate.answer == "undecided"
    by_setting = {each.setting: each for each in gate.sentences}
    assert by_setting["min_images"].more_images == 440
    assert by_setting["at_least"].outcome in ("passed", "undecided")
    assert gate.more_images is not None and gate.more_images >= 440
    assert f"about {gate.more_images:,} more" in gate.sentence


def test_an_equal_challenger_is_promoted_once(workspace: Workspace):
    champion(workspace, 1)
    gate = judge_challenger(workspace, f"{NAME}:4")
    assert gate.answer == "yes"
    change = promote_judged(workspace, f"{NAME}:4", why="as good, and newer")
    assert change is not None and (change.action, change.previous, change.version) == ("promoted", 1, 4)
    assert workspace.models.log(NAME)[-1].why == "as good, and newer"
    with pytest.raises(WorkspaceError, match="is the champion already"):
        promote_judged(workspace, f"{NAME}:4")
    workspace.models.rollback(NAME)
    assert workspace.models.get(f"{NAME}@champion").number == 1


def test_a_gate_holds_only_while_nothing_changes(workspace: Workspace):
    champion(workspace, 1)
    version = workspace.models.get(f"{NAME}:2")
    with pytest.raises(WorkspaceError, match="has not been compared"):
        promote_judged(workspace, f"{NAME}:1", alias="staging")
    gate = judge_challenger(workspace, f"{NAME}:2")
    assert why_outdated(workspace, gate, workspace.models.versions(NAME)) is None
    keep_rule(workspace, NAME, PromotionRule(margin=0.5))
    assert "rule has changed" in str(why_outdated(workspace, gate, workspace.models.versions(NAME)))
    with pytest.raises(WorkspaceError, match="outdated"):
        promote_judged(workspace, version.id, force=True)
    champion(workspace, 3)
    assert f"champion was {NAME}:1 then and is {NAME}:3 now" in str(
        why_outdated(workspace, gate, workspace.models.versions(NAME))
    )


def test_force_is_logged(workspace: Workspace):
    champion(workspace, 1)
    judge_challenger(workspace, f"{NAME}:3")
    change = promote_judged(workspace, f"{NAME}:3", why="a test", force=True)
    assert change is not None and change.action == "forced"


def test_a_kept_rule_is_what_promote_judges_by(workspace: Workspace):
    champion(workspace, 1)
    rule = PromotionRule(min_images=None, worst_class_margin=None, worst_slice_margin=None, max_size_mb=1.0)
    file = keep_rule(workspace, NAME, rule)
    assert read_rule(file) == kept_rule(workspace, NAME) == rule
    done = promote(f"{NAME}:3", workspace=workspace)
    assert [verdict.setting for verdict in done.verdicts] == ["at_least", "max_seen_images", "max_size_mb"]
    with pytest.raises(ConfigError, match="no metric") as error:
        keep_rule(workspace, NAME, PromotionRule(metric="mean_average_precision"))
    assert error.value.problems[0].path == ("metric",)


def test_the_listing_has_every_version(workspace: Workspace):
    champion(workspace, 1)
    assert workspace.models.listing() == {NAME: workspace.models.versions(NAME)}
    assert workspace.models.passport(workspace.models.get(f"{NAME}:1")).model_name == "colours"
