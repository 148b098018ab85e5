"""The commands of a pipeline, and the example for another engine."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml
from colour_pipelines import trained_as

from automl_vision import Workspace
from automl_vision.pipelines.context import PipelineContext
from automl_vision.pipelines.definition import read_pipeline
from colour_models import WORTHLESS, write_colour_images
from command_line import Done, run_command

EXAMPLE = Path(__file__).parents[2] / "examples" / "pipeline-ci.yml"
FILE = """
name: colours
task: image-classification
data: data/
gates:
  data: {max_errors: 100}
  promotion: {margin: 0.3, worst_slice_margin: null, min_images: 15}
endpoint: colours
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setenv("AUTOML_VISION_WORKSPACE", str(tmp_path / "workspace"))
    write_colour_images(tmp_path / "data", per_class=10)
    (tmp_path / "pipeline.yaml").write_text(FILE)
    return tmp_path / "pipeline.yaml"


def pipeline(*arguments: object) -> Done:
    return run_command("pipeline", *arguments)


def test_the_workflow_of_another_engine_ends_with_a_served_champion(file: Path):
    context = PipelineContext(read_pipeline(file), Workspace())
    steps = yaml.safe_load(EXAMPLE.read_text())["jobs"]["retrain"]["steps"]
    commands = [shlex.split(step["run"]) for step in steps if "run" in step]
    for program, *arguments in commands:
        assert program == "automl-vision"
        if arguments[1] == "train":  # what no test can wait for is there already
            trained_as(context, "colours-1")
        done = run_command(*[file if each == "pipeline.yaml" else each for each in arguments])
        assert done.returncode == 0, done.stderr
    assert "colours serves colours:1 as colours-1" in done.stdout and "primary key of colours" in done.stdout
    assert "run ${{ github.run_id }}" in pipeline("history", file).stdout

    state = json.loads(pipeline("status", file, "--json").stdout)
    assert (state["champion"], state["next"], len(state["steps"])) == ("colours:1", None, 8)
    (file.parent / "data" / "train" / "red" / "0.png").unlink()
    assert "colours:2 has 29 train" in pipeline("data", file).stdout
    assert "next: check" in pipeline("status", file).stdout
    trained_as(context, "colours-2", weights=WORTHLESS)
    refused = pipeline("run", file)
    assert refused.returncode == 3 and "REFUSED: No: " in refused.stdout and "colours:2" in refused.stdout
    missing = pipeline("deploy", file)
    assert missing.returncode == 2 and "the step compare of colours did not pass" in missing.stderr
    assert pipeline("rollback", file).returncode == 2, "there was no champion before"
