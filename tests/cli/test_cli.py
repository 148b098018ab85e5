"""The command line as its users meet it: output and exit codes, in real processes where these are the point."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from command_line import Done, run_command
from conftest import SMALL_MODEL, write_objects, write_shape_folders

SMALL = """
model_name: {model}
threads: 1
arguments:
  pretrained: 0
  number_of_epochs: 1
  training_crop_size: 32
  validation_resize_size: 32
  validation_crop_size: 32
  precision: fp32
"""


PROGRAM = Path(sys.executable).with_name("automl-vision")


def automl_vision(*arguments: object, workspace: Path | None = None) -> Done:
    """A command in this process."""
    return run_command(*arguments, environment=_environment(workspace))


def in_a_process(*arguments: object, workspace: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command as a user runs it."""
    command = [str(PROGRAM), *map(str, arguments)]
    environment = os.environ | _environment(workspace)
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def _environment(workspace: Path | None) -> dict[str, str]:
    return {"AUTOML_VISION_WORKSPACE": str(workspace)} if workspace else {}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def run_id(workspace: Path, shapes_folder: Path) -> str:
    """A run that a job file started; data paths are relative to the file."""
    job = shapes_folder.parent / "job.yaml"
    job.write_text(
        f"experiment: from file\ntask: image-classification\ntraining_data: {shapes_folder.name}\n"
        + SMALL.format(model=SMALL_MODEL)
    )
    done = in_a_process("train", job, workspace=workspace)
    assert done.returncode == 0, done.stderr
    assert "epoch  1" in done.stdout
    assert "model  " in done.stdout
    return done.stdout.splitlines()[0].removeprefix("run ")


def test_runs_and_leaderboard(workspace: Path, run_id: str):
    listed = json.loads(automl_vision("runs", "--json", workspace=workspace).stdout)
    assert listed[0]["run"] == run_id
    assert listed[0]["status"] == "Completed"
    assert run_id in automl_vision("runs", workspace=workspace).stdout
    board = json.loads(automl_vision("leaderboard", run_id, "--json", workspace=workspace).stdout)
    assert board[0]["score"].keys() == {"value", "low", "high"}
    assert SMALL_MODEL in automl_vision("leaderboard", run_id, workspace=workspace).stdout


def test_predict(workspace: Path, run_id: str, shapes_folder: Path):
    model = workspace / "runs" / run_id / "model"
    done = in_a_process("predict", model, shapes_folder / "circle", "--json")
    assert done.returncode == 0, done.stderr
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 8


