"""The commands on registered models, from registering to rolling back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from automl_vision import Dataset, Workspace
from colour_models import COLOUR_BLIND, GOOD, WORTHLESS, write_colour_images, write_colour_model
from command_line import Done, run_command


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with three versions of `colours` and one of `others`, their models, and data."""
    folder = tmp_path_factory.mktemp("registry")
    data = write_colour_images(folder / "data")
    run = Workspace(folder / "workspace").runs_path / "colours-1"
    run.mkdir()
    Dataset.open(data).save(run / "manifest.parquet")
    for name, weights in (("good", GOOD), ("blind", COLOUR_BLIND), ("worthless", WORTHLESS)):
        write_colour_model(folder / name, weights, run="colours-1", trial=len(name))
        done = models(folder, "register", folder / name, "colours", "--tag", f"kind={name}")
        assert done.returncode == 0, done.stderr
    return folder


def models(folder: Path, *arguments: object) -> Done:
    return automl_vision(folder, "models", *arguments)


def automl_vision(folder: Path, *arguments: object) -> Done:
    environment = {"AUTOML_VISION_WORKSPACE": str(folder / "workspace"), "MLFLOW_TRACKING_URI": ""}
    return run_command(*arguments, environment=environment)


def test_versions_and_one_of_them_are_shown(folder: Path):
    listed = json.loads(models(folder, "versions", "colours", "--json").stdout)
    assert [(version["number"], version["tags"]) for version in listed] == [
        (1, {"kind": "good"}), (2, {"kind": "blind"}), (3, {"kind": "worthless"}),
    ]  # fmt: skip
    assert listed[0]["lineage"]["run"] == "colours-1"
    assert "colours:3  candidate" in models(folder, "versions").stdout
    shown = models(folder, "show", "colours@candidate").stdout
    assert "colours-1, trial 9" in shown and "kind (tag)" in shown and "2.0 ms" in shown
    assert models(folder, "show", "colours:1", "--card").stdout == "# Colours\n\n"
    facts = json.loads(models(folder, "show", "colours:1", "--json").stdout)
    assert facts["model"]["classes"] == ["blue", "green", "red"] and Path(facts["folder"]).is_dir()


def test_from_the_first_champion_to_its_return(folder: Path, tmp_path: Path):
    assert models(folder, "promote", "colours:1", "--reason", "the first").returncode == 0
    refused = models(folder, "promote", "colours:3")
    assert refused.returncode == 3
    assert "FAILED  at_least: accuracy is not worse by more than 0.05" in refused.stdout
    assert "FAILED  worst_class_margin" in refused.stdout and "worse: red" in refused.stdout
    assert "passed  min_images: 60 images, at least 50" in refused.stdout
    assert "colours:3 is not promoted; champion stays colours:1" in refused.stdout

    rule = tmp_path / "rule.yaml"
    rule.write_text("margin: 1\nworst_class_margin: null\nworst_slice_margin: null\n")
    done = models(folder, "promote", "colours@candidate", "--rule", rule, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["change"]["action"] == "promoted"
    assert models(folder, "rollback", "colours", "--reason", "no red").stdout == (
        "champion is colours:1 again, it was colours:3\n"
    )
    forced = models(folder, "promote", "colours:3", "--force", "--alias", "demo", "--data", folder / "data" / "train")
    assert forced.returncode == 0 and "demo is colours:3 now, by force" in forced.stdout
    log = json.loads(models(folder, "log", "colours", "--json").stdout)
    assert [(change["alias"], change["version"], change["action"], change["why"]) for change in log[3:]] == [
        ("champion", 1, "promoted", "the first"), ("champion", 3, "promoted", ""),
        ("champion", 1, "rolled back", "no red"), ("demo", 3, "forced", ""),
    ]  # fmt: skip
    assert "3 → 1" in models(folder, "log", "colours").stdout


def test_two_versions_are_compared(folder: Path, tmp_path: Path):
    page = tmp_path / "page.html"
    done = models(folder, "compare", "colours:1", "colours:2", "--report", page)
    assert done.returncode == 0, done.stderr
    assert "accuracy of colours:2 minus colours:1: -0." in done.stdout and "on 60 test images" in done.stdout
    assert "red" in done.stdout and "p (Holm)" in done.stdout
    assert "colours:2" in page.read_text(encoding="utf-8")
    found = json.loads(models(folder, "compare", "colours:1", "colours:2", "--split", "val", "--json").stdout)
    assert found["seen"] == {"colours:1": 60, "colours:2": 60} and found["images"] == 60
    told = models(folder, "compare", "colours:1", folder / "blind", "--data", folder / "data", "--split", "val").stdout
    assert "colours:1 was trained on 60 of these images, so its figures are too good" in told


def test_a_registered_model_stands_where_a_folder_stands(folder: Path, tmp_path: Path):
    image = next((folder / "data" / "test" / "red").glob("*.png"))
    predicted = [automl_vision(folder, "predict", model, image, "--json") for model in ("colours:1", folder / "good")]
    assert predicted[0].returncode == 0, predicted[0].stderr
    assert predicted[0].stdout == predicted[1].stdout
    measured = automl_vision(folder, "evaluate", "colours:1", folder / "data", "--json")
    assert json.loads(measured.stdout)["accuracy"]["value"] > 0.8
    explained = automl_vision(folder, "explain", "colours:1", image, "--out", tmp_path / "maps")
    assert explained.returncode == 0, explained.stderr
    assert (tmp_path / "maps" / "explanations.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("models", "versions", "colour"), 'Did you mean "colours"?'),
        (("models", "show", "colours:9"), '"colours" has no version 9; it has: 1, 2, 3'),
        (("models", "show", "colours@best"), '"colours" has no alias "best"'),
        (("models", "show", "colours"), "NAME:VERSION or NAME@ALIAS"),
        (("models", "log", "nothing"), 'no model is registered as "nothing"'),
        (("models", "rollback", "colours", "--alias", "never"), '"colours" has no alias "never"'),
        (("models", "register", "nowhere", "colours"), "nowhere is not a model folder"),
        (("models", "register", "nowhere", "colours", "--tag", "x"), "NAME=VALUE"),
        (("models", "compare", "colours:1", "colours:2", "--metric", "acuracy"), 'Did you mean "accuracy"'),
        (("models", "promote", "colours:1", "--rule", "nowhere.yaml"), "cannot be read"),
        (("predict", "colours:9", "x.png"), '"colours" has no version 9'),
        (("evaluate", "colour@champion", "x"), 'no model is registered as "colour"'),
    ],
)
def test_mistakes_are_one_message_and_exit_code_2(folder: Path, arguments: tuple[str, ...], message: str):
    done = automl_vision(folder, *arguments)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert message in done.stderr, done.stderr
