"""The examples of the guide as a package of somebody else: installed beside ours, and proven by its own tests."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from automl_vision.core.files import read_json
from layouts import put

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guides" / "extending.md"
SUITES = {"Format", "Policy", "Sampling", "Detector", "Task", "Compute"}


def modules() -> dict[str, str]:
    """The modules of the guide by the name in their first line."""
    found = {}
    for block in re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL):
        name = re.match(r"# (\w+\.py)\n", block)
        assert name, f"the first line of an example is the name of its module:\n{block[:80]}"
        found[name[1]] = block
    return found


def install(folder: Path) -> None:
    """Put the examples and their entry point where pip would."""
    for name, code in modules().items():
        put(folder / name, code.encode())
    (group,) = re.findall(r"```toml\n\[project\.entry-points\.\"(.*?)\"\]\n(.*?)```", PAGE.read_text(), re.DOTALL)
    information = folder / "examples-1.0.dist-info"
    put(information / "METADATA", b"Metadata-Version: 2.1\nName: examples\nVersion: 1.0\n")
    put(information / "entry_points.txt", f"[{group[0]}]\n{group[1]}".replace('"', "").encode())


def run(site: Path, *options: str) -> None:
    install(site)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT / "src")])}
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "--rootdir", str(site)]
    done = subprocess.run(
        [*command, *options, str(site)], cwd=site, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]
    assert "passed" in done.stdout


def test_the_guide_has_an_example_for_each_suite() -> None:
    inherited = {name for code in modules().values() for name in re.findall(r"\((\w+)Conformance\)", code)}
    assert inherited == SUITES


def test_the_examples_of_the_guide_pass_the_suites_that_they_inherit(tmp_path: Path) -> None:
    run(tmp_path, "-k", "not parity_gate and not small_trial")


SUBMIT = """
import sys
from automl_vision import AutoMLVisionConfig, Experiment, Workspace
small = {
    "pretrained": False, "training_crop_size": 32, "validation_resize_size": 32, "validation_crop_size": 32,
    "precision": "fp32", "number_of_epochs": 1, "training_batch_size": 8,
}
if __name__ == "__main__":
    config = AutoMLVisionConfig(
        task="grading", training_data=sys.argv[1], model_name="test_efficientnet", arguments=small,
        primary_metric="log_loss",
    )
    run = Experiment(Workspace(sys.argv[2]), "grades").submit(config)
    run.wait_for_completion()
    metrics = run.get_metrics()["val"]
    print(run.get_status(), run.leaderboard().metric, "closeness" in metrics, run.model_path)
"""


def test_a_task_of_another_package_is_trained_in_the_processes_of_a_run(shapes_folder: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    install(site)
    put(tmp_path / "submit.py", SUBMIT.encode())
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT / "src")])}
    command = [sys.executable, tmp_path / "submit.py", shapes_folder, tmp_path / "workspace"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Completed log_loss True ")
    description = read_json(Path(done.stdout.split()[-1]) / "model.json")
    assert description["task"] == "image-grading"


@pytest.mark.slow  # the exports take fifteen seconds
def test_the_models_of_the_guide_are_trained_and_exported(tmp_path: Path) -> None:
    run(tmp_path, "-k", "parity_gate or small_trial")