def test_train_by_options(workspace: Path, shapes_folder: Path):
    settings = ["pretrained=0", "number_of_epochs=1", "crop_size=32", "resize_size=32", "validation_crop_size=32"]
    options = [part for setting in settings for part in ("--set", setting)]
    done = automl_vision(
        "train", "--training-data", shapes_folder, "--model-name", SMALL_MODEL, "--threads", 1, *options, "--detach",
        workspace=workspace,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    run_id = done.stdout.split()[1]
    assert automl_vision("watch", run_id, workspace=workspace).returncode == 0
    assert automl_vision("resume", run_id, workspace=workspace).returncode == 0


def test_data_check(shapes_folder: Path, tmp_path: Path):
    done = automl_vision("data", "check", shapes_folder, "--no-features")
    assert done.returncode == 0, done.stderr
    assert "none left out" in done.stdout
    assert "warning  few-images: 3 classes with fewer than 10 images" in done.stdout
    data = write_shape_folders(tmp_path / "data")
    image = data / "circle" / "circle-0.png"
    image.write_bytes(image.read_bytes()[:200])
    (data / "circle" / "again.png").write_bytes((data / "circle" / "circle-1.png").read_bytes())
    page, version = tmp_path / "report.html", tmp_path / "next.parquet"
    told = automl_vision("data", "check", data, "--no-features", "--report", page, "--apply-to", version)
    assert told.returncode == 0, told.stderr
    assert "left out  circle/circle-0.png: " in told.stdout
    assert "error    truncated-image: 1 image cannot be decoded completely [exclude]" in told.stdout
    assert "warning  exact-duplicate: 1 further copy" in told.stdout
    assert "truncated-image" in page.read_text(encoding="utf-8")
    cured = json.loads(automl_vision("data", "check", version, "--no-features", "--json").stdout)
    assert cured["images"] == {"unsplit": 23}
    assert {finding["check"] for finding in cured["report"]["findings"]} == {"few-images"}
    refused = automl_vision("data", "check", data, "--no-features", "--apply-to", tmp_path / "next")
    assert refused.returncode == 2 and "ends in .parquet" in refused.stderr
    for option in ("--report", "--apply-to"):
        refused = automl_vision("data", "check", data, "--no-features", option, page / "below" / "it.parquet")
        assert refused.returncode == 2 and "it.parquet cannot be written" in refused.stderr
    found = json.loads(automl_vision("data", "check", data, "--no-features", "--json").stdout)
    assert found["left_out"] == {"unreadable image": 1}


def test_data_that_is_too_bad_is_reported_all_the_same(tmp_path: Path) -> None:
    data, page = write_shape_folders(tmp_path / "data"), tmp_path / "reports" / "report.html"
    for i in range(6):
        (data / "circle" / f"circle-{i}.png").write_bytes(b"")
    version = tmp_path / "next.parquet"
    told = automl_vision("data", "check", data, "--no-features", "--report", page, "--apply-to", version)
    assert told.returncode == 2 and "max_bad_share" in told.stderr and not version.exists()
    assert "error    unreadable-image: 6 images cannot be read" in told.stdout
    assert "circle-5.png" in page.read_text(encoding="utf-8")


def test_a_registered_version_is_checked_by_its_name(shapes_folder: Path, tmp_path: Path) -> None:
    workspace = ["--workspace", tmp_path / "workspace"]
    assert automl_vision("data", "register", shapes_folder, "shapes", *workspace).returncode == 0
    told = automl_vision("data", "check", "shapes:1", "--no-features", *workspace)
    assert told.returncode == 0 and "few-images" in told.stdout, told.stderr
    wrong = automl_vision("data", "check", "shaped:1", "--no-features", *workspace)
    assert wrong.returncode == 2 and 'Did you mean "shapes"?' in wrong.stderr


def test_models():
    done = automl_vision("models", "efficientnet_lite*")
    assert done.returncode == 0, done.stderr
    assert "4.7 M" in done.stdout
    assert "apache-2.0" in done.stdout
    rows = json.loads(automl_vision("models", "resnet18", "--json").stdout)
    assert rows[0]["parameters"] == 11_689_512


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["train"], "task is required"),
        (["train", "--training-data", "nowhere"], "nowhere does not exist"),
        (["train", "--task", "image-clasification", "--training-data", "x"], 'Did you mean "image-classification"'),
        (["train", "--training-data", ".", "--set", "nonsense"], "NAME=VALUE"),
        (["train", "--iteratons", "3"], "--iterations"),
        (["train", "nowhere.yaml"], "cannot be read"),
        (["train", "nowhere.yaml", "--seed", "1"], "not both"),
        (["leaderboard", "nothing"], 'no run "nothing"'),
        (["resume", "nothing"], 'no run "nothing"'),
        (["cancel", "nothing"], 'no run "nothing"'),
        (["watch", "nothing"], 'no run "nothing"'),
        (["predict", "nowhere", "x.jpg"], "not a model folder"),
        (["models", "resnet5O"], "no model matches"),
        (["data", "check", "nowhere"], "does not exist"),
        (["nonsense"], "No such command"),
        ([], "Usage"),
    ],
)
def test_bad_input_gives_one_message_and_exit_code_2(arguments: list[str], message: str, tmp_path: Path):
    done = automl_vision(*arguments, workspace=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert message in done.stderr + done.stdout


def test_a_mistake_ends_the_process_with_exit_code_2(tmp_path: Path):
    done = in_a_process("nonsense", workspace=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "No such command" in done.stderr


SPACE = """task: image-classification
training_data: x
iterations: 0
hyperparameter_sampling:
  space:
    model:
      type: choice
      values: [{model_name: resnet18, drop_rat: 0.1},
               {model_name: resnet34, drop_rate: {type: uniform, low: 0, high: 2}}]
policy:
  type: bandit
"""


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("task: image-classification\ntraining_data: x\niteratons: 3\n", ["line 3", 'Did you mean "iterations"']),
        (
            "task: image-classification\ntraining_data: x\narguments:\n  seeds: 1\n  learning_rat: 0.1\n",
            ["line 5", 'Did you mean "learning_rate"', "line 4"],
        ),
        ("task: image-classification\ntraining_data: x\nseed: minus one\n", ["line 3", "seed"]),
        ("task: image-clasification\ntraining_data: x\n", ["line 1", "Did you mean"]),
        ("seed: 1\ntask: image-classification\nseed: 2\n", ["line 3: seed stands in line 1 already"]),
        (
            SPACE,
            [
                "line 8: hyperparameter_sampling: model[0].drop_rat",
                "line 9: hyperparameter_sampling: model[1].drop_rate",
                "line 10: policy",
                "line 3: iterations",
            ],
        ),
        ("- a\n- b\n", ["must be a mapping"]),
        ("a: [\n", ["not valid YAML"]),
        ("a: &a {b: *a}\n", ["not valid YAML"]),
        ("", ["must be a mapping"]),
    ],
)
def test_a_mistake_in_a_job_file_is_told_with_its_line(text: str, messages: list[str], tmp_path: Path):
    job = tmp_path / "job.yaml"
    job.write_text(text)
    done = automl_vision("train", job, workspace=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    for message in messages:
        assert message in done.stderr


def test_the_schema_is_json_schema():
    schema = json.loads(automl_vision("schema").stdout)
    assert schema["additionalProperties"] is False
    assert {"task", "training_data", "arguments", "experiment"} <= schema["properties"].keys()
    assert schema["required"] == ["task", "training_data"]
    hyperparameters = schema["properties"]["arguments"]["anyOf"][0]["properties"]
    assert {"learning_rate", "crop_size", "training_crop_size", "model_name"} <= hyperparameters.keys()


def test_a_closed_pipe_is_no_error(shapes_folder: Path, workspace: Path, run_id: str):
    model = workspace / "runs" / run_id / "model"
    done = subprocess.run(
        f"{PROGRAM} predict {model} {shapes_folder} | head -1", shell=True, capture_output=True, text=True, check=False
    )
    assert done.stderr == ""


def test_versions_of_data(shapes_folder: Path, tmp_path: Path) -> None:
    workspace = ("--workspace", str(tmp_path / "workspace"))
    first = automl_vision("data", "register", str(shapes_folder), "shapes", "--description", "drawn", *workspace)
    assert first.returncode == 0 and first.stdout.startswith("shapes:1  ")
    copy = shutil.copytree(shapes_folder, tmp_path / "copy")
    (copy / "circle" / "circle-0.png").rename(copy / "square" / "moved.png")
    assert automl_vision("data", "register", str(copy), "shapes", *workspace).stdout.startswith("shapes:2  ")
    compared = automl_vision("data", "compare", "shapes:1", "shapes", *workspace)
    assert compared.stdout.splitlines() == ["23 unchanged", "1 relabelled: square/moved.png"]
    listed = json.loads(automl_vision("data", "versions", "--json", *workspace).stdout)
    assert [(version["name"], version["number"]) for version in listed] == [("shapes", 1), ("shapes", 2)]
    assert "drawn" in automl_vision("data", "versions", "shapes", *workspace).stdout
    wrong = automl_vision("data", "compare", "shapes:9", "shapes", *workspace)
    assert wrong.returncode == 2 and '"shapes" has no version 9' in wrong.stderr


def test_a_picture_of_data(shapes_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "grid.png"
    assert (
        automl_vision("data", "show", str(shapes_folder), "--out", str(out), "-n", "6", "--label", "cross").returncode
        == 0
    )
    with Image.open(out) as picture:
        assert picture.size == (4 * 266 + 10, 2 * 300 + 10)
    for arguments, message in (
        (["--label", "cros"], 'Did you mean "cross"?'),
        (["--out", tmp_path / "grid.docx"], ".png"),
        (["--out", out / "below" / "a.png"], "cannot be written"),
    ):
        wrong = automl_vision("data", "show", shapes_folder, "--out", out, *arguments)
        assert wrong.returncode == 2 and message in wrong.stderr, wrong.stderr
    assert automl_vision("data", "show", shapes_folder, "--out", tmp_path / "new" / "grid.JPG").returncode == 0
    with Image.open(tmp_path / "new" / "grid.JPG") as picture:
        assert picture.format == "JPEG"


def test_advice_on_small_objects(tmp_path: Path, shapes_folder: Path):
    data = write_objects(tmp_path / "data")
    done = automl_vision("data", "advise", data)
    assert done.returncode == 0, done.stderr
    assert "no tiles are needed" in done.stdout
    assert json.loads(automl_vision("data", "advise", data, "--json").stdout)["settings"] == {}
    refused = automl_vision("data", "advise", shapes_folder)
    assert refused.returncode == 2
    assert "needs labelled objects" in refused.stderr


@pytest.mark.parametrize(
    ("task", "listed", "missing"),
    [
        ("image-object-detection", "fasterrcnn_resnet18_fpn", "maskrcnn_resnet18_fpn"),
        ("image-instance-segmentation", "maskrcnn_resnet18_fpn", "yolov5"),
        ("image-classification", "resnet18", "fasterrcnn_resnet18_fpn"),
    ],
)
def test_models_of_a_task(task: str, listed: str, missing: str):
    done = automl_vision("models", "*resnet18*" if "resnet" in listed else "*", "--task", task, "--json")
    names = {description["name"] for description in json.loads(done.stdout)}
    assert listed in names
    assert missing not in names


def test_labels_are_drawn_too(workspace: Path, run_id: str, shapes_folder: Path, tmp_path: Path):
    model = workspace / "runs" / run_id / "model"
    done = automl_vision("predict", model, shapes_folder / "circle", "--draw", tmp_path / "drawn")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "drawn").iterdir())) == len(list((shapes_folder / "circle").iterdir()))
